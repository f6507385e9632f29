"""Who takes part: sample sheet, settings, phantom cohort."""

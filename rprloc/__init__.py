"""Find any organ or landmark in every scan of a cohort from one annotated example (RPR-Loc, MICCAI 2021)."""

__version__ = "0.1.0"

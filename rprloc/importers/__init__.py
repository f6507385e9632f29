"""Public data sets, and a made-up one, to a cohort: NIfTI files and a sample sheet, one data set a module.

They stand beside `cohort` and not within it because they read scans, which comes later in the order of imports.
"""

"""A series of DICOM, from its files to an image."""

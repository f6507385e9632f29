"""One scan, from its file to model space."""

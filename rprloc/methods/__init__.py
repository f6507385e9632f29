"""Ways of finding, one a file."""

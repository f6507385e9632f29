"""The position networks, one a file."""

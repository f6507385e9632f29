"""TABULATE: the paper's tables and ours, computed once."""

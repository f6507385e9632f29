"""The report: one self-contained page that shows what TABULATE wrote, and a picture of every query."""

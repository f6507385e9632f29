"""EVALUATE: how far predictions are from the truth, and how sure they are."""

"""Patch sampling and the one training loop for every network."""

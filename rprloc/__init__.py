"""Find any organ or landmark in every scan of a cohort from one annotated example (RPR-Loc, MICCAI 2021)."""

from importlib import import_module

__version__ = "0.1.0"
__all__ = ["Locator", "__version__"]


def __getattr__(name: str) -> object:
    """Return what a user imports from here. By its name alone: a task needs none of it, neither in memory nor in the
    hash of its code (rprloc/cohort/code.py).
    """
    if name == "Locator":
        return import_module("rprloc.locator.locator").Locator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""How methods are called in tables and pictures: in the words of the catalogue; an unknown one stands for itself."""

from __future__ import annotations

from rprloc.catalogue import Family, Method, method_named, methods


def method_of(name: str) -> Method:
    """Return the catalogue's row of a method, or one of its own for a name that the catalogue does not know."""
    try:
        return method_named(name)
    except KeyError:
        return Method(name=name, family=Family(name=name, make=""))


def label_of(name: str) -> str:
    """Return a method as tables call it: its name and the paper's, or that it is ours."""
    return method_of(name).label


def column_of(name: str) -> str:
    """Return the column of figure 4 that a method stands in, which others may share."""
    method = method_of(name)
    return method.column or method.family.name


def calibrated_methods() -> list[str]:
    """Return the methods whose predictions say how sure they are, in the order of the tables."""
    return [method.name for method in methods() if method.family.calibrated]

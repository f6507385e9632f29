"""The methods and networks: the command line, the plan, the tables' words and docs/reference are made from here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rprloc.catalogue.methods import DEFAULT, METHODS, PAPER
from rprloc.catalogue.networks import NETWORKS
from rprloc.catalogue.rows import BY_LABELS, BY_SUPPORTS, Family, Length, Method, Network, load

__all__ = [
    "BY_LABELS", "BY_SUPPORTS", "DEFAULT", "PAPER", "Family", "Length", "Method", "Network", "families_of", "in_order",
    "load", "method_named", "methods", "network_named", "networks", "networks_of", "register", "settings_of",
    "trainings", "unregister",
]  # fmt: skip

_methods = {method.name: method for method in METHODS}
_networks = {network.name: network for network in NETWORKS}


def methods() -> tuple[Method, ...]:
    """Return all methods in the order of the tables."""
    return tuple(_methods.values())


def networks() -> tuple[Network, ...]:
    """Return all networks."""
    return tuple(_networks.values())


def method_named(name: str) -> Method:
    """Return a method; raises KeyError for a name that is none."""
    return _methods[name]


def network_named(name: str) -> Network:
    """Return a network; raises KeyError for a name that is none."""
    return _networks[name]


def register(row: Method | Network) -> None:
    """Add a method or a network behind the others; raises ValueError where its name is taken."""
    if row.name in (_methods if isinstance(row, Method) else _networks):
        raise ValueError(f"found {row.name} twice, expected a name that no other row has")
    if isinstance(row, Method):
        _methods[row.name] = row
    else:
        _networks[row.name] = row


def unregister(row: Method | Network) -> None:
    """Take back what `register` added."""
    if isinstance(row, Method):
        del _methods[row.name]
    else:
        del _networks[row.name]


def families_of(names: Iterable[str]) -> list[Family]:
    """Return the families of some methods, in the order of the tables, each once."""
    chosen = set(names)
    return list({row.family.name: row.family for row in methods() if row.name in chosen}.values())


def networks_of(names: Iterable[str]) -> list[str]:
    """Return the names of the networks that some methods need, each once."""
    return list(dict.fromkeys(network for family in families_of(names) for network in family.networks))


def settings_of(method: Method, values: Mapping[str, object], *, tables: bool) -> list[str]:
    """Return the settings in which a method answers, the one to use last, as in the column `setting`.

    `values` are the run's parameters and the cohort's `starts`, `tables` says whether the paper's tables are asked for.
    """
    others = method.settings if tables else ()
    return list(dict.fromkeys(setting.format_map(values) for setting in (*others, method.setting)))


def in_order(names: Iterable[str]) -> list[str]:
    """Return methods' names once each in the order of the tables, then those that the catalogue does not know."""
    given = list(dict.fromkeys(names))
    return [name for name in _methods if name in given] + [name for name in given if name not in _methods]


def trainings() -> Sequence[str]:
    """Return what `--training` offers, the shortest first."""
    return list(next(iter(_networks.values())).lengths)

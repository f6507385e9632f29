"""The methods of table 3 in words: their order, their family, and the networks that each one trains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from rprloc.cohort.methods import DEFAULT, METHODS, family_of
from rprloc.methods.prediction import main_setting
from rprloc.results.expected import METHOD


@dataclass(frozen=True)
class MethodWords:
    """How a method is called in tables and pictures; methods of a family share a column of figure 4."""

    label: str
    family: str
    networks: tuple[str, ...] = ()
    """The stages whose training it needs."""


_LABELS = {
    METHOD: "regression (the paper's)",
    "grey_mse": "grey_mse (GS MSE)",
    "grey_cosine": "grey_cosine (GS Cosine)",
    "grey_ncc": "grey_ncc (GS NCC)",
    "feature_mse": "feature_mse (FM MSE)",
    "feature_cosine": "feature_cosine (FM Cosine)",
    "retina_unet": "retina_unet (supervised)",
    "ceiling": "ceiling (student on labels)",
}
"""Names of `--methods` with the paper's names; the others are ours."""

_FAMILIES = {
    METHOD: "the paper's",
    "grey": "grey values",
    "feature": "features",
    "retina_unet": "trained on labels",
    "ceiling": "trained on labels",
}

LEARNED_NOTE = (
    "A method with the support “none” has learned before it answers: student from all supports, whose landmarks "
    "matched carries to the training scans, the others from the labels of the training scans."
)
"""What a table says of methods that answer without a support."""


def words_of(method: str) -> MethodWords:
    """Return a method's words; one that is not known stands for itself."""
    label = _LABELS.get(method, f"{method} (ours)")
    if method not in METHODS:
        return MethodWords(label, method)
    family = family_of(method)
    return MethodWords(label, _FAMILIES.get(family.name, family.name), family.networks)


def in_order(methods: Iterable[str]) -> list[str]:
    """Return the methods' names once each in the order of table 3, then those that it does not know."""
    names = list(dict.fromkeys(methods))
    return [name for name in METHODS if name in names] + [name for name in names if name not in METHODS]


def compared(rows: pd.DataFrame, starts: int) -> list[tuple[str, str, str]]:
    """Return method, setting and label of each row of table 3 that one cohort's answers have, in its order.

    Of the paper's method it is the main setting for the cohort's `starts`, of the others every setting; a method with
    several has them in its label.
    """
    found = []
    for method in in_order(rows["method"]):
        settings = [str(name) for name in rows.loc[rows["method"] == method, "setting"].unique()]
        if method == METHOD:
            settings = [name for name in settings if name == str(main_setting(starts))]
        label = words_of(method).label
        found += [(method, name, label if len(settings) == 1 else f"{label}, {name}") for name in settings]
    return found


def main_answers(rows: Iterable[tuple[str, str]], starts: int) -> tuple[str, str]:
    """Return the method and setting whose answers are the ones to use, from those of one cohort's rows.

    They are those of the default method or, where it was not asked for, of the paper's in its main setting for the
    cohort's K, `starts`; without both, of the first method of table 3 that was, in its last setting.
    """
    settings: dict[str, str] = {}
    for method, setting in rows:
        settings[method] = setting
    method = DEFAULT if DEFAULT in settings else in_order(settings or [METHOD])[0]
    return method, str(main_setting(starts)) if method == METHOD else settings[method]

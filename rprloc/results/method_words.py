"""The methods of table 3 in words: their order, their family, and the networks that each one trains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from rprloc.methods.prediction import main_setting
from rprloc.results.expected import METHOD


@dataclass(frozen=True)
class MethodWords:
    """How a method is called in tables and pictures; methods of a family share their pass over a scan."""

    label: str
    family: str
    networks: tuple[str, ...] = ()
    """The stages whose training it needs."""


METHODS = {
    METHOD: MethodWords("regression (the paper's)", "the paper's", ("coarse", "fine")),
    "grey_mse": MethodWords("grey_mse (GS MSE)", "grey values"),
    "grey_cosine": MethodWords("grey_cosine (GS Cosine)", "grey values"),
    "grey_ncc": MethodWords("grey_ncc (GS NCC)", "grey values"),
    "feature_mse": MethodWords("feature_mse (FM MSE)", "features", ("autoencoder",)),
    "feature_cosine": MethodWords("feature_cosine (FM Cosine)", "features", ("autoencoder",)),
    "retina_unet": MethodWords("retina_unet (supervised)", "trained on labels", ("retina_unet",)),
    "affine": MethodWords("affine (ours)", "registration"),
    "bspline": MethodWords("bspline (ours)", "registration"),
    "convex": MethodWords("convex (ours)", "registration"),
}
"""Rows of table 3: the paper's in its order, then ours."""


def words_of(method: str) -> MethodWords:
    """Return a method's words; one that the table does not know stands for itself."""
    return METHODS.get(method, MethodWords(f"{method} (ours)", method))


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

    It is the paper's method in its main setting for the cohort's K, `starts`; where that was not asked for, the first
    method of table 3 that was, in its last setting.
    """
    settings: dict[str, str] = {}
    for method, setting in rows:
        settings[method] = setting
    method = in_order(settings or [METHOD])[0]
    return method, str(main_setting(starts)) if method == METHOD else settings[method]

"""The ways of finding that `--methods` offers, and what each needs of the pipeline."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rprloc.cohort.faults import Fault, listed
from rprloc.errors import nearest

ALL = "all"
PAPER = "regression"
"""The paper's method."""
DEFAULT = "matched"

NO_WEIGHTS = "none"
"""What `--weights` says where nothing is to be trained and nothing is given."""

BY_LABELS, BY_SUPPORTS = "labels", "supports"
"""Who teaches a method that learns: the labels of the training scans, or the supports."""
STUDENT, CEILING = "student", "ceiling"
"""The network that learns from the supports, and the same network on the labels of the training scans."""

CODE_STRIDE = 2
"""Voxels from one cell of the auto-encoder's code to the next."""

NO_SUPPORT = "-"
"""What stands for the support in the answers of a method that has none; no subject is called so."""

ALL_SUPPORTS = "*"
"""What stands for the support in the answers of all supports together; no subject is called so."""

CALIBRATION_IMAGES = 4
"""With fewer images of known truth an answer is not said to be within any distance."""


@dataclass(frozen=True)
class Family:
    """Methods that share their work: one task answers them together, from one reading, transform or registration."""

    name: str
    methods: tuple[str, ...]
    networks: tuple[str, ...] = ()
    """The networks that are trained for them."""
    matching: bool = False
    """Whether they compare the finer volume of image matching."""
    without: bool = False
    """Whether they answer without their networks as well."""
    learns: str = ""
    """Who teaches them (BY_LABELS or BY_SUPPORTS) before they answer; without, they answer from supports."""
    calibrated: bool = False
    """Whether each support is searched from the others as well, so that answers can say how sure they are."""

    @property
    def supports(self) -> bool:
        """Whether they answer from supports."""
        return not self.learns


FAMILIES = (
    Family("regression", ("regression",), networks=("coarse", "fine")),
    Family("position_map", ("position_map",), networks=("position_map",)),
    Family("matched", ("matched",), networks=("position_map",), matching=True, without=True, calibrated=True),
    Family(STUDENT, (STUDENT,), networks=("position_map", STUDENT), matching=True, learns=BY_SUPPORTS),
    Family("grey", ("grey_mse", "grey_cosine", "grey_ncc")),
    Family("feature", ("feature_mse", "feature_cosine"), networks=("autoencoder",)),
    Family("retina_unet", ("retina_unet",), networks=("retina_unet",), learns=BY_LABELS),
    Family(CEILING, (CEILING,), networks=("position_map", CEILING), matching=True, learns=BY_LABELS),
    Family("registration", ("affine", "bspline", "convex"), matching=True),
)
"""In the order of the tables."""

METHODS = tuple(method for family in FAMILIES for method in family.methods)

TAUGHT = (STUDENT, CEILING)
"""The networks that are trained after the position map, which places what they look at."""

CALIBRATED = tuple(method for family in FAMILIES if family.calibrated for method in family.methods)
"""The methods whose answers say how sure they are."""


def family_of(method: str) -> Family:
    """Return the family of a method; raises KeyError for a name that is none."""
    return {name: family for family in FAMILIES for name in family.methods}[method]


def parse_methods(text: str) -> tuple[list[str], list[Fault]]:
    """Return the methods that `--methods` names, in the order of the tables, and a fault for each unknown name.

    Names stand between commas or spaces; `all` is every method.
    """
    names = [name for name in re.split(r"[,\s]+", text.strip()) if name]
    faults = [
        Fault(
            file="command line", column="methods", value=name, kind="parameter",
            expected=f"{listed([*METHODS, ALL])}{nearest(name, [*METHODS, ALL])}",
        )
        for name in names
        if name not in (*METHODS, ALL)
    ]  # fmt: skip
    if not names:
        expected = f"one or more of {listed([*METHODS, ALL], 'and')}"
        faults.append(Fault(file="command line", column="methods", value=text, kind="parameter", expected=expected))
    return [method for method in METHODS if method in names or ALL in names], faults


def networks_of(methods: Sequence[str]) -> list[str]:
    """Return the names of the networks that the methods need, each once."""
    return list(dict.fromkeys(network for family in families_of(methods) for network in family.networks))


def families_of(methods: Sequence[str]) -> list[Family]:
    """Return the families that the methods belong to."""
    return [family for family in FAMILIES if set(family.methods) & set(methods)]


def settings_of(method: str, parameters: Mapping[str, Any]) -> list[str]:
    """Return the settings in which a method other than `regression` answers, as in the column `setting`."""
    if method.startswith("grey_"):
        return [f"extreme.s{parameters['template_stride']}"]
    if method.startswith("feature_"):
        return [feature_setting()]
    return ["box" if method == "retina_unet" else "extreme"]


def feature_setting() -> str:
    """Return the setting in which the methods that match by features answer: it names the stride of the code."""
    return f"extreme.s{CODE_STRIDE}"


def supports_of(method: str, parameters: Mapping[str, Any]) -> int | None:
    """Return from how many supports a method answers: the first of the draw; None for all, 0 for none."""
    family = family_of(method)
    if family.learns:
        return 0
    return int(parameters["registration_supports"]) if family.name == "registration" else None

"""What a row of the catalogue says of a method, of a family of methods, and of a network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

BY_LABELS, BY_SUPPORTS = "labels", "supports"
"""Who teaches a method that learns: the labels of the training scans, or the supports."""
ANTS = "ants"
"""The module of antspyx, which only an extra of this package brings."""
CALIBRATION_IMAGES = 4
"""With fewer images of known truth a prediction is not said to be within any distance."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Methods that share their work: one task answers them together, from one reading, transform or registration."""

    name: str
    make: str
    """`module:function` that returns the rprloc.methods.answer.Method of a rprloc.methods.localize.Work."""
    networks: tuple[str, ...] = ()
    """The networks that it needs."""
    optional: bool = False
    """Whether it answers without its networks as well."""
    matching: bool = False
    """Whether it needs the finer volume of image matching."""
    learns: str = ""
    """Who teaches it (BY_LABELS or BY_SUPPORTS) before it answers; without, it answers from supports."""
    calibrated: bool = False
    """Whether each support is searched from the others as well, so that answers can say how sure they are."""
    bridged: bool = False
    """Whether other scans are asked where its answer is lost."""
    outlines: bool = False
    """Whether it brings the support's mask into the query as well."""
    gpu: bool = True
    """Whether it has a use for a GPU."""
    parameters: tuple[str, ...] = ()
    """The parameters of the run that it alone depends on."""
    most_supports: str = ""
    """The parameter that says from how many supports it answers, the first of the draw; without, from all."""

    @property
    def supports(self) -> bool:
        """Whether it answers from supports."""
        return not self.learns


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way of finding, as `--methods` names it."""

    name: str
    family: Family
    setting: str = "extreme"
    """The setting to use; {names} stand for parameters of the run and for the cohort's starts."""
    settings: tuple[str, ...] = ()
    """The other settings that it answers where the paper's tables are asked for."""
    paper: str = field(default="", repr=False)
    """The paper's name for it; without one it is ours."""
    column: str = field(default="", repr=False)
    """The column of figure 4 that it shares with others; without one it is its family's."""
    module: str = field(default="", repr=False)
    """The module that it needs and that an extra of this package brings, called as the method is."""
    sentence: str = field(default="", repr=False)
    source: str = field(default="", repr=False)
    """Where it was published."""
    seconds: float = field(default=1.0, repr=False)
    """How long it takes to find four structures of one support in a scan, on two cores; batches are made by it."""

    @property
    def absent(self) -> str | None:
        """Why it cannot answer here, without a full stop; None where it can."""
        return absent(self.name) if self.module and find_spec(self.module) is None else None

    @property
    def label(self) -> str:
        """The method in tables."""
        return f"{self.name} ({self.paper or 'ours'})"


@dataclass(frozen=True)
class Length:
    """The length and the batch of a training."""

    steps: int
    groups: int
    """Groups of patches a step, each from one scan drawn at random."""
    patches: int
    """Patches a group: n of them give n (n - 1) / 2 pairs for n network passes."""
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    decay: str = "paper"
    """`paper`: the learning rate times 0.9 at each fiftieth of the training, as at every 5 of 250 epochs, so that most
    steps have a small one; `cosine`: half a cosine from the rate to 0, for trainings that cannot spare those steps."""
    optimiser: str = "adam"
    """`adam`, the paper's; `muon`: `rprloc.training.optimiser.Muon`, which needs fewer patches to the same error, has
    another scale of learning rates and takes no weight decay."""
    warm_up: int = 0
    """Steps in which the learning rate grows from 0 to what it would be."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of a step."""
        warm = min(1.0, (step + 1) / (self.warm_up + 1))
        if self.decay == "cosine":
            return 0.5 * warm * self.learning_rate * (1 + math.cos(math.pi * step / self.steps))
        return float(warm * self.learning_rate * 0.9 ** (50 * step // self.steps))


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network: what it learns, from what, for how long."""

    name: str
    settings: str
    """`module:class` of its settings, a rprloc.networks.settings.NetworkSettings."""
    build: str
    """`module:function` that returns the untrained network of its settings."""
    objective: str
    """`module:function` that returns the rprloc.training.objective.Objective of a rprloc.training.task.Lessons."""
    lengths: Mapping[str, Length]
    """By what `--training` offers."""
    keys: tuple[str, ...]
    """The keys of the cohort's settings that its training depends on."""
    needs: tuple[str, ...] = ()
    """The networks that have to be trained before it."""
    learns: str = ""
    """Whose labels it is told (BY_LABELS or BY_SUPPORTS); without, none."""
    sentence: str = field(default="", repr=False)
    source: str = field(default="", repr=False)


def absent(extra: str) -> str:
    """Return the sentence, without a full stop, on a method whose extra is not installed."""
    return (
        f"{extra} needs a package that is not installed: get it by 'make {extra}', or by pip install 'rprloc[{extra}]'"
    )


def load(reference: str) -> Any:
    """Return what `module:name` of a row refers to; its module is imported now."""
    module, name = reference.split(":")
    return getattr(import_module(module), name)

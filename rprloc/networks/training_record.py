"""What is known of a network's training: its length, its scans and its curve, in a model's header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_TRAIN, _VALIDATION = "train_", "validation_"


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """A point of a training's curve: means over the steps since the one before."""

    step: int
    steps: int
    """Of the whole training."""
    loss: float
    error: str
    """What the error is called, such as `error_mm`."""
    train: float
    """The error on the data of the steps."""
    validation: float
    """The error on the fixed data."""
    learning_rate: float
    seconds: float
    """Of the training so far, without the time between its starts."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CurvePoint:
        """Read what `to_json` returns; raises ValueError or KeyError where it is something else."""
        (error,) = (name.removeprefix(_VALIDATION) for name in values if name.startswith(_VALIDATION))
        both = {"train": values[_TRAIN + error], "validation": values[_VALIDATION + error]}
        return msgspec.convert({**values, **both, "error": error}, cls)

    def to_json(self) -> dict[str, Any]:
        """Return a line of the curve's file; the names of the errors say what they measure."""
        return {
            "step": self.step,
            "steps": self.steps,
            "loss": self.loss,
            f"{_TRAIN}{self.error}": self.train,
            f"{_VALIDATION}{self.error}": self.validation,
            "learning_rate": self.learning_rate,
            "seconds": self.seconds,
        }


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a network was trained."""

    steps: int
    groups: int
    patches: int
    learning_rate: float
    seed: int
    scans: int
    validation: tuple[str, ...] | str
    """The subjects of the validation scans, or in words what stands for them."""
    history: tuple[CurvePoint, ...] = ()
    torch: str
    threads: int | None = None
    """None, as the device, in files of version 0.1.0."""
    device: str | None = None
    processes: int | None = None
    """How many shared the last start's steps; None for one."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingRecord:
        """Read what `to_json` returns; raises TypeError, ValueError or KeyError where it is something else."""
        history = [CurvePoint.from_json(point) for point in values.get("history", ())]
        return msgspec.convert({**values, "history": history}, cls)

    def to_json(self) -> dict[str, Any]:
        """Return the entry of a model's header; what is not known has no key."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        known = {name: value for name, value in values.items() if value is not None}
        return known | {"history": [point.to_json() for point in self.history]}

"""How long and with how many patches a network is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingPlan:
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

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of a step."""
        warm = min(1.0, (step + 1) / (self.warm_up + 1))
        if self.decay == "cosine":
            return 0.5 * warm * self.learning_rate * (1 + math.cos(math.pi * step / self.steps))
        return float(warm * self.learning_rate * 0.9 ** (50 * step // self.steps))


PLANS = {
    # docs/results/speed.md tells what was tried.
    "demo": TrainingPlan(steps=500, groups=3, patches=8, learning_rate=1.5e-2, decay="cosine", optimiser="muon"),
    "quick": TrainingPlan(steps=3_000, groups=6, patches=8, learning_rate=1.5e-2, decay="cosine", optimiser="muon"),
    # What a core does in an hour and a half for each network.
    "standard": TrainingPlan(steps=20_000, groups=6, patches=8, learning_rate=1.5e-2, decay="cosine", optimiser="muon"),
    # Six independent pairs, two patches each, as in section 3 of the paper; 2,000 steps an epoch as in its code.
    "paper": TrainingPlan(steps=250 * 2_000, groups=6, patches=2),
}
"""What `--training` offers."""


def _whole_scans(steps: int, groups: int) -> TrainingPlan:
    """Return a plan of a network that sees whole scans, as many as `groups` a step.

    The full learning rate from the start throws Retina U-Net's boxes, exponentials, hundreds of voxels away. On
    openkbp's validation scans Adam at 2e-3 (with a plain mean for the cross-entropy of the voxels) had a wall error of
    6.2 mm after 300 steps of two scans, Muon 3.8 mm after 240.
    """
    return TrainingPlan(
        steps, groups, patches=1, learning_rate=1.5e-2, decay="cosine", optimiser="muon", warm_up=min(100, steps // 5)
    )


_TAUGHT = {
    "demo": _whole_scans(steps=40, groups=1),
    "quick": _whole_scans(steps=1_200, groups=2),
    "standard": _whole_scans(steps=5_000, groups=4),
    "paper": _whole_scans(steps=20_000, groups=8),
}

PLANS_OF: dict[str, dict[str, TrainingPlan]] = {
    # Crops of 20 voxels an axis.
    "autoencoder": {
        "demo": TrainingPlan(steps=250, groups=4, patches=2, learning_rate=3e-3, decay="cosine"),
        "quick": TrainingPlan(steps=1_000, groups=4, patches=2, learning_rate=3e-3, decay="cosine"),
        "standard": TrainingPlan(steps=20_000, groups=8, patches=4, learning_rate=3e-3, decay="cosine"),
        "paper": TrainingPlan(steps=100_000, groups=8, patches=4, learning_rate=1e-3, decay="cosine"),
    },
    "position_map": {
        "demo": _whole_scans(steps=150, groups=1),
        "quick": _whole_scans(steps=1_200, groups=1),
        "standard": _whole_scans(steps=6_000, groups=2),
        "paper": _whole_scans(steps=50_000, groups=8),
    },
    "student": _TAUGHT,
    "ceiling": _TAUGHT,
    "retina_unet": {
        "demo": _whole_scans(steps=60, groups=2),
        "quick": _whole_scans(steps=800, groups=2),
        "standard": _whole_scans(steps=10_000, groups=4),
        "paper": _whole_scans(steps=50_000, groups=8),
    },
}
"""The same for networks that are trained otherwise than the position networks."""


def plan_of(training: str, stage: str) -> TrainingPlan:
    """Return the plan of a network by the names of the training and of the network."""
    return PLANS_OF.get(stage, PLANS)[training]

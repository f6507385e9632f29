"""Random turns and grey levels by which the trainings on whole fields show a scan as if it were another one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rprloc.geometry import FloatArray


@dataclass(frozen=True)
class Turns:
    """How much a field is turned and scaled: standard deviations."""

    angle: float
    """Of the turn about each axis, in radians."""
    scale: float
    """Of the logarithm of the scale of all axes."""
    stretch: float
    """Of the logarithm of the scale of each axis beside."""

    def draw(self, generator: np.random.Generator) -> FloatArray:
        """Draw a matrix (3, 3)."""
        matrix = np.diag(np.exp(generator.normal(0, self.scale) + generator.normal(0, self.stretch, 3)))
        for (first, second), angle in zip(((0, 1), (0, 2), (1, 2)), generator.normal(0, self.angle, 3), strict=True):
            turn = np.eye(3)
            turn[first, first] = turn[second, second] = math.cos(angle)
            turn[first, second], turn[second, first] = -math.sin(angle), math.sin(angle)
            matrix = turn @ matrix
        return matrix


@dataclass(frozen=True)
class Levels:
    """How much grey levels change: standard deviations of the logarithms of gain and gamma, most noise's."""

    gain: float
    gamma: float
    noise: float

    def other(self, field: Tensor, generator: np.random.Generator) -> Tensor:
        """Return a field of levels from 0 to 1 with another gain, gamma and noise."""
        gain, gamma = np.exp(generator.normal(0, (self.gain, self.gamma)))
        noise = generator.standard_normal(field.shape, dtype=np.float32) * generator.uniform(0, self.noise)
        return field.clamp(0, 1) ** float(gamma) * float(gain) + torch.from_numpy(noise).to(field.device)

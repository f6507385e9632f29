"""A support laid over a query: all translations at a coarse spacing, then the best affine transform nearby."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rprloc.geometry import Affine, FloatArray
from rprloc.methods.coupled import Features
from rprloc.methods.looks import Looks
from rprloc.scans.boxes import box_of

LEAST_SEEN = 0.3
"""Least part of what is compared, of a template or of points, that a scan must show."""
_STEPS, _STEP_MM = 40, 2.5
"""Of the descent to the best affine transform."""
_DECAYS = 0.9, 0.999
"""Of the means of gradients and of their squares, a step, as Adam's authors have them."""
_STRETCH = 0.5
"""Cost of the mean square of the logarithms of how much longer its axes become."""


@dataclass(frozen=True)
class Template:
    """The body of a support in a box, ready to be correlated with any query."""

    kernel: Tensor
    """(channels, z, y, x). With S the features and w the body: -2 w S, for the query's; w S^2, for what it shows; and
    w, for the squares of its features."""
    origin_mm: FloatArray
    """(3,), where the first voxel lies."""

    @classmethod
    def of(cls, looks: Looks, box_mm: FloatArray) -> Template:
        """Take what lies in a box (2, 3) in mm; the whole box where it shows no body."""
        grid, scan = looks.features.grid, looks.scan
        places = grid.world(np.moveaxis(np.indices(grid.size[::-1]), 0, -1))
        body = scan.body[tuple(np.moveaxis(scan.grid.nearest_voxel(places), -1, 0))]
        inside = np.all((places >= box_mm[0]) & (places <= box_mm[1]), axis=-1)
        both = inside & body
        chosen = both if both.any() else inside
        part = box_of(chosen)
        assert part is not None
        weights = torch.from_numpy(chosen[part]).float()
        values = looks.mind[(slice(None), *part)]
        kernel = [-2 * values * weights, (values.square().sum(dim=0) * weights)[None], weights[None]]
        return cls(torch.cat(kernel), grid.world([one.start for one in part]))


@dataclass(frozen=True)
class TranslationCosts:
    """What a template costs at every translation."""

    means: Tensor
    """(z, y, x), mean squared difference of the features; infinite where the query shows too little of it."""
    seen: Tensor
    """(z, y, x), the part of it that the query shows."""


class Searched:
    """A query whose features are transformed once for all templates."""

    def __init__(self, looks: Looks, longest: int) -> None:
        """Take the query, and the most voxels that a template has along an axis."""
        values = looks.mind
        self._grid = looks.features.grid
        self._channels, *self._shape = values.shape
        self._size = [-(-(n + longest) // 8) * 8 for n in self._shape]
        seen = torch.cat([values, torch.ones_like(values[:1]), values.square().sum(dim=0, keepdim=True)])
        self._spectrum = torch.fft.rfftn(seen, s=self._size)

    def costs(self, template: Template) -> TranslationCosts:
        """Return the costs of all translations of a template."""
        last = self._channels
        compared = torch.fft.rfftn(template.kernel, s=self._size).conj()
        both = torch.stack([(self._spectrum * compared).sum(dim=0), self._spectrum[last] * compared[last + 1]])
        cost, weight = torch.fft.irfftn(both, s=self._size)
        seen = weight / template.kernel[last + 1].sum()
        return TranslationCosts(torch.where(seen >= LEAST_SEEN, cost / last / weight.clamp(min=1), torch.inf), seen)

    def shift_mm(self, index: Sequence[int], template: Template) -> FloatArray:
        """Return the translation (3,) in mm from support to query of an entry (z, y, x) of the costs."""
        # The transform is periodic: what lies before the query's first voxel is at the end.
        turned = [at - size if at >= n else at for at, n, size in zip(index, self._shape, self._size, strict=True)]
        return self._grid.world(turned) - template.origin_mm


@dataclass(frozen=True)
class Places:
    """Places of a support and its features there."""

    points_mm: FloatArray
    """(n, 3)."""
    values: Tensor
    """(channels, n); the last is 1 where the support shows the place, the one before is the grey value."""

    @property
    def grey(self) -> FloatArray:
        """The grey values (n,)."""
        return self.values[-2].double().numpy()

    @classmethod
    def of(cls, features: Features, points_mm: FloatArray) -> Places:
        """Take points (n, 3) in mm of a support."""
        return cls(points_mm, features.at(torch.from_numpy(points_mm)[None, None])[:, 0, 0])


@dataclass(frozen=True)
class Alignment:
    """How a support lies over a query."""

    cost: float
    """Mean squared difference of the features of the places that both show."""
    seen: float
    """The part of the places that both show."""
    affine: Affine


class _Moved:
    """Values that Adam moves (Kingma and Ba, arXiv:1412.6980, algorithm 1), at a rate that goes to zero by a cosine.

    That of torch.optim loads torch's compiler, which takes longer than a whole search.
    """

    def __init__(self, values: Tensor, rate: float) -> None:
        """Take the values, and how far the first step goes."""
        self.values, self._rate = values, rate
        self._mean, self._square = torch.zeros_like(values), torch.zeros_like(values)

    @torch.no_grad()
    def step(self, gradient: Tensor, number: int) -> None:
        """Take a step against a gradient; the first has number 0, the last _STEPS - 1."""
        rate = self._rate * (1 + math.cos(math.pi * number / _STEPS)) / 2
        self._mean.lerp_(gradient, 1 - _DECAYS[0])
        self._square.mul_(_DECAYS[1]).addcmul_(gradient, gradient, value=1 - _DECAYS[1])
        of_mean, of_square = (1 - decay ** (number + 1) for decay in _DECAYS)
        apart = (self._square.sqrt() / of_square**0.5).add_(1e-8)
        self.values.addcdiv_(self._mean, apart, value=-rate / of_mean)


def descended(places: Places, query: Features, starts: Sequence[Affine]) -> list[Alignment]:
    """Return the best affine transform near each start, and what it costs; by gradient descent (Adam), all at once."""
    points = torch.from_numpy(places.points_mm).float()
    middle = points.mean(dim=0)
    apart = points - middle
    length = float(apart.norm(dim=1).mean())
    with torch.enable_grad():
        matrix = torch.from_numpy(np.stack([start.matrix for start in starts])).float().requires_grad_()
        centres = np.stack([start.carried(places.points_mm.mean(axis=0)) for start in starts])
        centre = torch.from_numpy(centres).float().requires_grad_()
        moved = (_Moved(centre, _STEP_MM), _Moved(matrix, _STEP_MM / length))
        for step in range(_STEPS):
            costs, _ = _compared(places, query, apart @ matrix.transpose(1, 2) + centre[:, None])
            stretch = torch.linalg.svdvals(matrix).clamp(min=0.05).log().square().mean(dim=1)
            gradients = torch.autograd.grad((costs + _STRETCH * stretch).sum(), [one.values for one in moved])
            for one, gradient in zip(moved, gradients, strict=True):
                one.step(gradient, step)
    matrix, centre = matrix.detach(), centre.detach()
    costs, seen = _compared(places, query, apart @ matrix.transpose(1, 2) + centre[:, None])
    found = []
    for number, (own, at) in enumerate(zip(matrix.double().numpy(), centre.double().numpy(), strict=True)):
        affine = Affine(own, at - own @ middle.double().numpy())
        found.append(Alignment(float(costs[number]), float(seen[number]), affine))
    return found


def _compared(places: Places, query: Features, laid_mm: Tensor) -> tuple[Tensor, Tensor]:
    """Return the costs (m,) of places laid at points (m, n, 3) of a query, and the part of them that both show."""
    found = query.at(laid_mm[None])[:, 0]
    weights = found[-1] * places.values[-1]
    apart = (found[:-2] - places.values[:-2, None]).square().mean(dim=0)
    return (apart * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1), weights.mean(dim=1)

"""Exact template matching at every position: cross-correlation by FFT, everything else by box sums.

With S1 and S2 the sums of a window and of its squares, C its product with the template T, all over the n values that
either holds:

    mse = (S2 - 2 C + |T|^2) / n
    cosine = C / sqrt(S2 |T|^2)
    ncc = (C - mean(T) S1) / sqrt((S2 - S1^2 / n) (|T|^2 - n mean(T)^2))
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional as F

from rprloc.networks.device import one_thread

MEASURES = ("mse", "cosine", "ncc")

_PIECE = {"cpu": 1 << 17, "cuda": 1 << 24}
"""Complex numbers that are transformed at once: what stays in a processor's cache, or keeps a GPU busy."""

_NOTHING = 1e-13
"""A sum of squares up to this part of what n values of the volume's largest magnitude have is rounding, thus 0."""

_CLOSE = 1e-5
"""Scores of single precision that differ less may be equal: error of cosine and ncc, and of mse / mean square."""

_MOST_CLOSE = 64
"""Positions within _CLOSE of the best that are scored again in double precision."""


@dataclass(frozen=True)
class Match:
    """Where a template fits best."""

    voxel: tuple[int, int, int]
    """(z, y, x) of the centre in the volume without its padding."""
    score: float
    """By the template's measure; NaN where the volume or the template is not finite."""


class Matcher:
    """A volume in which templates of one size are searched; its transform and box sums serve all of them.

    Voxel `size // 2` of a window is its centre, as in PaddedScan. Correlations are of single precision; where several
    positions come as near to the best as that can tell, sums of double precision decide, then the lower index.
    """

    def __init__(
        self,
        padded: Tensor,
        size: tuple[int, int, int],
        centres: NDArray[np.bool_],
        *,
        measures: Sequence[str] = MEASURES,
        stride: int = 1,
    ) -> None:
        """Take a volume (channels, z + size - 1, ...) float32 on the device that computes, padded as PaddedScan is so
        that windows overhang its edges, and where templates' centres may lie (z, y, x).

        Only centres whose coordinates are all multiples of `stride` are searched. Raises ValueError for shapes that do
        not fit together.
        """
        if tuple(padded.shape[1:]) != tuple(n + s - 1 for n, s in zip(centres.shape, size, strict=True)):
            raise ValueError(f"found {tuple(padded.shape)} voxels with padding for {centres.shape} and windows {size}")
        self._padded = padded
        self._size = size
        self._stride = stride
        self._n = padded.shape[0] * math.prod(size)
        steps = (slice(None, None, stride),) * 3
        inside = np.ascontiguousarray(centres[steps])
        self.positions = int(inside.sum())
        """Number of positions that are searched."""
        self._shape = inside.shape
        self._outside = torch.from_numpy(~inside).to(padded.device)
        self._nothing = _NOTHING * self._n * float(max(limit.abs() for limit in torch.aminmax(padded))) ** 2
        self._measures = tuple(measures)
        with one_thread():
            self._sum, self._squares, self._inverse_deviation = self._box_sums()
        self._blank = bool((self._squares == 0).any())
        self._fft = self.fft_shape(centres.shape, size)
        self._spectrum = self._transform()

    @staticmethod
    def fft_shape(shape: Sequence[int], size: Sequence[int]) -> tuple[int, int, int]:
        """Return the lengths (z, y, x) of the transforms for a volume's shape and templates' size."""
        depth, height, width = (int(next_fast_len(n + s - 1)) for n, s in zip(shape, size, strict=True))
        return depth, height, width

    def best(self, template: Tensor) -> dict[str, Match]:
        """Return, by measure, where a template (channels, *size) fits best.

        A position of a constant window or template has ncc 0, one of a window or template of zeros cosine 0. Raises
        ValueError where there is no position.
        """
        if not self.positions:
            raise ValueError("found no position, expected one at least")
        about = _Template.of(template)
        product = self._correlation(about)
        return {measure: self._best(measure, about, product) for measure in self._measures}

    def _box_sums(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return S1, S2 and 1 / sqrt(S2 - S1^2 / n) of every searched position (z, y, x).

        Squares that are but rounding are 0, as is one over the root of them. Outside the centres S2 is infinite: the
        worst mse, and cosine and ncc 0.
        """
        sums, squares, about_mean = (torch.empty(self._shape, device=self._padded.device) for _ in range(3))
        # Sums over all planes up to the last ones, of which a window takes the difference; none to begin with.
        depth = self._size[0]
        upto = sums.new_zeros((depth + 1, 2, *self._shape[1:]), dtype=torch.float64)
        for last, plane in enumerate(self._plane_sums()):
            torch.add(upto[last % (depth + 1) - 1], plane, out=upto[last % (depth + 1)])
            at, skipped = divmod(last - depth + 1, self._stride)
            if at >= 0 and not skipped:
                one, two = torch.sub(upto[last % (depth + 1)], upto[(last + 1) % (depth + 1)], out=plane)
                sums[at], squares[at] = one, two
                about_mean[at] = two.addcmul_(one, one, value=-1 / self._n)
        squares.masked_fill_(squares <= self._nothing, 0.0).masked_fill_(self._outside, math.inf)
        about_mean.masked_fill_((about_mean <= self._nothing).logical_or_(self._outside), math.inf)
        return sums, squares, about_mean.rsqrt_()

    def _plane_sums(self) -> Iterator[Tensor]:
        """Yield, for each plane, the sums of its values and of their squares over windows (2, y, x), to be overwritten.

        By running sums of double precision, whose differences are good to 1e-15 of all that they add up.
        """
        flat = self._padded.new_empty((2, *self._padded.shape[2:]), dtype=torch.float64)
        for plane in self._padded.unbind(dim=1):
            torch.sum(plane, dim=0, dtype=torch.float64, out=flat[0])
            torch.sum(plane.double().square_(), dim=0, out=flat[1])
            found = flat
            for dim, length in zip((1, 2), self._size[1:], strict=True):
                running = F.pad(found, (1, 0) if dim == 2 else (0, 0, 1, 0)).cumsum_(dim=dim)
                count = running.shape[dim] - length
                found = running.narrow(dim, length, count) - running.narrow(dim, 0, count)
            yield found[:, :: self._stride, :: self._stride]

    def _transform(self) -> Tensor:
        """Return the volume's spectrum (channels, z, y, x // 2 + 1)."""
        depth, height, width = self._fft
        shape = (len(self._padded), depth, height, width // 2 + 1)
        spectrum = torch.zeros(shape, dtype=torch.complex64, device=self._padded.device)
        for volume, target in zip(self._padded, spectrum, strict=True):
            for piece in self._pieces(len(volume), height * shape[3]):
                target[piece] = self._transform_planes(volume[piece])
            for piece in self._pieces(height, depth * shape[3]):
                target[:, piece] = torch.fft.fft(target[:, piece], dim=0)
        return spectrum

    def _transform_planes(self, planes: Tensor) -> Tensor:
        """Return the transform of planes (..., y, x) along y and x."""
        _, height, width = self._fft
        return torch.fft.fft(torch.fft.rfft(planes, n=width), n=height, dim=-2)

    def _correlation(self, template: _Template) -> Tensor:
        """Return the products of all windows with the template less its mean, at every searched position (z, y, x).

        A convolution with the flipped template; planes that hold nothing yet, or nothing that is asked for, are not
        transformed.
        """
        depth, height, width = self._fft
        first = [length - 1 for length in self._size]
        count = [padded - start for padded, start in zip(self._padded.shape[1:], first, strict=True)]
        planes = self._transform_planes(template.centred.flip(1, 2, 3))
        columns = self._spectrum.new_empty((len(range(0, count[0], self._stride)), height, width // 2 + 1))
        for piece in self._pieces(height, depth * columns.shape[2]):
            product = (torch.fft.fft(planes[:, :, piece], n=depth, dim=1) * self._spectrum[:, :, piece]).sum(dim=0)
            columns[:, piece] = torch.fft.ifft(product, dim=0)[first[0] : first[0] + count[0] : self._stride]
        # Each plane's products take the place of its columns, which are longer.
        room = torch.view_as_real(columns).flatten(1)
        found = room[:, : math.prod(self._shape[1:])].unflatten(1, self._shape[1:])
        for piece in self._pieces(len(columns), height * columns.shape[2]):
            rows = torch.fft.ifft(columns[piece], dim=1)[:, first[1] : first[1] + count[1] : self._stride]
            found[piece] = torch.fft.irfft(rows, n=width)[:, :, first[2] : first[2] + count[2] : self._stride]
        return found

    def _pieces(self, length: int, each: int) -> Iterator[slice]:
        """Return slices of a length whose elements hold `each` numbers, to transform at once."""
        step = max(1, _PIECE[self._padded.device.type] // max(1, each))
        return (slice(start, min(start + step, length)) for start in range(0, length, step))

    def _score(self, measure: str, template: _Template, product: Tensor, planes: slice) -> Tensor:
        """Return what grows with the fit, of some planes: 2 C - S2 for mse, and the score for the others.

        Outside the centres it is as _box_sums says.
        """
        product, squares = product[planes], self._squares[planes]
        if measure == "ncc":
            return torch.mul(product, self._inverse_deviation[planes]).mul_(template.inverse_deviation)
        found = torch.add(product, self._sum[planes], alpha=template.mean)
        if measure == "mse":
            return found.mul_(2).sub_(squares)
        found.mul_(squares.rsqrt()).mul_(template.inverse_norm)
        return found.masked_fill_(squares == 0, 0.0) if self._blank else found

    def _best(self, measure: str, template: _Template, product: Tensor) -> Match:
        """Return the best of the centres: those that come near to it are told apart by exact scores."""
        highest = self._highest(measure, template, product)
        if measure != "mse" and max(highest) <= _CLOSE:  # no better than what lies outside
            highest = self._highest(measure, template, product, masked=True)
        best = max(highest)
        if not all(math.isfinite(of_plane) or of_plane == -math.inf for of_plane in highest):
            return Match((0, 0, 0), math.nan)
        least = best - _CLOSE * (template.squares + abs(template.squares - best) if measure == "mse" else 1.0)
        voxels = self._near(measure, template, product, [z for z, one in enumerate(highest) if one >= least], least)
        exact = [self._exact(measure, template, voxel) for voxel in voxels]
        chosen = int(np.argmin(exact) if measure == "mse" else np.argmax(exact))
        z, y, x = voxels[chosen]
        return Match((z, y, x), exact[chosen])

    def _highest(self, measure: str, template: _Template, product: Tensor, *, masked: bool = False) -> list[float]:
        """Return the highest score of each plane."""
        found = []
        for piece in self._pieces(len(product), math.prod(self._shape[1:]) // 4):
            score = self._score(measure, template, product, piece)
            if masked:
                score.masked_fill_(self._outside[piece], -math.inf)
            found.append(score.amax(dim=(1, 2)))
        return list(torch.cat(found).tolist())

    def _near(
        self, measure: str, template: _Template, product: Tensor, planes: Sequence[int], least: float
    ) -> list[list[int]]:
        """Return the voxels of these planes' centres, in order, that score at least `least`: the _MOST_CLOSE best."""
        voxels, scores = [], []
        for z in planes:
            score = self._score(measure, template, product, slice(z, z + 1)).masked_fill_(self._outside[z], -math.inf)
            near = torch.nonzero(score >= least)
            scores.append(score[tuple(near.T)])
            voxels.append(near + torch.tensor([z, 0, 0], device=near.device))
        best = torch.argsort(torch.cat(scores), descending=True, stable=True)[:_MOST_CLOSE]
        return list((torch.cat(voxels)[best.sort().values] * self._stride).tolist())

    def _exact(self, measure: str, template: _Template, voxel: Sequence[int]) -> float:
        """Return the score of one position by direct sums in double precision."""
        place = tuple(slice(start, start + length) for start, length in zip(voxel, self._size, strict=True))
        window = self._padded[(slice(None), *place)].double().flatten()
        if measure == "mse":
            return float((window - template.double).square_().mean())
        if measure == "ncc":
            window -= window.mean()
        squares = float(window.dot(window))
        if squares <= self._nothing:
            return 0.0
        other, inverse = (
            (template.double_centred, template.inverse_deviation)
            if measure == "ncc"
            else (template.double, template.inverse_norm)
        )
        return float(window.dot(other)) / math.sqrt(squares) * inverse


@dataclass(frozen=True)
class _Template:
    """A template with its own sums."""

    centred: Tensor
    """(channels, z, y, x) float32, less the mean: what the correlation gets, whose error grows with the values."""
    double: Tensor
    """All values, as `double_centred` in double precision."""
    double_centred: Tensor
    mean: float
    squares: float
    inverse_norm: float
    inverse_deviation: float
    """1 / sqrt of the sum of squares about the mean; 0 where that is 0, as `inverse_norm`."""

    @classmethod
    def of(cls, values: Tensor) -> _Template:
        """Return a template (channels, z, y, x) float32 with its sums."""
        double = values.double().flatten()
        mean = double.mean()
        centred = double - mean
        squares, about_mean = float(double.dot(double)), float(centred.dot(centred))
        constant = bool(values.min() == values.max())
        return cls(
            centred=centred.float().view(values.shape),
            double=double,
            double_centred=centred,
            mean=float(mean),
            squares=squares,
            inverse_norm=0.0 if squares == 0 else squares**-0.5,
            inverse_deviation=0.0 if constant else about_mean**-0.5,
        )

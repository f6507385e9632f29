"""Outlines: which voxels of a scan's own grid are a structure. They are kept packed, a bit a voxel, around it alone."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rprloc.errors import InputError
from rprloc.files import whole_file
from rprloc.scans.boxes import box_of

Voxel = tuple[int, int, int]
_ABOUT = "outlines"
"""What a file's header calls what is known of its outlines."""

T = TypeVar("T", bound=msgspec.Struct)


class OfStructure(msgspec.Struct, frozen=True):
    """What is known of the outline of a structure of a scan's own annotation."""

    structure: str


class _Place(msgspec.Struct, frozen=True):
    """Where an outline lies, as its fields say."""

    first: Voxel
    size: Voxel


@dataclass(frozen=True)
class Outline:
    """The voxels of a structure, in the least box around them."""

    first: Voxel
    """(i, j, k) of the box's first voxel in the scan's grid."""
    size: Voxel
    """Of the box, voxels along i, j, k."""
    packed: bytes
    """The box's voxels (k, j, i) as bits, compressed."""

    @classmethod
    def of(cls, inside: NDArray[np.bool_], first: Sequence[int] = (0, 0, 0)) -> Outline | None:
        """Return the outline of voxels (z, y, x) that begin at a scan's voxel `first`, (x, y, z); None without any."""
        box = box_of(inside)
        if box is None:
            return None
        z, y, x = (axis.start for axis in box)
        depth, height, width = inside[box].shape
        place = (x + int(first[0]), y + int(first[1]), z + int(first[2]))
        return cls(place, (width, height, depth), zlib.compress(np.packbits(inside[box]).tobytes()))

    @property
    def inside(self) -> NDArray[np.bool_]:
        """The box's voxels (z, y, x)."""
        bits = np.frombuffer(zlib.decompress(self.packed), dtype=np.uint8)
        return np.unpackbits(bits, count=math.prod(self.size)).view(np.bool_).reshape(self.size[::-1])

    @property
    def stop(self) -> Voxel:
        """The voxel (i, j, k) after the box's last one."""
        (i, j, k), (di, dj, dk) = self.first, self.size
        return i + di, j + dj, k + dk

    def within(self, first: Sequence[int], stop: Sequence[int]) -> NDArray[np.bool_]:
        """Return the voxels (z, y, x) of the part of the scan from a voxel to another, (i, j, k), which is left out."""
        whole = np.zeros([int(b) - int(a) for a, b in zip(first[::-1], stop[::-1], strict=True)], dtype=np.bool_)
        low = [max(a, int(b)) for a, b in zip(self.first, first, strict=True)]
        high = [min(a, int(b)) for a, b in zip(self.stop, stop, strict=True)]
        if all(a < b for a, b in zip(low, high, strict=True)):
            into = tuple(slice(a - int(f), b - int(f)) for a, b, f in zip(low, high, first, strict=True))[::-1]
            own = tuple(slice(a - f, b - f) for a, b, f in zip(low, high, self.first, strict=True))[::-1]
            whole[into] = self.inside[own]
        return whole


def write_outlines(path: Path, outlines: Sequence[Outline], about: Sequence[msgspec.Struct]) -> None:
    """Write outlines and what is known of each, a record, to a file, whole; raises OSError, as for a full disk."""
    told = msgspec.to_builtins(about)
    header = [{**known, "first": one.first, "size": one.size} for one, known in zip(outlines, told, strict=True)]
    packed = {str(number): np.frombuffer(one.packed, dtype=np.uint8) for number, one in enumerate(outlines)}
    with whole_file(path) as temporary:
        save_file(packed, temporary, metadata={_ABOUT: json.dumps(header, ensure_ascii=False, allow_nan=False)})


def read_about(path: Path, kind: type[T]) -> list[T]:
    """Return what is known of each outline in a file, records of a kind; its voxels are not read.

    Raises InputError for another file.
    """
    try:
        with safe_open(path, framework="numpy") as opened:
            return msgspec.json.decode(opened.metadata()[_ABOUT], type=list[kind])  # type: ignore[valid-type]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error


def read_outlines(path: Path, kind: type[T]) -> list[tuple[T, Outline]]:
    """Return each outline of a file with its record of a kind; raises InputError for another file."""
    about, places = read_about(path, kind), read_about(path, _Place)
    try:
        with safe_open(path, framework="numpy") as opened:
            packed = [opened.get_tensor(str(number)).tobytes() for number in range(len(about))]
        found = [Outline(place.first, place.size, bits) for place, bits in zip(places, packed, strict=True)]
        return list(zip(about, found, strict=True))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    """Return the refusal of a file that holds no outlines."""
    return InputError(f"{path.name}: expected outlines as PREPROCESS and LOCALIZE write them, found: {error}.")

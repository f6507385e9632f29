"""Is a label told that does not belong where it lies? `python -m benchmarks.labels SHEET,SETTINGS ...`.

Each argument is a cohort: its sample sheet and its settings file. Each annotated scan is looked at with its label as it
is, with it moved by 15, 25 and 40 mm in a drawn direction, with its array turned front to back and head to feet, and
with the next scan's array on its voxels; and by one drawn structure alone. A line has of how many scans it is told.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from benchmarks.bundled import target_of
from benchmarks.lost import annotated
from rprloc.geometry import FloatArray
from rprloc.scans.edges import flip_limit, flips_of, followed, limit
from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.resampling import resample_label
from rprloc.scans.scan import Scan
from rprloc.scans.target import Target, scan_folder

_MOVES_MM = (15, 25, 40)
_LEAST = 9.0
"""A label that no flip keeps in the body is as much better as it is."""

Labels = list[tuple[str, Path, Path]]
"""Subject, image and label of each annotated scan."""


def main(arguments: Sequence[str]) -> None:
    """Print a table."""
    print("| label | scans | told | least, one hundredth, median above the limit", end="")
    print(" | the same of flips | by one structure alone |")
    print("|---" * 6 + "|")
    for argument in arguments:
        sheet, file = argument.split(",")
        settings, scans = annotated(Path(sheet), file)
        target = target_of(settings, matching=False)
        _told(Path(sheet).parent.name, scans, target)


def _told(name: str, scans: Labels, target: Target) -> None:
    """Print a line for each kind of label of a cohort."""
    found: dict[str, list[FloatArray]] = {}
    seconds, rng = 0.0, np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        for number, (subject, image, label) in enumerate(scans):
            preprocess(Path(folder), Source("c", subject, image), target)
            scan = Scan.read(Path(folder) / scan_folder("c", subject))
            if scan is None:
                continue
            other = scans[(number + 1) % len(scans)][2]
            for kind, drawn in _labels(label, other, target.structures, rng):
                values = resample_label(drawn, scan.grid).astype(np.uint16)
                started = time.process_time()
                assert scan.record.native is not None
                flips = flips_of(scan.record.native, scan.grid)
                judged = followed(values, scan.values, scan.body, scan.grid.spacing_mm, flips)
                seconds += time.process_time() - started
                found.setdefault(kind, []).append(judged)
    for kind, every in found.items():
        all_of = np.array([_above(one) for one in every if len(one)])
        alone = np.array([_above(rng.choice(one, 1)) for one in every if len(one)])
        levels = " | ".join(", ".join(f"{np.quantile(one, part):.2f}" for part in (0, 0.01, 0.5)) for one in all_of.T)
        told, by_one = (f"{int((one < 0).any(axis=1).sum())}" for one in (all_of, alone))
        print(f"| {name}, {kind} | {len(every)} | {told} | {levels} | {by_one} |", flush=True)
    print(f"{name}: {seconds / sum(map(len, found.values())):.3f} CPU seconds a label", file=sys.stderr)


def _above(followed: FloatArray) -> tuple[float, float]:
    """Return how far structures (n, 1 + flips) are above what tells them, and what tells them flipped."""
    own, *flipped = followed.mean(axis=0)
    better = max(*flipped, own - _LEAST) - own
    return float(own - limit(len(followed))), float(flip_limit(len(followed)) - better)


def _labels(
    label: Path, other: Path, structures: Mapping[str, int] | None, rng: np.random.Generator
) -> Iterator[tuple[str, sitk.Image]]:
    """Yield a label as it is and in all wrong ways, of the structures alone where they are known."""
    image, own = _read(label, structures)
    spacing = np.array(image.GetSpacing())[::-1]
    arrays = {"as it is": own}
    for far_mm in _MOVES_MM:
        direction = rng.normal(size=3)
        arrays[f"moved by {far_mm} mm"] = _moved(own, np.rint(direction / np.linalg.norm(direction) * far_mm / spacing))
    # Axes of the file that lie along x, y and z.
    lies = np.abs(np.reshape(image.GetDirection(), (3, 3))).argmax(axis=0)[::-1]
    for axis, way in enumerate(("left to right", "front to back", "head to feet")):
        arrays[way] = np.flip(own, int(np.flatnonzero(lies == axis)[0]))
    _, foreign = _read(other, structures)
    part = tuple(slice(min(one, two)) for one, two in zip(own.shape, foreign.shape, strict=True))
    arrays["of another scan"] = np.zeros_like(own)
    arrays["of another scan"][part] = foreign[part]
    for kind, values in arrays.items():
        drawn = sitk.GetImageFromArray(np.ascontiguousarray(values))
        drawn.CopyInformation(image)
        yield kind, drawn


def _read(path: Path, structures: Mapping[str, int] | None) -> tuple[sitk.Image, NDArray[np.uint16]]:
    """Return a label's image and its array (z, y, x) of the structures."""
    image = sitk.ReadImage(str(path))
    values = sitk.GetArrayFromImage(image).astype(np.uint16)
    return image, values if structures is None else np.where(np.isin(values, list(structures.values())), values, 0)


def _moved(values: NDArray[np.uint16], by: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Return an array moved by whole voxels (3,), zeros where nothing comes from."""
    found = np.zeros_like(values)
    steps = by.astype(int)
    ends = list(zip(steps, values.shape, strict=True))
    into = tuple(slice(max(0, step), count - max(0, -step)) for step, count in ends)
    come = tuple(slice(max(0, -step), count - max(0, step)) for step, count in ends)
    found[into] = values[come]
    return found


if __name__ == "__main__":
    main(sys.argv[1:])

"""Small made-up scans for the tests, and their files in any orientation."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.record import ScanRecord
from rprloc.scans.scan import volume_path
from rprloc.scans.target import Target
from rprloc.scans.volume import read_model_volume

ORIENTATIONS = [(axes, signs) for axes in permutations(range(3)) for signs in product((1, -1), repeat=3)]
"""The 48 ways of laying an array along the axes: image axis n follows world axis axes[n], forwards or backwards."""

LABELS = {"organ": 1, "spot": 2}

TARGET = Target(modality="ct", spacing=(3.0, 2.5, 2.0), structures=LABELS)
"""The spacing is that of `patient`'s file."""


def image_of(
    values: NDArray[Any],
    spacing: Any = (1.0, 1.0, 1.0),
    origin: Any = (0.0, 0.0, 0.0),
    direction: Any = ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
) -> sitk.Image:
    """Return an image of an array (z, y, x); spacing, origin and the direction's columns are (x, y, z)."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(values))
    image.SetSpacing([float(s) for s in spacing])
    image.SetOrigin([float(o) for o in origin])
    image.SetDirection(np.asarray(direction, dtype=float).ravel().tolist())
    return image


def oriented(image: sitk.Image, axes: Any, signs: Any) -> sitk.Image:
    """Return the same scan with its voxels stored in another order; every voxel keeps its world point."""
    direction = np.asarray(image.GetDirection()).reshape(3, 3)
    spacing, size = np.asarray(image.GetSpacing()), np.asarray(image.GetSize())
    values = sitk.GetArrayFromImage(image).transpose(2, 1, 0).transpose(axes)
    first = np.zeros(3)
    for number, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        if sign < 0:
            values = np.flip(values, number)
            first[axis] = size[axis] - 1
    columns = direction[:, list(axes)] * np.asarray(signs)
    origin = np.asarray(image.GetOrigin()) + direction @ (first * spacing)
    return image_of(values.transpose(2, 1, 0), spacing[list(axes)], origin, columns)


def patient(spacing: Any = (2.0, 2.5, 3.0), origin: Any = (-31.0, 17.5, -204.0), seed: int = 0) -> Any:
    """Return a CT and its label: a block of noisy tissue in air, with a C-shaped `organ` and a `spot` of one voxel."""
    random = np.random.default_rng(seed)
    values = np.full((14, 18, 22), -1000, dtype=np.int16)
    values[2:12, 3:15, 2:20] = random.normal(40, 60, (10, 12, 18))
    label = np.zeros(values.shape, dtype=np.uint8)
    label[4:9, 5:12, 5:14] = LABELS["organ"]
    label[4:9, 7:10, 8:14] = 0
    label[10, 13, 17] = LABELS["spot"]
    return image_of(values, spacing, origin), image_of(label, spacing, origin)


def write(image: sitk.Image, path: Path) -> Path:
    """Write an image to a file whose ending chooses the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def preprocessed(
    folder: Path, image: sitk.Image, label: sitk.Image | None = None, *, ending: str = ".mha", **asked: Any
) -> ScanRecord:
    """Write the files, preprocess them as subject `s` of cohort `c`, by TARGET but for what is `asked`; return the
    record.
    """
    image_path = write(image, folder / "in" / f"scan{ending}")
    label_path = None if label is None else write(label, folder / "in" / f"label{ending}")
    return preprocess(folder, Source("c", "s", image_path, label_path), msgspec.structs.replace(TARGET, **asked))


def model_volume(folder: Path, kind: str = "") -> NDArray[np.int16]:
    """Return what `preprocessed` wrote: the grey values, or the `body`, `matching` or `label` volume."""
    return read_model_volume(volume_path(folder / "c@s", kind))


def write_thin(image: Path, thin: Path) -> None:
    """Write a scan of which air takes all but a quarter."""
    scan = sitk.ReadImage(str(image))
    values = sitk.GetArrayFromImage(scan)
    values[..., values.shape[2] // 2 :] = -1000
    values[..., : values.shape[2] // 4] = -1000
    found = sitk.GetImageFromArray(values)
    found.CopyInformation(scan)
    sitk.WriteImage(found, str(thin))

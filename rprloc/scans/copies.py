"""Scans that are there twice, told by their voxels, whatever their files are called and however they are packed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.scans.nib import nibabel
from rprloc.scans.record import ScanRecord


def values_sha256(image: sitk.Image) -> str:
    """Return the hash of an image's size and values, as float32: the same for every type and order that holds them.

    The order is that along the patient's axes, as programs that write the same scan begin at other corners.
    """
    values = _along_the_patient(image)
    found = hashlib.sha256(repr(values.shape).encode())
    for plane in values:  # without a copy of the whole scan
        with np.errstate(over="ignore", invalid="ignore"):
            found.update(plane.astype("<f4", order="C").tobytes())
    return found.hexdigest()


def _along_the_patient(image: sitk.Image) -> NDArray[Any]:
    """Return a view of an image's values (z, y, x), each axis the one that lies nearest and in its direction."""
    direction = np.asarray(image.GetDirection(), dtype=np.float64).reshape(3, 3)
    order = nibabel.orientations.io_orientation(np.block([[direction, np.zeros((3, 1))], [np.zeros((1, 3)), 1.0]]))
    # As axes (i, j, k); an array of SimpleITK has them the other way around.
    return nibabel.orientations.apply_orientation(sitk.GetArrayViewFromImage(image).transpose(), order).transpose()


def copies(records: Mapping[str, ScanRecord], supports: Collection[str]) -> dict[str, str]:
    """Return what is to be said of each scan of a cohort whose voxels are those of a support beside it, by subject.

    `records` are the cohort's by subject and `supports` those of the subjects that are supports.
    """
    same: dict[str, list[str]] = {}
    for subject in supports:
        if subject in records and (values := records[subject].values_sha256):
            same.setdefault(values, []).append(subject)
    found = {subject: [name for name in same.get(record.values_sha256 or "", ()) if name != subject]
             for subject, record in records.items()}  # fmt: skip
    return {subject: _sentence(names) for subject, names in found.items() if names}


def _sentence(names: list[str]) -> str:
    """Return what is said of a scan that is the copy of supports: "what: what follows"."""
    if len(names) == 1:
        return f"its voxels are those of the support {names[0]}: its answer from {names[0]} is no measure of anything"
    *first, last = names
    listed = f"{', '.join(first)} and {last}"
    return f"its voxels are those of the supports {listed}: its answers from these are no measure of anything"

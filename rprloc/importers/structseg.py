"""StructSeg 2019, task 1: 50 head-and-neck CT scans with 22 organs at risk (structseg2019.grand-challenge.org).

Layout: `HaN_OAR/N/data.nii.gz` and `HaN_OAR/N/label.nii.gz`, N from 1 to 50. The label values are those that users of
the data publish (the data set's page of openmedlab/Awesome-Medical-Dataset lists the organs in this order); the order
on the challenge's page, by which it weights the organs, is another one.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.importers.dataset import HEAD_NECK, Dataset, ImportedScan, Patient, as_int16, numbered
from rprloc.scans.volume import read_volume

_ORDER = """
brainstem eye_left eye_right lens_left lens_right optic_nerve_left optic_nerve_right optic_chiasm temporal_lobe_left
temporal_lobe_right pituitary parotid_left parotid_right inner_ear_left inner_ear_right middle_ear_left middle_ear_right
temporomandibular_joint_left temporomandibular_joint_right spinal_cord mandible mandible
"""

ORDER = tuple(_ORDER.split())
"""The structures of the label values 1 to 22; the left (21) and the right half (22) of the mandible become one."""


def find(source: Path) -> list[Patient]:
    """Return the patients in a folder; raises InputError where there is none."""
    folders = {path.parent for path in source.rglob("data.nii*")}
    found = numbered(folders, r"(\d+)")
    if not found:
        raise InputError(f"{source}: found no data.nii.gz in a numbered folder, expected HaN_OAR/1/data.nii.gz, ...")
    return [Patient(f"structseg_{number:02d}", partial(read, path)) for number, path in found]


def read(folder: Path) -> ImportedScan:
    """Return a patient's scan and its label with this package's values; raises InputError.

    A label's header that differs from the scan's is not trusted: its voxels are the scan's, one by one.
    """
    image = read_volume(_file(folder, "data"))
    path = _file(folder, "label")
    if not path.is_file():
        return ImportedScan(as_int16(image), None)
    given = read_volume(path)
    if given.GetSize() != image.GetSize():
        raise InputError(
            f"{folder.name}/{path.name}: found {given.GetSize()} voxels, expected {image.GetSize()} as the scan has."
        )
    values = np.rint(sitk.GetArrayFromImage(given))
    if not 0 <= values.min() <= values.max() <= len(ORDER):
        raise InputError(
            f"{folder.name}/{path.name}: found values from {values.min():g} to {values.max():g}, expected 0 to "
            f"{len(ORDER)} as in task 1."
        )
    table = np.array([0, *(HEAD_NECK[name] for name in ORDER)], dtype=np.uint8)
    label = sitk.GetImageFromArray(table[values.astype(np.intp)])
    label.CopyInformation(image)
    return ImportedScan(as_int16(image), label)


def _file(folder: Path, name: str) -> Path:
    """Return a patient's file, compressed or not."""
    plain = folder / f"{name}.nii"
    return plain if plain.is_file() else folder / f"{name}.nii.gz"


DATASET = Dataset(
    cohort="head_neck",
    structures={name: HEAD_NECK[name] for name in sorted(set(ORDER), key=lambda name: HEAD_NECK[name])},
    wanted=("brainstem", "mandible", "parotid_left", "parotid_right"),
    find=find,
    proportions=(109, 19, 38),
)

"""Pancreas-CT: 82, in later versions 80, abdominal CT scans of the NIH (The Cancer Imaging Archive, Roth et al. 2016).

Layout: `Pancreas-CT/PANCREAS_0001/<study>/<series>/*.dcm` and, anywhere beside,
`TCIA_pancreas_labels-02-05-2017/label0001.nii.gz`. The labels' headers do not fit the scans: read by them, a label is
mirrored from front to back, which is why users of the data flip it (mattiaspaul/deedsBCV, README and issue 2) or put
the arrays together without looking at headers (twni2016/OrganSegRSTN_PyTorch, DATA2NPY). So it is done here: a label's
voxel (i, j, k) is column i and row j of the k-th slice from below.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.importers.dataset import Dataset, ImportedScan, Patient, as_int16, label_image, numbered
from rprloc.scans.volume import read_volume

STRUCTURES = {"pancreas": 1}

UNEVEN = 0.1
"""By how much of it the gaps between slices may differ from their median: positions are rounded."""

TISSUE_HU = (-150, 350)
LEAST_TISSUE = 0.8
"""Share of a label's voxels that should lie in soft tissue: one that is turned lies in fat, gas and bone as well."""


def find(source: Path) -> list[Patient]:
    """Return the patients in a folder; raises InputError where there is none."""
    found = numbered((path for path in source.rglob("PANCREAS_*") if path.is_dir()), r"PANCREAS_(\d+)")
    labels = dict(numbered(source.rglob("label*.nii*"), r"label(\d+)\.nii(?:\.gz)?"))
    if not found:
        raise InputError(f"{source}: found no folder of a patient, expected PANCREAS_0001, PANCREAS_0002, ...")
    if not labels:
        raise InputError(f"{source}: found no label, expected label0001.nii.gz, ... in a folder of their own.")
    return [Patient(f"pancreas_{number:04d}", partial(read, path, labels.get(number))) for number, path in found]


def read(folder: Path, label_path: Path | None) -> ImportedScan:
    """Return a patient's scan and its label, if there is one; raises InputError."""
    image = as_int16(read_series(folder))
    if label_path is None:
        return ImportedScan(image, None)
    given = read_volume(label_path)
    if given.GetSize() != image.GetSize():
        raise InputError(
            f"{label_path.name}: found {given.GetSize()} voxels, expected {image.GetSize()} as the series has."
        )
    mask = sitk.GetArrayFromImage(given) != 0
    values = sitk.GetArrayFromImage(image)[mask]
    share = float(((values > TISSUE_HU[0]) & (values < TISSUE_HU[1])).mean()) if values.size else 1.0
    remarks = (
        (f"{share:.0%} of {label_path.name} lie in soft tissue, it may be turned.",) if share < LEAST_TISSUE else ()
    )
    return ImportedScan(image, label_image({1: mask} if mask.any() else {}, image), remarks)


def read_series(folder: Path) -> sitk.Image:
    """Return the largest CT series below a folder, its slices sorted from below; raises InputError.

    SimpleITK's GDCM reader sorts the slices by position, applies slope and intercept, and knows the orientation. It
    leaves out files that it cannot read and spreads the others evenly, so that both have to be looked for.
    """
    reader = sitk.ImageSeriesReader()
    reader.MetaDataDictionaryArrayUpdateOn()
    files: tuple[str, ...] = ()
    for below in sorted({path.parent for path in folder.rglob("*.dcm")}):
        series = [reader.GetGDCMSeriesFileNames(str(below), name) for name in reader.GetGDCMSeriesIDs(str(below))]
        damaged = sorted(
            {path.name for path in below.glob("*.dcm")} - {Path(file).name for one in series for file in one}
        )
        if damaged:
            raise InputError(f"{folder.name}: found {damaged[0]}, which is no whole DICOM file, expected its slices.")
        files = max([files, *series], key=len)
    if len(files) < 2:
        raise InputError(f"{folder.name}: found no DICOM series, expected its slices as *.dcm.")
    reader.SetFileNames(files)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].split("): ")[-1].rstrip(".!")
        raise InputError(f"{folder.name}: expected a readable DICOM series, found: {reason}.") from error
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"{folder.name}: found colours, expected a CT.")
    _check_gaps(folder.name, [reader.GetMetaData(number, "0020|0032") for number in range(len(files))])
    # Slices from above, which GDCM may give for a turned patient, are brought into the labels' order.
    return sitk.Flip(image, (False, False, True)) if image.GetDirection()[8] < 0 else image


def _check_gaps(name: str, positions: Sequence[str]) -> None:
    """Refuse slices, given by their DICOM positions, that are not evenly spaced; raises InputError."""
    points = np.array([[float(number) for number in position.split("\\")] for position in positions])
    gaps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    if np.abs(gaps - np.median(gaps)).max() > UNEVEN * np.median(gaps):
        raise InputError(f"{name}: found slices {gaps.min():.4g} to {gaps.max():.4g} mm apart, expected even gaps.")


def published_split(subject: str) -> str | None:
    """Return a patient's split in the authors' own lists (LWHYC/RPR-Loc, config/data): 1-50, 51-61, 62-82."""
    match = re.fullmatch(r"pancreas_(\d+)", subject)
    if match is None:
        return None
    number = int(match[1])
    return "train" if number <= 50 else "validation" if number <= 61 else "test"


DATASET = Dataset(
    cohort="pancreas",
    structures=STRUCTURES,
    wanted=("pancreas",),
    find=find,
    proportions=(50, 11, 21),
    published=published_split,
)

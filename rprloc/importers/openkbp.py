"""OpenKBP: head-and-neck CT of the 2020 challenge on radiotherapy plans, as text files (github.com/ababier/open-kbp).

Layout: `provided-data/{train,valid,test}-pats/pt_N/`, or any folder that holds folders `pt_N`. Each file is CSV whose
first column is a flat index (C order) into 128 x 128 x 128 voxels along the axes anterior to posterior, patient right
to left, superior to inferior. `ct.csv` has the values, HU + 1000 clipped at 0 and 4095 with zeros left out; a mask's
file (`Brainstem.csv`, ...) has indices only; `voxel_dimensions.csv` has the spacing of the three axes in mm.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from rprloc.errors import InputError
from rprloc.importers.dataset import HEAD_NECK, Dataset, ImportedScan, Patient, label_image, numbered

FILES = {
    "brainstem": "Brainstem.csv",
    "mandible": "Mandible.csv",
    "parotid_left": "LeftParotid.csv",
    "parotid_right": "RightParotid.csv",
    "spinal_cord": "SpinalCord.csv",
    "esophagus": "Esophagus.csv",
    "larynx": "Larynx.csv",
}

SHAPE = (128, 128, 128)

SHORTEST_MM = 200.0
"""A scan with less than that along z shows too little of head and neck."""

EDGE_VOXELS = 3
KEPT = 0.6
"""A slice is whole where it keeps this share of its neighbour's cross-section without an edge of EDGE_VOXELS.

In 99 scans of this source neighbours keep 88 % or more where both are whole, and 14 to 28 % where one is cut.
"""


def find(source: Path) -> list[Patient]:
    """Return the patients in a folder; raises InputError where there is none."""
    found = numbered((path for path in [source, *source.rglob("pt_*")] if path.is_dir()), r"pt_(\d+)")
    if not found:
        raise InputError(f"{source}: found no folder of a patient, expected pt_1, pt_2, ... as in open-kbp.")
    return [Patient(f"kbp_{number:03d}", partial(read, path)) for number, path in found]


def read(folder: Path) -> ImportedScan:
    """Return a patient's scan along the LPS axes with its origin at the first voxel; raises InputError.

    HU = value - 1000. Kept are the slices that show the whole cross-section: beyond them the published CT survives
    only in tubes round the contoured organs, which would give the answer away. Of the organs those are drawn that lie
    wholly within these slices.
    """
    raw = _to_zyx(_values(folder / "ct.csv"))
    spacing = _spacing_mm(folder / "voxel_dimensions.csv")
    kept = whole_slices(raw > 0)
    height = (kept.stop - kept.start) * spacing[2]
    if height < SHORTEST_MM:
        raise InputError(
            f"{folder.name}: found whole slices over {height:.0f} mm only, expected at least {SHORTEST_MM:.0f} mm."
        )
    image = sitk.GetImageFromArray((np.clip(raw[kept], 0, 4095) - 1000).astype(np.int16))
    image.SetSpacing(spacing)
    masks = {}
    for name, file in FILES.items():
        if (folder / file).is_file():
            mask = _to_zyx(_values(folder / file, mask=True)) > 0
            if mask.any() and mask.sum() == mask[kept].sum():
                masks[HEAD_NECK[name]] = mask[kept]
    return ImportedScan(image, label_image(masks, image))


def whole_slices(inside: NDArray[np.bool_]) -> slice:
    """Return the slices (z, y, x) with a whole cross-section: from the largest one up and down to where it is cut."""
    if not inside.any():
        return slice(0, 0)
    filled = np.array([ndimage.binary_fill_holes(plane) for plane in inside])
    core = np.array([ndimage.binary_erosion(plane, iterations=EDGE_VOXELS) for plane in filled])
    largest = int(filled.sum(axis=(1, 2)).argmax())

    def last_whole(step: int) -> int:
        here = largest
        while 0 <= here + step < len(filled):
            beyond = filled[here + step]
            if not beyond.any() or (beyond & core[here]).sum() < KEPT * core[here].sum():
                break
            here += step
        return here

    return slice(last_whole(-1), last_whole(1) + 1)


def _to_zyx(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an array of the published axes as (z, y, x) along inferior to superior, and y, x as they are."""
    return raw.transpose(2, 0, 1)[::-1]


def _values(path: Path, *, mask: bool = False) -> NDArray[np.float64]:
    """Return a file's values, of a mask ones, in an array of the published shape and zeros elsewhere."""
    table = _table(path, header=0)
    index = table[:, 0]
    values = np.ones(len(index)) if mask else table[:, 1] if table.shape[1] > 1 else np.full(len(index), np.nan)
    dense = np.zeros(SHAPE)
    if not (np.isfinite(index).all() and (index >= 0).all() and (index < dense.size).all()):
        raise InputError(
            f"{_name(path)}: found voxels outside of {SHAPE}, expected indices from 0 to {dense.size - 1}."
        )
    if not np.isfinite(values).all():
        raise InputError(f"{_name(path)}: found voxels without a number, expected a value for each.")
    dense.reshape(-1)[index.astype(np.int64)] = values
    return dense


def _spacing_mm(path: Path) -> tuple[float, float, float]:
    """Return the spacing x, y, z in mm."""
    found = _table(path, header=None)[:, 0].tolist()
    if len(found) != 3 or not all(np.isfinite(step) and step > 0 for step in found):
        raise InputError(f"{_name(path)}: found {found}, expected three positive numbers.")
    y, x, z = found
    # As NIfTI stores it: a header read again has the same spacing.
    return float(np.float32(x)), float(np.float32(y)), float(np.float32(z))


def _table(path: Path, header: int | None) -> NDArray[np.float64]:
    """Return a CSV file's numbers, empty cells as NaN; raises InputError."""
    try:
        return np.atleast_2d(pd.read_csv(path, header=header).to_numpy(dtype=np.float64))
    except (OSError, ValueError, pd.errors.ParserError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).strip().splitlines()[-1].rstrip(".")
        raise InputError(f"{_name(path)}: expected a table of numbers, found: {reason}.") from error


def _name(path: Path) -> str:
    """Return a file's name with its patient's, since all patients' files are called the same."""
    return f"{path.parent.name}/{path.name}"


DATASET = Dataset(
    cohort="openkbp",
    structures={name: HEAD_NECK[name] for name in FILES},
    wanted=("brainstem", "mandible", "parotid_left", "parotid_right"),
    find=find,
    proportions=(109, 19, 38),
)

"""One scan from its file to model space: the PREPROCESS step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

import rprloc
from rprloc.errors import InputError
from rprloc.files import sha256, write_json
from rprloc.geometry import Grid
from rprloc.scans.body import body_box, body_mask, tissue_mask
from rprloc.scans.labels import geometry_of, read_label
from rprloc.scans.nifti import listed
from rprloc.scans.resampling import covering_grid, field_of_view_mm, grid_within, resample, resample_label
from rprloc.scans.surfaces import write_surfaces
from rprloc.scans.volume import AIR_HU, read_volume, write_volume

MR_SCALE = 1000
"""An MR scan's 0.2 and 99.8 percentiles of the body become 0 and this value."""

MR_PERCENTILES = (0.2, 99.8)

MOST_VOXELS = 2**30
"""Most voxels of a scan in model space: a patient of two metres in millimetres has fewer."""


def scan_folder(cohort: str, subject: str) -> str:
    """Return the name of a preprocessed scan's folder; no cohort's or subject's name holds an `@`."""
    return f"{cohort}@{subject}"


def subject_of(folder: Path) -> str:
    """Return the subject of a preprocessed scan's folder."""
    return folder.name.partition("@")[2]


def preprocess(
    parent: Path,
    *,
    cohort: str,
    subject: str,
    image: Path,
    label: Path | Mapping[str, Path] | None,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Write a scan in model space, its body mask, label and its surfaces, and JSON to `<cohort>@<subject>`; return the
    JSON's content.

    `settings` are a cohort's `modality`, `spacing` and `patch` (z, y, x mm), `structures`, and `matching_spacing`
    (z, y, x mm) where a method compares the finer volume of image matching, else None. A scan that cannot be used
    leaves only a JSON with status `set_aside` and the reason: the cohort goes on. The model's grid lies along the LPS
    axes whatever the file's orientation; landmarks come from the native label, one file or a mask a structure.
    """
    folder = parent / scan_folder(cohort, subject)
    about: dict[str, Any] = {"cohort": cohort, "subject": subject, "version": rprloc.__version__}
    try:
        about |= {"status": "ok", "reason": None} | _preprocess(folder, subject, image, label, settings)
    except InputError as error:
        about |= {"status": "set_aside", "reason": str(error), "file": image.name}
    write_json(folder / f"{subject}.json", about)
    return about


def _preprocess(
    folder: Path,
    subject: str,
    image_path: Path,
    label_source: Path | Mapping[str, Path] | None,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Do the work of `preprocess` for a scan that can be used; raises InputError for one that cannot."""
    image = read_volume(image_path)
    air = _check_values(image, image_path.name)
    _check_extent(image, settings, image_path.name)
    native, modality = geometry_of(image), settings["modality"]
    if modality == "ct":
        # Before smoothing, which would draw a scanner's padding of -2000 or -3024 into the body.
        air, image = AIR_HU, image if air >= AIR_HU else sitk.Clamp(image, image.GetPixelID(), AIR_HU)
    grid = covering_grid(image, np.array(settings["spacing"][::-1], dtype=np.float64))
    values: NDArray[Any] = resample(image, grid, outside=air)
    # A scan's arrays may be a good part of a task's memory: each goes as soon as it can.
    finer = settings.get("matching_spacing")
    if finer is None:
        del image
    tissue = tissue_mask(values, modality)
    if modality == "ct":
        values = _ct_int16(values)
    body = body_mask(tissue)
    del tissue
    if not body.any():
        raise InputError(f"{image_path.name}: found nothing but air, expected a body.")
    box = body_box(body)
    grid, values, body = _cropped(grid, box), values[box], body[box]
    low, high = (0.0, 0.0) if modality == "ct" else np.percentile(values[body], MR_PERCENTILES)
    if modality != "ct":
        values = _mr_int16(values, low, high)
    matching = None
    if finer is not None:
        matching = grid_within(grid, np.array(finer[::-1], dtype=np.float64))
        fine = resample(image, matching, outside=air)
        fine_int16 = _ct_int16(fine) if modality == "ct" else _mr_int16(fine, low, high)
        write_volume(folder / f"{subject}_matching.nii.gz", fine_int16, matching)
        del image, fine, fine_int16
    structures: dict[str, Any] = {}
    if label_source is not None:
        label, structures, surfaces = read_label(
            label_source, native, image_name=image_path.name, structures=settings["structures"]
        )
        write_surfaces(folder / f"{subject}_surface.safetensors", surfaces)
        write_volume(folder / f"{subject}_label.nii.gz", resample_label(label, grid).astype(np.uint16), grid)
    write_volume(folder / f"{subject}.nii.gz", values, grid)
    write_volume(folder / f"{subject}_body.nii.gz", body.astype(np.uint8), grid)
    return {
        "file": image_path.name,
        "native": native,
        "model": grid.to_json(),
        "matching": matching.to_json() if matching else None,
        "body_box_mm": _body_box_mm(grid),
        "source_sha256": sha256(image_path),
        "label": label_source is not None,
        "structures": structures,
    }


def _check_values(image: sitk.Image, name: str) -> float:
    """Refuse voxels that are not numbers and images of one value, raising InputError; return the lowest value."""
    values = sitk.GetArrayViewFromImage(image)
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"{name}: found voxels that are not finite numbers, expected numbers everywhere.")
    most = np.finfo(np.float32).max
    if low < -most or high > most:
        raise InputError(f"{name}: found values from {low:.4g} to {high:.4g}, expected at most {most:.4g} in size.")
    if low == high:
        raise InputError(f"{name}: found {low} in every voxel, expected an image.")
    return float(low)


def _check_extent(image: sitk.Image, settings: dict[str, Any], name: str) -> None:
    """Refuse a scan smaller than half a patch, which shows too little, or of kilometres; raises InputError."""
    low, high = field_of_view_mm(image)
    extent = (high - low)[::-1]
    half = np.array(settings["patch"]) / 2
    found = listed(extent)
    if np.any(extent < half * 0.999):
        expected = " x ".join(f"{mm:.4g}" for mm in half)
        raise InputError(
            f"{name}: found a scan of {found} mm (z, y, x), expected at least half a patch, {expected} mm."
        )
    if np.prod(extent / settings["spacing"]) > MOST_VOXELS:
        raise InputError(f"{name}: found a scan of {found} mm (z, y, x), expected the size of a patient.")


def _cropped(grid: Grid, box: tuple[slice, slice, slice]) -> Grid:
    """Return the grid of the voxels in `box` (z, y, x)."""
    start = [axis.start for axis in box]
    size = tuple(axis.stop - axis.start for axis in box[::-1])
    return Grid(size, grid.spacing_mm, tuple(grid.world(start).tolist()))


def _body_box_mm(grid: Grid) -> list[list[float]]:
    """Return the outer edges of a grid as a box in mm."""
    half = np.asarray(grid.spacing_mm) / 2
    last = np.asarray(grid.size[::-1]) - 1
    return [(grid.world([0, 0, 0]) - half).tolist(), (grid.world(last) + half).tolist()]


def _ct_int16(values: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return CT values from -1024 HU up, rounded to int16."""
    found = np.empty(values.shape, dtype=np.int16)
    for plane, into in zip(values, found, strict=True):
        into[...] = np.rint(np.clip(plane, AIR_HU, np.iinfo(np.int16).max))
    return found


def _mr_int16(values: NDArray[Any], low: float, high: float) -> NDArray[np.int16]:
    """Return MR values scaled by the body's percentiles `low` and `high`, rounded to int16."""
    scaled = (values - low) / max(high - low, 1e-6) * MR_SCALE
    return np.rint(np.clip(scaled, 0, MR_SCALE)).astype(np.int16)

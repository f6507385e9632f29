"""One scan from its file to model space: the PREPROCESS step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

import rprloc
from rprloc.errors import InputError
from rprloc.files import sha256, write_json
from rprloc.geometry import Grid
from rprloc.scans.body import body_box, body_mask
from rprloc.scans.landmarks import structure_landmarks
from rprloc.scans.volume import AIR_HU, covering_grid, read_volume, resample, voxel_extent_mm, write_volume

MR_SCALE = 1000
"""An MR scan's 0.2 and 99.8 percentiles of the body become 0 and this value."""


def scan_folder(cohort: str, subject: str) -> str:
    """Return the name of a preprocessed scan's folder; no cohort's or subject's name holds an `@`."""
    return f"{cohort}@{subject}"


def subject_of(folder: Path) -> str:
    """Return the subject of a preprocessed scan's folder."""
    return folder.name.partition("@")[2]


def preprocess(
    parent: Path, *, cohort: str, subject: str, image: Path, label: Path | None, settings: dict[str, Any]
) -> dict[str, Any]:
    """Write a scan in model space, its body mask, label and JSON to `<cohort>@<subject>`; return the JSON's content.

    `settings` are a cohort's `modality`, `spacing` (z, y, x mm) and `structures`. A scan that cannot be used leaves
    only a JSON with status `set_aside` and the reason: the cohort goes on. The model's grid lies along the LPS axes
    whatever the file's orientation; landmarks come from the native label.
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
    folder: Path, subject: str, image_path: Path, label_path: Path | None, settings: dict[str, Any]
) -> dict[str, Any]:
    """Do the work of `preprocess` for a scan that can be used; raises InputError for one that cannot."""
    image = read_volume(image_path)
    label = None if label_path is None else read_volume(label_path)
    if label is not None and label_path is not None:
        _check_same_geometry(image, label, image_path.name, label_path.name)
        label = _whole_numbers(label, label_path.name)
    air = _check_values(image, image_path.name)
    modality = settings["modality"]
    if modality == "ct":
        # Before smoothing, which would draw a scanner's padding of -2000 or -3024 into the body.
        air, image = AIR_HU, sitk.Clamp(image, sitk.sitkFloat32, AIR_HU)
    grid = covering_grid(image, np.array(settings["spacing"][::-1], dtype=np.float64))
    values = resample(image, grid, outside=air)
    body = body_mask(values, modality)
    if not body.any():
        raise InputError(f"{image_path.name}: found nothing but air, expected a body.")
    box = body_box(body)
    grid, body = _cropped(grid, box), body[box]
    write_volume(folder / f"{subject}.nii.gz", _to_int16(values[box], body, modality), grid)
    write_volume(folder / f"{subject}_body.nii.gz", body.astype(np.uint8), grid)
    structures = {}
    if label is not None:
        structures = _structures(label, settings["structures"])
        on_grid = resample(label, grid, nearest=True, outside=0)
        write_volume(folder / f"{subject}_label.nii.gz", on_grid.astype(np.int16), grid)
    return {
        "file": image_path.name,
        "native": {
            "size": list(image.GetSize()),
            "spacing_mm": list(image.GetSpacing()),
            "direction": list(image.GetDirection()),
            "origin_mm": list(image.GetOrigin()),
        },
        "model": grid.to_json(),
        "body_box_mm": _body_box_mm(grid),
        "source_sha256": sha256(image_path),
        "label": label is not None,
        "structures": structures,
    }


def _check_same_geometry(image: sitk.Image, label: sitk.Image, image_name: str, label_name: str) -> None:
    """Refuse a label that is not on its image's voxels; raises InputError."""
    if image.GetSize() != label.GetSize():
        raise InputError(
            f"{label_name}: found {label.GetSize()} voxels, expected {image.GetSize()} as {image_name} has."
        )
    corners = [(0, 0, 0), tuple(n - 1 for n in image.GetSize())]
    for corner in corners:
        moved = np.subtract(image.TransformIndexToPhysicalPoint(corner), label.TransformIndexToPhysicalPoint(corner))
        if np.any(np.abs(moved) > 0.1 * voxel_extent_mm(image)):
            raise InputError(
                f"{label_name}: its voxels lie {np.abs(moved).max():.1f} mm away from those of {image_name}, "
                "expected the same origin, spacing and direction."
            )


def _whole_numbers(label: sitk.Image, name: str) -> sitk.Image:
    """Return a label image as integers; raises InputError where its values are none, as in a probability map."""
    values = sitk.GetArrayViewFromImage(label)
    if values.dtype.kind == "f":
        wrong = values[~(np.abs(values - np.rint(values)) < 1e-3)]
        if wrong.size:
            raise InputError(f"{name}: found the value {wrong[0]:g}, expected whole numbers, one for each structure.")
        label = sitk.Round(label)
    return sitk.Cast(label, sitk.sitkInt32)


def _check_values(image: sitk.Image, name: str) -> float:
    """Refuse voxels that are not numbers and images of one value, raising InputError; return the lowest value."""
    values = sitk.GetArrayViewFromImage(image)
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"{name}: found voxels that are not finite numbers, expected numbers everywhere.")
    if low == high:
        raise InputError(f"{name}: found {low} in every voxel, expected an image.")
    return float(low)


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


def _to_int16(values: NDArray[np.float32], body: NDArray[np.bool_], modality: str) -> NDArray[np.int16]:
    """Return CT values from -1024 HU up, or MR values scaled by the body's percentiles, rounded to int16."""
    if modality == "ct":
        return np.rint(np.clip(values, AIR_HU, np.iinfo(np.int16).max)).astype(np.int16)
    low, high = np.percentile(values[body], [0.2, 99.8])
    scaled = (values - low) / max(high - low, 1e-6) * MR_SCALE
    return np.rint(np.clip(scaled, 0, MR_SCALE)).astype(np.int16)


def _structures(label: sitk.Image, structures: dict[str, int] | None) -> dict[str, Any]:
    """Return the landmarks of a native label image of integers."""
    return structure_landmarks(
        sitk.GetArrayFromImage(label),
        structures,
        origin_mm=np.asarray(label.GetOrigin()),
        spacing_mm=np.asarray(label.GetSpacing()),
        direction=np.asarray(label.GetDirection()).reshape(3, 3),
    )

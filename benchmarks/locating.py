"""How long one waits for the first answer of `rprloc locate`, from Enter on: with all that is imported and prepared."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import SimpleITK as sitk

from benchmarks.bundled import ASSETS
from benchmarks.measurement import Measurement, seconds_of

SUPPORT, QUERY = "kbp_031", "kbp_020"
_FINER = 4
"""Times the demo's 128 x 128 voxels in a slice are what a scanner gives."""


def measure() -> list[Measurement]:
    """Return seconds to the answers of one CT, as the demo has it and at a scanner's resolution."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        fine = Path(name)
        for kind, subject in (("images", SUPPORT), ("labels", SUPPORT), ("images", QUERY)):
            (fine / kind).mkdir(exist_ok=True)
            path = f"{kind}/{subject}.nii.gz"
            image = _finer(sitk.ReadImage(ASSETS / "demo" / path), label=kind == "labels")
            sitk.WriteImage(image, fine / path, useCompression=True, compressionLevel=1)
        for what, folder, weights in (
            ("a demo scan", ASSETS / "demo", "auto"),
            ("a demo scan, no network", ASSETS / "demo", "none"),
            ("512 x 512 voxels a slice", fine, "auto"),
        ):
            seconds = seconds_of(partial(_locate, folder, ["--weights", weights]), repeats=1)
            rows.append(Measurement(f"locate: seconds to the first answer, {what}", seconds, "s", 12))
    return rows


def _locate(folder: Path, how: Sequence[str]) -> None:
    """Find in one scan what is annotated in another, as a shell does."""
    support = ["--support", folder / "images" / f"{SUPPORT}.nii.gz", "--label", folder / "labels" / f"{SUPPORT}.nii.gz"]
    words = [sys.executable, "-m", "rprloc.cli", "locate", *support, *how, folder / "images" / f"{QUERY}.nii.gz"]
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def _finer(image: sitk.Image, *, label: bool) -> sitk.Image:
    """Return an image with smaller voxels in a slice."""
    x, y, z = image.GetSize()
    spacing = [mm / by for mm, by in zip(image.GetSpacing(), (_FINER, _FINER, 1), strict=True)]
    how = sitk.sitkNearestNeighbor if label else sitk.sitkLinear
    return sitk.Resample(
        image, (x * _FINER, y * _FINER, z), sitk.Transform(), how, image.GetOrigin(), spacing, image.GetDirection()
    )

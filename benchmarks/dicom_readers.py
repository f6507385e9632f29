"""What readers of DICOM make of series as scanners and archives write them: `python -m benchmarks.dicom_readers`.

Prints a table: `right` is every value at its place in the world within 0.01 mm, `refused` an error, `wrong` another
image or another place without an error. A reader that is not installed is left out.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.scans.dicom.read import open_dicom
from rprloc.scans.frame import Frame
from tests.scans.dicom import made
from tests.scans.dicom.test_read import EXACT, PATIENT, same_world

Reader = Callable[[Path], Iterator[sitk.Image]]
"""Yields the images that a reader makes of a folder; any exception is a refusal."""
_TO_LPS = np.diag([-1.0, -1.0, 1.0])


def ours(folder: Path) -> Iterator[sitk.Image]:
    """Yield what rprloc reads."""
    yield open_dicom(folder, modality="ct").image


def gdcm(folder: Path) -> Iterator[sitk.Image]:
    """Yield what SimpleITK's series reader makes of the first series of its GDCM, or of a file of many frames."""
    reader = sitk.ImageSeriesReader()
    names = [str(path) for path in folder.iterdir()]
    if len(names) > 1:
        names = list(reader.GetGDCMSeriesFileNames(str(folder)))
    reader.SetFileNames(names)
    image = sitk.ReadImage(names[0]) if len(names) == 1 else reader.Execute()
    yield image


def highdicom(folder: Path) -> Iterator[sitk.Image]:
    """Yield highdicom's volume of all files, or of a file of many frames."""
    import highdicom as hd

    files = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    volume = (
        hd.image.Image.from_dataset(files[0]).get_volume(apply_modality_transform=True)
        if "NumberOfFrames" in files[0]
        else hd.get_volume_from_series(files, apply_modality_transform=True)
    )
    yield _image(volume.array.transpose(2, 1, 0), volume.affine[:3, [2, 1, 0]], volume.affine[:3, 3])


def dcm2niix(folder: Path) -> Iterator[sitk.Image]:
    """Yield every image that dcm2niix writes."""
    program = shutil.which("dcm2niix")
    if program is None:
        import dcm2niix as wheel

        program = wheel.bin
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([str(program), "-b", "n", "-o", out, str(folder)], check=True, capture_output=True)
        written = sorted(Path(out).glob("*.nii"))
        if not written:
            raise ValueError("nothing written")
        for path in written:
            found: Any = nibabel.load(path)
            yield _image(np.asarray(found.dataobj), _TO_LPS @ found.affine[:3, :3], _TO_LPS @ found.affine[:3, 3])


READERS: dict[str, Reader] = {"rprloc": ours, "SimpleITK": gdcm, "highdicom": highdicom, "dcm2niix": dcm2niix}


def _image(values: Any, axes: Any, origin: Any) -> sitk.Image:
    """Return an array (i, j, k) whose axes and origin are in mm, LPS, as an image."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.transpose(2, 1, 0)))
    Frame(np.asarray(axes), np.asarray(origin)).lay(image)
    return image


def _edited(edit: Callable[[list[Path]], object], **how: Any) -> Callable[[Path], None]:
    """Return what writes the patient's series and changes its files."""

    def write(folder: Path) -> None:
        edit(made.write_series(folder, PATIENT, **how))

    return write


def _moved(paths: list[Path]) -> None:
    """Leave three slices out of the upper half, each between two others, so that gaps are twice as wide there."""
    for number in (8, 10, 12):
        paths[number].unlink()


def _cut(paths: list[Path]) -> None:
    paths[5].write_bytes(paths[5].read_bytes()[:-300])


def _with_scout(paths: list[Path]) -> None:
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    made.save(made.slice_of(PATIENT, 0, fields=scout), paths[0].parent / "scout")
    made.save(made.slice_of(PATIENT, 3), paths[0].parent / "copy")


CASES: dict[str, tuple[Callable[[Path], None], sitk.Image]] = {
    **EXACT,
    "a localizer and a copy beside": (_edited(_with_scout), PATIENT),
    "uneven gaps, the even part": (_edited(_moved), PATIENT[:, :, :8]),
    "**a slice missing**": (_edited(lambda paths: paths[6].unlink()), PATIENT),
    "**a slice cut short**": (_edited(_cut), PATIENT),
    "**PET**": (_edited(lambda paths: None, sop_class=made.PET), PATIENT),
}
"""Those in bold are to be refused."""


def verdict(reader: Reader, folder: Path, expected: sitk.Image) -> str:
    """Return what a reader makes of a folder, in a word."""
    try:
        images = list(reader(folder))
    except (InputError, RuntimeError, ValueError, KeyError, AttributeError, TypeError, subprocess.SubprocessError):
        return "refused"
    for image in images:
        try:
            same_world(image, expected)
            return "right"
        except AssertionError:
            continue
    return "wrong"


def main() -> None:
    """Print the table."""
    readers = {
        name: one for name, one in READERS.items() if name in ("rprloc", "SimpleITK", "dcm2niix") or _there(name)
    }
    if not (shutil.which("dcm2niix") or _there("dcm2niix")):
        del readers["dcm2niix"]
    print(f"| series | {' | '.join(readers)} |\n|---|{'---|' * len(readers)}")
    for name, (write, expected) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / "series")
            cells = [verdict(reader, Path(folder) / "series", expected) for reader in readers.values()]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _there(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


if __name__ == "__main__":
    main()

"""Every fault of a scan's file sets it aside with one sentence: the file, what was found, what was expected."""

from __future__ import annotations

import errno
import gzip
import os
import re
import resource
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.files import read_json
from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.target import Target
from rprloc.scans.volume import read_volume
from tests.scans.images import image_of, patient, write

ENDINGS = (".nii.gz", ".mha", ".nrrd")

Edit = Callable[[bytes], bytes]


TARGET = Target(modality="ct", spacing=(3.0, 3.0, 3.0))


def reason(folder: Path, image: Path, label: Path | None = None, **asked: Any) -> str:
    """Return why a scan was set aside; nothing but its JSON is left."""
    record = preprocess(folder, Source("c", "s", image, label), msgspec.structs.replace(TARGET, **asked))
    assert record.reason is not None and read_json(folder / "c@s" / "s.json") == record.to_json()
    assert [path.name for path in (folder / "c@s").iterdir()] == ["s.json"]
    return record.reason


def edited(path: Path, edit: Edit) -> Path:
    """Change the bytes of a file, unpacked where it is NIfTI."""
    packed = path.name.endswith(".gz")
    content = edit(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def number(kind: str, at: int, *values: float) -> Edit:
    """Return the edit that sets numbers of a NIfTI header."""

    def edit(content: bytes) -> bytes:
        changed = bytearray(content)
        struct.pack_into(f"<{len(values)}{kind}", changed, at, *values)
        return bytes(changed)

    return edit


def line(key: str, value: str) -> Edit:
    """Return the edit that sets a field of a MetaImage's or NRRD file's header."""
    return lambda content: re.sub(
        rb"(?m)^%s(:| =) .*$" % key.encode(), rb"%s\1 %s" % (key.encode(), value.encode()), content, count=1
    )


def both(*edits: Edit) -> Edit:
    """Return the edit that makes several."""

    def edit(content: bytes) -> bytes:
        for one in edits:
            content = one(content)
        return content

    return edit


def without_space(spacings: str) -> Edit:
    """Return the edit that gives an NRRD file spacings in the place of its axes in space."""
    return lambda content: re.sub(
        rb"space directions: .*", spacings.encode(), re.sub(rb"(?m)^(space|space origin): .*\n", b"", content)
    )


POSITIVE = "mm, expected three positive numbers."
FINITE = "expected finite numbers."
FLAT = "found "  # a file whose axes span nothing: ITK says so in its own words for some formats
ONLY_QFORM = number("h", 254, 0)
PROMISE = "its header promises 2,000,000,000,000 bytes of voxels, expected at most"
HUGE = {
    ".nii": number("h", 42, 10000, 10000, 10000),
    ".nii.gz": number("h", 42, 10000, 10000, 10000),
    ".mha": line("DimSize", "10000 10000 10000"),
    ".nrrd": line("sizes", "10000 10000 10000"),
}
APART = "found a header whose voxels lie in another file, expected one file."

HEADERS: list[tuple[str, Edit, str]] = [
    (".nii.gz", both(ONLY_QFORM, number("f", 80, 0)), f"found a spacing of 0 x 2.5 x 3 {POSITIVE}"),
    (".mha", line("ElementSpacing", "0 2.5 3"), f"found a spacing of 0 x 2.5 x 3 {POSITIVE}"),
    (".nrrd", line("space directions", "(0,0,0) (0,2.5,0) (0,0,3)"), f"found a spacing of 0 x 2.5 x 3 {POSITIVE}"),
    (".nii.gz", both(ONLY_QFORM, number("f", 84, -2.5)), f"found a spacing of 2 x -2.5 x 3 {POSITIVE}"),
    (".mha", line("ElementSpacing", "2 -2.5 3"), f"found a spacing of 2 x -2.5 x 3 {POSITIVE}"),
    (".nii.gz", both(ONLY_QFORM, number("f", 88, np.nan)), f"found a spacing of 2 x 2.5 x nan {POSITIVE}"),
    # ITK makes 0 or 1 of them.
    (".mha", line("ElementSpacing", "2 2.5 nan"), f"found elementspacing '2 2.5 nan', {FINITE}"),
    (".mha", line("Offset", "0 inf 0"), f"found offset '0 inf 0', {FINITE}"),
    (
        ".nrrd",
        line("space directions", "(2,0,0) (0,2.5,0) (0,0,nan)"),
        "found space directions '(2,0,0) (0,2.5,0) (0,0,na",
    ),
    (
        ".nrrd",
        line("space directions", "(2,0,0) (0,2.5,0) none"),
        "found space directions '(2,0,0) (0,2.5,0) none', ex",
    ),
    (".nrrd", line("space origin", "(nan,nan,nan)"), f"found space origin '(nan,nan,nan)', {FINITE}"),
    (".nrrd", without_space("spacings: nan 2.5 3"), f"found spacings 'nan 2.5 3', {FINITE}"),
    (".nrrd", without_space("spacings: -2 2.5 3"), f"found a spacing of -2 x 2.5 x 3 {POSITIVE}"),
    (".nrrd", without_space("spacings: 0 2.5 3"), "expected a readable 3D image, found: axis 0 spacing (0) invalid."),
    (".nii.gz", both(number("h", 252, 0, 2), number("f", 280, *(-2, -2, 0, 0), *(-2, -2, 0, 0), *(0, 0, 3, 0))), FLAT),
    (".mha", line("TransformMatrix", "1 0 0 1 0 0 0 0 1"), FLAT),
    (".mha", line("TransformMatrix", "0 0 0 0 0 0 0 0 0"), FLAT),
    (".nrrd", line("space directions", "(2,0,0) (2,0,0) (0,0,3)"), FLAT),
    *((ending, edit, PROMISE) for ending, edit in HUGE.items()),
    (".nii.gz", number("h", 42, 0), "found sizes of 0 x 18 x 14 voxels, expected three positive numbers."),
    (".mha", line("DimSize", "0 18 14"), "found sizes of 0 x 18 x 14 voxels, expected three positive numbers."),
    (".nrrd", line("sizes", "0 18 14"), "expected a readable 3D image, found: axis 0 size"),
    (".mha", line("ElementType", "MET_FOO"), "expected a readable 3D image, found: Unknown PixelType"),
    (".mha", line("ElementDataFile", "/etc/hostname"), APART),
    (".mha", line("ElementDataFile", "LIST"), APART),
    (".nrrd", line("encoding", "raw\ndata file: /etc/hostname"), APART),
    (".mha", line("NDims", "-1"), "found '-1' dimensions, expected 3."),
    (".nrrd", line("dimension", "three"), "found 'three' dimensions, expected 3."),
    (".mha", line("ElementType", "MET_" + "LONG" * 200), "expected a readable 3D image, found no header of this kind"),
    (".nrrd", line("kinds", "domain " * 200), "expected a readable 3D image, found no header of this kind"),
    (".nrrd", lambda content: content.replace(b"\n\n", b"\n"), "expected a readable 3D image, found no header of this"),
]


@pytest.mark.parametrize(("ending", "edit", "expected"), HEADERS)
def test_a_fault_in_the_header_is_named(tmp_path: Path, ending: str, edit: Edit, expected: str) -> None:
    path = edited(write(patient()[0], tmp_path / "in" / f"scan{ending}"), edit)
    found = reason(tmp_path, path)
    assert found.startswith(f"scan{ending}: {expected}") and found.endswith(".") and "\n" not in found


@pytest.mark.parametrize("ending", HUGE)
def test_a_compressed_header_that_promises_too_much_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"scan{ending}"
    sitk.WriteImage(patient()[0], str(path), useCompression=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert f": {PROMISE} " in reason(tmp_path, edited(path, HUGE[ending]))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_a_compressed_scan_of_almost_nothing_is_read(tmp_path: Path) -> None:
    # No gzip file grows by more than 1,032 times: zeros come close.
    values = np.zeros((140, 140, 140), dtype=np.int16)
    values[70, 70, 70] = 40
    for ending in ENDINGS:
        path = tmp_path / f"scan{ending}"
        sitk.WriteImage(image_of(values), str(path), useCompression=True, compressionLevel=9)
        assert path.stat().st_size * 900 < values.nbytes
        assert read_volume(path).GetSize() == (140, 140, 140)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda image: image * 0 + 7, "found 7 in every voxel, expected an image."),
        (lambda image: sitk.Cast(image, sitk.sitkFloat32) / 0.0, "found voxels that are not finite numbers, expected"),
        (
            lambda image: sitk.Log(sitk.Cast(image, sitk.sitkFloat32)),
            "found voxels that are not finite numbers, expected",
        ),
        (lambda image: sitk.Clamp(image, upperBound=-999), "found nothing but air, expected a body."),
        (lambda image: image[:, :, 0], "found 2 dimensions, expected 3."),
        (lambda image: sitk.JoinSeries([image, image]), "found 4 dimensions, expected 3."),
        (lambda image: sitk.Compose([image] * 3), "found 3 values a voxel, expected 1."),
    ],
)
def test_a_fault_in_the_voxels_is_named(tmp_path: Path, ending: str, change: Any, expected: str) -> None:
    path = write(change(patient()[0]), tmp_path / "in" / f"scan{ending}")
    assert reason(tmp_path, path).startswith(f"scan{ending}: {expected}")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_label_of_another_geometry_is_named(tmp_path: Path, ending: str) -> None:
    image = write(patient()[0], tmp_path / "in" / f"scan{ending}")
    label = write(patient(origin=(-31.0, 17.5, -200.0))[1], tmp_path / "in" / f"label{ending}")
    expected = f"label{ending}: its voxels lie 4.0 mm away from those of scan{ending}, expected the same"
    assert reason(tmp_path, image, label).startswith(expected)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_faulty_label_sets_its_scan_aside(tmp_path: Path, ending: str) -> None:
    image = write(patient()[0], tmp_path / "in" / f"scan{ending}")
    label = write(patient()[1], tmp_path / "in" / f"label{ending}")
    label.write_bytes(label.read_bytes()[:-40])
    assert reason(tmp_path, image, label).startswith(f"label{ending}: ")


def test_a_label_beyond_the_numbers_of_structures_is_refused(tmp_path: Path) -> None:
    image, label = patient()
    huge = write(sitk.Cast(label, sitk.sitkUInt32) * 2_000_000_000, tmp_path / "in" / "label.mha")
    found = reason(tmp_path, write(image, tmp_path / "in" / "scan.mha"), huge)
    assert found == "label.mha: found the value 4000000000, expected at most 65535 for a structure."


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_thin_slab_is_used(tmp_path: Path, axis: int, count: int) -> None:
    # What is too thin for a method is for the method to say.
    part = [slice(None)] * 3
    part[axis] = slice(9, 9 + count)
    record = preprocess(tmp_path, Source("c", "s", write(patient()[0][tuple(part)], tmp_path / "in" / "s.mha")), TARGET)
    assert record.usable and record.model is not None
    assert min(record.model.size) >= 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_scan_of_kilometres_takes_no_memory(tmp_path: Path, ending: str) -> None:
    path = write(patient(spacing=(2e5, 2e5, 2e5))[0], tmp_path / "in" / f"scan{ending}")
    found = reason(tmp_path, path)
    assert (
        found
        == f"scan{ending}: found a scan of 2.8e+06 x 3.6e+06 x 4.4e+06 mm (z, y, x), expected the size of a patient."
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_voxels_that_are_no_size_are_told(tmp_path: Path, ending: str) -> None:
    # Which ITK's filters refuse in words of their own.
    path = write(patient(spacing=(1.0, 1.0, 1e-6))[0], tmp_path / "in" / f"scan{ending}")
    assert reason(tmp_path, path).startswith(f"scan{ending}: found voxels of 1e-06 x 1 x 1 mm (z, y, x), expected the ")


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.mha", "scan.nrrd", "scan.png", "scan"])
@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8b", b"\x1f\x8b" + bytes(2000), b"NRRD0005\n", bytes(2000), b"\xff" * 2000]
)
def test_what_is_no_image_is_set_aside(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(content)
    found = reason(tmp_path, tmp_path / "in" / name)
    assert found.startswith(f"{name}: ") and found.endswith(".") and "expected" in found and "\n" not in found


@pytest.mark.parametrize("name", ["scan.nii.gz", "dicom"])
def test_a_folder_without_dicom_is_set_aside(tmp_path: Path, name: str) -> None:
    (tmp_path / "in" / name).mkdir(parents=True)
    found = reason(tmp_path, tmp_path / "in" / name)
    assert found == f"{name}: found no DICOM file, expected the slices of a series."


@pytest.mark.parametrize("goal", ["scan.nii.gz", "nowhere"])
def test_a_link_to_itself_or_to_nowhere_is_set_aside(tmp_path: Path, goal: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "scan.nii.gz").symlink_to(goal)
    assert reason(tmp_path, tmp_path / "in" / "scan.nii.gz") == "scan.nii.gz: found no such file, expected an image."


@pytest.mark.parametrize("modality", ["ct", "mr"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_numbers_beyond_single_precision_are_named(tmp_path: Path, ending: str, modality: str) -> None:
    path = write(sitk.Cast(patient()[0], sitk.sitkFloat64) * 1e300, tmp_path / "in" / f"scan{ending}")
    found = reason(tmp_path, path, modality=modality)
    assert found.startswith(f"scan{ending}: found values from -1e+303 to ") and "expected at most 3.403e+38 in" in found


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_file_system_that_does_not_answer_sets_nothing_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def unsteady(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    for ending in ENDINGS:
        path = write(patient()[0], tmp_path / "in" / f"scan{ending}")
        with monkeypatch.context() as patched:
            patched.setattr("builtins.open", unsteady)
            patched.setattr(Path, "open", unsteady)
            with pytest.raises(OSError) as caught:
                read_volume(path)
        assert caught.value.errno == number

    path = tmp_path / "in" / "scan.nii.gz"
    monkeypatch.setattr("rprloc.scans.nifti.zlib.decompressobj", unsteady)
    with pytest.raises(OSError) as caught:
        read_volume(path)
    assert caught.value.errno == number


def test_a_file_that_may_not_be_read_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    # The tests may run as a user who may read everything.
    paths = [write(patient()[0], tmp_path / "in" / f"scan{ending}") for ending in ENDINGS]
    monkeypatch.setattr(Path, "open", forbidden)
    for path in paths:
        with pytest.raises(InputError, match="expected a readable file, found: Permission denied"):
            read_volume(path)

"""Nothing of who the patient is leaves a DICOM file: not into a record or volume, nor into a message."""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from rprloc import cli
from rprloc.scans.preprocess import Source, preprocess
from tests.scans.dicom import made
from tests.scans.images import TARGET, patient

PATIENT = patient()[0]
WORDS = sorted({word for value in made.SECRETS.values() for word in re.split(r"[^\w]+", value) if len(word) > 2})


def write(folder: Path, change: Callable[[list[Path]], object] = lambda paths: None, **how: object) -> Path:
    """Write the patient's series, its name in the description, and change its files."""
    fields = {"SeriesDescription": "Zweistein Thorax MRN7654321"}
    change(made.write_series(folder, PATIENT, **({"fields": fields} | how)))
    return folder


def cut(part: float) -> Callable[[list[Path]], object]:
    return lambda paths: paths[4].write_bytes(paths[4].read_bytes()[: int(part * paths[4].stat().st_size)])


def replaced(old: bytes, new: bytes) -> Callable[[list[Path]], object]:
    return lambda paths: paths[4].write_bytes(paths[4].read_bytes().replace(old, new))


def zipped(paths: list[Path]) -> None:
    with zipfile.ZipFile(paths[0].parent.with_suffix(".zip"), "w") as archive:
        for path in paths[:-3]:
            archive.write(path, f"Zweistein/{path.name}")


def cases(folder: Path) -> list[Path]:
    """Write a good series and many that are not; return their paths."""
    made.write_series(folder / "two", PATIENT, series="other", names=[f"x{number}" for number in range(14)])
    write(folder / "zip", zipped)
    return [
        write(folder / "good"),
        write(folder / "two"),
        folder / "zip.zip",
        *(write(folder / f"cut{part}", cut(part)) for part in (0.1, 0.3, 0.5, 0.7, 0.9)),
        write(folder / "packed", cut(0.7), syntax=made.JPEG_2000),
        write(folder / "missing", lambda paths: paths[4].unlink()),
        write(folder / "pet", sop_class=made.PET),
        write(folder / "syntax", replaced(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.9.9\0")),
        write(folder / "number", replaced(b"-31.0000000000", b"Zweistein     ")),
        write(folder / "group", replaced(b"\x20\x00\x32\x00DS", b"\x20\x00\x32\x00PN")),
        write(folder / "reference", fields={"FrameOfReferenceUID": None}),
    ]


def left_in(folder: Path) -> bytes:
    """Return names and contents of all files below a folder, unpacked."""
    found = b""
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        found += str(path).encode() + (gzip.decompress(content) if path.name.endswith(".gz") else content)
    return found


def test_no_name_or_number_of_a_patient_is_left_anywhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    paths = cases(tmp_path / "in")
    assert all(word.encode() in left_in(tmp_path / "in") for word in WORDS)
    records = [preprocess(tmp_path / "out", Source("c", f"s{n}", path), TARGET) for n, path in enumerate(paths)]
    assert [record.usable for record in records[:2]] == [True, False]
    assert sum(record.usable for record in records) in (3, 4)
    done = CliRunner().invoke(cli.command, ["inspect", "--csv", *map(str, paths)])
    assert "... Thorax ..." in done.output and "found 2 series" in done.output
    out, err = capfd.readouterr()
    told = f"{done.output}{done.stderr}{done.exception}{out}{err}".encode() + left_in(tmp_path / "out")
    assert [word for word in WORDS if word.lower().encode() in told.lower()] == []
    # What pydicom logs goes nowhere without a handler of one's own; it names files alone.
    assert [word for word in WORDS if word.lower() in caplog.text.lower()] == []

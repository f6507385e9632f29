"""Damaged DICOM: a series is used or set aside with a sentence, whatever happened to one of its files."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rprloc.scans.preprocess import Source, preprocess
from tests.fuzz.mutations import damaged, no_hang
from tests.scans.dicom import made
from tests.scans.images import TARGET, patient

WORDS = (
    b"",
    b"0",
    b"-1",
    b"nan",
    b"1e30",
    b"CT",
    b"1.2.840.10008.1.2.5",
    b"DS",
    b"SQ",
    b"UN",
    b"A" * 300,
    b"1\\2\\3\\4",
)
HEADER = 2000
"""Bytes of a slice that are mostly its header."""


@cache
def whole(syntax: str) -> tuple[bytes, ...]:
    """Return the files of a good series of four slices, or of one file of many frames."""
    with tempfile.TemporaryDirectory() as name:
        folder, image = Path(name), patient()[0][:, :, 3:7]
        if syntax == "frames":
            made.save(made.multiframe_of(image), folder / "IM0000")
        else:
            known = {"plain": None, "rle": made.RLE, "jpeg2000": made.JPEG_2000, "jpegls": made.JPEG_LS}
            made.write_series(folder, image, syntax=known[syntax])
        return tuple(path.read_bytes() for path in sorted(folder.iterdir()))


def used_or_set_aside(contents: list[bytes], name: str = "s") -> None:
    """Preprocess files as a series, or one as a file; nothing may be raised, and a reason is a sentence."""
    with tempfile.TemporaryDirectory() as folder, no_hang():
        path = Path(folder) / name
        if name == "s":
            path.mkdir()
        for number, content in enumerate(contents):
            (path / f"IM{number}" if name == "s" else path).write_bytes(content)
        reason = preprocess(Path(folder) / "out", Source("c", "s", path), TARGET).reason
        assert reason is None or (reason.startswith(f"{name}: ") and reason.endswith(".") and reason.isprintable()), (
            reason
        )


@pytest.mark.parametrize("syntax", ["plain", "frames", "rle", "jpegls", "jpeg2000"])
@settings(max_examples=20)
@given(data=st.data())
def test_a_series_with_a_damaged_file(syntax: str, data: st.DataObject) -> None:
    first, *others = whole(syntax)
    used_or_set_aside([data.draw(damaged(first, first=HEADER, words=WORDS)), *others])


@settings(max_examples=16)
@given(data=st.data())
def test_a_damaged_archive(data: st.DataObject) -> None:
    content = zipped(whole("plain"))
    used_or_set_aside([data.draw(damaged(content, first=len(content), words=WORDS))], "s.zip")


@settings(max_examples=16)
@given(st.binary(max_size=2000), st.booleans())
def test_what_never_was_dicom(content: bytes, marked: bool) -> None:
    start = bytes(128) + b"DICM" if marked else b"\x08\x00\x05\x00"
    used_or_set_aside([start + content], "s.dcm")


@cache
def zipped(contents: tuple[bytes, ...]) -> bytes:
    """Return a zip archive of files."""
    import io
    import zipfile

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"a/IM{number}", content)
    return stream.getvalue()

"""Whatever the files of an annotation hold, it is read or refused with a sentence."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rprloc.errors import InputError
from rprloc.marks.annotation import Annotated
from tests.fuzz.mutations import damaged, no_hang
from tests.marks.written import NATIVE, SIZE, fiducials, markups, outline, roi, rtstruct, seg_dicom, seg_nrrd

WORDS = (
    b"0", b"-1", b"NaN", b"1e400", b"1e30", b"99999999999999999999", b"", b"null", b"[]", b"{}", b"true", b"RAS",
    b"IJK", b"organ:left", b"organ:top", b"\\\\", b"Nobody^Here", b"POINT", b"OPEN_PLANAR", b"none", b"A" * 3000,
)  # fmt: skip
KINDS = {".mrk.json": 900, ".csv": 200, ".seg.nrrd": 900, "seg.dcm": 4000, "rs.dcm": 1500}
"""Files by how they end, and the bytes that are damaged most."""


@cache
def whole(ending: str) -> bytes:
    """Return a good file."""
    mask = np.zeros(SIZE[::-1], dtype=bool)
    mask[4:9, 5:12, 5:14] = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{ending}"
        if ending == ".mrk.json":
            markups(path, roi((-10, 35, -185), (8, 9, 10)), fiducials({"apex": (-10, 30, -185), "b": (-8, 30, -185)}))
        elif ending == ".csv":
            path.write_text("structure,x_mm,y_mm,z_mm,space\na,-10,30,-185,LPS\nb,10,-30,-185,RAS\nb,5,-40,-180,RAS\n")
        elif ending == ".seg.nrrd":
            seg_nrrd(path, np.stack([mask, mask]), [("organ", 0, 1), ("other", 1, 1)])
        elif ending == "seg.dcm":
            seg_dicom(path, {"organ": mask})
        else:
            rtstruct(path, {"organ": outline(mask), "apex": [("POINT", np.array([[-10.0, 30.0, -185.0]]))]})
        return path.read_bytes()


def read_or_refused(ending: str, content: bytes) -> None:
    """Read a file as the annotation of a scan; what is raised is a sentence that names the file and no patient."""
    with tempfile.TemporaryDirectory() as name, no_hang():
        path = Path(name) / f"bad{ending}"
        path.write_bytes(content)
        is_marks = ending in (".mrk.json", ".csv")
        annotated = Annotated(
            image=Path(name) / "s.nii.gz", label=None if is_marks else path, marks=(path,) if is_marks else ()
        )
        try:
            annotated.read(NATIVE, structures=None, known=())
        except InputError as error:
            (sentence,) = error.errors
            assert sentence.startswith((f"bad{ending}", "s.nii.gz: ")) and sentence.endswith((".", "?")), sentence
            assert sentence.isprintable() and "N0B0DY" not in sentence, sentence


@pytest.mark.parametrize("ending", KINDS)
@settings(max_examples=28)
@given(data=st.data())
def test_an_annotation_that_is_damaged(ending: str, data: st.DataObject) -> None:
    read_or_refused(ending, data.draw(damaged(whole(ending), first=KINDS[ending], words=WORDS)))


@settings(max_examples=32)
@given(st.sampled_from(list(KINDS)), st.binary(max_size=2000))
def test_an_annotation_that_never_was_one(ending: str, content: bytes) -> None:
    read_or_refused(ending, content)

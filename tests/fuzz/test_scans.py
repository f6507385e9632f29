"""Whatever the file of a scan holds, it is used or set aside with a sentence."""

from __future__ import annotations

import gzip
import tempfile
from functools import cache
from pathlib import Path

import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.target import Target
from tests.fuzz.mutations import damaged, no_hang
from tests.scans.images import patient

WORDS = (
    b"0", b"-1", b"nan", b"inf", b"1e30", b"1e-30", b"1000000000", b"99999999999999999999", b"", b"3", b"4", b"1 2 3",
    b"%s%n", b"LOCAL", b"LIST", b"True", b"False", b"MET_DOUBLE", b"MET_STRING", b"double", b"block", b"ascii", b"hex",
    b"gzip", b"bzip2", b"big", b"none", b"(1,0,0)", b"(0,0,0)", b"data file", b"right-anterior-superior", b"A" * 3000,
)  # fmt: skip

TARGET = Target(modality="ct", spacing=(3.0, 2.5, 3.0), structures={"organ": 40})
"""A scan in the place of its label has hundreds of values: one is enough."""


@cache
def whole(ending: str, packed: bool) -> bytes:
    """Return a good file; NIfTI's as it is before it is packed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{'bad' if ending in DETACHED else 'scan'}{ending}"
        sitk.WriteImage(patient()[0], str(path), useCompression=packed)
        return gzip.decompress(path.read_bytes()) if ending == ".nii.gz" else path.read_bytes()


DETACHED = {".mhd": ".raw", ".nhdr": ".raw", ".hdr": ".img"}
"""Headers, and the ending of the file of their voxels."""


@cache
def voxels(ending: str) -> bytes:
    """Return the voxels that belong to a header."""
    with tempfile.TemporaryDirectory() as folder:
        sitk.WriteImage(patient()[0], str(Path(folder) / f"bad{ending}"))
        return (Path(folder) / f"bad{DETACHED[ending]}").read_bytes()


def used_or_set_aside(ending: str, content: bytes) -> None:
    """Preprocess a file as image and as label of a good scan; nothing may be raised, and a reason is a sentence."""
    with tempfile.TemporaryDirectory() as name, no_hang():
        folder = Path(name)
        good, bad = folder / "good.mha", folder / f"bad{ending}"
        good.write_bytes(whole(".mha", False))
        bad.write_bytes(content)
        if ending in DETACHED:
            (folder / f"bad{DETACHED[ending]}").write_bytes(voxels(ending))
        for number, (image, label) in enumerate([(bad, None), (good, bad)]):
            reason = preprocess(folder, Source("c", f"s{number}", image, label), TARGET).reason
            assert reason is None or (
                reason.startswith((f"bad{ending}: ", "bad.raw: ", "bad.img: "))
                and reason.endswith(".")
                and reason.isprintable()
            ), reason


@pytest.mark.parametrize(("ending", "first"), [(".nii.gz", 352), (".mha", 400), (".nrrd", 420)])
@settings(max_examples=40)
@given(data=st.data())
def test_a_scan_with_a_damaged_header(ending: str, first: int, data: st.DataObject) -> None:
    content = data.draw(damaged(whole(ending, data.draw(st.booleans())), first=first, words=WORDS))
    used_or_set_aside(ending, gzip.compress(content, 1) if ending == ".nii.gz" else content)


@pytest.mark.parametrize("ending", DETACHED)
@settings(max_examples=25)
@given(data=st.data())
def test_a_damaged_header_beside_its_voxels(ending: str, data: st.DataObject) -> None:
    content = whole(ending, False)
    used_or_set_aside(ending, data.draw(damaged(content, first=len(content), words=WORDS)))


@settings(max_examples=40)
@given(data=st.data())
def test_a_packed_scan_that_is_damaged(data: st.DataObject) -> None:
    packed = gzip.compress(whole(".nii.gz", True), 1, mtime=0)
    used_or_set_aside(".nii.gz", data.draw(damaged(packed, first=len(packed), words=WORDS)))


@settings(max_examples=20)
@given(st.sampled_from([".nii", ".nii.gz", ".mha", ".nrrd"]), st.binary(max_size=3000))
def test_a_scan_that_never_was_one(ending: str, content: bytes) -> None:
    used_or_set_aside(ending, content)

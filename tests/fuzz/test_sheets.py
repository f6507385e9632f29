"""Whatever a sample sheet or a settings file holds, a run is checked to its end with a sentence for each fault."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rprloc.cohort.check import check
from rprloc.cohort.parameters import read_schema
from tests.fuzz.mutations import damaged, no_hang

ROOT = Path(__file__).parents[2]
SCHEMA = read_schema(ROOT / "nextflow_schema.json")

SHEET = (
    "subject,image,label,split,cohort\n"
    "a_1,images/a 1.nii.gz,,train,phantom\n"
    "b-2,'images/b,2.nii.gz',,train,phantom\n"
    'c.3,"images/ü, 3.nii.gz","labels/{structure}.nii.gz",validation,phantom\n'
    "d4,/data/d4.mha,labels/d4,test,default\n"
    "e5,e5.nrrd,e5_label.nrrd,validation,default\n"
    "f6,f6.nrrd,,train,default\n"
).encode()
SETTINGS = (ROOT / "assets" / "cohorts" / "openkbp.yml").read_bytes()

WORDS = (
    b"", b"subject", b"image", b"labels", b"Split", b"train", b"query", b"a_1", b"$(id)", b"../x", b"a;rm -rf x", b"\n",
    b"\xef\xbb\xbf", b"\xff\xfe", b'"', b"''", b"\r\n", b"\t", b";", b",,,", b"x" * 65, b"\0", b"\xed\xa0\x80", b"null",
)  # fmt: skip
YAML_WORDS = (
    b"null", b"true", b"-1", b"0", b".nan", b".inf", b"1e400", b"9" * 400, b"[", b"]", b"{", b"}", b"&a", b"*a", b"- ",
    b"!!python/object:os.system", b"!!binary", b"2026-02-30", b"0x", b"? ", b": ", b"|", b"<<", b"%", b"@", b"`",
    b"[" * 2000, b"mr", b"spacing", b"patch", b"structures", b"1_000", b"1:60:60", b"'", b'"', b"\t", b"\0", b"\xff",
)  # fmt: skip


def checked(sheet: bytes, own: bytes | None = None) -> None:
    """Check a run of a sheet, and of a settings file for one of its cohorts; faults must be sentences on one line."""
    with tempfile.TemporaryDirectory() as name, no_hang():
        folder = Path(name)
        (folder / "samples.csv").write_bytes(sheet)
        if own is not None:
            (folder / "phantom.yml").write_bytes(own)
        found: dict[str, Any] = check(
            {"input": "samples.csv", "cohort": "default"}, schema=SCHEMA, sheet=folder / "samples.csv",
            folders=[folder, ROOT / "assets" / "cohorts"], exists=lambda path: True,
        )  # fmt: skip
        for fault in found["errors"]:
            assert fault["message"].endswith(".") and fault["message"].isprintable(), fault
        # What goes on to the processes: JSON in UTF-8 without NaN.
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode("utf-8")


@settings(max_examples=120)
@given(damaged(SHEET, first=40, words=WORDS))
def test_a_damaged_sheet(content: bytes) -> None:
    checked(content)


@settings(max_examples=30)
@given(st.sampled_from(["utf-8", "utf-16", "latin-1", "utf-8-sig"]), st.text(max_size=300))
def test_a_sheet_of_any_text(encoding: str, text: str) -> None:
    checked(f"subject,image\n{text}".encode(encoding, "replace"))


@settings(max_examples=90)
@given(damaged(SETTINGS, first=len(SETTINGS), words=YAML_WORDS))
def test_a_damaged_settings_file(content: bytes) -> None:
    checked(SHEET, content)

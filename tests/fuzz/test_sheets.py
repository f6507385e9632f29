"""Whatever a sample sheet or a settings file holds, a run is checked to its end with a sentence for each fault."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rprloc.cohort.check import check
from rprloc.cohort.places import Place
from rprloc.cohort.plan import plan_of
from rprloc.cohort.sheet import named_files
from rprloc.cohort.tasks import SheetFile
from tests.cohort.planned import COHORTS
from tests.cohort.planned import given as given_to
from tests.fuzz.mutations import damaged, no_hang

SHEET = (
    "subject,image,label,split,cohort\n"
    "a_1,images/a 1.nii.gz,,train,phantom\n"
    "b-2,'images/b,2.nii.gz',,train,phantom\n"
    'c.3,"images/ü, 3.nii.gz","labels/{structure}.nii.gz",validation,phantom\n'
    "d4,/data/d4.mha,labels/d4,test,default\n"
    "e5,e5.nrrd,e5_label.nrrd,validation,default\n"
    "f6,f6.nrrd,,train,default\n"
).encode()
SETTINGS = (COHORTS / "openkbp.yml").read_bytes()

WORDS = (
    b"", b"subject", b"image", b"labels", b"Split", b"train", b"query", b"a_1", b"$(id)", b"../x", b"a;rm -rf x", b"\n",
    b"\xef\xbb\xbf", b"\xff\xfe", b'"', b"''", b"\r\n", b"\t", b";", b",,,", b"x" * 65, b"\0", b"\xed\xa0\x80", b"null",
)  # fmt: skip
YAML_WORDS = (
    b"null", b"true", b"-1", b"0", b".nan", b".inf", b"1e400", b"9" * 400, b"[", b"]", b"{", b"}", b"&a", b"*a", b"- ",
    b"!!python/object:os.system", b"!!binary", b"2026-02-30", b"0x", b"? ", b": ", b"|", b"<<", b"%", b"@", b"`",
    b"[" * 2000, b"mr", b"spacing", b"patch", b"structures", b"1_000", b"1:60:60", b"'", b'"', b"\t", b"\0", b"\xff",
)  # fmt: skip


def there(sheet: bytes) -> dict[str, Place]:
    """Return that all that a sheet names is there: what has no ending is a folder of two masks."""
    masks = ("brainstem.nii.gz", "mandible.nrrd")
    return {
        name: Place(f"/data/{name}", "file") if "." in name else Place(f"/data/{name}", "folder", masks)
        for name in named_files(sheet)
    }


def checked(sheet: bytes, own: bytes | None = None) -> None:
    """Check a run of a sheet, and of a settings file for one of its cohorts; faults must be sentences on one line."""
    with tempfile.TemporaryDirectory() as name, no_hang():
        folder = Path(name)
        (folder / "samples.csv").write_bytes(sheet)
        if own is not None:
            (folder / "phantom.yml").write_bytes(own)
        run = replace(
            given_to(folder / "samples.csv", folders=(folder, COHORTS), cohort="default"), places=there(sheet)
        )
        found = check(run)
        for fault in found.faults:
            assert fault.message.endswith(".") and fault.message.isprintable(), fault
        # What goes on to the processes: JSON in UTF-8 without NaN.
        plan = plan_of(found, sheet=SheetFile(file=run.name), places=run.places).to_json()
        json.dumps(plan, ensure_ascii=False, allow_nan=False).encode("utf-8")


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

"""nibabel without what it would load for nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DICOM = {"pydicom", "gdcm", "highdicom"}


def printed(code: str) -> set[str]:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, text=True, check=True, capture_output=True)
    return set(done.stdout.split())


def test_the_libraries_of_dicom_are_loaded_for_dicom_alone() -> None:
    loaded = printed("import sys, rprloc.marks.annotation, rprloc.exports.write, rprloc.cli; print(*sys.modules)")
    assert "nibabel" in loaded and not DICOM & loaded
    assert printed("import sys, rprloc.scans.frame, rprloc.marks.seg, rprloc.scans.dicom.pixels, highdicom;"
                            "import gdcm; print(*sys.modules)") >= DICOM  # fmt: skip


def test_pydicom_that_is_there_already_stays() -> None:
    assert printed("import pydicom, rprloc.scans.nib; print(pydicom is __import__('pydicom'))") == {"True"}

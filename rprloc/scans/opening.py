"""A scan in whatever form it is given: a volume in a file, or a series of DICOM."""

from __future__ import annotations

from pathlib import Path

from rprloc.errors import InputError
from rprloc.scans import kinds
from rprloc.scans.volume import Opened, open_volume


def open_scan(path: Path, *, series: str | None = None, modality: str | None = None) -> Opened:
    """Read a scan: a folder, a zip archive or a file of DICOM, of which `series` names one by description, number or
    UID and `modality` (ct, mr) is that of the others, or an image in a file.

    Raises InputError as `open_dicom` and `open_volume` do, for what is not there, and for a series of what is no DICOM.
    """
    if not path.exists():
        raise InputError(f"{path.name}: found no such file, expected an image.")
    if kinds.is_dicom(path):
        # pydicom takes as long to load as a small scan to read.
        from rprloc.scans.dicom.read import open_dicom

        return open_dicom(path, series=series, modality=modality)
    if series:
        raise InputError(f"{path.name}: found an image of one volume, expected DICOM where a series is named.")
    return open_volume(path)

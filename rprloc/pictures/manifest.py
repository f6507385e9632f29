"""What the report has to know of the pictures of each scan, without opening any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from rprloc.errors import InputError
from rprloc.files import write_json


class Pictured(msgspec.Struct, frozen=True, kw_only=True):
    """What was made of a scan; paths are relative to the results folder."""

    cohort: str
    subject: str
    viewer: str = ""
    """The page of its viewer, empty where there is none."""
    pictures: Mapping[str, str] = {}
    """By structure."""
    embedded: Mapping[str, str] = {}
    """The same as data URIs, where the report is to hold them itself."""
    true_mm: Mapping[str, Sequence[Sequence[float]]] = {}
    """The box (2, 3) in LPS mm of each structure that its annotation shows, or a single landmark twice."""
    support: str = ""
    """The support that its viewer shows beside it."""
    note: str = ""
    """Why there is no picture."""


def write_manifest(path: Path, scans: Sequence[Pictured]) -> None:
    """Write what was made of scans as JSON, whole."""
    write_json(path, msgspec.to_builtins(list(scans)))


def read_manifests(paths: Sequence[Path]) -> dict[tuple[str, str], Pictured]:
    """Return by cohort and subject what was made of scans; raises InputError for a file that is no manifest."""
    found: dict[tuple[str, str], Pictured] = {}
    for path in paths:
        try:
            scans = msgspec.json.decode(path.read_bytes(), type=list[Pictured])
        except (OSError, msgspec.DecodeError) as error:
            raise InputError(f"{path.name}: expected a list of pictures as VIEW writes it, found: {error}.") from error
        found |= {(one.cohort, one.subject): one for one in scans}
    return found

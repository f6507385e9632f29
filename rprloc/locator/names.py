"""What scans are called that are given as files or folders: a subject each, as a sample sheet would name it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rprloc.cohort.faults import shown
from rprloc.errors import InputError

_ENDING = re.compile(r"(\.seg)?\.(nii(\.gz)?|nrrd|nhdr|mha|mhd|hdr|img(\.gz)?|dcm|dicom|ima|zip)$", re.IGNORECASE)
_LONGEST = 64
_NAMELESS = "scan"
"""What a scan is called whose file's name has no letter that a subject may have."""


@dataclass(frozen=True)
class Named:
    """A scan and what it is called."""

    subject: str
    path: Path


def subject_for(path: Path) -> str:
    """Return the subject of a scan: its file's name without the ending, or its folder's.

    Letters lose their accents, and whatever a subject may not hold becomes `_`.
    """
    name = path.name if path.name not in ("", "..") else path.resolve().name
    plain = "".join(
        one for one in unicodedata.normalize("NFKD", _ENDING.sub("", name)) if not unicodedata.combining(one)
    )
    return re.sub(r"[^A-Za-z0-9._-]+", "_", plain).lstrip("._-")[:_LONGEST] or _NAMELESS


def named(paths: Iterable[Path], beside: Sequence[Named] = ()) -> list[Named]:
    """Return scans with their subjects; `beside` are those that are named already.

    Raises InputError for a subject that two have: the answers could not be told apart.
    """
    known = {one.subject.casefold(): one for one in beside}
    found, errors = [], []
    for path in paths:
        one = Named(subject_for(path), path)
        other = known.setdefault(one.subject.casefold(), one)
        if other is not one:
            errors.append(
                f"{shown(str(path))}: found a scan called {one.subject} as {shown(str(other.path))} is, "
                "expected a file or folder whose name no other scan has (case does not count)."
            )
        found.append(one)
    if errors:
        raise InputError(errors)
    return found


def apart(queries: Iterable[Path], supports: Sequence[Named]) -> tuple[list[Path], list[Path]]:
    """Return the queries that are no support, and those that are: a support is not searched from itself."""
    own = {one.path.resolve() for one in supports}
    queries = list(queries)
    return [one for one in queries if one.resolve() not in own], [one for one in queries if one.resolve() in own]

"""What scans are called that are given as files or folders: a subject each, as a sample sheet would name it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rprloc.cohort.faults import shown
from rprloc.cohort.given import subject_for
from rprloc.errors import InputError


@dataclass(frozen=True)
class Named:
    """A scan and what it is called."""

    subject: str
    path: Path


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

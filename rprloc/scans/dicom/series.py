"""Which files of many are the scan: by rule, or by the name that the user gives."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rprloc.errors import InputError
from rprloc.scans.dicom.headers import Header, Slice, called, plain
from rprloc.scans.dicom.stack import usual_gap_mm

_ONE_VOLUME = 0.8
"""Least part of a volume's slices that have the same orientation, size and spacing; the others are left out."""
_ROUNDED = 1e-3
"""Directions, and spacings by this part of them, differ by less where they are one but for rounding."""
_MOST_LISTED = 12
"""Series in a sentence."""


@dataclass(frozen=True)
class Series:
    """The images of a series."""

    headers: tuple[Header, ...]

    @property
    def first(self) -> Header:
        """One of its files, which say the same of it."""
        return self.headers[0]

    @cached_property
    def slices(self) -> tuple[Slice, ...]:
        """Its slices of the orientation, size and spacing that most of them have."""
        groups: list[list[Slice]] = []
        for one in (each for header in self.headers for each in header.slices):
            fitting = next((group for group in groups if _of_one_form(group[0], one)), None)
            if fitting is None:
                groups.append([one])
            else:
                fitting.append(one)
        return tuple(sorted(groups, key=len)[-1])

    @property
    def others(self) -> int:
        """How many slices it has beside those."""
        return sum(len(header.slices) for header in self.headers) - len(self.slices)

    @property
    def volume(self) -> bool:
        """Whether it shows a volume."""
        enough = len(self.slices) >= _ONE_VOLUME * (len(self.slices) + self.others)
        return enough and usual_gap_mm(self.slices) > 0

    @property
    def words(self) -> str:
        """What tells it from others."""
        number = "" if self.first.number is None else f"{self.first.number} "
        name = f"'{self.first.description}'" if self.first.description else "without a description"
        count = len(self.slices) + self.others
        apart = f" of {usual_gap_mm(self.slices):.4g} mm" if self.volume else ", no volume"
        return f"{number}{name} ({str(self.first.modality).upper()}, {count} slice{'s' * (count > 1)}{apart})"


@dataclass(frozen=True)
class ChosenSeries:
    """The series that is the scan, and what is to be said of what lies beside it."""

    series: Series
    findings: tuple[str, ...] = ()


def chosen(headers: Sequence[Header], name: str, *, wanted: str | None, modality: str | None) -> ChosenSeries:
    """Return the series that `wanted` names by its description, number or UID, else the one volume of a modality.

    Left out by rule are localizers, secondary captures, reports and whatever else is no CT or MR image with a place.
    Raises InputError where there is no such series or more than one, or where it lacks what it needs to be a volume.
    """
    if not headers:
        raise InputError(f"{name}: found no DICOM file, expected the slices of a series.")
    found = _series_of(headers)
    if not found:
        raise InputError(f"{name}: found {_counted(header.kind for header in headers)}, expected a series of CT or MR.")
    fitting = [one for one in found if one.volume and one.first.modality == (modality or one.first.modality)]
    if wanted:
        fitting = [one for one in found if _is_called(one, wanted)]
    if len(fitting) != 1:
        raise InputError(_sentence(found, fitting, name, wanted, modality))
    series = fitting[0]
    if not series.volume:
        raise InputError(f"{name}: found the series {series.words}, expected slices of one orientation at many places.")
    if modality and series.first.modality != modality:
        shown = str(series.first.modality).upper()
        raise InputError(f"{name}: found {shown}, expected {_expected(modality, [series])}.")
    _check_one(series, headers, name)
    return ChosenSeries(series, _left_out(series, found, headers, wanted))


def _of_one_form(one: Slice, other: Slice) -> bool:
    """Tell whether two slices may be of one stack."""
    return (
        one.size == other.size
        and np.allclose(one.spacing_mm, other.spacing_mm, rtol=_ROUNDED)
        and bool(np.abs(one.orientation - other.orientation).max() < _ROUNDED)
    )


def _series_of(headers: Iterable[Header]) -> list[Series]:
    """Return the series of all images that can be one, by their numbers."""
    found: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        if header.slices:
            found[header.series_uid].append(header)
    made = [Series(tuple(each)) for each in found.values()]
    return sorted(made, key=lambda one: (one.first.number or 0, one.first.series_uid))


def _is_called(series: Series, wanted: str) -> bool:
    """Tell whether a series has a UID, number or description."""
    first = series.first
    names = [first.description.casefold(), "" if first.number is None else str(first.number)]
    named = plain(wanted).casefold() in names or wanted.strip() == first.series_uid
    return named or (bool(first.description) and called(wanted) == first.called)


def _sentence(
    found: Sequence[Series], fitting: Sequence[Series], name: str, wanted: str | None, modality: str | None
) -> str:
    """Return why none of the series, or more than one, is the scan: all of them, and what was expected."""
    shown = [one.words for one in (fitting or found)[:_MOST_LISTED]]
    more = len(fitting or found) - len(shown)
    listed = ", ".join(shown) + (f" and {more} more" if more else "")
    count = len(fitting or found)
    if wanted:
        expected = f"one with the description, number or UID '{plain(wanted)}' that `series` names"
    elif fitting:
        expected = "one, or its description, number or UID as `series`"
    else:
        expected = f"a volume of {_expected(modality, found) if modality else 'CT or MR'}"
    return f"{name}: found {count} series, {listed}, expected {expected}."


def _expected(modality: str, found: Sequence[Series]) -> str:
    """Return the modality that a scan should have and, where none of the series found has it, what says so."""
    others = sorted({str(one.first.modality) for one in found} - {modality})
    told = all(one.first.modality != modality for one in found)
    return f"{modality.upper()} (or settings with modality: {others[0]})" if told and others else modality.upper()


def _check_one(series: Series, headers: Sequence[Header], name: str) -> None:
    """Refuse a series that is not whole or lies in several frames of reference; raises InputError."""
    broken = [one for one in headers if not one.whole and one.series_uid in ("", series.first.series_uid)]
    if broken:
        what = _counted(header.kind for header in broken)
        raise InputError(f"{name}: found {what} beside the slices, expected whole files.")
    used = {one.file for one in series.slices}
    references = {header.reference_uid for header in series.headers if header.file in used}
    if len(references) > 1:
        raise InputError(f"{name}: found slices in {len(references)} frames of reference, expected one.")


def _left_out(
    series: Series, found: Sequence[Series], headers: Sequence[Header], wanted: str | None
) -> tuple[str, ...]:
    """Return what is to be said of what lies beside the series, unless it was called by name."""
    kinds = [header.kind for header in headers if not header.slices and header.whole]
    if wanted:
        kinds = [one.kind for one in headers if not one.slices and one.series_uid == series.first.series_uid]
    else:
        kinds += ["series that is no volume of this kind"] * (len(found) - 1)
    kinds += ["slice of another orientation or size"] * series.others
    return (f"beside its slices lie {_counted(kinds)}: left out",) if kinds else ()


def _counted(kinds: Iterable[str]) -> str:
    """Return how many there are of each kind, in words."""
    counts = Counter(kinds)
    return ", ".join(f"{count} x {kind}" for kind, count in sorted(counts.items()))

"""What LOCALIZE found of a cohort's outlines, beside the predictions that they belong to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from rprloc.methods.answer import OfAnswer, OutlineFacts, Prediction
from rprloc.results.measure.expected import Name, name_of
from rprloc.scans.outlines import OfStructure, read_about
from rprloc.scans.scan import outline_path
from rprloc.scans.target import subject_of


@dataclass(frozen=True)
class KnownOutlines:
    """What is known of a cohort's outlines."""

    facts: Mapping[Name, OutlineFacts]
    """Of the predictions that have one."""
    true: Collection[tuple[str, str]]
    """The subjects and structures whose true outline is known."""


NOTHING = KnownOutlines({}, frozenset())


def facts_of(paths: Iterable[Path]) -> dict[Name, OutlineFacts]:
    """Return what the files of a cohort's outlines say of each; raises InputError for a file that is none."""
    return {Name(one.subject, **one.key._asdict()): one.facts for path in paths for one in read_about(path, OfAnswer)}


def true_outlines(scans: Iterable[Path]) -> frozenset[tuple[str, str]]:
    """Return the subjects and structures of preprocessed scans whose true outline is known."""
    paths = [(subject_of(folder), outline_path(folder)) for folder in scans]
    return frozenset(
        (subject, one.structure) for subject, path in paths if path.exists() for one in read_about(path, OfStructure)
    )


def with_outlines(predictions: Iterable[Prediction], known: KnownOutlines) -> list[Prediction]:
    """Return predictions that were found with what is known of their outlines."""
    return [
        one if one.failed else msgspec.structs.replace(one, outline=known.facts.get(name_of(one)))
        for one in predictions
    ]

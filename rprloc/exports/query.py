"""A query with its answers to use, ready to be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rprloc.exports.names import file_name, file_names
from rprloc.methods.answer import Prediction
from rprloc.scans.outlines import Outline
from rprloc.scans.scan import Native, ScanRecord


@dataclass(frozen=True, kw_only=True)
class Query:
    """A query that came through preprocessing, and its answers to use."""

    record: ScanRecord
    answers: tuple[Prediction, ...]
    """One for each structure, failed ones as well, in the order of the cohort's structures."""
    outlines: Mapping[str, Outline] = field(default_factory=dict)
    """By structure, of the answers that have one."""
    image: Path
    """The scan as it was given."""
    series: str | None = None
    """Which one of DICOM."""
    modality: str | None = None
    """ct or mr."""
    values: Mapping[str, int] | None = None
    """Of the structures in a label; None: 1, 2, ... in their order."""

    @property
    def native(self) -> Native:
        """The scan's own grid."""
        assert self.record.native is not None
        return self.record.native

    @property
    def found(self) -> list[Prediction]:
        """The answers that were found."""
        return [one for one in self.answers if not one.failed and one.box_mm is not None]

    @property
    def files(self) -> dict[str, str]:
        """A file's name for each structure."""
        return file_names(one.structure for one in self.answers)

    @property
    def labels(self) -> dict[str, int]:
        """The value of each structure in a label."""
        names = [one.structure for one in self.answers]
        given = self.values or {}
        own = {name: given[name] for name in names if name in given}
        # A structure beside the settings' comes after them.
        after = max(given.values(), default=0)
        rest = [name for name in names if name not in own]
        return own | {name: after + number for number, name in enumerate(rest, start=1)}

    def folder(self, parent: Path, kind: str) -> Path:
        """Return the folder of its cohort's files of a kind."""
        return parent / kind / file_name(self.record.cohort)

    @property
    def name(self) -> str:
        """A file's name for the subject."""
        return file_name(self.record.subject)


def about(one: Prediction) -> str:
    """Return in words how sure an answer is."""
    parts = [f"{one.method} from {_supports(one)}"]
    if one.confidence is not None:
        parts.append(f"confidence {one.confidence:.2f}")
    if one.within_90_mm:
        mean = sum(one.within_90_mm.values()) / len(one.within_90_mm)
        parts.append(f"each wall within {mean:.1f} mm nine times in ten")
    return "; ".join(parts)


def _supports(one: Prediction) -> str:
    """Return in words what an answer rests on."""
    if one.n_supports == 0:
        return "what it has learned"
    return f"{one.n_supports} support{'s' if one.n_supports > 1 else ''}"

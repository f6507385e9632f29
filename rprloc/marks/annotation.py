"""A scan's annotation as it is given: the files of its label and of its marks, each read by what it is."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rprloc.errors import InputError
from rprloc.marks import dicom
from rprloc.marks.mark import Marks
from rprloc.marks.markups import is_markups, read_markups
from rprloc.marks.names import asked_names, printable
from rprloc.marks.on_scan import laid_on, together
from rprloc.marks.table import read_rows, read_table, text_of
from rprloc.scans.labels import Label, read_label
from rprloc.scans.record import Native


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """What a scan is annotated by; one of the two at least."""

    image: Path
    """The scan's own file or folder."""
    label: Path | Mapping[str, Path] | None = None
    """An image of numbers, a segmentation or contours; or a mask for each structure by its name."""
    colours: Path | None = None
    """The colour table of an image of numbers."""
    marks: tuple[Path, ...] = ()
    """Files of boxes and points."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Its files: of a folder all that lie in it."""
        masks = self.label if isinstance(self.label, Mapping) else {"": self.label}
        given = [path for path in (*(masks[name] for name in sorted(masks)), self.colours, *self.marks) if path]
        below = ([path] if path.is_file() else sorted(path.rglob("*")) for path in given)
        return tuple(path for paths in below for path in paths if path.is_file())

    def read(self, native: Native, *, structures: Mapping[str, int] | None, known: Collection[str]) -> Label:
        """Return what the annotation says of the scan whose grid is `native`.

        Structures are called as the files say, else by the settings' `structures`, of which only those are taken.
        `known` is what is said of the scan already. Raises InputError where a file cannot be used, is of another scan
        or marks a structure that another file marks.
        """
        labels = []
        if self.label is not None:
            labels.append(self._label(self.label, native, structures, known))
        for path in self.marks:
            marks = read_marks(path)
            labels.append(laid_on(marks, native, structures=structures, file=path.name, image_name=self.image.name))
        return together(labels, self.image.name)

    def _label(
        self,
        label: Path | Mapping[str, Path],
        native: Native,
        structures: Mapping[str, int] | None,
        known: Collection[str],
    ) -> Label:
        """Read the label by what its file is; libraries that only one kind needs are loaded for it alone."""
        name = self.image.name
        if not isinstance(label, Path):
            return read_label(label, native, image_name=name, structures=structures, known=known)
        if label.is_file() and dicom.is_dicom(label):
            return self._dicom(label, native, structures)
        if label.is_file() and label.name.lower().endswith(".nrrd"):
            from rprloc.marks.segments import has_segments, read_segments

            if has_segments(label):
                return read_segments(label, native, image_name=name, structures=structures, known=known)
        if self.colours is None:
            return read_label(label, native, image_name=name, structures=structures, known=known)
        values, findings = self._named(self.colours, structures)
        found = read_label(label, native, image_name=name, structures=values, known=known)
        return replace(found, findings=(*findings, *found.findings))

    def _dicom(self, label: Path, native: Native, structures: Mapping[str, int] | None) -> Label:
        """Read a segmentation or a structure set; raises InputError for DICOM of another kind."""
        modality = dicom.modality_of(label)
        if modality == dicom.SEG:
            from rprloc.marks.seg import read_seg

            return read_seg(label, native, image=self.image, structures=structures)
        if modality == dicom.RTSTRUCT:
            from rprloc.marks.rtstruct import read_rtstruct

            return read_rtstruct(label, native, image=self.image, structures=structures)
        found = f"DICOM of the modality {printable(modality[:16])}" if modality else "DICOM without a modality"
        raise InputError(f"{label.name}: found {found}, expected a segmentation (SEG) or a structure set (RTSTRUCT).")

    @staticmethod
    def _named(colours: Path, structures: Mapping[str, int] | None) -> tuple[Mapping[str, int], tuple[str, ...]]:
        """Return the label's values by structure: the colour table's or, where the settings name others, theirs."""
        from rprloc.marks.colours import read_colours

        values, findings = read_colours(colours)
        wanted = asked_names(values, structures)
        if wanted or structures is None:
            return {wanted[name]: value for name, value in values.items() if name in wanted}, findings
        said = f"{colours.name}: none of its names is one of the settings' structures: the settings' values are taken"
        return structures, (said,)


def read_marks(path: Path) -> Marks:
    """Return the marks of a file: markups of 3D Slicer, a CSV, or JSON of the same; raises InputError for another."""
    if path.name.lower().endswith(".csv"):
        return read_table(path)
    if not path.name.lower().endswith(".json"):
        raise InputError(f"{path.name}: found another kind of file, expected markups (.mrk.json), .csv or .json.")
    try:
        content = json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if not isinstance(error, RecursionError) else "nested too deep"
        raise InputError(f"{path.name}: expected JSON, found: {reason}.") from error
    return read_markups(content, path) if is_markups(content) else read_rows(content, path)

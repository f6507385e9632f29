"""Named masks on their own voxels, as segmentations and contours have them, brought onto their scan's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import SimpleITK as sitk

from rprloc.marks.names import asked_names, check_asked
from rprloc.scans.body import Mask
from rprloc.scans.labels import Label, kept_mask, label_of_masks
from rprloc.scans.lattice import placed_on
from rprloc.scans.record import Native


@dataclass(frozen=True)
class Drawn:
    """A structure that is drawn."""

    name: str
    mask: sitk.Image
    """0 where it is not, wherever its voxels lie."""


def drawn_on(
    drawn: Sequence[Drawn], native: Native, *, structures: Mapping[str, int] | None, file: str, image_name: str
) -> Label:
    """Return the label of masks on the voxels of a scan whose grid is `native`, each brought there by `placed_on`.

    Of `structures` only those are taken that they name, all of them without. What is empty is said. Raises InputError
    where none is asked for, and for masks of another place.
    """
    names = [one.name for one in drawn]
    wanted = asked_names(names, structures)
    check_asked(wanted, names, structures, file)
    findings: list[str] = []

    def masks() -> Iterator[tuple[str, Mask]]:
        for one in drawn:
            if one.name not in wanted:
                continue
            if not sitk.GetArrayViewFromImage(one.mask).any():
                findings.append(f"{file}: {one.name} is empty: left out")
                continue
            placed, said = placed_on(native, one.mask, image_name=image_name, name=f"{file}: {one.name}")
            findings.extend(f"{file}: {one.name}: {sentence}" for sentence in said)
            mask, said = kept_mask(sitk.GetArrayViewFromImage(placed) != 0, one.name, native)
            findings.extend(f"{file}: {sentence}" for sentence in said)
            yield wanted[one.name], mask

    label = label_of_masks(masks(), native, structures)
    return replace(label, findings=tuple(findings))

"""Whether scans lie in the field of the weights that ship, and so which ones are taken where nobody says which."""

from __future__ import annotations

from collections.abc import Sequence

from rprloc.cohort.tasks import NO_WEIGHTS
from rprloc.methods.answer import Chosen
from rprloc.methods.body_map import BodyMap
from rprloc.networks.checkpoint import Model
from rprloc.scans.scan import Scan

MAP = "position_map"
"""The network that says whether a scan is of its field; it learned from the scans from which all that ships did."""
BENT_MM = 5.0
"""A scan whose map is bent by more is of another field: 98 of 99 CT of head and neck are bent by less, and no phantom,
abdominal MR or brain MR is (`python -m benchmarks.field`).
"""
_NAMED = 3
"""So many supports are named."""


def out_of_field(scans: Sequence[Scan], model: Model) -> str | None:
    """Return why some of the scans are out of the field of the weights that ship, None where none is.

    In the field is a scan whose values are Hounsfield units and which the shipped position map, `model`, knows: no axis
    of it is turned or stretched for the map, and where it puts the scan's voxels is by and large where they are.
    """
    for scan in scans:
        if not scan.record.hounsfield:
            return f"{scan.subject} has no Hounsfield units"
        found = BodyMap(model, scan)
        if fault := found.fault():
            return f"of {scan.subject}, {fault}"
        if (bent_mm := found.bent_mm()) > BENT_MM:
            return f"the position map of {scan.subject} is bent by {bent_mm:.1f} mm, expected at most {BENT_MM:g}"
    return None


def chosen_by(supports: Sequence[Scan], weights: str, model: Model) -> Chosen:
    """Return shipped weights of a name where all supports lie in their field, else none, with the reason."""
    if why := out_of_field(supports, model):
        return Chosen(NO_WEIGHTS, f"{weights} is not for these scans: {why}")
    names = [scan.subject for scan in supports]
    if len(names) > _NAMED:
        return Chosen(weights, f"all {len(names)} supports in its field")
    return Chosen(weights, f"{' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))} in its field")


def nothing_found(weights: str) -> Chosen:
    """Return no weights, for a query in which nothing was found with those of a name."""
    return Chosen(NO_WEIGHTS, f"nothing is found with the weights {weights}", again=True)

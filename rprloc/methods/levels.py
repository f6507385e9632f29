"""The resolutions of the matching, from a start to the voxels of a scan."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Level:
    """One resolution of the matching."""

    step_mm: float
    """Between compared voxels and between displacements."""
    narrow: int
    wide: int
    """Steps from a landmark to the edges of the two cubes around it that are compared, each counting half."""
    reach: int
    """Steps of the largest displacement along each axis."""
    far: float
    """Cost of a displacement, per mm squared."""
    together: float
    """Cost of moving otherwise than the landmarks around, per mm squared."""
    neighbourhood_mm: float
    """Standard deviation of the landmarks' weights on each other."""
    of_size: float
    """It is at least this part of the size of their structure."""
    between: float
    """How much less a landmark of another structure weighs: organs slide."""
    elsewhere: float = 1.0
    """How much less a place counts in a landmark's cubes that lies beyond `_BESIDE` steps from its structure."""

    @property
    def side(self) -> int:
        """Displacements along each axis."""
        return 2 * self.reach + 1


COARSE = Level(
    step_mm=6.0,
    narrow=4,
    wide=8,
    reach=10,
    far=0.3e-5,
    together=3e-3,
    neighbourhood_mm=50.0,
    of_size=0.5,
    between=0.03,
    elsewhere=0.1,
)
"""From an affine start on."""
AGAIN = replace(COARSE, narrow=2, wide=4, reach=8)
"""Of structures that have moved as one piece."""
BENDING = replace(AGAIN, reach=5, neighbourhood_mm=25.0, between=0.1)
"""Of structures that are larger, longer or otherwise bent than the support's."""
FINE = Level(
    step_mm=3.0, narrow=4, wide=8, reach=6, far=0.9e-5, together=3e-3, neighbourhood_mm=25.0, of_size=0.5, between=0.3
)
FINER_AROUND_MM = 6.0
"""How far points that were matched finely carry what lies around them (`Bend`), for the finer matching."""
NEAR = Level(
    step_mm=3.0, narrow=2, wide=4, reach=3, far=0.0, together=1.2e-2, neighbourhood_mm=12.0, of_size=0.0, between=1.0
)
"""Of many points of surfaces, from where few have moved."""


def finer(spacing_mm: float) -> Level | None:
    """Return the level that follows FINE in scans of a spacing, at steps of one voxel; None where FINE sees all of it.

    Its numbers were chosen on brain MR of 1 mm, the one cohort that has more than FINE sees (docs/results/anatomy.md).
    """
    if spacing_mm >= FINE.step_mm:
        return None
    return replace(
        FINE, step_mm=spacing_mm, narrow=3, wide=6, reach=3, together=6e-3, neighbourhood_mm=8.0, of_size=0.3
    )


def near(spacing_mm: float) -> Level:
    """Return the level of many points of surfaces in scans of a spacing, at steps of one voxel but at most NEAR's."""
    return replace(NEAR, step_mm=min(NEAR.step_mm, spacing_mm))

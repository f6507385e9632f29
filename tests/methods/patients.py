"""Scans of made-up patients whose insides differ from place to place, for the tests of what compares looks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from rprloc.geometry import FloatArray, Grid
from rprloc.scans.record import ScanRecord, Structure
from rprloc.scans.scan import Scan
from tests.methods.fakes import structure

WINDOW = ((-500.0, 0.0), (500.0, 1.0))
SHAPE, SPACING_MM = (36, 32, 40), 6.0
ORIGIN_MM = np.array([-100.0, 50.0, 300.0])
ORGANS = {"organ": ((-30.0, 100.0, 370.0), (10.0, 140.0, 420.0)), "gland": ((50.0, 110.0, 390.0), (80.0, 150.0, 430.0))}
SHIFT_MM = np.array([12.0, -6.0, 6.0])


def patient(subject: str, *, seed: int = 0, shift_mm: FloatArray | None = None, even: bool = False) -> Scan:
    """Return a scan of a patient that lies `shift_mm` further, with a little noise of its own; another seed is another
    patient altogether. An even one is the same on both sides.
    """
    shift_mm = np.zeros(3) if shift_mm is None else shift_mm
    random = np.random.default_rng(seed)
    inside = gaussian_filter(random.normal(size=SHAPE), 1.5)
    if even:
        inside = inside + inside[:, :, ::-1]
    z, y, x = (np.linspace(-1, 1, n) for n in SHAPE)
    body = (z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2) < 0.9
    noise = np.random.default_rng(int.from_bytes(subject.encode(), "big")).normal(0, 20, SHAPE)
    values = np.where(body, 600 * inside / np.abs(inside).max() + noise, -1000).round().astype(np.int16)
    grid = Grid(SHAPE[::-1], (SPACING_MM,) * 3, (*(ORIGIN_MM + shift_mm).tolist(),))
    structures = {name: moved(structure(*box), shift_mm) for name, box in ORGANS.items()}
    record = ScanRecord(cohort="c", subject=subject, file=f"{subject}.mha", model=grid, structures=structures)
    return Scan(record, values, body)


def moved(about: Structure, by_mm: Any) -> Structure:
    """Return a structure that lies elsewhere."""
    return replace(about, box_mm=about.box_mm + by_mm, extreme_mm=about.extreme_mm + by_mm)

"""Units and spaces of NRRD files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rprloc.errors import InputError
from rprloc.scans.nrrd import Geometry, geometry_of
from rprloc.scans.volume import Opened, open_volume

VALUES = np.arange(4 * 5 * 6, dtype="<i2").reshape(4, 5, 6)
ORIGIN = np.array([-30.0, 20.0, 500.0])
STEPS = np.diag([2.0, 2.5, 3.0])


def opened(folder: Path, *lines: str) -> Opened:
    """Read a file with such lines in its header."""
    head = ["NRRD0004", "type: short", "dimension: 3", "sizes: 6 5 4", "endian: little", "encoding: raw", *lines]
    path = folder / "a.nrrd"
    path.write_bytes(("\n".join(head) + "\n\n").encode() + VALUES.tobytes())
    return open_volume(path)


def directions(scale: float) -> Sequence[str]:
    """Return the lines of a file whose places are so many times as large as in mm."""
    ways = " ".join(f"({','.join(str(n) for n in way * scale)})" for way in STEPS)
    return f"space directions: {ways}", f"space origin: ({','.join(str(n) for n in ORIGIN * scale)})"


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1), ("cm", 0.1), ("m", 0.001), ("um", 1000), ("µm", 1000)])
def test_units_of_length_are_honoured(tmp_path: Path, unit: str, scale: float) -> None:
    found = opened(tmp_path, "space: left-posterior-superior", f'space units: "{unit}" "{unit}" "{unit}"',
                   *directions(scale))  # fmt: skip
    assert found.oriented and found.findings == ()
    np.testing.assert_allclose(found.image.GetSpacing(), [2, 2.5, 3], rtol=1e-6)
    np.testing.assert_allclose(found.image.GetOrigin(), ORIGIN, rtol=1e-6)


def test_other_units_and_a_space_without_directions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.nrrd: found places in 'inch', expected one of mm, "):
        opened(tmp_path, "space: LPS", 'space units: "inch" "inch" "inch"', *directions(1))
    with pytest.raises(InputError, match=r"a\.nrrd: found places in 'm, mm', expected one of mm, "):
        opened(tmp_path, "space: LPS", 'space units: "mm" "mm" "m"', *directions(1))
    with pytest.raises(
        InputError, match=r"a\.nrrd: found a space and spacings, expected space directions, or spacings"
    ):
        opened(tmp_path, "space: LPS", "spacings: 2 2.5 3")


def test_without_an_origin_it_is_said_where_the_scan_is_put(tmp_path: Path) -> None:
    found = opened(tmp_path, "space: LPS", directions(1)[0])
    assert found.oriented and found.findings == ("its header has no space origin: its first voxel is put at 0",)


def test_what_fields_say() -> None:
    fields = {b"space": b"ras", b"space directions": b"x", b"space origin": b"y"}
    assert geometry_of(fields, "a") == Geometry(oriented=True, unit_mm=1.0, findings=())
    assert not geometry_of(fields | {b"space": b"scanner-xyz"}, "a").oriented
    assert geometry_of({b"spacings": b"1 1 1", b"units": b'"cm" "cm" "cm"'}, "a").unit_mm == 10
    assert geometry_of({b"spacings": b"1 1 1", b"space units": b'"" "" ""'}, "a") == Geometry(False, 1.0, ())

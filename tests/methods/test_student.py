"""What the student and the ceiling answer: where their network sees landmarks, in mm, or why it says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rprloc.errors import InputError
from rprloc.geometry import WALLS, FloatArray, Grid
from rprloc.methods.answer import NO_SUPPORT, OUTSIDE, Prediction
from rprloc.methods.student import Student
from rprloc.networks.checkpoint import Model, new_network
from rprloc.networks.settings import VotesSettings
from rprloc.scans.scan import Scan, Volume
from tests.methods.fakes import Place, altered, answered, facts, points_of
from tests.methods.maps import SHAPE, known, numbered

SPACING = (4.0, 3.0, 2.5)
"""Of the finer volume, (z, y, x)."""
AROUND = np.array([[0, 0, -8], [0, 0, 8], [0, -6, 0], [0, 6, 0], [-5, 0, 0], [5, 0, 0.0]])
"""A structure's landmarks (z, y, x) in voxels from the place that marks it."""
AROUND_MM = AROUND[:, ::-1] * SPACING[::-1]
LIVER = np.array([6.0, 0.0, 0.0])
"""The liver is further up, in voxels (z, y, x)."""
HALVES = {"heart": (0.5, 0.75, 1.5), "liver": (1.0, 1.0, 2.0)}
MARK_MM = np.array([12.6, 122.6, -285.5])
"""Where the patient has the place that marks the structures."""
WINDOW = ((-1000.0, 0.0), (1000.0, 1.0))


def settings_for(middle_mm: Any = MARK_MM, size: Any = (24, 24, 32)) -> VotesSettings:
    """Return the settings of a network that looks around a place of the body."""
    return VotesSettings(
        network="student", modality="ct", spacing=(6.0, 4.0, 5.0), window=WINDOW, width=4, matching_spacing=SPACING,
        structures=("heart", "liver"), size=size, middle_latent_mm=tuple(middle_mm), half_voxel_mm=HALVES,
        position_map="another",
    )  # fmt: skip


class SeesMark(nn.Module):
    """Says where the landmarks are around the brightest voxel of a crop, and that votes are 2 and 4 voxels apart."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.crops: list[Tensor] = []
        """What it was shown."""

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        self.crops.append(crops)
        mark = np.array(np.unravel_index(int(crops[0, 0].argmax()), crops.shape[2:])) + 0.5
        landmarks = torch.from_numpy(np.concatenate([mark + AROUND, mark + LIVER + AROUND]))
        return landmarks[None].float(), torch.tensor([[2.0] * 6 + [4.0] * 6])


@dataclass(frozen=True, eq=False)
class Marked(Scan):
    """A scan with a finer volume over the same field, in which one voxel marks the structures."""

    mark_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def fine(self) -> Grid:
        """The finer volume's grid."""
        low, high = self.grid.box_mm
        spacing = np.array(SPACING[::-1])
        size = np.floor((high - low) / spacing).astype(int)
        return Grid((*size.tolist(),), (*spacing.tolist(),), (*(low + spacing / 2).tolist(),))

    @property
    def seen_mm(self) -> FloatArray:
        """Where the middle of the voxel is that is marked."""
        return self.fine.world(self.fine.nearest_voxel(self.mark_mm))

    def matching(self, spacing_mm: Sequence[float] | None = None) -> Volume:
        assert spacing_mm is not None and tuple(spacing_mm) == self.fine.spacing_mm
        values = np.random.default_rng(3).integers(-300, 300, self.fine.size[::-1]).astype(np.int16)
        values[tuple(self.fine.nearest_voxel(self.mark_mm))] = 900
        return Volume(values, self.fine)


def marked(scan: Scan, mark_mm: Any = MARK_MM) -> Marked:
    """Return a scan with a mark at a place."""
    mark = (*np.asarray(mark_mm, dtype=float).tolist(),)
    return Marked(scan.record, scan.values, scan.body, mark_mm=mark)


def moved(scan: Scan, by_mm: Any) -> Scan:
    """Return a scan whose origin is elsewhere."""
    return altered(scan, model=replace(scan.grid, origin_mm=(*(np.array(scan.grid.origin_mm) + by_mm).tolist(),)))


PLAIN, OTHER = numbered("qs")
QUERY = marked(PLAIN)


def student_of(votes: Model, position_map: Model, *, method: str = "student", **asked: Any) -> Student:
    """Return the method, as if the network had been trained with the position map."""
    settings = msgspec.structs.replace(votes.settings, position_map=position_map.fingerprint)
    return Student(method, Model(votes.network, settings), position_map, **asked)


def located(
    query: Scan, *, place: Place | None = None, votes: Model | None = None, method: str = "student", **asked: Any
) -> list[Prediction]:
    """Return a query's answers; without a `place` the map says of each voxel its world point."""
    student = student_of(votes or Model(SeesMark(), settings_for()), known([query], place), method=method, **asked)
    student.prepare([OTHER])
    return answered(student, query)


@pytest.mark.parametrize("method", ["student", "ceiling"])
def test_landmarks_are_where_the_network_sees_them_in_mm(method: str) -> None:
    rows = located(QUERY, method=method)
    assert [(row.structure, row.method, row.setting, row.support, row.drawn, row.n_supports) for row in rows] == [
        (name, method, "extreme", NO_SUPPORT, True, 0) for name in ("heart", "liver")
    ]
    away = np.array([[0.0, 0, 0], [0, 0, 6 * SPACING[0]]])
    for row, apart, here in zip(rows, (2.0, 4.0), away, strict=True):
        assert not row.failed and list(row.points_mm or {}) == list(WALLS)
        np.testing.assert_allclose(points_of(row), QUERY.seen_mm + here + AROUND_MM, atol=1e-4)
        np.testing.assert_allclose(
            np.array(row.box_mm), [points_of(row).min(axis=0), points_of(row).max(axis=0)], atol=1e-9
        )
        assert row.half_voxel_mm == list(HALVES[row.structure])
        assert row.spread_mm == pytest.approx(apart * np.mean(SPACING))
        assert row.seconds.keys() == {"start", "prepare", "network", "search"}


@pytest.mark.parametrize("by_mm", [(7.0, 7.0, 7.0), (7.0, -3.0, 250.0)])
def test_a_patient_whose_origin_is_elsewhere_is_found_there(by_mm: Any) -> None:
    query = marked(moved(PLAIN, by_mm), MARK_MM + by_mm)
    for here, there in zip(
        located(QUERY), located(query, place=lambda _subject, world: world - np.array(by_mm)), strict=True
    ):
        np.testing.assert_allclose(points_of(there), points_of(here) + np.array(by_mm), atol=1e-3)
        assert there.spread_mm == here.spread_mm


def test_it_looks_where_the_map_has_the_middle_of_the_structures() -> None:
    # In this body the network's middle is 20 mm further up than in the patients that it learned from.
    votes: Any = Model(SeesMark(), settings_for(size=(24, 24, 24)))
    up = np.array([0.0, 0.0, 20.0])
    query = marked(PLAIN, MARK_MM + up)
    located(query, votes=votes, place=lambda _subject, world: world - up)
    (crop,) = votes.network.crops
    at = np.array(np.unravel_index(int(crop[0, 0].argmax()), crop.shape[2:])) + 0.5
    assert np.all(np.abs(at - 12) <= 1) and crop.shape == (1, 1, 24, 24, 24)
    # The same levels as any network sees: of the window, and air, 0, beyond the scan.
    assert crop.max() == pytest.approx(0.95) and crop.min() == 0


@pytest.mark.parametrize(("mark_z", "shown"), [(-266.0, True), (-262.0, False), (-242.0, False)])
def test_a_structure_of_which_less_than_half_is_in_the_field_is_outside_and_the_rest_is_cut_off(
    mark_z: float, shown: bool
) -> None:
    # The field ends at -240 mm; both reach 20 mm up and down, the heart from the mark, the liver from 24 mm above it.
    mark = np.array([*MARK_MM[:2], mark_z])
    query = marked(PLAIN, mark)
    assert query.seen_mm[2] == mark_z and query.grid.box_mm[1, 2] == -240
    heart, liver = located(query, votes=Model(SeesMark(), settings_for(mark)))
    assert not heart.failed and heart.box_mm is not None
    assert heart.box_mm[0][2] == pytest.approx(mark_z - 20) and heart.box_mm[1][2] == pytest.approx(
        min(mark_z + 20, -240)
    )
    if shown:
        assert liver.box_mm is not None and liver.box_mm[1][2] == pytest.approx(-240)
    else:
        assert (liver.failed, liver.reason, liver.box_mm, liver.points_mm) == (True, OUTSIDE, None, None)


def test_a_structure_that_was_not_learned_is_a_failed_row() -> None:
    rows = located(QUERY, structures=["liver", "spleen", "heart"])
    assert {row.structure: row.reason for row in rows} == {
        "liver": None, "spleen": "the network has not learned spleen", "heart": None,
    }  # fmt: skip
    assert [row.structure for row in rows] == ["liver", "spleen", "heart"]
    assert all(row.failed == (row.box_mm is None) and row.n_supports == 0 for row in rows)


@pytest.mark.parametrize("fault", ["body", "numbers", "slopes"])
def test_a_scan_that_the_map_does_not_know_is_a_failed_row(fault: str) -> None:
    votes: Any = Model(SeesMark(), settings_for())
    scale = {"body": 1.0, "numbers": np.nan, "slopes": 0.3}[fault]
    query = replace(QUERY, body=QUERY.body & (fault != "body"))
    rows = located(query, votes=votes, place=lambda _subject, world: world * scale, structures=["heart", "spleen"])
    said = {
        "body": "the position map finds no body in the scan",
        "numbers": "the position map gives no numbers for the scan",
        "slopes": "the position map does not know the scan",
    }[fault]
    assert rows[0].failed and rows[0].box_mm is None and (rows[0].reason or "").startswith(said)
    assert rows[1].reason == "the network has not learned spleen"
    assert all((row.support, row.n_supports, row.drawn) == (NO_SUPPORT, 0, True) for row in rows)
    # Nothing was looked at for it.
    assert votes.network.crops == [] and rows[0].seconds.keys() == {"start", "search"}


def test_an_answer_that_is_no_number_is_a_failed_row() -> None:
    class Lost(SeesMark):
        def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
            landmarks, apart = super().forward(crops)
            landmarks[0, 3, 1] = torch.nan
            return landmarks, apart

    heart, liver = located(QUERY, votes=Model(Lost(), settings_for()))
    assert (heart.failed, heart.reason, liver.failed) == (True, "the answer is not a number", False)


def test_a_scan_without_its_finer_volume_fails_in_one_sentence_and_the_run_goes_on() -> None:
    rows, said = located(PLAIN), "q: found no volume for image matching"
    assert len(rows) == 2 and all(row.failed and (row.reason or "").startswith(said) for row in rows)


def test_a_network_of_another_position_map_is_refused() -> None:
    votes = Model(SeesMark(), settings_for())
    student_of(votes, known([QUERY]))
    with pytest.raises(InputError, match="trained with another position map"):
        Student("student", votes, known([QUERY]))


def test_rows_do_not_depend_on_the_queries_before() -> None:
    settings = settings_for()
    one, other = marked(PLAIN), marked(OTHER, MARK_MM + 9)
    votes, position_map = Model(new_network(settings, seed=1).eval(), settings), known([one, other])

    def student() -> Student:
        return student_of(votes, position_map)

    alone = [facts(row) for row in answered(student(), one)]
    assert not any(row["failed"] for row in alone)
    busy = student()
    busy.prepare([one])
    for query in (other, one, other):
        answered(busy, query)
    assert [facts(row) for row in answered(busy, one)] == alone
    assert [facts(row) for row in answered(busy, other)] != alone


def test_the_field_of_the_scans_is_as_these_tests_take_it() -> None:
    low, high = PLAIN.grid.box_mm
    assert (
        PLAIN.values.shape == SHAPE and np.all(low < MARK_MM - 20) and np.all(high > MARK_MM + np.array([20, 18, 44]))
    )

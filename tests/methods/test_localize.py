"""The LOCALIZE step: which scans are read, which supports are used, what each prediction says of its task.

By a method of the tests' own, which no file of the package knows; tests/methods/test_contract.py asks all others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from rprloc.catalogue import Family, Method, method_named, register, unregister
from rprloc.cohort.tasks import Folders
from rprloc.errors import InputError
from rprloc.methods import bridges
from rprloc.methods.answer import UNSURE, Found, Key, Prediction, prediction_of
from rprloc.methods.clock import Clock
from rprloc.methods.localize import _name, _shared
from rprloc.scans.record import ScanRecord
from rprloc.scans.target import scan_folder
from tests.methods.cohort import COHORT, answers, located, search_of, write_cohort, write_networks
from tests.methods.fakes import ORGAN, scan

OURS = Method(name="mean_place", family=Family(name="mean_place", make="tests.methods.mean_place:make"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folders]:
    register(OURS)
    yield write_cohort(tmp_path_factory.mktemp("cohort"))
    unregister(OURS)


def rows_of(folders: Folders, queries: str, supports: str = "a b", **changes: Any) -> list[Prediction]:
    """Return the rows by our method."""
    return located(folders, search_of(OURS.family, queries, supports, **changes))


def test_a_method_that_the_package_does_not_know_finds_what_it_says(folders: Folders) -> None:
    (row,) = rows_of(folders, "d", "a", structures=("organ",))
    # Every scan begins 2, -3 and 4 mm further than the one before, and so does all that it shows but the rim.
    assert row.box_mm == [pytest.approx([26, 11, 30], abs=1), pytest.approx([51, 33, 60], abs=1)]
    assert (row.method, row.setting, row.cohort, row.subject, row.n_supports) == (
        "mean_place", "extreme", "c", "d", 1,
    )  # fmt: skip
    assert row.seconds.keys() == {"read", "search", "judge", "support"} and (row.device or "").startswith("CPU, ")


@pytest.mark.parametrize(("order", "drawn"), [("b a c", "b"), ("broken gone a b", "a")])
def test_the_drawn_support_is_the_first_that_can_be_used(folders: Folders, order: str, drawn: str) -> None:
    rows = rows_of(folders, "d", order)
    assert {row.support for row in rows} == {"a", "b", "c"} & set(order.split())
    assert {row.support for row in rows if row.drawn} == {drawn}


def test_only_the_first_supports_are_used_where_there_is_a_limit(folders: Folders) -> None:
    rows = rows_of(folders, "a d", "broken a b c", most_supports=2, structures=None)
    # Nobody uses the limit up but those that can be read, the query itself among them.
    assert {(row.subject, row.support) for row in rows} == {("a", "b"), ("d", "a"), ("d", "b")}
    # What to find is what all supports show, those beyond the limit too.
    assert {row.structure for row in rows_of(folders, "d", "b a", most_supports=1, structures=None)} == {
        "organ", "spot",
    }  # fmt: skip


def test_scans_that_were_set_aside_or_never_came_have_no_rows_and_end_nothing(folders: Folders) -> None:
    assert answers(rows_of(folders, "broken d gone", "a")) == answers(rows_of(folders, "d", "a"))
    assert rows_of(folders, "broken gone", "a") == rows_of(folders, "d", "broken") == []


def test_the_first_query_of_a_task_says_so(folders: Folders) -> None:
    assert {row.subject for row in rows_of(folders, "d broken c") if row.first} == {"c"}


def test_without_a_query_there_is_nothing_to_do(folders: Folders) -> None:
    with pytest.raises(InputError, match="Found no query"):
        rows_of(folders, "")


def test_mistake_1_a_model_for_other_scans_is_refused(folders: Folders, tmp_path: Path) -> None:
    other = msgspec.structs.replace(COHORT, spacing=(3.0, 5.0, 5.0))
    wrong = replace(folders, models=write_networks(tmp_path, ["coarse"], cohort=other))
    with pytest.raises(InputError, match=r"coarse\.safetensors: was trained with spacing"):
        located(wrong, search_of(method_named("regression").family, "d"))


@pytest.mark.usefixtures("folders")
def test_of_a_support_of_unknown_orientation_no_answer_is_sure(tmp_path: Path) -> None:
    own = write_cohort(tmp_path)
    replace(ScanRecord.read(own.scans[scan_folder("c", "a")]), oriented=False).write(tmp_path)
    rows = {row.support: row for row in rows_of(own, "d", "a b", structures=("organ",)) if not row.failed}
    assert rows["a"].confidence == UNSURE < (rows["b"].confidence or 0)


def test_another_seed_draws_other_starts(folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rprloc.methods.localize.LOST_AT", 2.0)
    family = method_named("regression").family
    networks = replace(folders, models=write_networks(tmp_path, family.networks))
    asked: dict[str, Any] = {"methods": {"regression": ("extreme.k1.c1f1",)}, "structures": ("organ",)}
    one, two = (located(networks, search_of(family, "d", "a", seed=seed, **asked))[0] for seed in (1, 2))
    assert one.points_mm and two.points_mm and one.points_mm != two.points_mm


def test_each_prediction_has_its_share_of_the_parts_that_it_belongs_to() -> None:
    keys = [Key(method, "k", support, "organ") for method in "mn" for support in "st"]
    clock = Clock()
    parts: list[tuple[str, float, dict[str, str]]] = [
        ("read", 4.0, {}), ("transform", 1.0, {"method": "m", "support": "s"}), ("search", 3.0, {"support": "t"}),
        ("search", 2.0, {"method": "n"}), ("walk", 9.0, {"setting": "l"}),
    ]  # fmt: skip
    for name, seconds, where in parts:
        clock.add(name, seconds, **where)
    found = Found(points_mm=ORGAN.extreme_mm, half_voxel_mm=None)
    rows = _shared({key: prediction_of(scan("q"), key, found, drawn=None) for key in keys}, clock)
    assert [row.seconds for row in rows] == [
        {"read": 1.0, "transform": 1.0}, {"read": 1.0, "search": 1.5},
        {"read": 1.0, "search": 1.0}, {"read": 1.0, "search": 2.5},
    ]  # fmt: skip


def test_the_device_is_named() -> None:
    threads = torch.get_num_threads()
    assert _name(torch.device("cpu")) == f"CPU, {threads} thread{'s' if threads > 1 else ''}"


def test_lost_answers_are_asked_again_by_way_of_other_scans(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all were lost: the answers are still answers of the support, in the same rows, wherever they stand."""
    matched = method_named("matched").family

    def found(queries: str, **changes: Any) -> dict[str, list[Prediction]]:
        rows = located(folders, search_of(matched, queries, "a", **changes))
        return {name: [row for row in rows if row.subject == name] for name in queries.split()}

    plain, asking = found("b c d"), {"bridges": ("c@b", "c@gone", "c@broken", "c@d")}
    assert found("b c d", **asking).keys() == plain.keys()
    monkeypatch.setattr(bridges, "LOST_AT", 0.0)
    monkeypatch.setattr(bridges, "_nearest", lambda ways: ways[-1].answer)
    rows = found("b c d", **asking)
    changed = 0
    for name, before in plain.items():
        assert [(one.support, one.structure, one.first) for one in rows[name]] == [
            (one.support, one.structure, one.first) for one in before
        ]
        for old, new in zip(before, rows[name], strict=True):
            if old.box_mm and new.box_mm:
                changed += old.box_mm != new.box_mm
                np.testing.assert_allclose(new.box_mm, old.box_mm, atol=6)
    assert changed
    # What stands beside a query in its task changes nothing.
    assert answers(found("d", **asking)["d"]) == answers(
        [msgspec.structs.replace(row, first=True) for row in rows["d"]]
    )

"""What tasks ask a scheduler for."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rprloc.catalogue import methods, trainings
from rprloc.cohort.requests import TRAINING_HOURS, Request, batch_size, training_threads
from tests.cohort.planned import DEMO, planned, sheet_of

SUPPORT = "s{},a.nii,l.nii,validation"


def test_threads_of_a_training_are_the_plans() -> None:
    assert training_threads(most=None, processors=None) == training_threads(most=64, processors=32) == 8
    assert training_threads(most=None, processors=2) == training_threads(most=2, processors=None) == 2
    (position_map,) = planned(DEMO, methods="position_map", max_cpus=3).train
    assert position_map.threads == 3


def test_the_length_of_a_training_decides_its_time() -> None:
    assert list(TRAINING_HOURS) == list(trainings())
    for training, hours in TRAINING_HOURS.items():
        request = planned(DEMO, methods="regression", training=training).requests["TRAIN"]
        assert request == Request(cpus=8, memory_gb=4, hours=hours)


def test_each_process_asks_for_the_most_that_one_of_its_tasks_needs() -> None:
    plan = planned(DEMO, methods="all")
    assert set(plan.requests) == {"TRAIN", "TEACH", "LOCALIZE", "REGISTER"}
    assert planned(DEMO, methods="position_map,regression").requests["TRAIN"].memory_gb == 8
    assert plan.requests["TRAIN"].memory_gb == plan.requests["TEACH"].memory_gb == 16
    assert plan.requests["LOCALIZE"] == plan.requests["REGISTER"] == Request(cpus=1, memory_gb=4, hours=1)
    assert msgspec.to_builtins(plan.requests["LOCALIZE"]) == plan.to_json()["requests"]["LOCALIZE"]


def test_a_search_asks_for_memory_by_its_structures_and_supports(tmp_path: Path) -> None:
    settings = "structures: {" + ", ".join(f"s{number}: {number}" for number in range(1, 31)) + "}\n"
    (tmp_path / "many.yml").write_text(settings)
    rows = [SUPPORT.format(number) for number in range(3)]
    sheet = sheet_of(tmp_path / "sheet", *rows, "q,a.nii,,test")
    plan = planned(sheet, methods="matched", weights="none", cohort="default")
    assert plan.requests["REGISTER"].memory_gb == 4
    wide = [msgspec.structs.replace(plan.register[0], structures=tuple(f"s{number}" for number in range(30)))]
    from rprloc.cohort.requests import requests_of

    assert requests_of((), wide, "demo")["REGISTER"].memory_gb == 12


@pytest.mark.parametrize("supports", [1, 5])
def test_a_batch_takes_as_long_as_a_job_is_worth(supports: int) -> None:
    for method in methods():
        size = batch_size({method.name: ("extreme",)}, supports=supports, structures=4, seconds=480)
        assert size == 1 or 400 < size * (0.5 + method.seconds * supports) <= 480, method.name
    asked = {"matched": ("extreme",)}
    assert batch_size(asked, supports=1, structures=4, seconds=480) == 400
    assert batch_size(asked, supports=1, structures=None, seconds=480) == 400
    assert batch_size(asked, supports=1, structures=4_000, seconds=60) == 1


def test_batches_are_by_family_and_appended_queries_touch_the_last_one_only(tmp_path: Path) -> None:
    def batches(count: int, **asked: object) -> dict[str, tuple[str, ...]]:
        rows = [SUPPORT.format(0), *(f"q{number:04d},a.nii,,test" for number in range(count))]
        plan = planned(sheet_of(tmp_path, *rows), methods="matched,bspline", weights="none", **asked)
        return {task.id: task.queries for task in plan.register}

    found = batches(900)
    assert [len(queries) for name, queries in found.items() if "matched" in name] == [400, 400, 100]
    assert [len(queries) for name, queries in found.items() if "registration" in name][:2] == [62, 62]
    more = batches(905)
    changed = {name for name in more if more[name] != found.get(name)}
    assert changed == {"default/matched.batch2", "default/registration.batch14"}
    assert len(batches(7, queries_per_task=3)) == 6

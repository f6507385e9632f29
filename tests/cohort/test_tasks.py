"""What tasks are told, as JSON and back."""

import json

import pytest

from rprloc.catalogue import network_named
from rprloc.cohort.tasks import Learning, Search, Seen, Train, from_json, to_json
from rprloc.errors import InputError

SETTINGS = Learning(modality="ct", window=((0, 0), (1, 1)), spacing=(6, 6, 6), convolution="isotropic", width=8, r=30)
TRAIN = Train(
    id="c/fine", cohort="c", network="fine", objective="m:f", length=network_named("fine").lengths["demo"],
    settings=SETTINGS, training=("c@a", "c@b"), validation=("c@v",), supports=("c@b",),
)  # fmt: skip
SEARCH = Search(
    id="c/grey.batch0", cohort="c", family="grey", make="m:f", methods={"grey_ncc": ("extreme.s1",)}, batch="0",
    queries=("c@q", "c@s"), supports=("c@s",), parameters={"template_stride": 1},
    seen=Seen(modality="mr", window=((0, 0), (1000, 1)), spacing=(3, 3, 3), patch=(96, 96, 96)),
)  # fmt: skip


@pytest.mark.parametrize("task", [TRAIN, SEARCH])
def test_there_and_back(task: Train | Search) -> None:
    values = json.loads(json.dumps(to_json(task)))
    assert from_json(values, type(task)) == task


def test_scans_are_each_named_once() -> None:
    assert to_json(TRAIN)["scans"] == ["c@a", "c@b", "c@v"]
    assert to_json(SEARCH)["scans"] == ["c@s", "c@q"]


@pytest.mark.parametrize("change", [{"queries": 3}, {"seen": None}, {"methods": ["grey_ncc"]}])
def test_what_is_no_task_is_one_sentence(change: dict[str, object]) -> None:
    with pytest.raises(InputError, match="search: expected what the plan says of a task, found: Expected"):
        from_json(to_json(SEARCH) | change, Search)

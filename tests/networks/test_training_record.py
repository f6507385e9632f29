"""The record of a training comes back from its JSON, also from that of the first files."""

from __future__ import annotations

import msgspec
import pytest

from rprloc.networks.training_record import CurvePoint, TrainingRecord

POINT = CurvePoint(
    step=3, steps=9, loss=0.5, error="error_grey", train=2.5, validation=3.0, learning_rate=1e-3, seconds=0.1
)
RECORD = TrainingRecord(
    steps=9, groups=1, patches=2, learning_rate=1e-3, seed=3, scans=2, validation=("s9",), torch="2", threads=1,
    device="cpu", history=(POINT,),
)  # fmt: skip


def test_a_point_says_in_its_keys_what_its_errors_are() -> None:
    written = POINT.to_json()
    assert list(written) == [
        "step", "steps", "loss", "train_error_grey", "validation_error_grey", "learning_rate", "seconds",
    ]  # fmt: skip
    assert CurvePoint.from_json(written) == POINT


@pytest.mark.parametrize("gone", ["validation_error_grey", "train_error_grey", "loss"])
def test_a_point_without_a_part_is_refused(gone: str) -> None:
    written = POINT.to_json()
    del written[gone]
    with pytest.raises((KeyError, ValueError)):
        CurvePoint.from_json(written)


def test_a_record_comes_back() -> None:
    assert TrainingRecord.from_json(RECORD.to_json()) == RECORD
    words = msgspec.structs.replace(RECORD, validation="fixed data of the training scans")
    assert TrainingRecord.from_json(words.to_json()) == words


def test_files_of_version_0_1_0_name_neither_threads_nor_device() -> None:
    first = msgspec.structs.replace(RECORD, threads=None, device=None)
    assert first.to_json().keys() == RECORD.to_json().keys() - {"threads", "device"}
    assert TrainingRecord.from_json(first.to_json()) == first

"""Trained weights: settings follow them, and what does not fit is one sentence."""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from rprloc.cohort.settings import Settings, parse_settings
from rprloc.cohort.weights import FORMAT, SHIPPED, adopt_weights, read_model_settings, shipped_folder

TRAINED = {"modality": "ct", "window": [[-500, 0], [1500, 1]], "spacing": [3, 4, 4.000000001]}


def settings_of(text: str) -> Settings:
    found, _ = parse_settings(text, file="my.yml")
    assert found is not None
    return found


def write_model(path: Path, **changes: Any) -> None:
    """Write a safetensors file without tensors."""
    settings = {"stage": path.stem, **TRAINED, "details": {"spacing": [3, 3, 3]}, **changes}
    about = {"format": FORMAT, "settings": settings}
    header = json.dumps({"__metadata__": {"rprloc": json.dumps(about)}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def messages(folder: Path, text: str = "") -> list[str]:
    return [fault.message for fault in adopt_weights(settings_of(text), folder, cohort="mine")[2]]


def test_settings_follow_the_models(tmp_path: Path) -> None:
    for stage in ("coarse", "fine"):
        write_model(tmp_path / f"{stage}.safetensors")
    found, paths, faults = adopt_weights(settings_of("structures: {heart: 4}\nstarts: 7"), tmp_path, cohort="mine")
    assert faults == []
    assert paths == {"coarse": "coarse.safetensors", "fine": "fine.safetensors"}
    assert {key: found.as_dict()[key] for key in TRAINED} == TRAINED
    assert (found.structures, found.starts) == ({"heart": 4}, 7)
    assert messages(tmp_path, "spacing: [3, 4, 4]") == []


def test_a_cohorts_own_folder_comes_first(tmp_path: Path) -> None:
    write_model(tmp_path / "coarse.safetensors")
    for stage in ("coarse", "fine"):
        write_model(tmp_path / "mine" / f"{stage}.safetensors")
    _, paths, faults = adopt_weights(Settings(), tmp_path, cohort="mine")
    assert (paths, faults) == ({"coarse": "mine/coarse.safetensors", "fine": "mine/fine.safetensors"}, [])


def test_conflicts(tmp_path: Path) -> None:
    write_model(tmp_path / "coarse.safetensors")
    write_model(tmp_path / "fine.safetensors", spacing=[1, 1, 1])
    (message,) = messages(tmp_path)
    assert message.startswith("fine.safetensors, key 'spacing': found '[1.0, 1.0, 1.0]', expected [3.0, 4.0, 4.0")
    found = messages(tmp_path, "modality: mr\nspacing: [1, 1, 1]")
    assert found[0].startswith(
        "coarse.safetensors, key 'modality': found 'ct', expected mr as in the settings of cohort"
    )
    assert [message.split(":")[0] for message in found] == [
        "coarse.safetensors, key 'modality'",
        "coarse.safetensors, key 'spacing'",
        "fine.safetensors, key 'modality'",
    ]


def test_a_student_brings_the_spacing_of_the_finer_volume(tmp_path: Path) -> None:
    write_model(tmp_path / "student.safetensors", details={"spacing": [4, 4, 4]})
    found, _, faults = adopt_weights(Settings(), tmp_path, cohort="mine", networks=("student",))
    assert (found.as_dict()["matching_spacing"], faults) == ([4, 4, 4], [])
    _, _, faults = adopt_weights(
        settings_of("matching_spacing: [3, 3, 3]"), tmp_path, cohort="mine", networks=("student",)
    )
    assert [fault.message.split(",", 2)[:2] for fault in faults] == [
        ["student.safetensors", " key 'matching_spacing': found '[4.0"]
    ]
    # The other networks know of no such spacing, and a student that does not say it is none.
    write_model(tmp_path / "student.safetensors", details={})
    _, _, faults = adopt_weights(Settings(), tmp_path, cohort="mine", networks=("student",))
    assert "a file whose header holds no model settings" in faults[0].message


def test_missing_and_doubled_models(tmp_path: Path) -> None:
    (message,) = messages(tmp_path / "none")
    assert "found nothing, expected a coarse and a fine model for cohort 'mine'" in message
    write_model(tmp_path / "coarse.safetensors")
    (message,) = messages(tmp_path)
    assert "expected a fine model" in message
    write_model(tmp_path / "other.safetensors", stage="coarse")
    (message,) = messages(tmp_path)
    assert message.startswith("other.safetensors: found 'coarse model', expected one model a stage")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        (2**63).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"\xff\xfe",
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
    ],
)
def test_files_that_are_no_models(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "coarse.safetensors").write_bytes(content)
    (message,) = messages(tmp_path)
    assert message.startswith("coarse.safetensors: found ")
    assert message.endswith(f"expected a trained model of rprloc ({FORMAT}, safetensors) for cohort 'mine'.")


@pytest.mark.parametrize("content", [pickle.dumps({"weights": [1, 2, 3]}), b"PK\x03\x04" + bytes(99)])
def test_a_pickle_is_called_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "coarse.safetensors").write_bytes(content)
    (message,) = messages(tmp_path)
    assert message.startswith(
        "coarse.safetensors: found 'a pickle, which is never opened', expected a trained model of"
    )


BROKEN: list[dict[str, Any]] = [
    {"spacing": 3},
    {"window": [[1]]},
    {"spacing": ["a", "b", "c"]},
    {"window": None},
    {"spacing": [float("nan")] * 3},
]


@pytest.mark.parametrize("changes", BROKEN)
def test_models_with_broken_settings(tmp_path: Path, changes: dict[str, Any]) -> None:
    write_model(tmp_path / "coarse.safetensors", **changes)
    (message,) = messages(tmp_path)
    assert "a file whose header holds no model settings" in message


def test_shipped_weights_are_small_and_their_cards_name_what_is_there() -> None:
    files = [path for name in SHIPPED for path in shipped_folder(name).glob("*.safetensors")]
    assert {path.stem for path in files} == {"position_map", "coarse", "fine"}
    assert sum(path.stat().st_size for path in files) < 10_000_000
    for path in files:
        model, reason = read_model_settings(path)
        assert model is not None, reason
        assert model["stage"] == path.stem
        assert hashlib.sha256(path.read_bytes()).hexdigest() in (path.parent / "README.md").read_text()

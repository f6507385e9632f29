"""Trained weights: settings follow them, and what does not fit is one sentence."""

import hashlib
import json
import pickle
from collections.abc import Sequence
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
    settings = {"network": path.stem, **TRAINED, "matching_spacing": [3, 3, 3], **changes}
    about = {"format": FORMAT, "settings": settings}
    header = json.dumps({"__metadata__": {"rprloc": json.dumps(about)}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def adopted(
    folder: Path, text: str = "", networks: Sequence[str] = ("coarse", "fine")
) -> tuple[Settings, dict[str, str], list[str]]:
    settings, paths, faults = adopt_weights(settings_of(text), folder, cohort="mine", name=str(folder), wanted=networks)
    return settings, paths, [fault.message for fault in faults]


def messages(folder: Path, text: str = "") -> list[str]:
    return adopted(folder, text)[2]


def test_settings_follow_the_models(tmp_path: Path) -> None:
    for network in ("coarse", "fine"):
        write_model(tmp_path / f"{network}.safetensors")
    found, paths, faults = adopted(tmp_path, "structures: {heart: 4}\nstarts: 7")
    assert faults == []
    assert paths == {"coarse": "coarse.safetensors", "fine": "fine.safetensors"}
    assert {key: found.to_json()[key] for key in TRAINED} == TRAINED
    assert (found.structures, found.starts) == ({"heart": 4}, 7)
    assert messages(tmp_path, "spacing: [3, 4, 4]") == []


def test_a_cohorts_own_folder_comes_first(tmp_path: Path) -> None:
    write_model(tmp_path / "coarse.safetensors")
    for network in ("coarse", "fine"):
        write_model(tmp_path / "mine" / f"{network}.safetensors")
    _, paths, faults = adopted(tmp_path)
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
    path = tmp_path / "student.safetensors"
    write_model(path, matching_spacing=[4, 4, 4])
    found, _, faults = adopted(tmp_path, networks=("student",))
    assert (found.to_json()["matching_spacing"], faults) == ([4, 4, 4], [])
    (fault,) = adopted(tmp_path, "matching_spacing: [3, 3, 3]", ("student",))[2]
    assert fault.startswith("student.safetensors, key 'matching_spacing': found '[4.0, 4.0, 4.0]', expected [3.0, 3.0")
    # Of scans at spacings of their own it sees those at its own, and matched sees more.
    found, _, faults = adopted(tmp_path, "matching_spacing: own", ("student",))
    assert (found.matching_spacing, faults) == ("own", [])
    # A student that does not say it is none.
    write_model(path, matching_spacing=None)
    (fault,) = adopted(tmp_path, networks=("student",))[2]
    assert "a file whose header holds no model settings" in fault


def test_models_of_the_first_version_are_read(tmp_path: Path) -> None:
    path = tmp_path / "student.safetensors"
    about = {"format": FORMAT, "settings": {**TRAINED, "stage": "student", "details": {"spacing": [4, 4, 4]}}}
    header = json.dumps({"__metadata__": {"rprloc": json.dumps(about)}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    found, paths, faults = adopted(tmp_path, networks=("student",))
    assert (found.to_json()["matching_spacing"], paths, faults) == ([4, 4, 4], {"student": path.name}, [])


def test_missing_and_doubled_models(tmp_path: Path) -> None:
    (message,) = messages(tmp_path / "none")
    assert "found nothing, expected a coarse and a fine model for cohort 'mine'" in message
    write_model(tmp_path / "coarse.safetensors")
    (message,) = messages(tmp_path)
    assert "expected a fine model" in message
    write_model(tmp_path / "other.safetensors", network="coarse")
    (message,) = messages(tmp_path)
    assert message.startswith("other.safetensors: found 'coarse model', expected one model a network")


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
        assert model.network == path.stem
        assert hashlib.sha256(path.read_bytes()).hexdigest() in (path.parent / "README.md").read_text()

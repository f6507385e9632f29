"""Whatever a model file holds, it is used or refused with a sentence, in CHECK and in LOCALIZE."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rprloc.cohort.settings import Settings
from rprloc.cohort.weights import adopt_weights
from rprloc.errors import InputError
from rprloc.networks.checkpoint import Model, new_network, read_model, write_model
from rprloc.networks.settings import (
    NetworkSettings,
    PatchSettings,
    VotesSettings,
    settings_from,
    settings_to_json,
)
from tests.fuzz.mutations import damaged, no_hang
from tests.networks.every import EVERY

WORDS = (
    b"null", b"0", b"-1", b"1e999", b"NaN", b"4", b"99999999999999999999", b"9" * 500, b"{}", b"[]", b'"x"', b"true",
    b"F64", b"I8", b"BF16", b"[" * 3000, b"[0,18446744073709551615]", b"[4294967296,4294967296]", b"fine", b"isotropic",
)  # fmt: skip

SETTINGS = PatchSettings(
    network="coarse", modality="ct", spacing=(6.0, 6.0, 6.0), patch_voxels=(4, 4, 4),
    window=((-500.0, 0.0), (1500.0, 1.0)), r_mm=300.0, convolution="in_plane", width=4,
)  # fmt: skip


@cache
def whole() -> bytes:
    """Return a good model file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coarse.safetensors"
        write_model(path, Model(new_network(SETTINGS, seed=1), SETTINGS))
        return path.read_bytes()


def header_bytes() -> int:
    """Return how long the file's header is, with its length before it."""
    return 8 + int.from_bytes(whole()[:8], "little")


def used_or_refused(content: bytes) -> None:
    """Read a model file as CHECK and as LOCALIZE does; nothing but a sentence may be raised."""
    with tempfile.TemporaryDirectory() as name, no_hang():
        path = Path(name) / "coarse.safetensors"
        path.write_bytes(content)
        for fault in adopt_weights(Settings(), Path(name), cohort="c", name="w", wanted=("coarse", "fine"))[2]:
            assert fault.message.endswith(".") and fault.message.isprintable(), fault
        try:
            model = read_model(path)
        except InputError as error:
            (sentence,) = error.errors
            assert sentence.startswith("coarse.safetensors: ") and sentence.endswith("."), sentence
            assert sentence.isprintable(), sentence
        else:
            assert isinstance(model.settings, NetworkSettings)


def with_header(change: Any) -> bytes:
    """Return the good file with another header, of the length that is written before it."""
    size = header_bytes()
    header = json.dumps(change(json.loads(whole()[8:size]))).encode()
    return len(header).to_bytes(8, "little") + header + whole()[size:]


def test_the_good_file_is_used() -> None:
    used_or_refused(whole())
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "coarse.safetensors"
        path.write_bytes(with_header(lambda header: header))
        assert read_model(path).settings == SETTINGS


@settings(max_examples=100)
@given(st.data())
def test_a_damaged_model_file(data: st.DataObject) -> None:
    used_or_refused(data.draw(damaged(whole(), first=header_bytes(), words=WORDS)))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=3), below, max_size=2),
    max_leaves=6,
)


def with_value(key: str, value: Any) -> bytes:
    """Return the good file with another value somewhere in its header."""

    def change(header: dict[str, Any]) -> dict[str, Any]:
        about = json.loads(header["__metadata__"]["rprloc"])
        *above, last = key.split(".")
        (about["settings"] if above else about)[last] = value
        header["__metadata__"]["rprloc"] = json.dumps(about)
        return header

    return with_header(change)


@settings(max_examples=80)
@given(
    st.sampled_from(["format", "settings", "record", *(f"settings.{key}" for key in SETTINGS.__struct_fields__)]),
    JSON_VALUES,
)
def test_a_header_with_another_value(key: str, value: Any) -> None:
    used_or_refused(with_value(key, value))


@settings(max_examples=30)
@given(st.sampled_from(["stage", "network", "details"]), st.sampled_from(list(EVERY)) | JSON_VALUES)
def test_a_header_of_another_version_or_network(key: str, value: Any) -> None:
    used_or_refused(with_value(f"settings.{key}", value))


@settings(max_examples=60)
@given(st.sampled_from(VotesSettings.__struct_fields__), JSON_VALUES)
def test_settings_of_many_parts_with_another_value(key: str, value: Any) -> None:
    written = settings_to_json(EVERY["student"]) | {key: value}
    try:
        found = settings_from(written)
    except (KeyError, TypeError, ValueError):
        return
    assert isinstance(found, NetworkSettings)

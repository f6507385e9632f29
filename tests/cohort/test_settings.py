"""Cohort settings: the shipped files, and one sentence for every fault."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rprloc.cohort.settings import (
    BODY_WINDOW,
    KEYS,
    MR_WINDOW,
    Settings,
    known_cohorts,
    load_settings,
    parse_settings,
)
from rprloc.cohort.settings_file import settings_schema

COHORTS = Path(__file__).parents[2] / "assets" / "cohorts"
EXAMPLE = (COHORTS / "openkbp.yml").read_text()


def read(text: str) -> Settings:
    found, faults = parse_settings(text, file="my.yml")
    assert found is not None, [fault.message for fault in faults]
    return found


def messages(text: str) -> list[str]:
    found, faults = parse_settings(text, file="my.yml")
    assert (found is None) == bool(faults)
    return [fault.message for fault in faults]


def load(path: Path) -> Settings:
    found, faults = load_settings(path, name=path.name)
    assert found is not None, [fault.message for fault in faults]
    return found


def same(one: Settings, other: Settings) -> bool:
    return one.to_json() == other.to_json()


def test_shipped_settings() -> None:
    shipped = {name: load(path) for name, path in known_cohorts([COHORTS]).items()}
    assert set(shipped) == {
        "default", "mr", "brain_mr", "head_neck", "head_neck_ct", "openkbp", "pancreas", "phantom"
    }  # fmt: skip
    organs = {"brainstem": 1, "mandible": 2, "parotid_left": 3, "parotid_right": 4}
    assert shipped["openkbp"].structures == shipped["head_neck"].structures == organs
    assert shipped["head_neck"].patch_voxels == (16, 64, 64)
    assert shipped["pancreas"].patch_voxels == (48, 48, 48)
    assert (shipped["head_neck"].r.coarse, shipped["head_neck"].r.fine) == (300, 30)
    assert (shipped["pancreas"].r.coarse, shipped["pancreas"].r.fine) == (700, 50)
    assert (shipped["head_neck"].starts, shipped["pancreas"].starts) == (15, 20)
    assert {name for name, one in shipped.items() if one.modality == "mr"} == {"mr", "brain_mr"}
    # A scientist copies a file and changes it: every key is there to be seen.
    assert all(one.given == frozenset(KEYS) for one in shipped.values())


def test_defaults_live_in_one_place() -> None:
    """The dataclass, the schema and default.yml say the same."""
    assert same(read(""), Settings())
    assert same(load(COHORTS / "default.yml"), Settings())

    def defaults(schema: dict) -> dict:  # type: ignore[type-arg]
        properties = schema["properties"].items()
        return {key: below["default"] if "default" in below else defaults(below) for key, below in properties}

    assert same(Settings.from_json(defaults(settings_schema())), Settings())
    assert set(KEYS) == {field.name for field in fields(Settings)} - {"given"} == set(settings_schema()["properties"])


def test_plain_values_make_the_same_settings() -> None:
    one = read(EXAMPLE)
    assert Settings.from_json(one.to_json()) == one
    assert Settings.from_json(yaml.safe_load(yaml.safe_dump(one.to_json()))) == one


def test_mr_has_a_window_of_percentiles() -> None:
    assert read("modality: mr").window == MR_WINDOW
    assert read("modality: mr").matching_spacing == "own"
    assert read("modality: ct").window == BODY_WINDOW


FAULTS = {
    "unknown key": ("spacng: [1, 1, 1]", "line 1, key 'spacng'", "(did you mean 'spacing'?)"),
    "unknown key within": ("network:\n  widht: 8", "line 2, key 'network.widht'", "(did you mean 'width'?)"),
    "key twice": ("starts: 1\nstarts: 2", "line 2, key 'starts'", "every key once"),
    "key that is no text": ("structures: {no: 1}", "line 1: found 'no'", "put it in quotes"),
    "type of starts": ("starts: many", "key 'starts': found 'many'", "whole number"),
    "boolean is no number": ("starts: yes", "key 'starts': found 'True'", "whole number"),
    "type of network": ("network: isotropic", "key 'network'", "convolution and width"),
    "width": ("network: {width: 10}", "key 'network.width': found '10'", "multiple of 4"),
    "modality": ("modality: pet", "key 'modality': found 'pet'", "ct or mr"),
    "spacing of two": ("spacing: [1, 2]", "key 'spacing': found '[1, 2]'", "three numbers"),
    "spacing of zero": ("spacing: [0, 1, 1]", "key 'spacing'", "from 0.1 to 50"),
    "spacing not finite": ("spacing: [.nan, 1, 1]", "key 'spacing'", "finite"),
    "patch not positive": ("patch: [-48, 64, 64]", "key 'patch'", "above 0"),
    "patch too large": ("patch: [600, 60, 60]\nspacing: [1, 1, 1]", "key 'patch'", "from 4 to 512 voxels"),
    "patch too small": ("patch: [6, 60, 60]", "key 'patch'", "from 4 to 512 voxels"),
    "patch of too many voxels": ("patch: [500, 500, 500]\nspacing: [1, 1, 1]", "key 'patch'", "at most"),
    "r of zero": ("r: {fine: 0}", "key 'r.fine': found '0'", "above 0"),
    "r infinite": ("r: {coarse: .inf}", "key 'r.coarse'", "finite"),
    "r fine above coarse": ("r: {coarse: 20}", "key 'r.fine': found '50'", "at most r.coarse"),
    "window of one knot": ("window: [[0, 0]]", "key 'window'", "two or more knots"),
    "window not increasing": ("window: [[0, 0], [0, 1]]", "key 'window'", "increases"),
    "window falling": ("window: [[0, 0], [1, 1], [2, 0.5]]", "key 'window'", "never fall"),
    "window not from zero": ("window: [[0, 0.1], [1, 1]]", "key 'window'", "start at 0"),
    "window of percentiles": ("modality: mr\nwindow: [[-5, 0], [99, 1]]", "key 'window'", "from 0 to 1000"),
    "matching_spacing of two": ("matching_spacing: [1, 2]", "key 'matching_spacing': found '[1, 2]'", "mm, each from"),
    "matching_spacing in words": ("matching_spacing: fine", "key 'matching_spacing': found 'fine'", "or own"),
    "structure name": ("structures: {'a b': 1}", "key 'structures.a b'", "a structure's name"),
    "structure value": ("structures: {a: 0}", "key 'structures.a': found '0'", "label value"),
    "structures by case": ("structures: {a: 1, A: 2}", "key 'structures.A'", "more than case"),
    "structures by value": ("structures: {a: 1, b: 1}", "key 'structures.b'", "another label value"),
    "no structures": ("structures: {}", "key 'structures'", "null, or names"),
    "a list": ("- 1", "line 1", "keys with values"),
    "no YAML": ("a: [", "line 1", "YAML"),
    "a date that is none": ("a: 2020-13-45", "my.yml: found", "YAML"),
    "aliases": ("a: &x [1]\nb: *x", "line 2: found '*x'", "no aliases"),
    "objects": ("a: !!python/object/apply:os.getcwd []", "line 1", "YAML"),
    "endless": ("# " + "x" * 1_000_001, "my.yml: found", "at most"),
}


@pytest.mark.parametrize(("text", "place", "expected"), FAULTS.values(), ids=FAULTS)
def test_fault(text: str, place: str, expected: str) -> None:
    found = messages(text)
    assert any(place in one and expected in one.split(", expected ")[1] for one in found), found


def test_networks_of_landmarks_see_half_the_spacing_where_scans_have_their_own() -> None:
    assert read("spacing: [6, 4, 5]\nmatching_spacing: own").learnt_spacing == (3.0, 2.0, 2.5)
    assert read("spacing: [6, 4, 5]\nmatching_spacing: [2, 2, 2]").learnt_spacing == (2.0, 2.0, 2.0)
    own = read("matching_spacing: own")
    assert own.matching_spacing == "own" and read(yaml.safe_dump(own.to_json())) == replace(own, given=frozenset(KEYS))


def test_all_faults_at_once() -> None:
    text = "starts: 0\nspacng: 3\nr: {coarse: -1, fine: x}\nstructures: {a: 1, no: 2, b: x}\n"
    assert sorted(message.split(":")[0] for message in messages(text)) == [
        "my.yml, line 1, key 'starts'",
        "my.yml, line 2, key 'spacng'",
        "my.yml, line 3, key 'r.coarse'",
        "my.yml, line 3, key 'r.fine'",
        "my.yml, line 4",
        "my.yml, line 4, key 'structures.b'",
    ]


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.data())
def test_mutated_settings_give_sentences(data: st.DataObject) -> None:
    content = "\n".join(line for line in EXAMPLE.splitlines() if line and not line.startswith("#"))
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(content)))
        new = data.draw(st.text(max_size=4) | st.sampled_from(["{", "[", ": ", "\n", "*a", "&a ", "!!", "1e9", "? "]))
        content = content[:start] + new + content[start + data.draw(st.integers(0, 8)) :]
    for message in messages(content):
        assert message.startswith("my.yml")
        assert message.isprintable()
        assert ": found " in message


def test_unreadable_files(tmp_path: Path) -> None:
    binary = tmp_path / "b.yml"
    binary.write_bytes(b"\x1f\x8b\x08\xff")
    for path in (binary, tmp_path / "missing.yml", tmp_path):
        found, (fault,) = load_settings(path, name="my.yml")
        assert found is None and fault.message.startswith("my.yml: found ")
        assert fault.message.endswith("expected a readable YAML file of settings.")


def test_a_folder_of_ones_own_hides_a_shipped_file(tmp_path: Path) -> None:
    mine = tmp_path / "pancreas.yml"
    mine.touch()
    known = known_cohorts([tmp_path / "missing", tmp_path, COHORTS])
    assert known["pancreas"] == mine
    assert known["openkbp"] == COHORTS / "openkbp.yml" and "OpenKBP" not in known

"""YAML with the line of every key, held against the schema."""

import pytest

from rprloc.cohort.settings_file import parse_yaml, schema_faults, settings_schema


def test_every_key_has_its_line() -> None:
    values, lines, faults = parse_yaml("starts: 3\n\nr:\n  fine: 20\n", file="my.yml")
    assert (values, faults) == ({"starts": 3, "r": {"fine": 20}}, [])
    assert lines == {("starts",): 1, ("r",): 3, ("r", "fine"): 4}
    assert parse_yaml("# nothing\n", file="my.yml") == ({}, {}, [])


def test_keys_twice_or_no_text_are_named_and_the_rest_is_read() -> None:
    values, _, faults = parse_yaml("starts: 3\n1: 2\nstarts: 4\n", file="my.yml")
    assert values == {"starts": 4}
    assert [(fault.line, fault.value) for fault in faults] == [(2, "1"), (3, "starts")]


@pytest.mark.parametrize("values", [{"starts": 3}, {"r": {"fine": 20.5}}, {"structures": None}, {}])
def test_what_the_schema_allows(values: dict[str, object]) -> None:
    assert schema_faults(values, {}, file="my.yml") == []


def test_unknown_keys_come_with_the_nearest_known_one_at_any_depth() -> None:
    lines = {("spacng",): 2, ("r",): 3, ("r", "fin"): 3}
    found = [fault.message for fault in schema_faults({"spacng": 1, "r": {"fin": 2}}, lines, file="my.yml")]
    assert found[0].startswith("my.yml, line 2, key 'spacng': found 'spacng', expected one of the keys structures, ")
    assert found[0].endswith("(did you mean 'spacing'?).")
    assert found[1] == (
        "my.yml, line 3, key 'r.fin': found 'fin', expected one of the keys coarse or fine (did you mean 'fine'?)."
    )


def test_every_key_says_what_it_expects() -> None:
    properties = settings_schema()["properties"]
    assert all({"description", "expected"} <= entry.keys() for entry in properties.values())

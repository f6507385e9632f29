"""Parameters: texts or typed values, and a sentence for each fault."""

from pathlib import Path
from typing import Any

import pytest

from rprloc.cohort.parameters import check_parameters, properties_of, read_schema
from rprloc.cohort.tasks import Parameters

ROOT = Path(__file__).parents[2]
SCHEMA = read_schema(ROOT / "nextflow_schema.json")


def typed(**raw: object) -> dict[str, Any]:
    parameters, faults = check_parameters(raw, SCHEMA)
    assert faults == []
    return parameters


def messages(**raw: object) -> list[str]:
    return [fault.message for fault in check_parameters(raw, SCHEMA)[1]]


def test_schema_documents_every_parameter() -> None:
    properties = properties_of(SCHEMA)
    assert {entry["$ref"].split("/")[-1] for entry in SCHEMA["allOf"]} == set(SCHEMA["$defs"])
    for name, entry in properties.items():
        assert entry["description"].endswith("."), name
        assert "default" in entry or name == "input", name
    assert Parameters.__annotations__.keys() == properties.keys()
    defaults = {name: entry["default"] for name, entry in properties.items() if "default" in entry}
    assert typed(input="a.csv") == defaults | {"input": "a.csv"}


def test_texts_and_typed_values_are_one() -> None:
    one = {"input": "7", "tables": False, "queries_per_task": 10, "seed": 0, "weights": None, "training": "demo"}
    other = {"input": 7, "tables": "false", "queries_per_task": "10", "seed": 0.0, "weights": "", "training": "demo"}
    assert typed(**one) == typed(**other)
    assert typed(**one)["tables"] is False


def test_help_needs_no_input() -> None:
    assert typed(help="true")["help"] is True
    (message,) = messages()
    assert message.startswith("command line, parameter 'input': found nothing, expected --input FILE")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"cohrt": "x"}, "found '--cohrt', expected a parameter of this pipeline (did you mean 'cohort'?)"),
        ({"queries-per-task": "5", "queriesPerTask": "5"}, "(did you mean 'queries_per_task'?)"),
        ({"zzz": 1}, "expected a parameter of this pipeline: input, outdir"),
        ({"training": "qick"}, "found 'qick', expected demo, quick, standard or paper (did you mean 'quick'?)"),
        ({"tables": "maybe"}, "found 'maybe', expected true or false"),
        ({"queries_per_task": "0"}, "found '0', expected a whole number from 1"),
        ({"queries_per_task": True}, "found 'True', expected a whole number"),
        ({"max_memory": "64"}, "found '64', expected a text such as '64 GB'"),
        ({"max_time": "two hours"}, "expected a text such as '12 h'"),
        ({"seed": "1.5"}, "found '1.5', expected a whole number from 0"),
        ({"seed": "9" * 30}, "expected a whole number from 0"),
        ({"cohort": True}, "found 'True', expected a text"),
        ({"outdir": True}, "found 'True', expected a folder"),
        ({"weights": ["a"]}, "expected a folder"),
    ],
)
def test_fault(raw: dict[str, object], expected: str) -> None:
    (message,) = messages(input="a.csv", **raw)
    assert expected in message

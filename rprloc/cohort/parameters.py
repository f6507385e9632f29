"""The parameters of a run, as Nextflow hands them over (texts or typed), against nextflow_schema.json."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import jsonschema

from rprloc.cohort.faults import Fault, listed, parameter_fault, shown
from rprloc.cohort.tasks import Parameters
from rprloc.errors import InputError, nearest
from rprloc.files import read_json

Schema = Mapping[str, Any]
"""A JSON schema, or a part of one, as it stands in its file."""

_TEXTS = {"true": True, "false": False}


def read_schema(path: Path | str) -> Schema:
    """Read nextflow_schema.json; raises InputError where it is missing or no schema of parameters."""
    schema: Schema = read_json(path)
    if not isinstance(schema, dict) or not isinstance(schema.get("$defs"), dict):
        raise InputError(f"{path}: expected a JSON schema with groups of parameters under $defs.")
    return schema


def properties_of(schema: Schema) -> dict[str, Schema]:
    """Return the schema of each parameter by name, all groups together, in their order."""
    return {name: entry for group in schema["$defs"].values() for name, entry in group["properties"].items()}


def check_parameters(raw: Mapping[str, object], schema: Schema) -> tuple[Parameters, list[Fault]]:
    """Return all parameters with their types, defaults filled in, and a fault for each that is wrong.

    Texts and typed values both work: "false" is False where the schema says boolean, "10" is 10 where it says
    integer, 7 is "7" where it says string. Null and an empty text are the default.
    """
    properties = properties_of(schema)
    parameters: dict[str, object] = {name: entry["default"] for name, entry in properties.items() if "default" in entry}
    faults = _unknown(raw, properties)
    for name, entry in properties.items():
        value = raw.get(name)
        if value is None or value == "":
            continue
        coerced = _coerce(value, _type(entry))
        if jsonschema.Draft202012Validator(entry).is_valid(coerced):
            parameters[name] = coerced
        else:
            said = value if isinstance(value, str) else shown(value)
            faults.append(parameter_fault(name, said, expectation(entry, str(coerced))))
    if not parameters.get("help"):
        required = [name for group in schema["$defs"].values() for name in group.get("required", ())]
        given = {fault.column for fault in faults} | parameters.keys()
        for name in required:
            if name not in given:
                what = str(properties[name]["description"]).removesuffix(".")
                faults.append(
                    parameter_fault(name, None, f"--{name} {_word(properties[name])}, the {what[0].lower()}{what[1:]}")
                )
    return cast(Parameters, parameters), faults


def expectation(entry: Schema, value: str = "") -> str:
    """Return in words what a parameter's schema expects, with the choice nearest to `value` where there are choices."""
    if choices := entry.get("enum"):
        return f"{listed(choices)}{nearest(value, choices)}"
    kind = _type(entry)
    if kind == "boolean":
        return "true or false"
    if kind == "integer":
        return f"a whole number from {entry['minimum']} to {entry['maximum']}"
    if examples := entry.get("examples"):
        return f"a text such as {shown(examples[0])}"
    return {"file": "a file", "directory": "a folder"}.get(_word(entry).lower(), "a text")


def _unknown(raw: Mapping[str, object], properties: Mapping[str, Schema]) -> list[Fault]:
    """Return a fault for each unknown parameter; Nextflow gives a name with dashes a second time in camel case."""
    faults: dict[str, Fault] = {}
    for name in raw:
        if name not in properties:
            plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()
            hint = nearest(plain, properties) or f": {listed(properties)}"
            faults.setdefault(plain, parameter_fault(name, f"--{name}", f"a parameter of this pipeline{hint}"))
    return list(faults.values())


def _type(entry: Schema) -> str:
    """Return a parameter's type, leaving out null."""
    kinds = entry["type"]
    kind: str = kinds if isinstance(kinds, str) else next(kind for kind in kinds if kind != "null")
    return kind


def _coerce(value: object, kind: str) -> object:
    """Return a value as the type that the schema names, or unchanged where that cannot be."""
    if kind == "boolean" and isinstance(value, str):
        return _TEXTS.get(value.strip().lower(), value)
    if kind == "integer" and isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value):
        return int(value)
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    # A bare --cohort arrives as true: that is no name.
    if kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def _word(entry: Schema) -> str:
    """Return what stands for a parameter's value in a message: FILE, DIRECTORY or VALUE."""
    return str(entry.get("format", "value")).removesuffix("-path").upper()

"""Read a YAML settings file with the line of every key, and hold it against the JSON schema of settings."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import jsonschema
import yaml

from rprloc.cohort.faults import Fault, listed, shown
from rprloc.cohort.parameters import Schema
from rprloc.errors import nearest

KeyPath = tuple[str, ...]
Lines = dict[KeyPath, int]
Values = Mapping[str, Any]
"""What a settings file holds, before a record is made of it."""

LONGEST = 1_000_000
"""Characters of a settings file above which it is refused unread: aliases in YAML can grow without bound."""


def settings_schema() -> Schema:
    """Return the JSON schema of a cohort's settings."""
    text = files("rprloc.cohort").joinpath("settings.schema.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


def parse_yaml(text: str, *, file: str) -> tuple[Values | None, Lines, list[Fault]]:
    """Return a YAML mapping, the line of each key path (counted from 1), and the faults of its form.

    The mapping is None where nothing can be read; an empty file is an empty mapping. Keys that occur twice or are no
    text are faults, and left out or overwritten, so that the rest can be checked as well.
    """
    expected = "a YAML file of keys with values"
    if len(text) > LONGEST:
        return None, {}, [Fault(file=file, value=f"{len(text)} characters", expected=f"{expected}, at most {LONGEST}")]
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1 if event.start_mark else None
                return None, {}, [Fault(file=file, line=line, value=f"*{event.anchor}", expected="values, no aliases")]
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        return None, {}, [Fault(file=file, line=line, value=error.problem, expected=expected)]
    # Numbers and dates that Python cannot hold, and nesting deeper than its stack, are no YAMLError.
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return None, {}, [Fault(file=file, value=reason, expected=expected)]
    if values is None:
        return {}, {}, []
    if not isinstance(values, dict):
        return None, {}, [Fault(file=file, line=1, value=shown(values), expected=expected)]
    lines: Lines = {}
    faults: list[Fault] = []
    _walk(root, (), lines, faults, file)
    return _text_keys(values), lines, faults


def _walk(node: Any, path: KeyPath, lines: Lines, faults: list[Fault], file: str) -> None:
    """Note the line of every key below a YAML mapping node, and the keys that are no text or occur twice."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
            faults.append(Fault(file=file, line=line, value=name, expected="a key that is text (put it in quotes)"))
            continue
        below = (*path, key.value)
        if below in lines:
            expected = f"every key once (first in line {lines[below]})"
            faults.append(
                Fault(file=file, line=line, column=".".join(below), value=key.value, expected=expected, kind="key")
            )
        lines.setdefault(below, line)
        _walk(value, below, lines, faults, file)


def _text_keys(value: Any) -> Any:
    """Return a YAML value without the keys that are no text, at any depth."""
    if isinstance(value, dict):
        return {key: _text_keys(below) for key, below in value.items() if isinstance(key, str)}
    return [_text_keys(below) for below in value] if isinstance(value, list) else value


def schema_faults(values: Values, lines: Lines, *, file: str) -> list[Fault]:
    """Return a fault for each key that is unknown or whose value the schema refuses, in the file's order."""
    schema = settings_schema()
    faults: dict[KeyPath, Fault] = {}
    for path in _not_finite(values, ()):
        faults[path] = _fault(path, values, lines, "finite numbers", file)
    for error in jsonschema.Draft202012Validator(schema).iter_errors(values):
        keys = _keys_of(error.absolute_path)
        if error.validator == "additionalProperties":
            for path, fault in _unknown_keys(error, keys, values, lines, file):
                faults.setdefault(path, fault)
            continue
        if "pattern" in error.absolute_schema_path and "propertyNames" in error.absolute_schema_path:
            name = str(error.instance)
            path = (*keys, name)
            faults.setdefault(path, _fault(path, values, lines, str(error.schema["expected"]), file, name))
            continue
        faults.setdefault(keys, _fault(keys, values, lines, _expected(schema, keys), file))
    return sorted(faults.values(), key=lambda fault: (fault.line or 0, fault.column or ""))


def _unknown_keys(error: Any, keys: KeyPath, values: Values, lines: Lines, file: str) -> list[tuple[KeyPath, Fault]]:
    """Return the path and the fault of each key that the schema does not know."""
    known = list(error.schema["properties"])
    return [
        (
            path,
            _fault(path, values, lines, f"one of the keys {listed(known)}{nearest(path[-1], known)}", file, path[-1]),
        )
        for path in ((*keys, key) for key in error.instance if key not in known)
    ]


def _fault(path: KeyPath, values: Values, lines: Lines, expected: str, file: str, found: str | None = None) -> Fault:
    """Return the fault of the value at a key path; `found` is said in its place where the key itself is wrong."""
    value: Any = values
    for key in path:
        value = value[key]
    said = found if found is not None else value if isinstance(value, str) else shown(value)
    return Fault(
        file=file, line=lines.get(path), column=".".join(path) or None, value=said, expected=expected, kind="key"
    )


def _keys_of(path: Any) -> KeyPath:
    """Return the leading keys of a path into a document, without list positions."""
    keys: list[str] = []
    for part in path:
        if not isinstance(part, str):
            break
        keys.append(part)
    return tuple(keys)


def _expected(schema: Schema, keys: KeyPath) -> str:
    """Return what the schema's `expected` says for a key path."""
    for key in keys:
        schema = schema.get("properties", {}).get(key) or schema["additionalProperties"]
    return str(schema["expected"])


def _not_finite(value: Any, path: KeyPath) -> list[KeyPath]:
    """Return the key paths of values that hold NaN or infinity, which compare as within any bounds."""
    if isinstance(value, Mapping):
        return [found for key, below in value.items() for found in _not_finite(below, (*path, str(key)))]
    if isinstance(value, list):
        return [path] if any(_not_finite(below, path) for below in value) else []
    return [path] if isinstance(value, float) and not math.isfinite(value) else []

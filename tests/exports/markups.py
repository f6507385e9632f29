"""3D Slicer's own schema of markups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

SCHEMA = json.loads((Path(__file__).parent / "slicer" / "markups-schema-v1.0.3.json").read_text(encoding="utf-8"))


def faults_of(content: Any) -> list[str]:
    """Return what the schema says against the JSON of a file."""
    return [error.message for error in Draft7Validator(SCHEMA).iter_errors(content)]

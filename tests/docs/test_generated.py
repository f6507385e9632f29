"""What follows from the catalogue is written as `make generate` writes it."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from jsonschema import Draft202012Validator

from rprloc import catalogue
from rprloc.catalogue import Family, Method
from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The script."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "assets" / "setup" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nothing_is_stale(generate: ModuleType) -> None:
    stale = [str(path) for path, text in generate.generated().items() if (ROOT / path).read_text("utf-8") != text]
    assert not stale, "run make generate"


def test_a_new_row_is_in_page_and_schema(generate: ModuleType) -> None:
    row = Method(name="guess", family=Family(name="guess", make="m:f"), sentence="Guesses.", source="ours")
    catalogue.register(row)
    try:
        text = generate.generated()
    finally:
        catalogue.unregister(row)
    assert "| `guess` | ours | Guesses. | each support | none | yes | ours |" in text[generate.METHODS]
    schema = json.loads(text[generate.SCHEMA])
    assert "syn, guess, or all." in schema["$defs"]["method"]["properties"]["methods"]["description"]


def test_a_modules_page_has_its_processes_and_the_sheets_schema_its_columns(generate: ModuleType) -> None:
    pages = generate.module_pages()
    assert {path.parent.name for path in pages} == {
        path.parent.name for path in (ROOT / "modules").glob("*/main.nf") if "\nprocess " in path.read_text("utf-8")
    }
    one, other = yaml.safe_load(pages[Path("modules/preprocess/meta.yml")])["processes"]
    assert (one["name"], one["input"], one["output"]) == ("PREPROCESS", ["id", "json", "image", "label"], ["scan"])
    assert (other["name"], other["output"]) == ("PREPROCESS_TOGETHER", ["scans"])
    assert one["description"].startswith("One scan to model space. ")
    schema = json.loads(generate.sheet_schema())
    Draft202012Validator.check_schema(schema)
    fits = Draft202012Validator(schema).is_valid
    assert fits([{"subject": "a", "image": "a.nii", "split": "test"}])
    assert not fits([{"subject": "a b", "image": "a.nii"}]) and not fits([{"subject": "a"}])


def test_the_schema_is_as_it_was_but_for_the_values(generate: ModuleType) -> None:
    text = (ROOT / generate.SCHEMA).read_text("utf-8")
    broken = text.replace('"default": "matched"', '"default": "other"')
    assert broken != text
    assert generate.schema_text(broken) == text


def test_a_parameter_that_the_schema_lacks_is_said(generate: ModuleType) -> None:
    text = re.sub(r'"template_stride"', '"stride"', (ROOT / generate.SCHEMA).read_text("utf-8"))
    with pytest.raises(ValueError, match="template_stride"):
        generate.schema_text(text)


def test_every_parameter_is_on_its_page(generate: ModuleType) -> None:
    groups = json.loads((ROOT / generate.SCHEMA).read_text("utf-8"))["$defs"].values()
    page = generate.generated()[generate.PARAMETERS]
    for name in (name for group in groups for name in group["properties"]):
        assert f"| `--{name}` |" in page

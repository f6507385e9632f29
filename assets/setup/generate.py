"""Write what follows from Python or Groovy where neither is read: docs/reference/{methods,parameters}.md, the texts of
nextflow_schema.json that name methods, networks, weights and cohorts, assets/schema_input.json from the columns of
sample sheets, and meta.yml of each module from its processes. `make generate` runs this; with --check
it only says what is stale, and ends with status 1 if anything is.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import yaml  # noqa: E402

from rprloc.catalogue import (  # noqa: E402
    BY_LABELS,
    DEFAULT,
    PAPER,
    Family,
    Length,
    Method,
    Network,
    methods,
    network_named,
    networks,
    trainings,
)
from rprloc.cohort.faults import NAME  # noqa: E402
from rprloc.cohort.sheet import COLUMNS, REQUIRED, SPLITS  # noqa: E402

SHEET = Path("assets/schema_input.json")
SCHEMA = Path("nextflow_schema.json")
METHODS = Path("docs/reference/methods.md")
PARAMETERS = Path("docs/reference/parameters.md")

SAYS = "<!-- Written by `make generate` from %s; change it there. -->\n"


def main() -> int:
    """Write the files, or with --check say which are stale; return the exit status."""
    check = "--check" in sys.argv[1:]
    stale = [path for path, text in generated().items() if not _same(ROOT / path, text)]
    for path in stale:
        print(f"{path}: {'stale, run make generate' if check else 'written'}")
        if not check:
            (ROOT / path).write_text(generated()[path], encoding="utf-8")
    return int(check and bool(stale))


def generated() -> dict[Path, str]:
    """Return the text that each generated file should have."""
    schema = schema_text((ROOT / SCHEMA).read_text(encoding="utf-8"))
    pages = {SCHEMA: schema, METHODS: methods_page(), PARAMETERS: parameters_page(json.loads(schema))}
    return pages | {SHEET: sheet_schema(), **module_pages()}


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


# assets/schema_input.json

_COLUMNS = {
    "subject": "The scan's name, unique within its cohort.",
    "image": "A file or a folder, relative to the sheet, or an address.",
    "label": "A segmentation, a folder of masks, or a pattern with {structure}.",
    "marks": "Boxes and points: a file or a folder of them.",
    "series": "Which series of a DICOM image: its description, number or UID.",
    "split": "What the scan is used for; without the column for all of it.",
    "cohort": "Whose settings it has.",
}


def sheet_schema() -> str:
    """Return the schema of a sample sheet's rows, as nf-core's tools read it; CHECK says more of what is wrong."""
    rows: dict[str, Any] = {name: {"type": "string", "description": _COLUMNS[name]} for name in COLUMNS}
    for name in ("subject", "cohort"):
        rows[name]["pattern"] = f"^{NAME.pattern}$"
    rows["split"]["enum"] = ["", *SPLITS]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A row of a sample sheet",
        "description": "Written by `make generate` from rprloc/cohort/sheet.py.",
        "type": "array",
        "items": {"type": "object", "properties": rows, "required": list(REQUIRED)},
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


# modules/*/meta.yml

_PROCESS = re.compile(r"((?://[^\n]*\n)+)process (\w+) \{\n(.*?)\n\}", re.DOTALL)
_INPUTS = re.compile(r"    input:\n(.*?)\n\n", re.DOTALL)


def module_pages() -> dict[Path, str]:
    """Return meta.yml of each module that holds a process: what it does, what it takes and gives, by its own text."""
    pages = {}
    for path in sorted((ROOT / "modules").glob("*/main.nf")):
        found = [_process(*match.groups()) for match in _PROCESS.finditer(path.read_text(encoding="utf-8"))]
        if found:
            text = yaml.safe_dump({"name": path.parent.name, "processes": found}, sort_keys=False, width=110)
            pages[path.parent.relative_to(ROOT) / "meta.yml"] = "# Written by `make generate` from main.nf.\n" + text
    return pages


def _process(comment: str, name: str, body: str) -> dict[str, Any]:
    """Return what is to be said of a process, given the comment above it, its name and its text."""
    inputs = _INPUTS.search(body)
    lines = [] if inputs is None else [line.partition("//")[0] for line in inputs[1].splitlines()]
    return {
        "name": name,
        "description": " ".join(line.removeprefix("//").strip() for line in comment.splitlines()),
        "input": [kind for line in lines for kind in re.findall(r"\b(?:val|path)[( ](\w+)", line)],
        "output": re.findall(r"emit: (\w+)", body),
        "tools": ["rprloc"],
    }


# nextflow_schema.json


def schema_text(text: str) -> str:
    """Return the schema's text with what follows from the catalogue, the rest as it is."""
    for (name, key), value in schema_values().items():
        text = _replaced(text, name, key, value)
    return text


def schema_values() -> dict[tuple[str, str], Any]:
    """Return, by parameter and key, the values in the schema that follow from tables in Python and from folders."""
    names = [f"{method.name} (the paper's)" if method.name == PAPER else method.name for method in methods()]
    limited = _names(method for method in methods() if method.family.most_supports == "registration_supports")
    strided = _names(method for method in methods() if "template_stride" in method.family.parameters)
    shipped = sorted(folder.name for folder in (ROOT / "rprloc" / "weights").iterdir() if folder.is_dir())
    cohorts = sorted(path.stem for path in (ROOT / "assets" / "cohorts").glob("*.yml") if path.stem != "phantom")
    return {
        ("cohort", "description"): (
            f"Settings of rows that name no cohort: a name ({', '.join(cohorts)}) or a YAML file."
        ),
        ("training", "enum"): list(trainings()),
        ("training", "help"): (
            f"standard where it is not given. Steps of the position map: {_steps(network_named('position_map'))}; "
            f"of each of the two networks of the paper's method: {_steps(network_named('coarse'))}. "
            "docs/reference/methods.md has those of all networks."
        ),
        ("weights", "description"): (
            f"Trained models: a folder, the name of shipped ones ({', '.join(shipped)}), none to do without, or auto: "
            "those that ship, where the scans lie in their field, else none."
        ),
        ("methods", "default"): DEFAULT,
        ("methods", "description"): f"Ways of finding, with commas between: {', '.join(names)}, or all.",
        ("methods", "help"): (
            "all makes the paper's Table 3. docs/reference/methods.md says what each is and what it may use. "
            "A method that is not asked for costs nothing."
        ),
        ("template_stride", "description"): (
            f"Voxels between the positions that {strided} compare (the paper's stride is 2)."
        ),
        ("registration_supports", "description"): (
            f"Supports that {limited} carry over, the first of the draw: each takes seconds a scan."
        ),
    }


def _replaced(text: str, name: str, key: str, value: Any) -> str:
    """Return the schema's text with one value of a parameter; raises ValueError where it has no such key."""
    begin = re.search(rf'^ *"{name}": \{{ *$(?=\s+"type")', text, re.MULTILINE)
    found = begin and re.compile(rf'"{key}": *').search(text, begin.end())
    if not found:
        raise ValueError(f"{SCHEMA}: found no {key} of {name}, expected one")
    _, end = json.JSONDecoder().raw_decode(text, found.end())
    return text[: found.end()] + json.dumps(value, ensure_ascii=False) + text[end:]


def _steps(network: Network) -> str:
    """Return `demo 150, quick 1,200, ...`."""
    return ", ".join(f"{name} {length.steps:,}" for name, length in network.lengths.items())


def _names(rows: Iterable[Method]) -> str:
    """Return `a, b and c`."""
    *first, last = [row.name for row in rows]
    return f"{', '.join(first)} and {last}" if first else last


# docs/reference/methods.md


def methods_page() -> str:
    """Return the page of all methods and networks."""
    return "\n".join([SAYS % "rprloc/catalogue", _METHODS_HEAD, _methods_table(), _METHODS_NOTES, _networks_tables()])


_METHODS_HEAD = f"""# Methods and networks

`--methods` names the ways of finding, with commas between.
Without it `{DEFAULT}` is used; `all` makes the paper's Table 3.
Every method gets the same supports and the same queries and answers in the same rows of `predictions.jsonl`.
A method that is not asked for costs nothing.

[Accuracy and seconds of each](../results/openkbp.md) · [how the default works](../explanation/matched.md) ·
[how the paper's works](../explanation/paper.md) · [add one](../how-to/add_a_method.md)

## Methods
"""

_METHODS_NOTES = """\
**One-shot** methods answer from each support alone; all supports together are the robust mean of these answers.
Methods that have learned before they answer have the support `-`, and are no one-shot methods.
What teaches them is in the column: the supports, or the labels of the training scans, which show what labels are worth.
Without a column `split` in the sheet they search the very scans that they learned from, which is no test.
Labels that are absent are masked out of their loss.
A cohort whose training scans have no label has failed rows with that reason.

Registration takes seconds for each support, so it uses the first `--registration_supports` of the draw.
Template matching compares every position of the query whose centre lies in the body, exactly, by FFT \
(Lewis, Vision Interface 1995).
The auto-encoder's code has four channels at a stride of two voxels.

## Networks

`--training` sets the length of each network that a run trains: steps x scans a step, and the patches of a scan where
there are several.
"""


def _methods_table() -> str:
    rows = [
        (
            f"`{method.name}`",
            method.paper or "ours",
            method.sentence,
            _teacher(method.family),
            _networks_of(method.family),
            "yes" if method.family.gpu else "no",
            method.source,
        )
        for method in methods()
    ]
    return table(("name", "in tables", "what it is", "answers from", "networks", "uses a GPU", "source"), rows)


def _teacher(family: Family) -> str:
    """Return what a family's methods need to know of the structures."""
    if family.supports:
        return f"the first `--{family.most_supports}`" if family.most_supports else "each support"
    return "labels of training scans" if family.learns == BY_LABELS else "all supports, learned before"


def _networks_of(family: Family) -> str:
    said = ", ".join(f"`{name}`" for name in family.networks)
    return f"{said}, or none" if family.optional else said or "none"


def _networks_tables() -> str:
    rows = [
        (
            f"`{network.name}`",
            network.sentence,
            ", ".join(f"`{name}`" for name in network.needs),
            *(_length(network.lengths[name]) for name in trainings()),
            network.source,
        )
        for network in networks()
    ]
    used = {name for method in methods() for name in method.family.networks}
    spare = [network.name for network in networks() if network.name not in used]
    note = f"\nNo method needs {', '.join(spare)}.\n" if spare else ""
    return table(("name", "what it gives", "trained after", *trainings(), "source"), rows) + note


def _length(length: Length) -> str:
    """Return `6,000 x 2`, and the patches of a scan where there are several."""
    return f"{length.steps:,} x {length.groups}" + (f" x {length.patches}" if length.patches > 1 else "")


# docs/reference/parameters.md


def parameters_page(schema: Mapping[str, Any]) -> str:
    """Return the page of all parameters of the pipeline."""
    parts = [SAYS % SCHEMA, _PARAMETERS_HEAD]
    for group in schema["$defs"].values():
        rows = [
            (f"`--{name}`", _default(name, group, about), _said(about)) for name, about in group["properties"].items()
        ]
        parts.append(f"## {group['title']}\n\n{table(('parameter', 'default', 'what it does'), rows)}")
    return "\n".join(parts)


_PARAMETERS_HEAD = """# Parameters

`nextflow run main.nf --help` prints them.
Write them on the command line, or as YAML or JSON for `-params-file`.
A value that begins with a dash needs an equals sign: `--slurm_gres=--gpus=1`.

Options with two dashes are the pipeline's.
Those with one (`-profile`, `-resume`, `-c`, `-work-dir`, `-params-file`, `-qs`) are Nextflow's.
"""


def _default(name: str, group: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    if name in group.get("required", ()):
        return "needed"
    value = about.get("default")
    return "" if value is None else f"`{json.dumps(value) if isinstance(value, bool) else value}`"


def _said(about: Mapping[str, Any]) -> str:
    """Return what a parameter does and which values it takes."""
    said = [about["description"]]
    if "enum" in about:
        said.append("One of " + ", ".join(f"`{value}`" for value in about["enum"]) + ".")
    elif "minimum" in about and "maximum" in about:
        said.append(f"From {about['minimum']:,} to {about['maximum']:,}.")
    return " ".join([*said, *([about["help"]] if "help" in about else [])])


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table, ended by a line break."""
    names = list(head)
    lines = [names, ["---"] * len(names), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())

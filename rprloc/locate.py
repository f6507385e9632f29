"""`rprloc locate`: find in some scans what is annotated in one, without Nextflow: parse, call the locator, write."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click
from click.shell_completion import CompletionItem

from rprloc.catalogue import DEFAULT, methods
from rprloc.cohort.exports import EXPORTS, MARGIN_MM, OUTLINES, parse_exports
from rprloc.errors import InputError

if TYPE_CHECKING:
    from rprloc.exports.query import Query
    from rprloc.locator.console import Teller
    from rprloc.locator.results import Results

EXIT_MISSING = 1
"""Something was not found, or a scan could not be used; the answers say which and why."""
EXIT_TERMINATED = 143
"""SIGTERM ended the process, as a shell says it."""

PATH = click.Path(path_type=Path)

_NAMED = 5
"""Scans of which the same is said that are named."""


class Options(TypedDict):
    """How to find, what to write and what to say."""

    out: Path | None
    exports: str | None
    margin: int
    settings: str | None
    structures: str | None
    method: str
    weights: str
    seed: int
    device: str
    series: str | None
    jobs: int
    as_json: bool
    quiet: bool


class Annotations(TypedDict):
    """What the supports are annotated by."""

    label: tuple[Path, ...]
    marks: tuple[Path, ...]


def _weights(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return what a shell offers for `--weights`: names, then folders."""
    folders = (Path(__file__).parent / "weights").iterdir()
    names = ["auto", "none", *sorted(folder.name for folder in folders if folder.is_dir())]
    fitting = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return fitting or [CompletionItem(incomplete, type="dir")]


@click.command()
@click.argument("queries", metavar="SCAN...", nargs=-1, required=True, type=PATH)
@click.option("--support", "supports", multiple=True, required=True, type=PATH, help="Annotated scan; several: again.")
@click.option(
    "--label", "labels", multiple=True, type=PATH,
    help="Its label: an image, a folder of masks, or a path with {structure}. One for each --support, in their order.",
)  # fmt: skip
@click.option("--marks", multiple=True, type=PATH, help="Its boxes or points (.mrk.json, .csv, .json), or a folder.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the answers [a table here].")
@click.option("--exports", help=f"Files for other programs, below OUT/exports: {', '.join(EXPORTS)}.")
@click.option("--margin", type=click.IntRange(0, 100), default=MARGIN_MM, show_default=True, help="Of crops, in mm.")
@click.option("--series", help="Of scans that are DICOM: the series' description, number or UID [the only volume].")
@click.option("--structures", help="Those to find: names, or NAME=VALUE with the value in the label [all].")
@click.option("--settings", help="A shipped cohort's name or a YAML file, as the pipeline's --cohort.")
@click.option(
    "--method", type=click.Choice([method.name for method in methods()]), default=DEFAULT, show_default=True,
    help="Way of finding.",
)  # fmt: skip
@click.option(
    "--weights", default="auto", show_default=True, shell_complete=_weights,
    help="Shipped ones by name, a folder, none, or auto: those that ship where the supports lie in their field.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the draw of the support.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True, help="Scans read at the same time.")
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON.")
@click.option("--quiet", is_flag=True, help="Say nothing but the answers and errors.")
def locate(
    queries: tuple[Path, ...],
    supports: tuple[Path, ...],
    labels: tuple[Path, ...],
    marks: tuple[Path, ...],
    **options: Unpack[Options],
) -> None:
    """Find in each SCAN what is annotated in a support, without Nextflow.

    Ends with 0 where everything was found and with 1 where something was not.
    """
    if {len(labels), len(marks)} - {0} != {len(supports)}:
        found = f"{len(labels)} --label and {len(marks)} --marks for {len(supports)} --support"
        raise click.UsageError(f"found {found}, expected a --label or --marks for each.")
    out, (kinds, faults) = options["out"], parse_exports(options["exports"])
    if faults:
        raise InputError(fault.message for fault in faults)
    if kinds and out is None:
        raise click.UsageError("--exports needs --out, the folder below which files are written.")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    # The temporary folder goes as it does after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))
    if not _searched(queries, supports, {"label": labels, "marks": marks}, kinds, options):
        sys.exit(EXIT_MISSING)


def _searched(
    queries: tuple[Path, ...],
    supports: tuple[Path, ...],
    annotations: Annotations,
    kinds: Sequence[str],
    options: Options,
) -> bool:
    """Search the queries, say and write what is found, and tell whether that is everything."""
    from rprloc.locator.console import Teller, print_json, print_table
    from rprloc.locator.locator import Locator
    from rprloc.locator.names import apart, named
    from rprloc.networks.memory import keep_memory

    keep_memory()
    scans, own = apart(queries, named(supports))
    if not scans:
        raise InputError("SCAN: found the supports alone, expected other scans to search.")
    named(scans, named(supports))
    asked = options["structures"]
    with (
        Teller(len(scans), quiet=options["quiet"]) as teller,
        Locator(
            supports,
            **annotations,
            settings=options["settings"],
            structures=[one for one in asked.split(",") if one.strip()] if asked else None,
            method=options["method"],
            weights=options["weights"],
            seed=options["seed"],
            device=options["device"],
            series=options["series"],
            outlines=bool({*kinds} & {*OUTLINES}),
        ) as locator,
    ):
        for path in own:
            teller.note(f"{path}: is a support, and is not searched from itself.")
        teller.begun(locator.weights, locator.supports)
        located = []
        for one in locator.locate_all(scans, jobs=options["jobs"]):
            located.append(one)
            teller.found(one)
        results = locator.results(located)
        for subject, finding in results.said:
            teller.note(f"  {subject}: {finding}")
        if options["out"] is not None:
            _written(results, [locator.exported(one) for one in located], kinds, options, teller)
    if options["as_json"]:
        print_json(results, locator.weights)
    elif options["out"] is None:
        print_table(located)
    return not any(one.missing for one in located)


def _written(
    results: Results, queries: Sequence[Query], kinds: Sequence[str], options: Options, teller: Teller
) -> None:
    """Write the answers for queries, and files of some kinds for other programs, and say where they are."""
    from rprloc.exports.write import write_exports

    out = options["out"]
    assert out is not None
    results.write(out)
    teller.note(f"{out / 'boxes.csv'} has the answers, {out / 'scans.csv'} what was odd.")
    said: dict[str, list[str]] = {}
    for query in queries if kinds else ():
        if query.record.usable:
            for sentence in write_exports(out / "exports", kinds, query, margin_mm=options["margin"]):
                # The same of many scans is said once.
                subject, _, rest = sentence.partition(": ")
                said.setdefault(rest, []).append(subject)
    for rest, subjects in said.items():
        more = f" and {len(subjects) - _NAMED} more" if len(subjects) > _NAMED else ""
        teller.note(f"  WARN: {', '.join(subjects[:_NAMED])}{more}: {rest}")
    if there := [kind for kind in kinds if (out / "exports" / kind).is_dir()]:
        teller.note(f"{out / 'exports'} has files for other programs: {', '.join(there)}.")

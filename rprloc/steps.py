"""The steps of the pipeline as commands: parse, call one function, write. Each process of main.nf runs one of them.

What a task is told comes as one JSON value on standard input, a record of rprloc.cohort.tasks, so that nothing in it is
ever read by a shell. What a step needs is imported inside it: PREPROCESS runs once a scan and needs neither torch nor
pandas.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from rprloc.errors import NothingToLearnError
from rprloc.files import only_file

if TYPE_CHECKING:
    from rprloc.cohort.tasks import Folders

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
NEW_FOLDER = click.Path(file_okay=False, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)
told = click.option("--task", type=click.File("r", encoding="utf-8"), default="-", help="JSON of the task [stdin].")
device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
threads_option = click.option("--threads", type=click.IntRange(min=1), default=None, help="CPU threads [all cores].")
scans_option = click.option("--scans", type=NEW_FOLDER, required=True, help="Folder of preprocessed scans' folders.")
models_option = click.option("--models", type=NEW_FOLDER, required=True, help="Folder of trained networks, if any.")
code_option = click.option("--code", default=None, help="Hash of the checkout's package, to be compared.")
image_option = click.option("--image", "container", default="", help="The container's image, in messages.")
here_option = click.option("--folder", type=NEW_FOLDER, default=Path(), help="Where to write to [here].")


@click.group()
def step() -> None:
    """One step of the pipeline; main.nf calls these."""


@step.command()
@click.option("--sheet-folder", type=NEW_FOLDER, required=True, help="Folder that holds the sample sheet, if any.")
@click.option("--output", type=OUTPUT, required=True, help="JSON: the paths.")
@code_option
@image_option
def names(sheet_folder: Path, output: Path, code: str | None, container: str) -> None:
    """List the files and folders that a sheet names, to be looked up; first of all, compare the code."""
    from rprloc.cohort.image import check_same_code
    from rprloc.cohort.sheet import named_files
    from rprloc.files import write_json

    if code is not None:
        check_same_code(code, container)
    sheet = only_file(sheet_folder)
    write_json(output, [] if sheet is None else named_files(sheet.read_bytes()))


@step.command()
@told
@click.option("--folder", type=FOLDER, default=Path(), help="Folder of what the run is given [here].")
@code_option
@image_option
def check(task: TextIO, folder: Path, code: str | None, container: str) -> None:
    """Write the plan of a run, plan.json, and versions.yml, or all its faults, faults.json; none ends the command.

    The folder holds nextflow_schema.json, the folders sheet (the sample sheet), own and shipped (settings files, the
    user's first), settings (the file that `cohort` names) and weights (trained models), each where there is any.
    """
    import msgspec

    from rprloc.cohort.check import Given
    from rprloc.cohort.check import check as check_run
    from rprloc.cohort.image import check_same_code
    from rprloc.cohort.parameters import read_schema
    from rprloc.cohort.places import Place
    from rprloc.cohort.plan import made_of, plan_of
    from rprloc.cohort.provenance import versions_text
    from rprloc.cohort.tasks import AUTO, NO_WEIGHTS, SheetFile
    from rprloc.files import sha256, write_json, write_text

    if code is not None:
        check_same_code(code, container)
    values = json.load(task)
    name = values["name"] or "sample sheet"
    sheet = only_file(folder / "sheet")
    named = values["parameters"].get("weights") not in (None, "", AUTO, NO_WEIGHTS)
    given = Given(
        parameters=values["parameters"],
        schema=read_schema(folder / "nextflow_schema.json"),
        sheet=sheet or Path(name),
        name=name,
        places=msgspec.convert(values["places"], dict[str, Place]),
        folders=[folder / name for name in ("own", "shipped") if (folder / name).is_dir()],
        settings_file=only_file(folder / "settings"),
        weights=folder / "weights" if named else None,
        own_folder=values["own_folder"],
        processors=values.get("processors"),
    )
    about = SheetFile(file=name, sha256=sha256(sheet) if sheet else None)
    plan = plan_of(check_run(given), sheet=about, places=given.places)
    plan = made_of(plan, folder / "weights", commit=values.get("commit", ""))
    if not plan.faults:
        write_text(folder / "versions.yml", versions_text("CHECK"))
    write_json(folder / ("faults.json" if plan.faults else "plan.json"), plan.to_json())


@step.command()
@told
@click.option("--image", type=FOLDER, required=True, help="Folder that holds the image's file, files or folder.")
@click.option("--label", type=NEW_FOLDER, required=True, help="Folder that holds the annotation's files, if any.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@here_option
def preprocess(task: TextIO, image: Path, label: Path, threads: int, folder: Path) -> None:
    """Bring one scan to model space; one that cannot be used is set aside with the reason."""
    _use_threads(threads)
    from rprloc.cohort.staged import Staged, preprocess_staged, said_of
    from rprloc.cohort.tasks import Preprocess, from_json

    what = Staged(from_json(json.load(task), Preprocess), image, label)
    click.echo(said_of(preprocess_staged(folder, what)))


@step.command()
@told
@click.option("--images", type=FOLDER, required=True, help="Folder of a folder for each image's file: 1, 2, ...")
@click.option("--labels", type=NEW_FOLDER, required=True, help="The same of the annotations' files, if any.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@here_option
def together(task: TextIO, images: Path, labels: Path, threads: int, folder: Path) -> None:
    """Bring several scans to model space, each in a process of its own; one whose process dies is left out."""
    _use_threads(threads)
    from rprloc.cohort.staged import preprocess_together
    from rprloc.cohort.tasks import Preprocess, from_json

    tasks = [from_json(one, Preprocess) for one in json.load(task)]
    for line in preprocess_together(folder, tasks, images, labels):
        click.echo(line, err=True)


@step.command()
@told
@scans_option
@models_option
@here_option
@device_option
@click.option("--gpus", type=click.IntRange(min=1), default=1, show_default=True, help="How many share the work.")
def train(task: TextIO, scans: Path, models: Path, folder: Path, device: str, gpus: int) -> None:
    """Train one network of a cohort, or go on with it; one without a label to learn from is left out."""
    from rprloc.cohort.tasks import Train, from_json
    from rprloc.networks.device import device_of, set_up_cpu
    from rprloc.training.run import train_network

    what = from_json(json.load(task), Train)
    set_up_cpu(max(1, what.threads // gpus))
    given = _given(scans, models)
    try:
        train_network(what, given, folder, device=device_of(device), log=click.echo, processes=gpus)
    except NothingToLearnError as error:
        click.echo(f"{what.cohort} {what.network}: {error} There is no network, and its method's answers fail.")


@step.command()
@told
@scans_option
@models_option
@click.option("--output", type=OUTPUT, required=True, help="predictions.jsonl; outlines go to a folder beside it.")
@device_option
@threads_option
def localize(task: TextIO, scans: Path, models: Path, output: Path, device: str, threads: int | None) -> None:
    """Find the structures of all supports in a batch of queries, and draw their outlines."""
    from functools import partial

    from rprloc.cohort.tasks import CALIBRATING, Search, from_json
    from rprloc.files import write_json_lines
    from rprloc.methods.localize import localize as run
    from rprloc.methods.outlined import write_query_outlines
    from rprloc.networks.device import device_of, set_up_cpu

    set_up_cpu(threads)
    search = from_json(json.load(task), Search)
    drawn = output.with_suffix(".outlines")
    drawn.mkdir(parents=True, exist_ok=True)
    # Supports that are searched from each other for calibration are no answers to anybody.
    keep = None if search.batch == CALIBRATING else partial(write_query_outlines, drawn, search.family)
    rows = run(search, _given(scans, models), device=device_of(device), threads=threads, keep=keep)
    write_json_lines(output, [row.to_json() for row in rows])


@step.command()
@told
@scans_option
@click.option("--predictions", type=NEW_FOLDER, required=True, help="Folder of the batches' predictions.")
@click.option("--outlines", type=NEW_FOLDER, required=True, help="Folder of the batches' outlines, a folder each.")
@here_option
def evaluate(task: TextIO, scans: Path, predictions: Path, outlines: Path, folder: Path) -> None:
    """Measure every expected prediction of a cohort."""
    from rprloc.cohort.tasks import Measure, from_json
    from rprloc.results.measure.evaluate import Came, evaluate_cohort

    measure = from_json(json.load(task), Measure)
    came = Came(_files(predictions, "*.jsonl"), _files(outlines, "*/*.safetensors"))
    evaluate_cohort(folder, measure, _folders(scans), came)


@step.command()
@told
@click.option(
    "--images", type=FOLDER, required=True, help="Folder of a folder for each of the images' files: 1, 2, ..."
)
@click.option("--outlines", type=NEW_FOLDER, required=True, help="Folder of the batch's outlines, if any.")
@scans_option
@here_option
def view(task: TextIO, images: Path, outlines: Path, scans: Path, folder: Path) -> None:
    """Draw a batch of queries, or supports, on their own voxels, and write the viewer's files."""
    from rprloc.cohort.tasks import View, from_json
    from rprloc.pictures.view import ViewFiles, staged_images, view_scans

    what = from_json(json.load(task), View)
    given = ViewFiles(
        scans={path.name: path for path in _folders(scans)},
        images=staged_images(what, images),
        outlines=_files(outlines, "*/*.safetensors"),
    )
    made = view_scans(folder, what, given)
    click.echo(f"{what.id}: {sum(len(one.pictures) for one in made)} pictures of {len(made)} scans")


@step.command()
@told
@click.option("--image", type=FOLDER, required=True, help="Folder that holds the image's file, files or folder.")
@click.option("--found", type=FOLDER, required=True, help="Folder of the query's answers to use and of its outlines.")
@scans_option
@here_option
def export(task: TextIO, image: Path, found: Path, scans: Path, folder: Path) -> None:
    """Write a query's answers to use as files for other programs; what could not be written is said in said.txt."""
    from rprloc.cohort.tasks import Export, from_json
    from rprloc.exports.query import read_query
    from rprloc.exports.write import write_exports
    from rprloc.files import write_text

    what = from_json(json.load(task), Export)
    given = only_file(image, beside=what.voxels) or image
    (answers,) = _files(found, "*.jsonl")
    query = read_query(what, given, scans / what.id, answers, _files(found, "*/*.safetensors"))
    said = [] if query is None else write_exports(folder / "exports", what.kinds, query, margin_mm=what.margin_mm)
    write_text(folder / "said.txt", "".join(f"{sentence}\n" for sentence in said))


@step.command()
@click.option("--evaluated", type=FOLDER, required=True, help="Folder of the cohorts' evaluations.")
@click.option("--logs", type=NEW_FOLDER, required=True, help="Folder of the training curves, if any.")
@here_option
def tabulate(evaluated: Path, logs: Path, folder: Path) -> None:
    """Put all cohorts together and write the paper's tables."""
    from rprloc.results.tables.tabulate import tabulate_cohorts

    click.echo(tabulate_cohorts(folder, _folders(evaluated), _files(logs, "*.jsonl")))


@step.command()
@told
@click.option("--results", type=FOLDER, required=True, help="Folder with what `tabulate` wrote.")
@scans_option
@click.option("--manifests", type=NEW_FOLDER, required=True, help="Folder of what VIEW said of its pictures, if any.")
@click.option("--logs", type=NEW_FOLDER, required=True, help="Folder of the training curves, if any.")
@here_option
def report(task: TextIO, folder: Path, **given: Path) -> None:
    """Write the page to open first and what it needs beside it."""
    from rprloc.cohort.tasks import ReportTask, from_json
    from rprloc.results.report.run import ReportFiles, report_run

    what = from_json(json.load(task), ReportTask)
    left = ReportFiles(
        results=given["results"],
        scans=_folders(given["scans"]),
        manifests=_files(given["manifests"], "*.json"),
        logs=_files(given["logs"], "*.jsonl"),
    )
    report_run(folder, what.report, what.launch, left)


def _use_threads(threads: int) -> None:
    """Let what reads and resamples scans take so many threads, before anything else loads it."""
    # Read when numpy is loaded; by default its matrix products take every core.
    os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


def _folders(parent: Path) -> list[Path]:
    """Return the folders in a folder, sorted; none where it does not exist."""
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def _files(parent: Path, pattern: str) -> list[Path]:
    """Return the files in a folder that fit a pattern, sorted; none where it does not exist."""
    return sorted(parent.glob(pattern)) if parent.is_dir() else []


def _given(scans: Path, models: Path) -> Folders:
    """Return where the scans and the models of a task are."""
    from rprloc.cohort.tasks import Folders

    return Folders({path.name: path for path in _folders(scans)}, _files(models, "*.safetensors"))

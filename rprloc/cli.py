"""The command line: parse, call one function, write. Each process of the pipeline runs one `rprloc step`."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from pathlib import Path
from typing import TextIO

import click

import rprloc
from rprloc.cohort.methods import DEFAULT, FAMILIES, METHODS, NO_WEIGHTS, networks_of
from rprloc.errors import UNSTEADY, InputError, NothingToLearnError

# What a step needs is imported inside it: PREPROCESS runs once a scan and needs neither torch nor pandas.

EXIT_INPUT = 65
"""An input cannot be used (the EX_DATAERR of sysexits.h): the pipeline ends with its sentences."""
EXIT_INTERRUPTED = 143
"""As if SIGTERM had ended the process: the pipeline starts the task again."""
EXIT_OUT_OF_MEMORY = 137
"""The memory, the computer's or the GPU's, did not suffice: the pipeline starts the task again, with more."""
EXIT_UNSTEADY = 104
"""A file system did not answer: the pipeline starts the task again."""
EXIT_FILE_SYSTEM = 74
"""A disk is full or a path cannot be used (the EX_IOERR of sysexits.h): the pipeline ends, and goes on with -resume."""

NETWORKS = networks_of(METHODS)

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
NEW_FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)
values_option = click.option(
    "--values", type=click.File("r", encoding="utf-8"), default="-", help="JSON with the step's settings [stdin]."
)
seed_option = click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
threads_option = click.option("--threads", type=click.IntRange(min=1), default=None, help="CPU threads [all cores].")


def main() -> None:
    """Run the command line; an input that cannot be used ends it with its sentences and EXIT_INPUT."""
    # Read when torch is loaded: threads that wait spin a little, then sleep. By default they spin so long that a
    # training is ten times slower on cores that other programs use as well; without any spinning it is slower alone.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        command(standalone_mode=False)
    except InputError as error:
        print("\n".join(f"rprloc: {sentence}" for sentence in error.errors), file=sys.stderr)
        sys.exit(EXIT_INPUT)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (OSError, MemoryError, RuntimeError) as error:
        status, sentence = _failure(error)
        print(f"rprloc: {sentence}", file=sys.stderr)
        sys.exit(status)


def _failure(error: OSError | MemoryError | RuntimeError) -> tuple[int, str]:
    """Return the exit status and the sentence of a failure that is no fault of the input; raises every other one."""
    if isinstance(error, OSError):
        return _file_failure(error)
    # The libraries have no exception in common for it.
    if isinstance(error, MemoryError) or re.search(r"allocate memory|out of memory|bad_alloc", str(error), re.I):
        what = str(error).strip().split("\n")[-1] or "an allocation failed"
        return EXIT_OUT_OF_MEMORY, f"the memory did not suffice ({what}); a run tries again and asks for more."
    from rprloc.training.state import Interrupted

    if isinstance(error, Interrupted):
        return EXIT_INTERRUPTED, str(error)
    raise error


def _file_failure(error: OSError) -> tuple[int, str]:
    """Return the exit status and the sentence of a file that could not be read or written."""
    # numpy's error of a full disk has no number.
    number = errno.ENOSPC if error.errno is None and "written" in str(error) else error.errno
    said = f"{error.filename or 'a file'}: found '{os.strerror(number) if number else error}', expected"
    if number in (errno.ENOSPC, errno.EDQUOT):
        return EXIT_FILE_SYSTEM, f"{said} room on its disk; free some space and start again, a run with -resume."
    if number in UNSTEADY:
        return EXIT_UNSTEADY, f"{said} a file system that answers; a run tries again."
    return EXIT_FILE_SYSTEM, f"{said} a path that can be used; see to it and start again, a run with -resume."


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(rprloc.__version__)
def command() -> None:
    """Find any organ or landmark in every scan of a cohort from one annotated example."""


@command.command()
@click.argument("folder", type=NEW_FOLDER)
@seed_option
@click.option("--train", "n_train", type=click.IntRange(min=0), default=12, show_default=True)
@click.option("--validation", "n_validation", type=click.IntRange(min=0), default=2, show_default=True)
@click.option("--test", "n_test", type=click.IntRange(min=0), default=3, show_default=True)
def phantom(folder: Path, seed: int, n_train: int, n_validation: int, n_test: int) -> None:
    """Write a generated cohort with known landmarks to FOLDER and print its sample sheet."""
    from rprloc.cohort.phantom import write_phantom

    click.echo(write_phantom(folder, seed=seed, n_train=n_train, n_validation=n_validation, n_test=n_test))


@command.group(name="import")
def import_() -> None:
    """Bring a public data set into the form of a cohort: NIfTI files and a sample sheet."""


def _add_importer(name: str, text: str) -> None:
    """Add the command that imports a data set; its module is named alike."""

    @import_.command(name=name, help=text)
    @click.argument("source", type=FOLDER)
    @click.argument("folder", type=NEW_FOLDER)
    @click.option("--split/--no-split", default=True, show_default=True, help="Divide the scans as the paper did.")
    @seed_option
    def run(source: Path, folder: Path, split: bool, seed: int) -> None:
        from importlib import import_module

        from rprloc.importers.dataset import import_dataset

        dataset = import_module(f"rprloc.importers.{name.replace('-', '_')}").DATASET
        done = import_dataset(dataset, source, folder, split=split, seed=seed, say=click.echo)
        click.echo(done.summary(dataset))


_add_importer("openkbp", "OpenKBP, CSV files of the repository ababier/open-kbp: SOURCE holds pt_1, pt_2, ...")
_add_importer("pddca", "MICCAI 2015 head and neck challenge, NRRD: SOURCE holds 0522c0001, ...")
_add_importer("structseg", "StructSeg 2019 task 1, NIfTI: SOURCE holds 1/data.nii.gz, 1/label.nii.gz, ...")
_add_importer(
    "pancreas-ct", "NIH Pancreas-CT, DICOM with NIfTI labels: SOURCE holds PANCREAS_0001, ... and the labels."
)


@command.group()
def step() -> None:
    """One step of the pipeline; main.nf calls these."""


@step.command()
@values_option
@click.option("--schema", type=FILE, required=True, help="nextflow_schema.json.")
@click.option("--sheet-folder", type=NEW_FOLDER, required=True, help="Folder that holds the sample sheet, if any.")
@click.option("--cohorts", "folders", type=NEW_FOLDER, multiple=True, help="Folder of NAME.yml, the first one wins.")
@click.option("--settings-folder", type=NEW_FOLDER, required=True, help="Folder that holds the file `cohort` names.")
@click.option("--weights", type=NEW_FOLDER, required=True, help="Folder of trained models, if any.")
@click.option("--output", type=OUTPUT, required=True, help="check.json.")
def check(
    values: TextIO,
    schema: Path,
    sheet_folder: Path,
    folders: tuple[Path, ...],
    settings_folder: Path,
    weights: Path,
    output: Path,
) -> None:
    """Check parameters, sample sheet and settings; all faults are in the output, none ends the command."""
    from rprloc.cohort.check import check as check_run
    from rprloc.cohort.parameters import read_schema
    from rprloc.files import sha256, write_json

    given = json.load(values)
    name = given["name"] or "sample sheet"
    sheet = _only_file(sheet_folder)
    found = check_run(
        given["parameters"],
        schema=read_schema(schema),
        sheet=sheet or Path(name),
        name=name,
        folders=[folder for folder in folders if folder.is_dir()],
        settings_file=_only_file(settings_folder),
        weights=weights if given["parameters"].get("weights") not in (None, "", NO_WEIGHTS) else None,
    )
    found["sheet"] = {"file": name, "sha256": sha256(sheet) if sheet else None}
    write_json(output, found)


@step.command()
@values_option
@click.option("--cohort", required=True)
@click.option("--subject", required=True)
@click.option("--image", type=FOLDER, required=True, help="Folder that holds the image's one file.")
@click.option("--label", type=NEW_FOLDER, required=True, help="Folder that holds the label's file or masks, if any.")
@click.option("--folder", type=NEW_FOLDER, default=Path(), help="Where to write to [here].")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
def preprocess(values: TextIO, cohort: str, subject: str, image: Path, label: Path, folder: Path, threads: int) -> None:
    """Bring one scan to model space; one that cannot be used is set aside with the reason."""
    # Read when numpy is loaded; by default its matrix products take every core.
    os.environ["OPENBLAS_NUM_THREADS"] = str(threads)

    import SimpleITK as sitk

    from rprloc.scans.preprocess import preprocess as run

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    settings = json.load(values)
    masks = settings.pop("masks", None)
    about = run(
        folder,
        cohort=cohort,
        subject=subject,
        image=next(image.iterdir()),
        # Without masks, which go by structure, the label is the one file there is, if any.
        label=_only_file(label) if masks is None else {name: label / file for name, file in masks.items()},
        settings=settings,
    )
    click.echo(f"{cohort} {subject}: {about['reason'] or 'ok'}")


@step.command()
@values_option
@click.option("--cohort", required=True)
@click.option("--stage", type=click.Choice(NETWORKS), required=True, help="The network.")
@click.option("--scans", type=NEW_FOLDER, required=True, help="Folder of the training scans' folders.")
@click.option("--validation", type=NEW_FOLDER, required=True, help="Folder of the validation scans' folders.")
@click.option(
    "--models", type=NEW_FOLDER, default=None, help="Folder of the position map, for a network that needs it."
)
@click.option("--supports", type=NEW_FOLDER, default=None, help="Folder of the supports' folders, for one they teach.")
@click.option("--training", required=True, help="demo, quick, standard or paper.")
@click.option("--code", default="", help="Hash of the code, part of the state's name.")
@click.option("--folder", type=NEW_FOLDER, default=Path(), help="Where to write to [here].")
@seed_option
@device_option
@threads_option
def train(
    values: TextIO,
    cohort: str,
    stage: str,
    scans: Path,
    validation: Path,
    models: Path | None,
    supports: Path | None,
    training: str,
    code: str,
    folder: Path,
    seed: int,
    device: str,
    threads: int | None,
) -> None:
    """Train one network of a cohort, or go on with it; one without a label to learn from is left out."""
    from rprloc.networks.device import device_of, set_up_cpu
    from rprloc.training.run import train_stage

    set_up_cpu(threads)
    given = json.load(values)
    try:
        train_stage(
            folder,
            cohort=cohort,
            stage=stage,
            scans=_folders(scans),
            validation=_folders(validation),
            models=sorted(models.glob("*.safetensors")) if models is not None else [],
            supports=_folders(supports) if supports is not None else [],
            settings=given["settings"],
            training=training,
            seed=seed,
            # Where the state and the log are kept; a path of the user's that the shell never sees.
            checkpoints=Path(given["checkpoints"]),
            code=code,
            device=device_of(device),
            log=click.echo,
        )
    except NothingToLearnError as error:
        click.echo(f"{cohort} {stage}: {error} There is no network, and its method's answers fail.")


@step.command()
@values_option
@click.option("--family", type=click.Choice([family.name for family in FAMILIES]), default=DEFAULT, show_default=True)
@click.option("--supports", type=NEW_FOLDER, required=True, help="Folder of the supports' folders.")
@click.option("--queries", type=FOLDER, required=True, help="Folder of the queries' folders.")
@click.option("--models", type=NEW_FOLDER, required=True, help="Folder of the trained networks, if any.")
@click.option("--tables/--no-tables", default=True, show_default=True, help="Answer tables 1 and 2 as well.")
@click.option("--output", type=OUTPUT, required=True, help="predictions.jsonl.")
@seed_option
@device_option
@threads_option
def localize(
    values: TextIO,
    family: str,
    supports: Path,
    queries: Path,
    models: Path,
    tables: bool,
    output: Path,
    seed: int,
    device: str,
    threads: int | None,
) -> None:
    """Find the structures of all supports in a batch of queries."""
    from rprloc.files import write_json_lines
    from rprloc.methods.localize import localize as run
    from rprloc.networks.device import device_of, set_up_cpu

    set_up_cpu(threads)
    rows = run(
        family,
        supports=_folders(supports),
        queries=_folders(queries),
        models=sorted(models.glob("*.safetensors")),
        settings=json.load(values),
        tables=tables,
        seed=seed,
        device=device_of(device),
        threads=threads,
    )
    write_json_lines(output, [row.to_json() for row in rows])


@step.command()
@values_option
@click.option("--cohort", required=True)
@click.option("--scans", type=FOLDER, required=True, help="Folder of the cohort's scans' folders.")
@click.option("--predictions", type=NEW_FOLDER, required=True, help="Folder of the batches' predictions.")
@click.option("--tables/--no-tables", default=True, show_default=True)
@click.option("--folder", type=NEW_FOLDER, required=True, help="Where to write to.")
@seed_option
def evaluate(
    values: TextIO, cohort: str, scans: Path, predictions: Path, tables: bool, folder: Path, seed: int
) -> None:
    """Measure every expected answer of a cohort."""
    from rprloc.results.collect import evaluate_cohort

    batches = sorted(predictions.glob("*.jsonl")) if predictions.is_dir() else []
    evaluate_cohort(
        folder, json.load(values), cohort=cohort, scans=_folders(scans), batches=batches, seed=seed, tables=tables
    )


@step.command()
@values_option
@click.option("--evaluated", type=FOLDER, required=True, help="Folder of the cohorts' evaluations.")
@click.option("--logs", type=NEW_FOLDER, required=True, help="Folder of the training curves, if any.")
@click.option("--folder", type=NEW_FOLDER, default=Path(), help="Where to write to [here].")
def tabulate(values: TextIO, evaluated: Path, logs: Path, folder: Path) -> None:
    """Put all cohorts together and write the paper's tables."""
    from rprloc.results.collect import tabulate_cohorts

    curves = sorted(logs.glob("*.jsonl"))
    click.echo(tabulate_cohorts(folder, json.load(values), _folders(evaluated), curves))


@step.command()
@values_option
@click.option("--results", type=FOLDER, required=True, help="Folder with what `tabulate` wrote.")
@click.option("--scans", type=FOLDER, required=True, help="Folder of all scans' folders.")
@click.option("--logs", type=NEW_FOLDER, required=True, help="Folder of the training curves.")
@click.option("--folder", type=NEW_FOLDER, default=Path(), help="Where to write to [here].")
def report(values: TextIO, results: Path, scans: Path, logs: Path, folder: Path) -> None:
    """Write the page to open first and its pictures."""
    from rprloc.results.collect import report_run

    report_run(folder, json.load(values), results=results, scans=_folders(scans), logs=sorted(logs.glob("*.jsonl")))


def _only_file(folder: Path) -> Path | None:
    """Return the one file in a folder, None where there is none."""
    return next(iter(sorted(folder.iterdir())), None) if folder.is_dir() else None


def _folders(parent: Path) -> list[Path]:
    """Return the folders in a folder, sorted; none where it does not exist."""
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


if __name__ == "__main__":
    main()

"""The command line: parse, call one function, write. Each process of the pipeline runs one `rprloc step`."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from pathlib import Path

import click

import rprloc
from rprloc.errors import UNSTEADY, DeviceError, InputError
from rprloc.locate import locate
from rprloc.steps import FOLDER, NEW_FOLDER, step

EXIT_INPUT = 65
"""An input cannot be used (the EX_DATAERR of sysexits.h): the pipeline ends with its sentences."""
EXIT_INTERRUPTED = 143
"""As if SIGTERM had ended the process: the pipeline starts the task again."""
EXIT_OUT_OF_MEMORY = 137
"""The memory, the computer's or the GPU's, did not suffice: the pipeline starts the task again, with more."""
EXIT_NO_GPU = 69
"""No GPU works where one was asked for (the EX_UNAVAILABLE of sysexits.h): the pipeline starts the task again."""
EXIT_UNSTEADY = 104
"""A file system did not answer: the pipeline starts the task again."""
EXIT_FILE_SYSTEM = 74
"""A disk is full or a path cannot be used (the EX_IOERR of sysexits.h): the pipeline ends, and goes on with -resume."""

seed_option = click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)

PIPELINE = Path(rprloc.__file__).parents[1]
"""The checkout, which holds the parameters and the shipped cohorts."""


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
    if isinstance(error, DeviceError):
        return EXIT_NO_GPU, str(error)
    if re.search(r"CUDA (driver )?error|CUDA driver|cuDNN error|NVIDIA driver", str(error)):
        return EXIT_NO_GPU, f"the GPU does not work ({str(error).strip().splitlines()[0]}); a run tries again."
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
    from rprloc.importers.phantom import write_phantom

    click.echo(write_phantom(folder, seed=seed, n_train=n_train, n_validation=n_validation, n_test=n_test))


@command.command(context_settings={"ignore_unknown_options": True})
@click.argument("sheet", type=click.Path(path_type=Path))
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED, metavar="[--PARAMETER VALUE]...")
@click.option("--pipeline", type=FOLDER, default=PIPELINE, help="Folder of main.nf [the one beside the package].")
def plan(sheet: Path, parameters: tuple[str, ...], pipeline: Path) -> None:
    """Print what a run of SHEET would do, as JSON: every task with its scans, models and settings.

    PARAMETERS are those of the pipeline, such as --methods matched. What is missing or wrong is said as a run says it.
    """
    from rprloc.cohort.plan import read_plan

    found = read_plan(sheet, _named(parameters), pipeline)
    click.echo(json.dumps(found.to_json(), indent=1, ensure_ascii=False))
    for sentence in found.warnings:
        click.echo(f"WARN: {sentence}", err=True)
    if found.faults:
        raise InputError(found.faults)
    for sentence in found.notes:
        click.echo(sentence, err=True)
    counts = ", ".join(f"{count} {process}" for process, count in found.tasks.items())
    click.echo(f"{len(found.preprocess)} scans; tasks: {counts}.", err=True)


@command.command()
@click.argument("results", type=FOLDER)
@click.option("--pipeline", type=FOLDER, default=PIPELINE, help="Folder of main.nf [the one beside the package].")
def again(results: Path, pipeline: Path) -> None:
    """Print the command that made RESULTS and what is otherwise now: code, versions, sample sheet, scans and labels.

    Relative paths are looked up in the folder in which you are: the one in which the run was started.
    """
    from rprloc.cohort.again import command_of, differences

    click.echo(command_of(results))
    found = list(differences(results, pipeline=pipeline, here=Path()))
    click.echo("\n".join(found) or "Nothing that is known of the run is otherwise now.", err=True)


@command.command()
@click.argument("scans", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SCAN...|SHEET")
@click.option("--cohort", default="default", show_default=True, help="Settings: a cohort's name, or a YAML file.")
@click.option("--series", help="Which series of DICOM: its description, number or UID.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the lines of scans.csv.")
@click.option("--pipeline", type=FOLDER, default=PIPELINE, help="Folder of main.nf [the one beside the package].")
def inspect(scans: tuple[Path, ...], cohort: str, series: str | None, as_csv: bool, pipeline: Path) -> None:
    """Print what a run would say of scans, or of all scans of a sheet: PASS, WARN or FAIL, what was found and done.

    Ends with status 0 where every scan can be used, and 65 where one cannot.
    """
    from rprloc.cohort.given import SHEETS, scans_of_paths, scans_of_sheet
    from rprloc.scans.preprocess import inspected
    from rprloc.scans.told import csv_line, page_lines

    folders = [pipeline / "assets" / "cohorts"]
    if len(scans) == 1 and scans[0].suffix.lower() in SHEETS:
        given = scans_of_sheet(scans[0], cohort, folders)
    else:
        given = scans_of_paths(scans, cohort, folders, series)
    if as_csv:
        click.echo(csv_line(None))
    failed = 0
    for one in given:
        record = inspected(one.source, one.target)
        failed += not record.usable
        click.echo(csv_line(record) if as_csv else "\n".join(page_lines(record)))
    if failed:
        raise InputError(f"found {failed} of {len(given)} scans that cannot be used, expected none.")


@command.command()
@click.argument("results", type=FOLDER)
@click.argument("query", required=False)
@click.option("--cohort", help="Of the query, where several have one of that name.")
@click.option("--structure", help="Which one to begin with.")
def show(results: Path, query: str | None, cohort: str | None, structure: str | None) -> None:
    """Open a run's report in the browser, or the viewer of a QUERY, and print its address."""
    import webbrowser

    from rprloc.pictures.show import address_of, page_to_open

    address = address_of(page_to_open(results, query, cohort), structure)
    click.echo(address)
    if not webbrowser.open(address):
        click.echo("No browser could be started: open that address in one.", err=True)


def _named(parameters: tuple[str, ...]) -> dict[str, object]:
    """Return parameters given as `--name value` or `--name=value`; one without a value is true, as in Nextflow."""
    found: dict[str, object] = {}
    name = ""
    for word in parameters:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            found[name.replace("-", "_")] = value if equals else True
        elif name:
            found[name.replace("-", "_")], name = word, ""
        else:
            raise click.UsageError(f"found {word!r}, expected --PARAMETER VALUE after the sheet.")
    return found


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


command.add_command(locate)
command.add_command(step)


if __name__ == "__main__":
    main()

"""What a scheduler is asked for: processors, memory and time of each process, from the work that the plan gives it.

All tasks of a process ask for the same, the most that one of them needs: the jobs of an array have one request.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from rprloc.catalogue import method_named
from rprloc.cohort.tasks import Search, Train

TRAINING_THREADS = 8
"""Of a training where the run and its machine allow it: more do not make a step faster."""
SEARCH_CPUS = 1
"""Of LOCALIZE and REGISTER: a second thread makes `matched` a tenth faster, a second task as much as 1.6 times."""
TRAINING_HOURS: Mapping[str, int] = {"demo": 1, "quick": 2, "standard": 8, "paper": 24}
"""By what `--training` offers: the longest network on TRAINING_THREADS threads. One that takes longer goes on from its
checkpoint in another job of the same length."""
TRAINING_MEMORY_GB = 4
"""Of patches; scans that do not fit into 1 GiB lie on disk."""
TRAINING_OF_WHOLE_SCANS_MEMORY_GB = 8
TRAINING_OF_LABELS_MEMORY_GB = 16
"""The same for a network that learns labels, finely."""
SEARCH_MEMORY_GB = 4
"""With up to STRUCTURES_WITHIN structures of all supports."""
STRUCTURES_WITHIN = 40
USUAL_STRUCTURES = 4
"""With so many the seconds of the catalogue were measured; where the settings name none, as many are assumed."""

JOB_SECONDS = 480.0
"""How long a batch of queries is to take as a job, which waits for its turn: between 5 and 20 minutes on machines
that are half as fast or twice as fast as the one that was measured."""
LOCAL_SECONDS = 60.0
"""The same on the machine that runs all: other cores may take other batches."""
READING_SECONDS = 0.5
"""Of a query, whatever the method: it is read, its answers are judged, outlined and written."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What each task of a process asks for."""

    cpus: int
    memory_gb: int
    hours: int


def training_threads(*, most: int | None, processors: int | None) -> int:
    """Return how many threads a run's trainings have: no more than the parameter max_cpus, nor than the processors of
    the machine where all of the run is computed (None for a cluster).

    A training's weights depend on it, as sums are rounded in another order.
    """
    return max(1, min(TRAINING_THREADS, most or TRAINING_THREADS, processors or TRAINING_THREADS))


def batch_size(methods: Mapping[str, Sequence[str]], *, supports: int, structures: int | None, seconds: float) -> int:
    """Return how many queries a task searches so that it takes about `seconds`, from what the catalogue says of the
    methods, given with their settings; `supports` are those that they answer from.
    """
    per_support = sum(method_named(name).seconds * _weight(settings) for name, settings in methods.items())
    each = per_support * max(1, supports) * (structures or USUAL_STRUCTURES) / USUAL_STRUCTURES
    return max(1, int(seconds / (READING_SECONDS + each)))


def _weight(settings: Sequence[str]) -> float:
    """Return how much longer several settings take than one: they share most of their work."""
    return 1.0 + 0.25 * (len(settings) - 1)


def requests_of(trainings: Iterable[Train], searches: Iterable[Search], training: str) -> dict[str, Request]:
    """Return what TRAIN, TEACH, LOCALIZE and REGISTER ask for, those of them that have tasks; `training` is the
    parameter.
    """
    trainings, searches = list(trainings), list(searches)
    of_process: dict[str, Sequence[Train] | Sequence[Search]] = {
        "TRAIN": [task for task in trainings if not task.models],
        "TEACH": [task for task in trainings if task.models],
        "LOCALIZE": [task for task in searches if task.gpu],
        "REGISTER": [task for task in searches if not task.gpu],
    }
    return {
        process: Request(
            cpus=max(task.threads if isinstance(task, Train) else SEARCH_CPUS for task in tasks),
            memory_gb=max(_memory_gb(task) for task in tasks),
            hours=TRAINING_HOURS[training] if isinstance(tasks[0], Train) else 1,
        )
        for process, tasks in of_process.items()
        if tasks
    }


def _memory_gb(task: Train | Search) -> int:
    """Return how much memory a task needs, in whole GB."""
    if isinstance(task, Train):
        whole = TRAINING_OF_LABELS_MEMORY_GB if task.learns else TRAINING_OF_WHOLE_SCANS_MEMORY_GB
        return TRAINING_MEMORY_GB if task.length.patches > 1 else whole
    supports = min(len(task.supports), task.most_supports or len(task.supports))
    known = max(1, supports) * (USUAL_STRUCTURES if task.structures is None else len(task.structures))
    return SEARCH_MEMORY_GB * math.ceil(known / STRUCTURES_WITHIN)

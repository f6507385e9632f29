"""A search that decides itself whether its weights are for the scans: by the supports, and by what a query gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import msgspec
import torch

from rprloc.cohort.tasks import NO_WEIGHTS, Choice, Folders, Search
from rprloc.methods.answer import Chosen, Prediction
from rprloc.methods.field import MAP, chosen_by, nothing_found
from rprloc.networks.checkpoint import read_model
from rprloc.scans.scan import Scan


class Searcher(Protocol):
    """Supports that were taken once, from which queries are searched one by one."""

    def predictions(self, folder: Path | None, *, first: bool) -> list[Prediction]:
        """Return the predictions for the query in a folder; `first` says whether none was made before."""

    def shared(self, rows: Sequence[Prediction]) -> list[Prediction]:
        """Return all predictions that were made, each with its share of the time that the supports took."""


Taking = Callable[[Search, Folders], Searcher]
"""Takes the supports of a search with the models there are."""


class Choosing:
    """Searches with the weights of a search's choice where its supports lie in their field, else without."""

    def __init__(self, search: Search, choice: Choice, folders: Folders, taking: Taking) -> None:
        """Take a search with its choice and what takes supports; raises InputError as that does, and for a model that
        is none.
        """
        self._choice, self._taking, self._folders = choice, taking, folders
        self._search = msgspec.structs.replace(search, choice=None)
        self._chosen = self._decided()
        self._searcher = self._without if self._chosen.weights == NO_WEIGHTS else taking(self._search, folders)

    def predictions(self, folder: Path | None, *, first: bool) -> list[Prediction]:
        """Return the predictions for the query in a folder, with what was chosen for it."""
        rows, again = searched(self._searcher, self._second, folder, first=first)
        return stamped(rows, nothing_found(self._choice.name) if again else self._chosen)

    def shared(self, rows: Sequence[Prediction]) -> list[Prediction]:
        """Return all predictions that were made, each with its share of the time that the supports took."""
        return self._searcher.shared(rows)

    def _decided(self) -> Chosen:
        """Decide by the supports that can be used."""
        path = next((path for path in self._folders.models if path.stem == MAP), None)
        if path is None:
            return Chosen(NO_WEIGHTS, self._choice.why)
        folders = [self._folders.scans[name] for name in self._search.supports if name in self._folders.scans]
        supports = [scan for folder in folders if (scan := Scan.read(folder)) is not None]
        if not supports:
            return Chosen(NO_WEIGHTS, "no support can be used")
        return chosen_by(supports, self._choice.name, read_model(path, device=torch.device("cpu")))

    @cached_property
    def _without(self) -> Searcher:
        """The supports taken without weights."""
        plain = msgspec.structs.replace(self._search, seen=self._choice.plain, models=())
        return self._taking(plain, Folders(self._folders.scans))

    def _second(self) -> Searcher | None:
        """Return what a query is searched with in which nothing was found."""
        return self._without if self._choice.again and self._chosen.weights != NO_WEIGHTS else None


def searched(
    searcher: Searcher, second: Callable[[], Searcher | None], folder: Path | None, *, first: bool
) -> tuple[list[Prediction], bool]:
    """Return the predictions for the query in a folder, and whether they are the second searcher's, which is asked
    where there is one and the first finds nothing at all; what finds nothing either is not heard.
    """
    rows = searcher.predictions(folder, first=first)
    if not rows or not all(row.failed for row in rows) or (other := second()) is None:
        return rows, False
    found = other.predictions(folder, first=first)
    return (rows, False) if all(row.failed for row in found) else (found, True)


def stamped(rows: Sequence[Prediction], chosen: Chosen) -> list[Prediction]:
    """Return predictions with what was chosen for them."""
    return [msgspec.structs.replace(row, chosen=chosen) for row in rows]

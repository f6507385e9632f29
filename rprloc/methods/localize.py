"""Find the structures of all supports in a batch of queries by one family of methods: the LOCALIZE step."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import torch

from rprloc.catalogue.rows import load
from rprloc.cohort.tasks import Folders, Search
from rprloc.errors import InputError
from rprloc.methods.answer import (
    NO_SUPPORT,
    Finder,
    Found,
    Key,
    Prediction,
    judged_prediction,
    prediction_of,
    with_open_walls,
)
from rprloc.methods.bridges import Bridges
from rprloc.methods.choosing import Choosing, Searcher
from rprloc.methods.clock import Clock, Part
from rprloc.methods.coupled import Rooms
from rprloc.methods.judged import Court, Judged
from rprloc.methods.lost import LOST_AT
from rprloc.methods.outlined import Artist, Outlines
from rprloc.methods.stretched import stretched
from rprloc.networks.checkpoint import Model, check_conflicts, read_model
from rprloc.scans.scan import Scan
from rprloc.scans.target import scan_folder


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a family's methods are made of."""

    search: Search
    structures: tuple[str, ...] | None
    """Those to find; None for those that a network has learned."""
    models: Mapping[str, Model]
    """By network."""
    device: torch.device
    threads: int | None = None
    rooms: Rooms = field(default_factory=Rooms)
    """For what is kept of supports, of all that a task takes."""

    def model(self, network: str) -> Model:
        """Return a network's model; raises InputError where it is missing."""
        if network not in self.models:
            raise InputError(f"Found no {network} network, expected one.")
        return self.models[network]

    @property
    def main_settings(self) -> dict[str, str]:
        """Each method that is asked, with its setting to use."""
        return {method: settings[-1] for method, settings in self.search.methods.items()}

    def settings(self, method: str) -> tuple[str, ...]:
        """Return the settings in which a method is asked, the one to use last; none where it is not asked."""
        return tuple(self.search.methods.get(method, ()))


Keep = Callable[[Scan, Outlines], None]
"""Takes the outlines of a query's answers."""


def localize(
    search: Search,
    folders: Folders,
    *,
    device: torch.device,
    threads: int | None = None,
    keep: Keep | None = None,
) -> list[Prediction]:
    """Return a family's predictions for every query that can be used, in the queries' sorted order.

    A structure that a support does not have is a failed one. Each one's seconds hold its share of reading (`read`) and
    of the supports' preparation (`support`). Scans that never came are passed over: their predictions are missed later.
    `keep` is given the outlines of each query's answers, which are drawn for it alone. Raises InputError where a model
    is no model, does not fit the settings, or one is missing.
    """
    if not search.queries:
        raise InputError("Found no query, expected at least one scan to search.")

    def taking(asked: Search, given: Folders) -> Localizer:
        return Localizer(asked, given, device=device, threads=threads, keep=keep)

    searcher: Searcher = (
        taking(search, folders) if search.choice is None else Choosing(search, search.choice, folders, taking)
    )
    rows: list[Prediction] = []
    for name in sorted(search.queries):
        rows += searcher.predictions(folders.scans.get(name), first=not rows)
    return searcher.shared(rows)


class Localizer:
    """A family's methods with the supports taken, once: queries are searched one by one, as they come."""

    def __init__(
        self,
        search: Search,
        folders: Folders,
        *,
        device: torch.device,
        threads: int | None = None,
        keep: Keep | None = None,
    ) -> None:
        """Take the supports of a search, whose own queries play no part here, and its models; raises InputError as
        `localize` does.
        """
        supports = [scan for name in search.supports if (scan := _read(folders.scans.get(name))) is not None]
        # The first of the draw that can be used; with most_supports the others are left alone.
        self._used = supports[: search.most_supports]
        structures = search.structures or tuple(sorted({name for scan in supports for name in scan.structures})) or None
        models = _models(search, folders, device)
        self._keep = keep
        self._work = Work(
            search=search,
            structures=structures,
            models=models,
            device=device,
            threads=threads,
        )
        began = time.perf_counter()
        self._finder = self._taking(self._used)
        judges = self._used or [scan for name in search.judges if (scan := _read(folders.scans.get(name))) is not None]
        self._court = Court(judges, search.seen.window, seed=search.seed)
        self._artist = None if keep is None else Artist(self._used)
        bridges = [folders.scans[name] for name in search.bridges if name in folders.scans]
        self._bridges = Bridges(bridges, self._used, self._taking, self._court.signs)
        self._seconds = time.perf_counter() - began
        self._by_name = {scan_folder(scan.cohort, scan.subject): scan for scan in supports}
        self._by_subject = {scan.subject: scan for scan in supports}
        self._drawn = supports[0].subject if supports else None
        self._unknown = {scan.subject for scan in supports if not scan.record.oriented}
        if self._unknown:
            self._unknown.add(NO_SUPPORT)

    def predictions(self, folder: Path | None, *, first: bool) -> list[Prediction]:
        """Return the predictions for the query in a folder; none where there is no folder or it was set aside. `first`
        says whether none was made before.
        """
        clock = Clock()
        with clock.part("read"):
            query = None if folder is None else self._by_name.get(folder.name) or _read(folder)
        if query is None:
            return []
        judged = self._court.answered(self._finder, query, clock)
        judged = self._bridges.answered(self._finder, query, judged, clock)
        if self._artist is not None and self._keep is not None:
            self._keep(query, self._artist.outlines(query, judged, clock))
        rows = _rows(query, judged, clock, drawn=self._drawn, unknown=self._unknown)
        rows = [with_open_walls(row, query, _open_in(self._by_subject.get(row.support), row)) for row in rows]
        missing = _absent(self._work, self._used, query)
        rows += [prediction_of(query, key, reason, drawn=self._drawn) for key, reason in missing.items()]
        name = _name(self._work.device)
        said = None if judged.turned is not None else stretched(self._by_subject, judged.kept)
        return [msgspec.structs.replace(row, first=first, device=name, stretched=said) for row in rows]

    def _taking(self, supports: Sequence[Scan]) -> Finder:
        """Return the family's methods with supports taken."""
        finder: Finder = load(self._work.search.make)(self._work)
        finder.prepare(supports)
        return finder

    def shared(self, rows: Sequence[Prediction]) -> list[Prediction]:
        """Return all predictions that were made, each with its share of the time that the supports took, and the scans
        that queries asked.
        """
        share = round((self._seconds + self._bridges.seconds) / len(rows), 6) if rows else 0.0
        return [msgspec.structs.replace(row, seconds=row.seconds | {"support": share}) for row in rows]


def predictions_of(finder: Finder, query: Scan, clock: Clock, *, drawn: str | None = None) -> list[Prediction]:
    """Return what a method answers for a query, unjudged; `clock` may have counted what took time before."""
    return _rows(query, Judged(finder.locate(query, clock)), clock, drawn=drawn)


def _rows(
    query: Scan, judged: Judged, clock: Clock, *, drawn: str | None, unknown: Collection[str] = ()
) -> list[Prediction]:
    """Return the rows of a query's answers, each with how likely it is lost and its share of the time; of the supports
    of `unknown` orientation none is sure.
    """
    sure = query.record.oriented and (judged.turned is None or judged.turned.sided)
    said = None if judged.turned is None else str(judged.turned)
    lost = judged.lost
    rows = {}
    for key, answer in judged.answers.items():
        row = msgspec.structs.replace(prediction_of(query, key, answer, drawn=drawn), turned=said)
        found = isinstance(answer, Found)
        known = sure and key.support not in unknown
        rows[key] = judged_prediction(row, lost.get(key), at=LOST_AT, sure=known) if found else row
    return _shared(rows, clock)


def _open_in(support: Scan | None, row: Prediction) -> Sequence[str]:
    """Return the walls at which a row's structure touches its support's border; of a query that lies otherwise than it
    says they may be called otherwise, and are not told.
    """
    if support is None or row.turned is not None or row.structure not in support.structures:
        return ()
    return support.structures[row.structure].open_walls


def _read(folder: Path | None) -> Scan | None:
    """Read a scan; None where it was set aside or its task died."""
    return None if folder is None else Scan.read(folder)


def _models(search: Search, folders: Folders, device: torch.device) -> dict[str, Model]:
    """Return the family's networks, which have to fit the cohort's settings."""
    found = {}
    for path in folders.models:
        model = read_model(path, device=device)
        check_conflicts(path.name, model.settings, search.seen)
        found[model.settings.network] = model
    return found


def _absent(work: Work, supports: Sequence[Scan], query: Scan) -> dict[Key, str]:
    """Return why there is no answer for structures that a support does not have."""
    return {
        Key(method, setting, scan.subject, name): f"{name} is absent in the support {scan.subject}"
        for scan in supports
        if scan.subject != query.subject
        for name in work.structures or ()
        if name not in scan.structures
        for method, settings in work.search.methods.items()
        for setting in settings
    }


def _shared(rows: Mapping[Key, Prediction], clock: Clock) -> list[Prediction]:
    """Return a query's predictions, each with its equal share of the seconds of every part that it belongs to."""

    def of(part: Part, key: Key) -> bool:
        return all(of in ("", own) for of, own in zip(part[1:], (key.method, key.support, key.setting), strict=True))

    shares = {part: seconds / max(1, sum(of(part, key) for key in rows)) for part, seconds in clock.seconds.items()}
    timed = []
    for key, row in rows.items():
        own: dict[str, float] = {}
        for part, share in shares.items():
            if of(part, key):
                own[part.name] = round(own.get(part.name, 0.0) + share, 6)
        timed.append(msgspec.structs.replace(row, seconds=own))
    return timed


def _name(device: torch.device) -> str:
    """Return what computes, as a person calls it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"

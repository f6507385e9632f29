"""A search that decides itself whether its weights are for the scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rprloc.catalogue import method_named
from rprloc.cohort.tasks import Choice, Folders, Search
from rprloc.methods import choosing
from rprloc.methods.answer import Chosen, Prediction
from rprloc.methods.choosing import Choosing, searched
from tests.methods.cohort import SEEN, answers, located, search_of, write_cohort, write_networks

PLAIN = msgspec.structs.replace(SEEN, window=((-1000.0, 0.0), (1000.0, 1.0)))
CHOICE = Choice(name="ours", why="", plain=PLAIN, again=True)
MATCHED = method_named("matched").family
IN_FIELD, OUT = Chosen("ours", "a in its field"), Chosen("none", "ours is not for these scans: why")
QUERY = Path("c@d")


@dataclass
class Fake:
    """A searcher that finds nothing in some queries; with weights or without."""

    fails: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)

    def predictions(self, folder: Path | None, *, first: bool) -> list[Prediction]:
        if folder is None:
            return []
        self.asked.append(folder.name)
        failed = folder.name in self.fails
        return [
            Prediction(
                cohort="c", subject=folder.name, structure="organ", method="m", setting="s", support="a", drawn=True,
                failed=failed, reason="nothing" if failed else None, first=first,
            )
        ]  # fmt: skip

    def shared(self, rows: Sequence[Prediction]) -> list[Prediction]:
        return list(rows)


@pytest.mark.parametrize(
    ("mine", "other", "again", "heard"),
    [
        ((), (), False, 0),
        (("c@d",), (), True, 1),
        (("c@d",), ("c@d",), False, 1),
    ],
)
def test_a_query_is_searched_again_where_nothing_is_found(
    mine: tuple[str, ...], other: tuple[str, ...], again: bool, heard: int
) -> None:
    first, second = Fake(mine), Fake(other)
    rows, is_second = searched(first, lambda: second, QUERY, first=True)
    assert (is_second, len(second.asked), rows[0].failed) == (again, heard, bool(mine) and not again)
    assert searched(first, lambda: None, QUERY, first=False)[1] is False
    assert searched(first, lambda: second, None, first=False) == ([], False)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    folder = tmp_path_factory.mktemp("cohort")
    return Folders(write_cohort(folder / "scans").scans, write_networks(folder, ["position_map"]))


def chosen(folders: Folders, monkeypatch: pytest.MonkeyPatch, decided: Chosen, choice: Choice) -> list[Prediction]:
    """Return the rows of a search whose supports say what is decided; with weights nothing is found in c@d."""
    monkeypatch.setattr(choosing, "chosen_by", lambda *_: decided)
    taken: list[tuple[Search, Folders]] = []

    def taking(search: Search, given: Folders) -> Fake:
        taken.append((search, given))
        assert search.choice is None
        assert search.seen == (SEEN if given.models else PLAIN) and bool(search.models) == bool(given.models)
        return Fake(("c@d",) if given.models else ())

    search = search_of(MATCHED, "d b", "a", models=("x",))
    searcher = Choosing(search, choice, folders, taking)
    return searcher.shared([*searcher.predictions(QUERY, first=True), *searcher.predictions(Path("c@b"), first=False)])


def test_the_supports_decide_and_each_query_may_differ(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    def says(*given: Any) -> list[tuple[Chosen | None, bool]]:
        return [(row.chosen, row.failed) for row in chosen(folders, monkeypatch, *given)]

    second = Chosen("none", "nothing is found with the weights ours", again=True)
    assert says(IN_FIELD, CHOICE) == [(second, False), (IN_FIELD, False)]
    assert says(IN_FIELD, msgspec.structs.replace(CHOICE, again=False)) == [(IN_FIELD, True), (IN_FIELD, False)]
    assert says(OUT, CHOICE) == [(OUT, False), (OUT, False)]


def test_without_a_model_the_reason_is_known(folders: Folders) -> None:
    choice = Choice(name="none", why="the settings say otherwise", plain=SEEN)
    rows = located(Folders(folders.scans), search_of(MATCHED, "d", "a", choice=choice))
    assert {row.chosen for row in rows} == {Chosen("none", "the settings say otherwise")}
    assert answers(rows) == answers([
        msgspec.structs.replace(row, chosen=rows[0].chosen)
        for row in located(Folders(folders.scans), search_of(MATCHED, "d", "a"))
    ])  # fmt: skip


def test_where_the_map_does_not_know_the_supports_answers_are_those_without_it(folders: Folders) -> None:
    rows = located(folders, search_of(MATCHED, "d", "a", choice=CHOICE, models=("x",)))
    (decided,) = {row.chosen for row in rows}
    assert decided is not None and decided.weights == "none"
    # An untrained map knows nobody.
    assert decided.why.startswith("ours is not for these scans: of a, the position map ")
    plain = located(Folders(folders.scans), search_of(MATCHED, "d", "a", seen=PLAIN))
    assert answers(rows) == answers([msgspec.structs.replace(row, chosen=decided) for row in plain])


def test_no_support_that_can_be_used_is_said(folders: Folders) -> None:
    rows = located(folders, search_of(MATCHED, "d", "broken", choice=CHOICE, models=("x",)))
    assert rows == []

"""What every method of the catalogue keeps to in the LOCALIZE step: a box or a reason for each structure, support and
setting, whatever else is asked with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from rprloc.catalogue import Family, Method, families_of, methods, register, unregister
from rprloc.cohort.tasks import Folders
from rprloc.errors import InputError
from rprloc.methods import judged
from rprloc.methods.answer import LOST, NO_SUPPORT, Prediction
from rprloc.methods.images import Window
from rprloc.methods.judged import Court
from rprloc.methods.orientation import Turnable, Turned, turns_of
from rprloc.scans.scan import Scan
from tests.methods.cohort import (
    HAS,
    SLABS,
    STRUCTURES,
    answers,
    located,
    search_of,
    write_cohort,
    write_networks,
    write_slabs,
)

OURS = Method(name="mean_place", family=Family(name="mean_place", make="tests.methods.mean_place:make"))
"""A method of the tests' own, whose row is all that the package is told of it."""
FAMILIES = [*families_of([method.name for method in methods()]), OURS.family]
QUERIES = "a d"


class Cohort:
    """The scans and every family's models, and what each family said of all queries at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        write_slabs(folder / "scans")
        self._scans = write_cohort(folder / "scans").scans
        self.together = cache(lambda family: located(self.folders(family), search_of(family, f"{QUERIES} broken gone")))

    @cache  # noqa: B019
    def folders(self, family: Family) -> Folders:
        """Return where the scans and the family's models are."""
        return Folders(scans=self._scans, models=write_networks(self._folder / family.name, family.networks))


@pytest.fixture(scope="module", autouse=True)
def _turned_once() -> Iterator[None]:
    """A support in all 48 ways takes longer than most searches, and so does laying it on a query; both are the same for
    every family. (tests/methods/test_orientation.py and test_judged.py have them by themselves.)
    """
    taken: dict[tuple[str, str], Turnable] = {}
    found: dict[tuple[object, ...], tuple[Turned, ...]] = {}
    take = Turnable.of

    def once(scan: Scan, window: Window) -> Turnable:
        key = (scan.subject, repr(window))
        if key not in taken:
            taken[key] = take(scan, window)
        return taken[key]

    def found_once(query: Scan, supports: Sequence[Turnable], *, seed: int) -> tuple[Turned, ...]:
        key = (query.subject, *(support.scan.subject for support in supports), seed)
        if key not in found:
            found[key] = turns_of(query, supports, seed=seed)
        return found[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Turnable, "of", once)
        patched.setattr(judged, "turns_of", found_once)
        # Of a query that lies otherwise all supports say how: answers depend on the others there, and nowhere else.
        patched.setattr(judged, "_LAID", 1)
        yield


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cohort]:
    register(OURS)
    yield Cohort(tmp_path_factory.mktemp("cohort"))
    unregister(OURS)


def _name(family: Family) -> str:
    return family.name


def _methods_of(family: Family) -> int:
    return sum(method.family == family for method in methods())


@pytest.fixture(params=FAMILIES, ids=_name)
def family(request: pytest.FixtureRequest) -> Family:
    found: Family = request.param
    return found


def test_there_is_a_prediction_for_each_support_structure_and_setting(cohort: Cohort, family: Family) -> None:
    rows = cohort.together(family)
    search = search_of(family, QUERIES)
    # What never came or was set aside has none, and no scan is searched from itself.
    supports = list("abc")[: search.most_supports] if family.supports else [NO_SUPPORT]
    expected = {
        (query, support, structure, method, setting)
        for query in QUERIES.split()
        for support in supports
        if support != query
        for structure in STRUCTURES
        for method, settings in search.methods.items()
        for setting in settings
    }
    assert {(row.subject, row.support, row.structure, row.method, row.setting) for row in rows} == expected
    assert len(rows) == len(expected)


def test_a_prediction_is_a_box_or_a_reason(cohort: Cohort, family: Family) -> None:
    for row in cohort.together(family):
        assert row.failed == (row.box_mm is None) == (row.points_mm is None) == (row.reason is not None)
        assert row.reason in (None, LOST) or (
            len(row.reason) > 20 and "Error" not in row.reason and "ITK" not in row.reason
        )
        assert (row.drawn, row.n_supports) == ((row.support == "a", 1) if family.supports else (True, 0))
        assert row.failed or row.half_voxel_mm is not None


def test_a_structure_that_a_support_lacks_is_a_reason(cohort: Cohort, family: Family) -> None:
    for row in cohort.together(family):
        absent = row.support in HAS and row.structure not in HAS[row.support]
        said = f"{row.structure} is absent in the support {row.support}"
        assert (row.reason == said) is absent
        assert not absent or row.seconds.keys() == {"support"}


def test_answers_depend_neither_on_their_batch_nor_on_the_run(cohort: Cohort, family: Family) -> None:
    rows = cohort.together(family)
    # The last query: what the ones before it left behind would show.
    last = QUERIES.split()[-1]
    alone = located(cohort.folders(family), search_of(family, last))
    assert answers(alone) == answers([row for row in rows if row.subject == last])
    assert [row.subject for row in rows] == sorted(row.subject for row in rows)


@pytest.mark.parametrize("family", [family for family in FAMILIES if _methods_of(family) > 1], ids=_name)
def test_answers_depend_neither_on_the_family_s_other_methods_nor_on_other_supports(
    cohort: Cohort, family: Family
) -> None:
    alone: list[Prediction] = []
    for name, settings in search_of(family, "d").methods.items():
        alone += located(cohort.folders(family), search_of(family, "d", "a", methods={name: settings}))
    together = [row for row in cohort.together(family) if (row.subject, row.support) == ("d", "a")]
    assert answers(alone) == answers(together)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.networks], ids=_name)
def test_a_network_that_is_missing_is_told_unless_the_family_does_without(cohort: Cohort, family: Family) -> None:
    folders = cohort.folders(family)
    for name in family.networks:
        left = replace(folders, models=[path for path in folders.models if path.stem != name])
        if family.optional:
            assert any(row.reason in (None, LOST) for row in located(left, search_of(family, "d", "a")))
            continue
        with pytest.raises(InputError, match=f"Found no {name} network, expected one"):
            located(left, search_of(family, "d"))


@pytest.mark.parametrize("family", [family for family in FAMILIES if not family.networks], ids=_name)
def test_what_needs_no_training_finds_the_organ(cohort: Cohort, family: Family) -> None:
    rows = [row for row in cohort.together(family) if (row.subject, row.support, row.structure) == ("d", "a", "organ")]
    # Of what the others say some is beside the organ, and then they know.
    assert rows and all(row.reason in (None, LOST) for row in rows)
    assert family.name != "registration" or not any(row.failed for row in rows)


@pytest.mark.parametrize("thin", SLABS)
def test_a_thin_scan_is_tried_as_a_query_and_as_a_support(
    cohort: Cohort, family: Family, thin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if family != OURS.family:
        # Whether a thin scan lies otherwise is asked in the same way for all, and takes the most time: once is enough.
        monkeypatch.setattr(Court, "_turns", lambda _court, _query: ())
    folders = cohort.folders(family)
    rows = [*located(folders, search_of(family, thin, "a b")), *located(folders, search_of(family, "d", thin))]
    assert {row.subject for row in rows} == {thin, "d"}
    for row in rows:
        assert row.failed == (row.box_mm is None) == (row.reason is not None)
        # In the method's own words: only templates are patches.
        said = row.reason or ""
        assert "Error" not in said and "ITK" not in said and "stopped" not in said
        assert "patch" not in said or row.method.startswith(("grey", "feature"))

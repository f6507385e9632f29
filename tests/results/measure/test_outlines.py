"""What LOCALIZE found of outlines comes to the predictions that they belong to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rprloc.errors import InputError
from rprloc.methods.answer import OfAnswer, OutlineFacts
from rprloc.results.measure.expected import name_of
from rprloc.results.measure.outlines import KnownOutlines, facts_of, true_outlines, with_outlines
from rprloc.scans.outlines import OfStructure, Outline, write_outlines
from rprloc.scans.scan import write_scan_outlines
from tests.results import cohorts

FACTS = OutlineFacts(voxels=8, volume_ml=0.5, dice=0.75, surface_95_mm=2.5, surface_dice_2mm=0.6)


def cube() -> Outline:
    found = Outline.of(np.ones((2, 2, 2), dtype=bool))
    assert found is not None
    return found


def test_facts_are_read_from_the_files_headers(tmp_path: Path) -> None:
    made = cohorts.many_methods(queries=2)
    first, second = [one for one in made.predictions if one.method == "affine"][:2]
    about = [OfAnswer(cohort="demo", **name_of(one)._asdict(), facts=FACTS) for one in (first, second)]
    path = tmp_path / "demo@q0.registration.safetensors"
    write_outlines(path, [cube(), cube()], about)
    facts = facts_of([path])
    assert facts == {name_of(first): FACTS, name_of(second): FACTS}
    failed = cohorts.lost(second, "lost")
    rows = with_outlines([first, failed, made.predictions[0]], KnownOutlines(facts, set()))
    assert [one.outline for one in rows] == [FACTS, None, None]
    assert type(first).from_json(rows[0].to_json()) == rows[0]


def test_a_file_of_other_outlines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    write_outlines(path, [cube()], [OfStructure("organ")])
    with pytest.raises(InputError, match=r"own\.safetensors: expected outlines as PREPROCESS and LOCALIZE write them"):
        facts_of([path])


def test_true_outlines_are_those_of_the_scans_labels(tmp_path: Path) -> None:
    folders = [tmp_path / "c@a", tmp_path / "c@b"]
    for folder in folders:
        folder.mkdir()
    write_scan_outlines(folders[0], {"organ": cube()})
    assert true_outlines(folders) == {("a", "organ")}

"""What exports know of a query."""

from dataclasses import replace
from pathlib import Path

from rprloc.exports.query import about
from tests.exports.queries import GLAND, LOST, ORGAN, answer, box_of, native, outline_of, query


def test_what_was_found_and_what_it_is_called(tmp_path: Path) -> None:
    one = query(tmp_path)
    assert [row.structure for row in one.found] == [ORGAN, GLAND]
    assert one.labels == {ORGAN: 1, GLAND: 2, LOST: 3}
    assert replace(one, values={GLAND: 7, LOST: 2, "other": 9}).labels == {GLAND: 7, LOST: 2, ORGAN: 10}
    assert one.folder(tmp_path, "masks") == tmp_path / "masks" / "c" and one.name == "q1"


def test_how_sure_an_answer_is_in_words() -> None:
    box = box_of(outline_of((1, 1, 1), (3, 3, 3)), native("flipped"))
    assert about(answer(ORGAN, box)) == (
        "matched from 1 support; confidence 0.93; each wall within 3.5 mm nine times in ten"
    )

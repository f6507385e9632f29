"""What exports know of a query."""

from dataclasses import replace
from pathlib import Path

from rprloc.cohort.tasks import Export
from rprloc.exports.query import about, read_query
from rprloc.files import write_json_lines
from rprloc.scans.outlines import write_outlines
from tests.exports.queries import GLAND, LOST, ORGAN, answer, box_of, native, of_answer, outline_of, query
from tests.methods.fakes import GRID


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


def test_a_query_of_a_run_with_the_outlines_of_its_answers(tmp_path: Path) -> None:
    made = query(tmp_path)
    # A record without a grid in model space is not written whole.
    record = replace(made.record, model=GRID)
    folder = record.write(tmp_path / "scans")
    answers = tmp_path / "q1.jsonl"
    write_json_lines(answers, [one.to_json() for one in made.answers])
    keys = [made.answers[0].key, made.answers[0].key._replace(support="other")]
    path = tmp_path / "c@q1.matched.safetensors"
    other = outline_of((1, 1, 1), (3, 3, 3))
    write_outlines(path, [made.outlines[ORGAN], other], [of_answer(key) for key in keys])
    task = Export(
        id="c@q1", cohort="c", subject="q1", image="scan.nii.gz", modality="ct", kinds=("csv",), margin_mm=1,
        values={ORGAN: 5},
    )  # fmt: skip
    foreign = tmp_path / "c@q10.matched.safetensors"
    read = read_query(task, made.image, folder, answers, [path, foreign])
    assert read is not None and read.answers == made.answers and read.native == made.native
    assert read.outlines == {ORGAN: made.outlines[ORGAN]} and read.labels[ORGAN] == 5
    aside = replace(record, reason="broken").write(tmp_path / "scans")
    assert read_query(task, made.image, aside, answers, []) is None

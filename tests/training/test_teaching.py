"""What the student and the ceiling are told: by the supports alone, or by the labels of the training scans."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest

from rprloc.errors import NothingToLearnError
from rprloc.geometry import WALLS, robust_mean
from rprloc.methods.answer import OUTSIDE, Answers, Found, Key
from rprloc.methods.clock import Clock
from rprloc.networks.checkpoint import Model
from rprloc.scans.scan import Scan
from rprloc.training import teaching
from rprloc.training.state import Interrupted, TrainingState
from rprloc.training.task import Lessons
from rprloc.training.teaching import Points, read_points, taught_points, true_points, write_points
from tests.methods.heads import ORGANS, WINDOW, Head, head
from tests.methods.test_matched import Told
from tests.scans import written
from tests.training.labelled import COHORT, change_label, position_map, write_labelled
from tests.training.lessons import CPU, task_for
from tests.training.scans import write_set_aside

NAMES = ("bright", "dark")
SHIFT = np.array([7.0, -3.0, 5.0])
OUT = "out"


class State(TrainingState):
    """A state that asks to stop after some scans."""

    def __init__(self, path: Path, stop_after: int = 10**9) -> None:
        self._left = stop_after
        super().__init__(path)

    @property
    def interrupted(self) -> bool:
        self._left -= 1
        return self._left < 0

    @interrupted.setter
    def interrupted(self, _value: bool) -> None: ...


def taught(network: str, scans: Sequence[Path], supports: Sequence[Path] = (), **changes: Any) -> dict[str, Points]:
    """Return by subject what a network is told."""
    settings = msgspec.structs.replace(COHORT, structures=changes.pop("structures", None))
    model = changes.pop("model", position_map())
    with tempfile.TemporaryDirectory() as folder:
        place = changes.pop("place", Path(folder))
        lessons = Lessons(
            task=task_for(network, settings=settings),
            training=tuple(scans), validation=(), supports=tuple(supports), models={"position_map": model},
            device=CPU, scratch=place, state=changes.pop("state", TrainingState(place / "kept.safetensors")),
            log=changes.pop("log", lambda _line: None),
        )  # fmt: skip
        assert not changes
        return taught_points(lessons, model)


def same(one: dict[str, Points], other: dict[str, Points]) -> bool:
    """Tell whether two scans' points are equal to the last bit."""
    return {s: points.keys() for s, points in one.items()} == {s: points.keys() for s, points in other.items()} and all(
        np.array_equal(points[name], other[s][name]) for s, points in one.items() for name in points
    )


class FakeMatched:
    """Says in every scan that a structure is where its support has it, but for what it was told of the support.

    `SAYS` has by support a move along x in mm, or OUT, of all its structures or, by `support structure`, of one.
    """

    SAYS: ClassVar[dict[str, Any]]
    seen: ClassVar[list[str]]
    """The scans that were searched."""

    def __init__(self, _start: Any, *, window: Any, structures: list[str] | None, device: Any) -> None:
        assert window == COHORT.window and device == CPU
        self._structures = structures
        self._supports: list[Scan] = []

    def prepare(self, supports: Sequence[Scan]) -> None:
        self._supports = list(supports)

    def locate(self, query: Scan, _clock: Clock) -> Answers:
        self.seen.append(query.subject)
        answers: Answers = {}
        for support in self._supports:
            for name, structure in support.structures.items():
                if self._structures is not None and name not in self._structures:
                    continue
                says = self.SAYS.get(f"{support.subject} {name}", self.SAYS.get(support.subject, 0.0))
                moved = None if says == OUT else structure.extreme_mm + np.array([says, 0, 0])
                key = Key("matched", "extreme", support.subject, name)
                answers[key] = OUTSIDE if moved is None else Found(points_mm=moved, half_voxel_mm=(1.0, 1.0, 1.0))
        return answers


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeMatched]:
    """Let matching find what it is told."""
    monkeypatch.setattr(teaching, "Matched", FakeMatched)
    FakeMatched.SAYS, FakeMatched.seen = {}, []
    return FakeMatched


def write_head(parent: Path, patient: Head) -> Path:
    """Write a patient as PREPROCESS does; return the folder."""
    record = replace(patient.record, matching=patient.grid)
    return written.write_scan(parent, record, patient.values, patient.body, matching=patient.values)


def test_true_points_are_a_label_s_walls_in_their_order(tmp_path: Path) -> None:
    folder = write_labelled(tmp_path, 1)
    scan = Scan.read(folder)
    assert scan is not None
    found = true_points(folder, None)
    assert tuple(found) == NAMES
    for name, points in found.items():
        np.testing.assert_array_equal(points, scan.structures[name].extreme_mm)
        assert points.shape == (6, 3) and points.dtype == np.float64
        low, high = scan.structures[name].box_mm
        walls = [points[number, number // 2] for number, _ in enumerate(WALLS)]
        assert walls == [edge for pair in zip(low, high, strict=True) for edge in pair]
    assert list(true_points(folder, ["dark", "nowhere"])) == ["dark"] and true_points(folder, []) == {}


def test_a_scan_without_a_label_or_set_aside_has_no_points(tmp_path: Path) -> None:
    assert true_points(write_labelled(tmp_path, 1, labelled=()), None) == {}
    assert true_points(write_set_aside(tmp_path, "broken"), None) == {}


def test_the_ceiling_is_told_the_labels_of_the_training_scans_alone(tmp_path: Path, fake: type[FakeMatched]) -> None:
    scans = [
        write_labelled(tmp_path, 1), write_labelled(tmp_path, 2, labelled=("bright",)),
        write_labelled(tmp_path, 3, labelled=()), write_set_aside(tmp_path, "broken"),
    ]  # fmt: skip
    supports = [write_labelled(tmp_path, 8)]
    found = taught("ceiling", scans, supports)
    assert {subject: list(points) for subject, points in found.items()} == {"s1": [*NAMES], "s2": ["bright"]}
    assert same(found, {subject: true_points(tmp_path / f"c@{subject}", None) for subject in ("s1", "s2")})
    assert same(found, taught("ceiling", scans)) and fake.seen == []
    only = taught("ceiling", scans, structures={"dark": 3})
    assert {subject: list(points) for subject, points in only.items()} == {"s1": ["dark"]}


def test_the_student_is_told_the_robust_means_of_what_the_supports_say(tmp_path: Path, fake: type[FakeMatched]) -> None:
    scan = write_labelled(tmp_path, 1, labelled=())
    supports = [write_labelled(tmp_path, n) for n in (7, 8, 9)]
    fake.SAYS = {"s7": 1.0, "s8": 2.0, "s9": 60.0}
    found = taught("student", [scan, write_set_aside(tmp_path, "broken")], supports)
    assert list(found) == ["s1"] == fake.seen and tuple(sorted(found["s1"])) == NAMES
    for name in NAMES:
        said = [true_points(tmp_path / f"c@{s}", None)[name] + [by, 0, 0] for s, by in fake.SAYS.items()]
        np.testing.assert_allclose(found["s1"][name], robust_mean(said))
    only = taught("student", [scan], supports, structures={"dark": 3})
    assert list(only["s1"]) == ["dark"]
    np.testing.assert_array_equal(only["s1"]["dark"], found["s1"]["dark"])


def test_a_structure_that_most_supports_do_not_find_is_left_out(tmp_path: Path, fake: type[FakeMatched]) -> None:
    scan = write_labelled(tmp_path, 1, labelled=())
    supports = [write_labelled(tmp_path, n) for n in (7, 8, 9)]
    fake.SAYS = {"s7 dark": OUT, "s8 dark": OUT}
    assert list(taught("student", [scan], supports)["s1"]) == ["bright"]
    # Half of them is enough, as for the answers of all supports together.
    assert tuple(sorted(taught("student", [scan], supports[1:])["s1"])) == NAMES


def test_supports_without_a_structure_do_not_outvote_the_one_that_has_it(
    tmp_path: Path, fake: type[FakeMatched]
) -> None:
    scan = write_labelled(tmp_path, 1, labelled=())
    supports = [write_labelled(tmp_path, n, labelled=NAMES if n == 7 else NAMES[:1]) for n in (7, 8, 9)]
    found = taught("student", [scan], supports)["s1"]
    assert tuple(sorted(found)) == NAMES
    np.testing.assert_array_equal(found["dark"], true_points(supports[0], None)["dark"])


def test_a_support_s_own_scan_has_its_own_label_s_points(tmp_path: Path, fake: type[FakeMatched]) -> None:
    supports = [write_labelled(tmp_path, n) for n in (7, 8)]
    fake.SAYS = {"s7": 20.0, "s8": 20.0}
    found = taught("student", [*supports, write_labelled(tmp_path, 1)], supports)
    assert fake.seen == ["s1"]
    assert same(
        {s: found[s] for s in ("s7", "s8")}, {folder.name[2:]: true_points(folder, None) for folder in supports}
    )
    assert np.abs(found["s1"]["bright"][:, 0] - true_points(tmp_path / "c@s1", None)["bright"][:, 0]).min() > 5


def test_matching_carries_the_supports_landmarks_and_no_label_of_a_training_scan_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "MapStart", lambda _model, seed: Told())
    model = position_map()
    model = Model(model.network, msgspec.structs.replace(model.settings, window=WINDOW))
    support = write_head(tmp_path, head("s", structures=ORGANS))
    wrong = {"left": ORGANS["right"], "spleen": ORGANS["left"]}
    unlabelled, mislabelled = (
        write_head(tmp_path / name, head("t", lambda points: points - SHIFT, structures=structures))
        for name, structures in (("unlabelled", None), ("mislabelled", wrong))
    )
    (mislabelled / "t_label.nii.gz").write_bytes(b"no label")
    found = taught("student", [unlabelled], [support], model=model)
    assert list(found) == ["t"] and list(found["t"]) == ["left", "right"]
    for name, points in found["t"].items():
        np.testing.assert_allclose(points, true_points(support, None)[name] + SHIFT, atol=0.6)
    assert same(found, taught("student", [mislabelled], [support], model=model))


def test_what_was_told_is_read_as_it_was_written(tmp_path: Path) -> None:
    told = {
        "s1": true_points(write_labelled(tmp_path, 1), None),
        "s 2": {"dark": np.random.default_rng(0).random((6, 3))},
    }
    path = tmp_path / "told.json"
    write_points(path, told)
    assert same(read_points(path), told)
    assert all(points.dtype == np.float64 for scan in read_points(path).values() for points in scan.values())


def test_the_log_tells_how_far_it_is(tmp_path: Path, fake: type[FakeMatched]) -> None:
    lines: list[str] = []
    scans = [write_labelled(tmp_path, n) for n in (1, 2)]
    taught("student", scans, [write_labelled(tmp_path, 8)], log=lines.append)
    assert lines == ["landmarks of 1 supports carried to 2 of 2 training scans"]


@pytest.mark.parametrize("network", ["student", "ceiling"])
def test_without_any_label_there_is_nothing_to_learn(tmp_path: Path, network: str, fake: type[FakeMatched]) -> None:
    bare, labelled = write_labelled(tmp_path, 1, labelled=()), write_labelled(tmp_path, 2)
    scans, supports = ([labelled], [bare]) if network == "student" else ([bare], [labelled])
    with pytest.raises(NothingToLearnError, match=f"^{network}: found nothing to learn from, expected a .*label"):
        taught(network, scans, supports)
    with pytest.raises(NothingToLearnError, match=f"^{network}: found nothing to learn from"):
        taught(network, [write_set_aside(tmp_path, "broken")], [labelled])
    with pytest.raises(NothingToLearnError, match=f"^{network}: found nothing to learn from"):
        taught(network, [labelled], [labelled], structures={"nowhere": 1})


def test_supports_that_find_nothing_teach_nothing(tmp_path: Path, fake: type[FakeMatched]) -> None:
    fake.SAYS = {"s8": OUT}
    with pytest.raises(NothingToLearnError, match="student: found nothing to learn from"):
        taught("student", [write_labelled(tmp_path, 1)], [write_labelled(tmp_path, 8), write_set_aside(tmp_path, "b")])


def test_wrong_labels_of_training_scans_change_what_the_ceiling_is_told_and_not_the_student(
    tmp_path: Path, fake: type[FakeMatched]
) -> None:
    scans, supports = [write_labelled(tmp_path, n) for n in (1, 2)], [write_labelled(tmp_path, 8)]
    before = {network: taught(network, scans, supports) for network in ("student", "ceiling")}
    for folder in scans:
        change_label(folder, 30.0)
    after = {network: taught(network, scans, supports) for network in ("student", "ceiling")}
    assert same(before["student"], after["student"]) and not same(before["ceiling"], after["ceiling"])


def test_a_teaching_that_is_stopped_goes_on_where_it_was(tmp_path: Path, fake: type[FakeMatched]) -> None:
    support, *scans = (write_labelled(tmp_path, seed) for seed in range(4))
    kept = tmp_path / "kept.landmarks.json"
    with pytest.raises(Interrupted, match="goes on from here"):
        taught("student", scans, [support], state=State(tmp_path / "kept.safetensors", stop_after=2))
    assert len(read_points(kept)) == len(fake.seen) == 2
    again = taught("student", scans, [support], place=tmp_path)
    assert fake.seen == ["s1", "s2", "s3"] and set(again) == {"s1", "s2", "s3"}
    # All are there: nothing is sought.
    assert same(taught("student", scans, [support], place=tmp_path), again) and len(fake.seen) == 3

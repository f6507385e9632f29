"""The planner: the tasks of a cohort, and what each of them depends on."""

from pathlib import Path

import pytest

from rprloc.catalogue import network_named
from rprloc.cohort.plan import Plan
from rprloc.cohort.planner import MOST_CALIBRATING
from rprloc.cohort.settings import Settings
from rprloc.cohort.tasks import Search
from tests.cohort.planned import DEMO, planned, sheet_of
from tests.cohort.test_weights import write_model

OWN = {key: value for key, value in Settings().to_json().items() if key in ("modality", "window", "spacing")}
DIVIDED = ("a,a.nii,l.nii,train", "b,a.nii,l.nii,validation", "c,a.nii,l.nii,test")


def ids(plan: Plan, kind: str) -> list[str]:
    return [task.id for task in getattr(plan, kind)]


def test_pictures_are_made_of_each_batch_and_of_the_first_supports() -> None:
    plan = planned(DEMO, methods="matched,grey_ncc", queries_per_task=3)
    first, second, supports = plan.view
    assert [task.id for task in plan.view] == ["openkbp.batch0", "openkbp.batch1", "openkbp.batchsupports"]
    assert (len(first.queries), len(second.queries), supports.queries) == (3, 1, ())
    (measure,) = plan.evaluate
    names = tuple(f"openkbp@{name}" for name in measure.order[:3])
    assert first.beside == supports.beside == names == tuple(one.id for one in supports.viewed)
    assert first.scans == (*first.queries, *names) and supports.scans == names
    assert first.outlines == ("openkbp/matched.batch0",) and supports.outlines == ()
    assert not first.embedded and planned(DEMO, report="single").view[0].embedded
    assert planned(DEMO, methods="grey_ncc").view[0].outlines == ()


def test_each_family_gets_its_own_values_and_only_what_is_asked_is_trained() -> None:
    plan = planned(DEMO, methods="affine,grey_mse", template_stride=2)
    (grey,), (registration,) = plan.localize, plan.register
    assert grey.methods == {"grey_mse": ("extreme.s2",)} and grey.parameters == {"template_stride": 2}
    assert registration.methods == {"affine": ("extreme",)} and registration.parameters == {}
    assert not registration.gpu and grey.gpu
    assert plan.train == plan.teach == ()
    (measure,) = plan.evaluate
    assert [(one.name, one.settings, one.supports) for one in measure.methods] == [
        ("grey_mse", ("extreme.s2",), None), ("affine", ("extreme",), 3),
    ]  # fmt: skip
    (every,) = planned(DEMO, methods="all").evaluate
    assert {one.name: one.learns for one in every.methods if one.learns} == {
        "student": "supports", "retina_unet": "labels", "ceiling": "labels",
    }  # fmt: skip
    assert [one.name for one in every.methods if one.supports == 0] == ["student", "retina_unet", "ceiling"]


@pytest.mark.parametrize(
    ("methods", "finer"), [("matched", True), ("student", True), ("ceiling", True), ("position_map,regression", False)]
)
def test_the_finer_volume_is_made_where_a_method_needs_it(methods: str, finer: bool) -> None:
    for task in planned(DEMO, methods=methods).preprocess:
        assert task.target.matching_spacing == ((3, 3, 3) if finer else None)


def test_a_supervised_method_without_labels_has_the_reason_in_its_rows(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "a,a.nii,,train", *DIVIDED[1:])
    plan = planned(sheet, methods="all", cohort="openkbp")
    reason = "no training scan of openkbp has a label"
    lacking = ("retina_unet", "ceiling")
    assert plan.warnings[-2:] == tuple(f"cohort openkbp: {name}'s answers fail, as {reason}." for name in lacking)
    assert not {task.family for task in plan.localize} & set(lacking)
    assert {task.network for task in plan.train} == {"coarse", "fine", "position_map", "autoencoder"}
    # The student needs no label of a training scan.
    assert ids(plan, "teach") == ["openkbp/student"]
    (measure,) = plan.evaluate
    assert {one.name: one.reason for one in measure.methods if one.reason} == dict.fromkeys(lacking, reason)


def test_what_is_taught_comes_after_the_position_map() -> None:
    plan = planned(DEMO, methods="student,ceiling,retina_unet")
    assert ids(plan, "train") == ["openkbp/position_map", "openkbp/retina_unet"]
    student, ceiling = plan.teach
    assert student.models == ceiling.models == ("openkbp/position_map",)
    for task in plan.teach:
        assert task.settings.matching_spacing == (3, 3, 3)
        assert set(task.settings.structures or ()) == {"brainstem", "mandible", "parotid_left", "parotid_right"}
    # The supports teach the student, the training scans' own labels the ceiling.
    assert (student.learns, len(student.supports), ceiling.learns, ceiling.supports) == ("supports", 2, "labels", ())
    for task in plan.localize:
        assert task.supports == () and list(task.methods) == [task.family]
    assert {task.family: task.models for task in plan.localize} == {
        "student": ("openkbp/position_map", "openkbp/student"),
        "ceiling": ("openkbp/position_map", "openkbp/ceiling"),
        "retina_unet": ("openkbp/retina_unet",),
    }
    assert planned(DEMO, methods="matched,retina_unet").teach == ()


def test_with_the_shipped_position_map_only_what_it_teaches_is_trained(tmp_path: Path) -> None:
    asked = {"weights": "head-neck-ct", "cohort": "head_neck_ct"}
    plan = planned(sheet_of(tmp_path, *DIVIDED), methods="student,ceiling", **asked)
    assert [model.id for model in plan.models] == ["head_neck_ct/position_map"]
    assert plan.train == () and ids(plan, "teach") == ["head_neck_ct/student", "head_neck_ct/ceiling"]
    # It learns from scans, with or without a label.
    bare = planned(sheet_of(tmp_path, "a,a.nii,,train", *DIVIDED[1:]), methods="student,ceiling", **asked)
    assert ids(bare, "teach") == ["head_neck_ct/student"]


def test_with_the_shipped_networks_of_the_paper_regression_trains_nothing(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, *DIVIDED[1:])
    plan = planned(sheet, weights="head-neck-ct-paper", cohort="head_neck_ct", methods="regression")
    assert plan.train == plan.teach == ()
    assert {model.id: model.file for model in plan.models} == {
        "head_neck_ct/coarse": "coarse.safetensors", "head_neck_ct/fine": "fine.safetensors",
    }  # fmt: skip


def test_with_a_folder_of_weights_nothing_is_taught(tmp_path: Path) -> None:
    for network in ("position_map", "student"):
        write_model(tmp_path / "weights" / f"{network}.safetensors", **OWN)
    asked = {"weights": str(tmp_path / "weights"), "cohort": "default"}
    plan = planned(sheet_of(tmp_path, *DIVIDED[1:]), methods="student,matched", **asked)
    assert plan.train == plan.teach == ()
    assert not any(one.learns or one.reason for one in plan.evaluate[0].methods)
    assert [task.family for task in plan.localize] == ["matched", "student"]


def test_without_networks_the_default_method_answers_and_nothing_is_trained(tmp_path: Path) -> None:
    # No scan is left to train on.
    plan = planned(sheet_of(tmp_path, *DIVIDED[1:]), weights="none", methods="matched,affine")
    assert plan.models == () and plan.train == ()
    assert [(task.family, task.models) for task in (*plan.localize, *plan.register)] == [
        ("matched", ()), ("registration", ()),
    ]  # fmt: skip


MAP = "rprloc/weights/head-neck-ct/position_map"
"""The model that is tried where nobody says which weights."""


def test_where_nobody_says_which_weights_searches_choose(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, *DIVIDED)
    plan = planned(sheet)
    assert plan.train == plan.teach == ()
    assert [(one.id, one.file) for one in plan.models] == [(MAP, "head-neck-ct/position_map.safetensors")]
    (task,) = plan.localize
    assert task.models == (MAP,) and task.choice is not None
    assert (task.choice.name, task.choice.why, task.choice.again) == ("head-neck-ct", "", True)
    # With the weights theirs, without them the cohort's own.
    assert (task.seen.window[0], task.choice.plain.window[0]) == ((-500.0, 0.0), (-1000.0, 0.0))
    assert plan.notes == (
        "cohort default: matched takes the weights head-neck-ct if the supports lie in their field, else none.",
    )
    assert planned(sheet, weights="auto") == plan
    # Two cohorts may share a model.
    rows = [
        f"{name},a.nii,{label},,{cohort}" for cohort in ("openkbp", "") for name, label in (("a", "l.nii"), ("b", ""))
    ]
    both = sheet_of(tmp_path, *rows, columns="subject,image,label,split,cohort")
    assert [one.id for one in planned(both).models] == [MAP]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ("modality: mr", "key 'modality': found 'ct', expected mr as in the settings of cohort 'mine'"),
        ("spacing: [3, 1, 1]", "key 'spacing': found '[6.0, 6.0, 6.0]'"),
        ("window: [[-900, 0], [900, 1]]", "key 'window': found"),
    ],
)
def test_settings_that_say_otherwise_take_no_weights(tmp_path: Path, settings: str, why: str) -> None:
    (tmp_path / "mine.yml").write_text(settings)
    plan = planned(sheet_of(tmp_path, *DIVIDED), cohort=str(tmp_path / "mine.yml"))
    (task,) = plan.register
    assert (plan.models, plan.train, task.models) == ((), (), ())
    assert task.choice is not None and task.choice.name == "none" and not task.choice.again
    assert task.seen == task.choice.plain
    (note,) = plan.notes
    assert note.startswith("cohort mine: matched takes no weights, as head-neck-ct does not fit the settings: ")
    assert why in note


def test_what_cannot_do_without_networks_has_them_trained_and_with_a_length_all_are(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, *DIVIDED)
    plan = planned(sheet, methods="matched,position_map,student")
    assert ids(plan, "train") == ["default/position_map"] and ids(plan, "teach") == ["default/student"]
    assert {task.family: task.models for task in plan.localize} == {
        "matched": (MAP,), "position_map": ("default/position_map",),
        "student": ("default/position_map", "default/student"),
    }  # fmt: skip
    assert plan.train[0].length == network_named("position_map").lengths["standard"]
    asked = planned(sheet, methods="matched", training="quick")
    assert ids(asked, "train") == ["default/position_map"]
    assert asked.train[0].length == network_named("position_map").lengths["quick"]
    assert asked.models == () and asked.localize[0].choice is None and asked.notes == ()
    assert (asked.report.parameters["weights"], asked.report.parameters["training"]) == (None, "quick")


def test_with_enough_supports_for_distances_no_query_is_searched_again(tmp_path: Path) -> None:
    supports = [f"s{i},a.nii,l.nii,validation" for i in range(4)]
    tasks = planned(sheet_of(tmp_path, *supports, "q,a.nii,,test")).localize
    assert [(task.batch, task.choice is not None and task.choice.again) for task in tasks] == [
        ("0", False), ("supports", False),
    ]  # fmt: skip


def test_supports_are_searched_from_each_other_where_they_are_enough_and_no_queries(tmp_path: Path) -> None:
    def calibrated(*rows: str) -> list[Search]:
        plan = planned(sheet_of(tmp_path, "t,a.nii,l.nii,train", *rows), methods="all")
        return [task for task in plan.localize if task.batch == "supports"]

    supports = [f"s{i:02d},a.nii,l.nii,validation" for i in range(4)]
    (task,) = calibrated(*supports, "q,a.nii,,test")
    assert task.family == "matched" and set(task.queries) == set(task.supports)
    assert calibrated(*supports[1:], "s9,a.nii,,validation", "q,a.nii,,test") == []
    (task,) = calibrated(*(f"s{i:02d},a.nii,l.nii,validation" for i in range(24)), "q,a.nii,,test")
    assert task.queries == tuple(f"default@s{i:02d}" for i in range(MOST_CALIBRATING)) and len(task.supports) == 24
    # Without a split they are queries, and are searched anyway.
    plan = planned(sheet_of(tmp_path, *(f"s{i},a.nii,l.nii," for i in range(4))), methods="matched")
    assert [task.batch for task in plan.localize] == ["0"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (("a,a.nii,l.nii,", "b,a.nii,,"), False),  # the one label is the support's own
        (("a,a.nii,l.nii,", "b,a.nii,l.nii,"), True),
        (("a,a.nii,l.nii,train", "b,a.nii,l.nii,validation", "c,a.nii,,test"), False),
        (DIVIDED, True),
    ],
)
def test_tables_are_made_where_a_label_tells_the_truth(tmp_path: Path, rows: tuple[str, ...], expected: bool) -> None:
    sheet = sheet_of(tmp_path, *rows)
    plan = planned(sheet, methods="regression")
    assert plan.evaluate[0].tables is expected
    assert len(plan.evaluate[0].methods[0].settings) == (13 if expected else 1)
    assert planned(sheet, tables="false").evaluate[0].tables is False


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ("structures: {heart: 2}", {"preprocess", "localize", "evaluate"}),
        ("r: {coarse: 90}", {"coarse"}),
        ("r: {fine: 20}", {"fine"}),
        ("starts: 3", {"localize", "evaluate"}),
        ("patch: [96, 96, 96]", {"coarse", "fine", "localize"}),
        ("window: [[-9, 0], [9, 1]]", {"coarse", "fine", "position_map", "localize"}),
        ("matching_spacing: [2, 2, 2]", {"preprocess"}),
        ("network: {width: 12}", {"coarse", "fine", "position_map"}),
    ],
)
def test_a_change_of_the_settings_touches_only_the_tasks_that_use_it(
    tmp_path: Path, change: str, touched: set[str]
) -> None:
    def told(text: str) -> dict[str, object]:
        (tmp_path / "mine.yml").write_text(text)
        sheet = sheet_of(tmp_path, *DIVIDED)
        asked = {"cohort": str(tmp_path / "mine.yml"), "training": "quick"}
        values = planned(sheet, methods="regression,matched", **asked).to_json()
        tasks = {kind: values[kind] for kind in ("preprocess", "localize", "evaluate")}
        return tasks | {task["network"]: task for task in values["train"]}

    before, after = told(""), told(change)
    assert {task for task in before if before[task] != after[task]} == touched


def test_the_first_scans_that_are_no_supports_are_asked_where_an_answer_is_lost(tmp_path: Path) -> None:
    def bridges(count: int, supports: int = 1, methods: str = "matched") -> set[tuple[str, ...]]:
        lines = [f"s{i},a.nii,l.nii,validation" for i in range(supports)] + [f"q{i},a.nii,,test" for i in range(count)]
        plan = planned(sheet_of(tmp_path, *lines), methods=methods, weights="none", queries_per_task=2)
        return {task.bridges for task in (*plan.localize, *plan.register)}

    first = tuple(f"default@q{i}" for i in range(4))
    # Neither the other queries of a task nor rows that are appended change them.
    assert bridges(7) == bridges(9) == bridges(9, supports=3) == {first}
    assert bridges(2) == {first[:2]}
    assert bridges(7, supports=4) == bridges(7, methods="affine") == {()}
    (task,) = planned(DEMO, methods="matched").localize
    assert task.bridges and set(task.bridges) <= set(task.scans)

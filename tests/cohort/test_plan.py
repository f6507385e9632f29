"""The plan: what runs, on which scans, with which models and settings."""

import json
from pathlib import Path

from click.testing import CliRunner

from rprloc.cli import command
from rprloc.cohort.plan import Plan
from rprloc.cohort.tasks import Measure, Preprocess, Search, Train, from_json
from rprloc.seeds import draw_order
from tests.cohort.planned import DEMO, ROOT, planned, sheet_of


def ids(plan: Plan, kind: str) -> list[str]:
    return [task.id for task in getattr(plan, kind)]


def test_the_demo() -> None:
    plan = planned(DEMO, methods="matched,regression,affine", weights="head-neck-ct", queries_per_task=3)
    assert plan.tasks == {
        "PREPROCESS": 16, "TRAIN": 2, "LOCALIZE": 4, "REGISTER": 2, "EVALUATE": 1, "VIEW": 3, "TABULATE": 1,
        "REPORT": 1,
    }  # fmt: skip
    assert [(model.id, model.file) for model in plan.models] == [("openkbp/position_map", "position_map.safetensors")]
    assert ids(plan, "train") == ["openkbp/coarse", "openkbp/fine"]
    assert ids(plan, "localize") == [f"openkbp/{name}.batch{n}" for name in ("regression", "matched") for n in (0, 1)]
    (measure,) = plan.evaluate
    assert set(measure.searches) == {task.id for task in (*plan.localize, *plan.register)}
    regression, matched = plan.localize[0], plan.localize[2]
    assert regression.models == ("openkbp/coarse", "openkbp/fine") and matched.models == ("openkbp/position_map",)
    assert len(regression.queries) == 3 and len(plan.localize[1].queries) == 1
    # The supports in the order of the draw: the first that can be used is the drawn one.
    subjects = [member.subject for member in measure.members if member.support]
    order = draw_order(1, "openkbp", subjects)
    assert measure.order == tuple(order)
    assert matched.supports == regression.supports == tuple(f"openkbp@{name}" for name in order)
    assert plan.register[0].most_supports == 3 and matched.most_supports is None


def test_scans_share_tasks_where_there_are_hundreds_and_an_added_one_runs_alone(tmp_path: Path) -> None:
    def told(count: int, **parameters: object) -> Plan:
        rows = [f"q{n},a.nii,,test" for n in range(count - 1)]
        return planned(sheet_of(tmp_path, "b,a.nii,l.nii,validation", *rows), weights="none", **parameters)

    assert told(119).together == () and told(119).tasks["PREPROCESS"] == 119
    before, after, full = told(150), told(151), told(160)
    assert [task.id for task in before.together] == ["default.scans100", "default.scans120"]
    assert before.together == after.together == full.together[:2] and len(full.together) == 3
    assert before.together[0].scans == tuple(task.id for task in before.preprocess[100:120])
    assert (after.tasks["PREPROCESS"], after.tasks["PREPROCESS_TOGETHER"]) == (111, 2)
    # The tasks of all scans but the new one are the same, so their results are taken over.
    assert after.preprocess[:-1] == before.preprocess
    asked = told(11, scans_per_task=4)
    assert [len(task.scans) for task in asked.together] == [4, 4] and asked.tasks["PREPROCESS"] == 3
    assert told(150, scans_per_task=1).together == ()


def test_every_task_comes_back_from_its_json() -> None:
    plan = planned(DEMO, methods="all")
    kinds = {
        "preprocess": Preprocess, "train": Train, "teach": Train, "localize": Search, "register": Search,
        "evaluate": Measure,
    }  # fmt: skip
    values = json.loads(json.dumps(plan.to_json(), allow_nan=False))
    for kind, record in kinds.items():
        assert values[kind]
        assert tuple(from_json(task, record) for task in values[kind]) == getattr(plan, kind)
    # What Nextflow joins by.
    scans = {task["id"] for task in values["preprocess"]}
    assert all(set(task["scans"]) <= scans for kind in list(kinds)[1:] for task in values[kind])
    models = {task["id"] for kind in ("train", "teach", "models") for task in values[kind]}
    assert all(set(task["models"]) <= models for kind in ("teach", "localize", "register") for task in values[kind])


def test_with_faults_there_are_no_tasks_and_plan_says_them(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "a,missing.nii,,train", "b,a.nii,l.nii,validation", "c,a.nii,,tset")
    done = CliRunner().invoke(command, ["plan", str(sheet), "--methods", "matched"])
    assert [line.split(": found")[0] for line in done.exception.errors] == [  # type: ignore[union-attr]
        f"{sheet}, line 2, column 'image'", f"{sheet}, line 4, column 'split'",
    ]  # fmt: skip
    found = json.loads(done.stdout)
    assert found["tasks"] == {} and found["preprocess"] == [] and len(found["faults"]) == 2


def test_plan_prints_what_would_run() -> None:
    runner = CliRunner()
    done = runner.invoke(command, ["plan", str(DEMO), "--methods=affine", "--registration_supports", "1"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["tasks"] == {
        "PREPROCESS": 16, "REGISTER": 1, "EVALUATE": 1, "VIEW": 2, "TABULATE": 1, "REPORT": 1,
    }  # fmt: skip
    assert found["register"][0]["most_supports"] == 1
    assert "16 scans; tasks: 16 PREPROCESS, 1 REGISTER" in done.stderr
    # Parameters are the pipeline's own.
    done = runner.invoke(command, ["plan", str(DEMO), "--metods", "affine"])
    assert "did you mean 'methods'?" in str(done.exception)
    done = runner.invoke(command, ["plan", str(DEMO), "affine"])
    assert done.exit_code == 2 and "expected --PARAMETER VALUE" in done.output


def test_the_schema_is_that_of_the_checkout() -> None:
    assert (ROOT / "nextflow_schema.json").is_file()
    done = CliRunner().invoke(command, ["plan", str(DEMO), "--pipeline", str(ROOT / "docs")])
    assert "nextflow_schema.json: expected a JSON file" in str(done.exception)

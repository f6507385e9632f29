"""Parameters and check.json: texts or typed values, every fault at once, and what the other stages read."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rprloc.cohort.check import check
from rprloc.cohort.methods import METHODS, networks_of, parse_methods
from rprloc.cohort.parameters import check_parameters, coerce_parameters, properties_of, read_schema
from rprloc.cohort.settings import Settings, settings_from
from rprloc.cohort.sheet import exists_beside
from rprloc.cohort.weights import SHIPPED
from rprloc.errors import InputError
from tests.cohort.test_weights import write_model

ROOT = Path(__file__).parents[2]
COHORTS = ROOT / "assets" / "cohorts"
DEMO = ROOT / "assets" / "demo"
SCHEMA = read_schema(ROOT / "nextflow_schema.json")


def messages(**raw: object) -> list[str]:
    return [fault.message for fault in check_parameters(raw, SCHEMA)[1]]


def run(sheet: Path, **raw: object) -> dict[str, Any]:
    return check(
        {"input": "x", **raw}, schema=SCHEMA, sheet=sheet, folders=[COHORTS], exists=exists_beside(sheet.parent)
    )


def test_schema_documents_every_parameter() -> None:
    properties = properties_of(SCHEMA)
    assert {entry["$ref"].split("/")[-1] for entry in SCHEMA["allOf"]} == set(SCHEMA["$defs"])
    for name, entry in properties.items():
        assert entry["description"].endswith("."), name
        assert "default" in entry or name == "input", name
    typed = {name: entry["default"] for name, entry in properties.items() if "default" in entry}
    assert coerce_parameters({"input": "a.csv"}, SCHEMA) == typed | {"input": "a.csv"}


def test_texts_and_typed_values_are_one() -> None:
    typed = {"input": "7", "tables": False, "queries_per_task": 10, "seed": 0, "weights": None, "training": "demo"}
    texts = {"input": 7, "tables": "false", "queries_per_task": "10", "seed": 0.0, "weights": "", "training": "demo"}
    assert coerce_parameters(typed, SCHEMA) == coerce_parameters(texts, SCHEMA)
    assert coerce_parameters(typed, SCHEMA)["tables"] is False


def test_help_needs_no_input() -> None:
    assert coerce_parameters({"help": "true"}, SCHEMA)["help"] is True
    (message,) = messages()
    assert message.startswith("command line, parameter 'input': found nothing, expected --input FILE")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"cohrt": "x"}, "found '--cohrt', expected a parameter of this pipeline (did you mean 'cohort'?)"),
        ({"queries-per-task": "5", "queriesPerTask": "5"}, "(did you mean 'queries_per_task'?)"),
        ({"zzz": 1}, "expected a parameter of this pipeline: input, outdir"),
        ({"training": "qick"}, "found 'qick', expected demo, quick, standard or paper (did you mean 'quick'?)"),
        ({"tables": "maybe"}, "found 'maybe', expected true or false"),
        ({"queries_per_task": "0"}, "found '0', expected a whole number from 1"),
        ({"queries_per_task": True}, "found 'True', expected a whole number"),
        ({"seed": "1.5"}, "found '1.5', expected a whole number from 0"),
        ({"seed": "9" * 30}, "expected a whole number from 0"),
        ({"cohort": True}, "found 'True', expected a text"),
        ({"outdir": True}, "found 'True', expected a folder"),
        ({"weights": ["a"]}, "expected a folder"),
    ],
)
def test_fault(raw: dict[str, object], expected: str) -> None:
    (message,) = messages(input="a.csv", **raw)
    assert expected in message
    with pytest.raises(InputError):
        coerce_parameters({"input": "a.csv", **raw}, SCHEMA)


def test_the_demo_passes() -> None:
    found = run(DEMO / "samples.csv")
    assert found["errors"] == found["warnings"] == []
    rows = found["rows"]
    assert [sum(row[use] for row in rows) for use in ("train", "validation", "support", "query")] == [10, 2, 2, 4]
    assert {row["cohort"] for row in rows} == set(found["cohorts"]) == {"openkbp"}
    settings = settings_from(found["cohorts"]["openkbp"])
    assert found["cohorts"]["openkbp"]["stages"] == settings.stages() | {"teach": {}}
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (DEMO / "LICENSE").is_file()


def test_faults_of_parameters_sheet_and_settings_come_together(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yml"
    mine.write_text("spacing: 3\n")
    sheet = tmp_path / "s.csv"
    sheet.write_text("subject,image,label,cohort\na,a.nii,,\n$b,b.nii,l,\nc,c,l,none\n")
    found = run(sheet, cohort=str(mine), seed="x")
    places = [(error["file"], error["line"], error["column"]) for error in found["errors"]]
    assert places == [
        ("command line", None, "seed"),
        ("s.csv", 2, "image"),
        ("s.csv", 3, "subject"),
        ("s.csv", 3, "image"),
        ("s.csv", 3, "label"),
        ("s.csv", 4, "image"),
        ("s.csv", 4, "label"),
        ("s.csv", 4, "cohort"),
        (str(mine), 1, "spacing"),
    ]
    assert all(set(error) == {"file", "line", "column", "value", "expected", "message"} for error in found["errors"])


def test_cohort_by_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yml"
    mine.write_text("structures: {heart: 4}\n")
    sheet = tmp_path / "s.csv"
    sheet.write_text("subject,image,label\na,s.csv,mine.yml\nb,s.csv,\n")
    found = run(sheet, cohort=str(mine))
    assert found["errors"] == []
    assert found["cohorts"]["mine"]["structures"] == {"heart": 4}
    assert [row["cohort"] for row in found["rows"]] == ["mine", "mine"]
    assert len(found["warnings"]) == 1
    staged = check(
        {"input": "x", "cohort": "else/mine.yml"}, schema=SCHEMA, sheet=sheet, folders=[], settings_file=mine
    )
    assert staged["cohorts"] == found["cohorts"]


@pytest.mark.parametrize("cohort", ["opnkbp", "missing.yml", "no name.yml", "../openkbp"])
def test_unknown_default_cohort_is_said_once(cohort: str) -> None:
    sheet = DEMO / "samples.csv"
    errors = run(sheet, cohort=cohort)["errors"]
    assert errors
    assert {(error["file"], error["column"], error["value"]) for error in errors} == {
        ("command line", "cohort", cohort)
    }


def test_missing_sheet(tmp_path: Path) -> None:
    (error,) = run(tmp_path / "s.csv")["errors"]
    assert error["message"] == "s.csv: found 'No such file or directory', expected a sample sheet that can be read."


def test_check_starts_without_heavy_libraries() -> None:
    code = "import sys, rprloc.cohort.check; print(*{'torch', 'pandas', 'numpy', 'SimpleITK'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_messages_call_files_as_the_user_does(tmp_path: Path) -> None:
    for name in ("staged/mine.yml", "own/other.yml"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("starts: 0\n")
    sheet = tmp_path / "s.csv"
    sheet.write_text("subject,image,label,cohort\na,a,l,\nb,b,,\na,a,l,other\nb,b,,other\n")
    parameters = {"input": "x", "cohort": "../mine.yml", "cohort_folder": "my settings", "weights": "no models"}
    found = check(
        parameters, schema=SCHEMA, sheet=sheet, folders=[tmp_path / "own"], name="lists/s.csv",
        settings_file=tmp_path / "staged" / "mine.yml", weights=tmp_path / "weights",
    )  # fmt: skip
    assert [error["message"].split(": ")[0] for error in found["errors"]] == [
        "command line, parameter 'weights'",
        "../mine.yml, line 1, key 'starts'",
        "my settings/other.yml, line 1, key 'starts'",
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a,a,l\nb,b,\nc,c,\n", False),  # the one label is the support's own
        ("a,a,l\nb,b,m\nc,c,\n", True),
    ],
)
def test_tables_are_made_where_a_label_tells_the_truth(tmp_path: Path, rows: str, expected: bool) -> None:
    sheet = tmp_path / "s.csv"
    sheet.write_text(f"subject,image,label\n{rows}")
    asked = {"schema": SCHEMA, "sheet": sheet, "folders": [COHORTS]}
    assert check({"input": "x"}, **asked)["cohorts"]["default"]["tables"] is expected
    assert check({"input": "x", "tables": "false"}, **asked)["cohorts"]["default"]["tables"] is False


def test_tables_need_a_labelled_query_beside_its_split(tmp_path: Path) -> None:
    sheet = tmp_path / "s.csv"
    for label, expected in (("", False), ("m", True)):
        sheet.write_text(f"subject,image,label,split\na,a,l,train\nb,b,l2,validation\nc,c,{label},test\n")
        found = check({"input": "x"}, schema=SCHEMA, sheet=sheet, folders=[COHORTS])
        assert found["cohorts"]["default"]["tables"] is expected


def test_the_query_of_figure_4_is_one_of_the_sheet(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "a,a.nii,,train", "b,a.nii,l.nii,validation", "kbp_1,a.nii,l.nii,test")
    assert run(sheet, figure_query="kbp_1")["errors"] == []
    (error,) = run(sheet, figure_query="kbp_2")["errors"]
    assert error["message"] == (
        "command line, parameter 'figure_query': found 'kbp_2', expected a query of the sample sheet "
        "(did you mean 'kbp_1'?)."
    )
    # A support is no query.
    (error,) = run(sheet, figure_query="b")["errors"]
    assert error["message"].endswith("expected a query of the sample sheet such as kbp_1.")


def test_weights_are_looked_for_by_cohort(tmp_path: Path) -> None:
    for methods, wanted in (("matched", "a position_map"), ("regression", "a coarse and a fine")):
        found = run(DEMO / "samples.csv", weights=str(tmp_path), methods=methods)
        (error,) = found["errors"]
        assert f"expected {wanted} model for cohort 'openkbp'" in error["message"]
        assert found["models"] == {"openkbp": {}}
    assert run(DEMO / "samples.csv")["models"] == {}


def test_methods_are_named_by_commas_or_spaces_and_come_in_the_order_of_the_tables() -> None:
    assert parse_methods("affine, regression grey_ncc") == (["regression", "grey_ncc", "affine"], [])
    assert parse_methods("all")[0] == list(METHODS)
    # One position map serves two families.
    assert networks_of(METHODS) == [
        "coarse", "fine", "position_map", "student", "autoencoder", "retina_unet", "ceiling",
    ]  # fmt: skip
    assert networks_of(["ceiling", "student"]) == ["position_map", "student", "ceiling"]
    assert networks_of(["matched", "position_map"]) == ["position_map"] and networks_of(["affine"]) == []


def test_an_unknown_method_is_told_with_the_nearest_name() -> None:
    (message,) = [fault["message"] for fault in run(DEMO / "samples.csv", methods="regresion,affine")["errors"]]
    assert message.startswith("command line, parameter 'methods': found 'regresion', expected regression, ")
    assert message.endswith("or all (did you mean 'regression'?).")
    (message,) = [fault["message"] for fault in run(DEMO / "samples.csv", methods=" , ")["errors"]]
    assert "expected one or more of regression" in message


def test_each_family_gets_its_own_values_and_only_what_is_asked_is_trained() -> None:
    demo = run(DEMO / "samples.csv", methods="affine,grey_mse", template_stride=2)["cohorts"]["openkbp"]
    assert [family["name"] for family in demo["families"]] == ["grey", "registration"]
    grey, registration = (family["settings"] for family in demo["families"])
    assert grey["methods"] == ["grey_mse"] and grey["template_stride"] == 2 and "registration_supports" not in grey
    assert registration["methods"] == ["affine"] and registration["registration_supports"] == 3
    assert demo["stages"]["train"] == {} and demo["stages"]["preprocess"]["matching_spacing"] == [3, 3, 3]
    assert [(one["name"], one["settings"], one["supports"]) for one in demo["methods"]] == [
        ("grey_mse", ["extreme.s2"], None), ("affine", ["extreme"], 3),
    ]  # fmt: skip
    every = run(DEMO / "samples.csv", methods="all")["cohorts"]["openkbp"]["methods"]
    assert {one["name"]: one["learns"] for one in every if one["learns"]} == {
        "student": "supports", "retina_unet": "labels", "ceiling": "labels",
    }  # fmt: skip
    assert [one["name"] for one in every if one["supports"] == 0] == ["student", "retina_unet", "ceiling"]
    for methods, spacing in (
        ("matched", [3, 3, 3]), ("student", [3, 3, 3]), ("ceiling", [3, 3, 3]), ("position_map,regression", None),
    ):  # fmt: skip
        stages = run(DEMO / "samples.csv", methods=methods)["cohorts"]["openkbp"]["stages"]
        assert stages["preprocess"]["matching_spacing"] == spacing


def test_a_supervised_method_without_labels_is_warned_of_and_its_rows_have_the_reason(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "a,a.nii,,train", "b,a.nii,l.nii,validation", "c,a.nii,l.nii,test")
    found = run(sheet, methods="all", cohort="openkbp")
    assert not found["errors"]
    reason = "no training scan of openkbp has a label"
    assert found["warnings"][-2:] == [
        f"cohort openkbp: {method}'s answers fail, as {reason}." for method in ("retina_unet", "ceiling")
    ]
    cohort = found["cohorts"]["openkbp"]
    assert not {"retina_unet", "ceiling"} & {family["name"] for family in cohort["families"]}
    assert set(cohort["stages"]["train"]) == {"coarse", "fine", "position_map", "autoencoder"}
    # The student needs no label of a training scan.
    assert set(cohort["stages"]["teach"]) == {"student"}
    assert {one["name"]: one["reason"] for one in cohort["methods"] if one["reason"]} == {
        "retina_unet": reason, "ceiling": reason,
    }  # fmt: skip


def test_a_test_on_labels_that_are_learned_from_is_warned_of(tmp_path: Path) -> None:
    def learners(*rows: str, **asked: Any) -> list[str]:
        found = run(sheet_of(tmp_path, *rows), **asked)
        assert found["errors"] == []
        said = [warning.split(" that are queries as well; ")[0] for warning in found["warnings"] if "learns" in warning]
        return [
            warning.removeprefix("cohort default: ").replace(" learns from the labels of ", " ") for warning in said
        ]

    undivided = ("a,a.nii,l.nii,", "b,a.nii,l.nii,", "c,a.nii,,")
    assert learners(*undivided, methods="all") == ["student supports", "retina_unet scans", "ceiling scans"]
    assert learners(*undivided, methods="ceiling,matched") == ["ceiling scans"]
    assert learners(*undivided) == []
    divided = ("a,a.nii,l.nii,train", "b,a.nii,l.nii,validation", "c,a.nii,l.nii,test")
    assert learners(*divided, methods="all") == []
    # What came trained has not seen them in this run.
    own = {key: value for key, value in Settings().as_dict().items() if key in ("modality", "window", "spacing")}
    for network in ("position_map", "student"):
        write_model(tmp_path / "weights" / f"{network}.safetensors", **own)
    assert learners(*undivided, methods="student", weights=str(tmp_path / "weights"), cohort="default") == []


def test_what_is_taught_comes_after_what_is_trained() -> None:
    cohort = run(DEMO / "samples.csv", methods="student,ceiling,retina_unet")["cohorts"]["openkbp"]
    assert list(cohort["stages"]["train"]) == ["position_map", "retina_unet"]
    assert list(cohort["stages"]["teach"]) == ["student", "ceiling"]
    for settings in cohort["stages"]["teach"].values():
        assert settings["matching_spacing"] == [3, 3, 3] and settings["structures"] == cohort["structures"]
    families = {family["name"]: family for family in cohort["families"]}
    for name in ("student", "ceiling"):
        assert families[name]["networks"] == ["position_map", name] and families[name]["supports"] is False
        assert families[name]["calibrated"] is False and families[name]["settings"]["methods"] == [name]
    # Without them nothing is taught.
    assert run(DEMO / "samples.csv", methods="matched,retina_unet")["cohorts"]["openkbp"]["stages"]["teach"] == {}


def test_with_the_shipped_position_map_only_what_it_teaches_is_trained(tmp_path: Path) -> None:
    rows = ("a,a.nii,l.nii,train", "b,a.nii,l.nii,validation", "c,a.nii,l.nii,test")
    asked = {"weights": "head-neck-ct", "cohort": "head_neck_ct"}
    found = run(sheet_of(tmp_path, *rows), methods="student,ceiling", **asked)
    assert found["errors"] == [] and found["models"] == {"head_neck_ct": {"position_map": "position_map.safetensors"}}
    cohort = found["cohorts"]["head_neck_ct"]
    assert cohort["stages"]["train"] == {} and set(cohort["stages"]["teach"]) == {"student", "ceiling"}
    assert {one["name"]: one["learns"] for one in cohort["methods"]} == {"student": "supports", "ceiling": "labels"}
    # It learns from scans, with or without a label.
    assert run(sheet_of(tmp_path, *rows[1:]), methods="student", **asked)["errors"]
    bare = run(sheet_of(tmp_path, "a,a.nii,,train", *rows[1:]), methods="student,ceiling", **asked)
    assert bare["errors"] == [] and set(bare["cohorts"]["head_neck_ct"]["stages"]["teach"]) == {"student"}
    assert {one["name"]: one["reason"] for one in bare["cohorts"]["head_neck_ct"]["methods"]} == {
        "student": None, "ceiling": "no training scan of head_neck_ct has a label",
    }  # fmt: skip


def test_with_the_shipped_networks_of_the_paper_regression_trains_nothing(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "b,a.nii,l.nii,validation", "c,a.nii,l.nii,test")
    found = run(sheet, weights="head-neck-ct-paper", cohort="head_neck_ct", methods="regression")
    stages = found["cohorts"]["head_neck_ct"]["stages"]
    assert found["errors"] == [] and stages["train"] == {} and stages["teach"] == {}
    assert found["models"] == {"head_neck_ct": {"coarse": "coarse.safetensors", "fine": "fine.safetensors"}}


def test_a_folder_of_weights_has_to_have_the_student_as_well_and_nothing_is_taught(tmp_path: Path) -> None:
    own = {key: value for key, value in Settings().as_dict().items() if key in ("modality", "window", "spacing")}
    sheet = sheet_of(tmp_path, "b,a.nii,l.nii,validation", "c,a.nii,l.nii,test")
    asked = {"weights": str(tmp_path / "weights"), "cohort": "default"}
    write_model(tmp_path / "weights" / "position_map.safetensors", **own)
    for methods in ("student", "student,matched"):
        (fault,) = run(sheet, methods=methods, **asked)["errors"]
        assert "expected a student model for cohort 'default'" in fault["message"]
    write_model(tmp_path / "weights" / "student.safetensors", **own)
    found = run(sheet, methods="student,matched", **asked)
    assert found["errors"] == [] and set(found["models"]["default"]) == {"position_map", "student"}
    cohort = found["cohorts"]["default"]
    assert cohort["stages"]["train"] == cohort["stages"]["teach"] == {}
    assert not any(one["learns"] or one["reason"] for one in cohort["methods"])
    assert [family["name"] for family in cohort["families"]] == ["matched", "student"]


@pytest.mark.parametrize("method", ["student", "ceiling"])
def test_without_networks_what_is_taught_is_one_fault(method: str) -> None:
    (fault,) = run(DEMO / "samples.csv", weights="none", methods=f"matched,{method}")["errors"]
    assert f"found 'none', expected trained networks for {method}, or only methods that need none" in fault["message"]


def test_weights_may_lack_the_network_of_a_cohort_without_labels(tmp_path: Path) -> None:
    own = {key: value for key, value in Settings().as_dict().items() if key in ("modality", "window", "spacing")}
    for network in ("coarse", "fine", "position_map", "student", "autoencoder"):
        write_model(tmp_path / "weights" / f"{network}.safetensors", **own)
    bare = ("b,a.nii,l.nii,validation", "c,a.nii,l.nii,test")
    asked = {"weights": str(tmp_path / "weights"), "cohort": "default"}
    found = run(sheet_of(tmp_path, *bare), methods="all", **asked)
    assert found["errors"] == []
    lacking = ("retina_unet", "ceiling")
    said = {network: f"the weights hold no {network} model for default" for network in lacking}
    assert found["warnings"][-2:] == [
        f"cohort default: {network}'s answers fail, as {said[network]}." for network in lacking
    ]
    cohort = found["cohorts"]["default"]
    assert not set(lacking) & {family["name"] for family in cohort["families"]}
    assert {one["name"]: one["reason"] for one in cohort["methods"] if one["reason"]} == said
    assert not any(one["learns"] for one in cohort["methods"])
    # Where there are labels, or nothing else is asked for, they are missed.
    labelled = sheet_of(tmp_path, "a,a.nii,l.nii,train", *bare)
    assert missed(run(labelled, methods="all", **asked)) == "a retina_unet and a ceiling"
    for network in lacking:
        assert missed(run(sheet_of(tmp_path, *bare), methods=network, **asked)) == f"a {network}"


def missed(found: dict[str, Any]) -> str:
    """Return which models the one fault of a run misses."""
    (fault,) = found["errors"]
    what, rest = fault["message"].rpartition("expected ")[2].split(" model for cohort ")
    assert rest == "'default': *.safetensors, there or in default/."
    return str(what)


def test_methods_without_a_network_need_no_scan_to_train_on(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "b,a.nii,l.nii,validation", "c,a.nii,,test")
    assert run(sheet, methods="affine,grey_ncc")["errors"] == []
    assert run(sheet, methods="affine,regression")["errors"]


def test_without_networks_the_default_method_answers_and_nothing_is_trained(tmp_path: Path) -> None:
    # No scan is left to train on.
    sheet = sheet_of(tmp_path, "b,a.nii,l.nii,validation", "c,a.nii,,test")
    found = run(sheet, weights="none", methods="matched,affine")
    assert found["errors"] == [] and found["models"] == {}
    cohort = found["cohorts"]["default"]
    assert [(family["name"], family["networks"]) for family in cohort["families"]] == [
        ("matched", []), ("registration", []),
    ]  # fmt: skip
    assert not any(one["learns"] or one["reason"] for one in cohort["methods"])


def test_supports_are_searched_from_each_other_where_they_are_enough_and_no_queries(tmp_path: Path) -> None:
    def calibrated(*rows: str) -> list[str]:
        found = run(sheet_of(tmp_path, "t,a.nii,l.nii,train", *rows), methods="all")
        assert found["errors"] == []
        return [family["name"] for family in found["cohorts"]["default"]["families"] if family["calibrated"]]

    supports = [f"s{i},a.nii,l.nii,validation" for i in range(4)]
    assert calibrated(*supports, "q,a.nii,,test") == ["matched"]
    assert calibrated(*supports[1:], "s9,a.nii,,validation", "q,a.nii,,test") == []
    # Without a split they are queries, and are searched anyway.
    found = run(sheet_of(tmp_path, *(f"s{i},a.nii,l.nii," for i in range(4))), methods="matched")
    assert [family["calibrated"] for family in found["cohorts"]["default"]["families"]] == [False]


def test_without_networks_what_needs_one_is_one_fault() -> None:
    (fault,) = run(DEMO / "samples.csv", weights="none", methods="regression,position_map,grey_ncc")["errors"]
    assert fault["message"] == (
        "command line, parameter 'weights': found 'none', expected trained networks for regression and position_map, "
        "or only methods that need none: matched, grey_mse, grey_cosine, grey_ncc, affine, bspline and convex."
    )


def test_weights_that_are_neither_a_folder_nor_shipped_are_told_with_what_there_is() -> None:
    (fault,) = run(DEMO / "samples.csv", weights="nonne")["errors"]
    assert fault["message"].startswith(
        "command line, parameter 'weights': found 'nonne', expected a folder that exists, "
    )
    assert fault["message"].endswith("none (did you mean 'none'?).")
    assert all(name in fault["message"] for name in SHIPPED)


def sheet_of(folder: Path, *rows: str) -> Path:
    """Write a sheet with a split whose files exist."""
    for name in ("a.nii", "l.nii"):
        (folder / name).touch()
    path = folder / "s.csv"
    path.write_text("\n".join(["subject,image,label,split", *rows]) + "\n")
    return path

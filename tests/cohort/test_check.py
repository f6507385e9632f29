"""A run is checked before it starts: every fault at once, in the words of the user."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rprloc.catalogue import methods, networks_of
from rprloc.cohort.check import check, parse_methods
from rprloc.cohort.settings import Settings
from rprloc.cohort.weights import SHIPPED
from tests.cohort.planned import DEMO, ROOT, checked, faults, given, sheet_of
from tests.cohort.test_weights import write_model

OWN = {key: value for key, value in Settings().to_json().items() if key in ("modality", "window", "spacing")}
DIVIDED = ("a,a.nii,l.nii,train", "b,a.nii,l.nii,validation", "c,a.nii,l.nii,test")


def test_the_demo_passes() -> None:
    found = checked(DEMO)
    assert found.faults == found.warnings == ()
    uses = [(row.train, row.validation, row.support, row.query) for row in found.rows]
    assert [sum(of_use) for of_use in zip(*uses, strict=True)] == [10, 2, 2, 4]
    assert {row.cohort for row in found.rows} == set(found.cohorts) == {"openkbp"}
    assert (DEMO.parent / "LICENSE").is_file()


def test_faults_of_parameters_sheet_files_and_settings_come_together_by_line(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yml"
    mine.write_text("spacing: 3\n")
    sheet = tmp_path / "s.csv"
    sheet.write_text("subject,image,label,cohort\na,a.nii,,\n$b,b.nii,l,\nc,c,l,none\n")
    found = checked(sheet, cohort=str(mine), seed="x", outdir="")
    assert [(fault.file, fault.line, fault.column) for fault in found.faults] == [
        ("command line", None, "outdir"),
        ("command line", None, "seed"),
        ("s.csv", 2, "image"),
        ("s.csv", 3, "subject"),
        ("s.csv", 4, "cohort"),
        ("s.csv", 4, "image"),
        ("s.csv", 4, "label"),
        (str(mine), 1, "spacing"),
    ]
    unseen = check(replace(given(sheet, cohort_folder="nowhere"), own_folder=False))
    assert unseen.faults[0].message == (
        "command line, parameter 'cohort_folder': found 'nowhere', expected a folder that exists."
    )


def test_cohort_by_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yml"
    mine.write_text("structures: {heart: 4}\n")
    sheet = tmp_path / "s.csv"
    sheet.write_text("subject,image,label\na,s.csv,mine.yml\nb,s.csv,\n")
    found = checked(sheet, cohort=str(mine))
    assert found.faults == () and len(found.warnings) == 1
    assert found.cohorts["mine"].structures == {"heart": 4}
    assert [row.cohort for row in found.rows] == ["mine", "mine"]
    staged = check(replace(given(sheet, cohort="else/mine.yml", folders=[]), settings_file=mine))
    assert staged.cohorts == found.cohorts


@pytest.mark.parametrize("cohort", ["opnkbp", "missing.yml", "no name.yml", "../openkbp"])
def test_unknown_default_cohort_is_said_once(cohort: str) -> None:
    found = checked(DEMO, cohort=cohort).faults
    assert found
    assert {(fault.file, fault.column, fault.value) for fault in found} == {("command line", "cohort", cohort)}


def test_missing_sheet(tmp_path: Path) -> None:
    assert faults(tmp_path / "s.csv") == [
        "s.csv: found 'No such file or directory', expected a sample sheet that can be read."
    ]


def test_check_and_plan_start_without_heavy_libraries() -> None:
    code = "import sys, rprloc.cohort.plan; print(*{'torch', 'pandas', 'SimpleITK'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_messages_call_files_as_the_user_does(tmp_path: Path) -> None:
    for name in ("staged/mine.yml", "own/other.yml"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("starts: 0\n")
    sheet = tmp_path / "s.csv"
    for name in "abl":
        (tmp_path / name).touch()
    sheet.write_text("subject,image,label,cohort\na,a,l,\nb,b,,\na,a,l,other\nb,b,,other\n")
    run = given(
        sheet, folders=[tmp_path / "own"], cohort="../mine.yml", cohort_folder="my settings", weights="no models"
    )
    staged = tmp_path / "staged" / "mine.yml"
    found = check(replace(run, name="lists/s.csv", settings_file=staged, weights=tmp_path / "weights"))
    assert [fault.message.split(": ")[0] for fault in found.faults] == [
        "command line, parameter 'weights'",
        "../mine.yml, line 1, key 'starts'",
        "my settings/other.yml, line 1, key 'starts'",
    ]


def test_the_query_of_figure_4_is_one_of_the_sheet(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "a,a.nii,,train", "b,a.nii,l.nii,validation", "kbp_1,a.nii,l.nii,test")
    assert faults(sheet, figure_query="kbp_1") == []
    assert faults(sheet, figure_query="kbp_2") == [
        "command line, parameter 'figure_query': found 'kbp_2', expected a query of the sample sheet "
        "(did you mean 'kbp_1'?)."
    ]
    # A support is no query.
    (fault,) = faults(sheet, figure_query="b")
    assert fault.endswith("expected a query of the sample sheet such as kbp_1.")


def test_weights_are_looked_for_by_cohort(tmp_path: Path) -> None:
    for asked, wanted in (("matched", "a position_map"), ("regression", "a coarse and a fine")):
        found = checked(DEMO, weights=str(tmp_path), methods=asked)
        (fault,) = found.faults
        assert f"expected {wanted} model for cohort 'openkbp'" in fault.message
        assert found.models == {"openkbp": {}}
    assert checked(DEMO).models == {}


def test_methods_are_named_by_commas_or_spaces_and_come_in_the_order_of_the_tables() -> None:
    assert parse_methods("affine, regression grey_ncc") == (["regression", "grey_ncc", "affine"], [])
    every = [method.name for method in methods() if not method.module]
    assert parse_methods("all")[0] == every
    # One position map serves several families.
    assert networks_of(every) == [
        "coarse", "fine", "position_map", "student", "autoencoder", "retina_unet", "ceiling",
    ]  # fmt: skip
    assert networks_of(["ceiling", "student"]) == ["position_map", "student", "ceiling"]
    assert networks_of(["matched", "position_map"]) == ["position_map"] and networks_of(["affine"]) == []


def test_an_unknown_method_is_told_with_the_nearest_name() -> None:
    (message,) = faults(DEMO, methods="regresion,affine")
    assert message.startswith("command line, parameter 'methods': found 'regresion', expected regression, ")
    assert message.endswith("or all (did you mean 'regression'?).")
    (message,) = faults(DEMO, methods=" , ")
    assert "expected one or more of regression" in message


def test_a_test_on_labels_that_are_learned_from_is_warned_of(tmp_path: Path) -> None:
    def learners(*rows: str, **asked: object) -> list[str]:
        found = checked(sheet_of(tmp_path, *rows), **asked)
        assert found.faults == ()
        said = [warning.split(" that are queries as well; ")[0] for warning in found.warnings if "learns" in warning]
        return [
            warning.removeprefix("cohort default: ").replace(" learns from the labels of ", " ") for warning in said
        ]

    undivided = ("a,a.nii,l.nii,", "b,a.nii,l.nii,", "c,a.nii,,")
    assert learners(*undivided, methods="all") == ["student supports", "retina_unet scans", "ceiling scans"]
    assert learners(*undivided, methods="ceiling,matched") == ["ceiling scans"]
    assert learners(*undivided) == []
    assert learners(*DIVIDED, methods="all") == []
    # What came trained has not seen them in this run.
    for network in ("position_map", "student"):
        write_model(tmp_path / "weights" / f"{network}.safetensors", **OWN)
    assert learners(*undivided, methods="student", weights=str(tmp_path / "weights"), cohort="default") == []


def test_a_folder_of_weights_has_to_have_the_student_as_well(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, *DIVIDED[1:])
    asked = {"weights": str(tmp_path / "weights"), "cohort": "default"}
    write_model(tmp_path / "weights" / "position_map.safetensors", **OWN)
    for asked_for in ("student", "student,matched"):
        (fault,) = faults(sheet, methods=asked_for, **asked)
        assert "expected a student model for cohort 'default'" in fault
    write_model(tmp_path / "weights" / "student.safetensors", **OWN)
    assert set(checked(sheet, methods="student,matched", **asked).models["default"]) == {"position_map", "student"}


@pytest.mark.parametrize("method", ["student", "ceiling"])
def test_without_networks_what_is_taught_is_one_fault(method: str) -> None:
    (fault,) = faults(DEMO, weights="none", methods=f"matched,{method}")
    assert f"found 'none', expected trained networks for {method}, or only methods that need none" in fault


def test_weights_may_lack_the_network_of_a_cohort_without_labels(tmp_path: Path) -> None:
    for network in ("coarse", "fine", "position_map", "student", "autoencoder"):
        write_model(tmp_path / "weights" / f"{network}.safetensors", **OWN)
    asked = {"weights": str(tmp_path / "weights"), "cohort": "default"}
    found = checked(sheet_of(tmp_path, *DIVIDED[1:]), methods="all", **asked)
    assert found.faults == ()
    lacking = ("retina_unet", "ceiling")
    said = {network: f"the weights hold no {network} model for default" for network in lacking}
    assert found.unable == {"default": said}
    assert found.warnings[-2:] == tuple(
        f"cohort default: {network}'s answers fail, as {said[network]}." for network in lacking
    )

    def missed(*rows: str, methods: str) -> str:
        (fault,) = faults(sheet_of(tmp_path, *rows), methods=methods, **asked)
        what, rest = fault.rpartition("expected ")[2].split(" model for cohort ")
        assert rest == "'default': *.safetensors, there or in default/."
        return what

    # Where there are labels, or nothing else is asked for, they are missed.
    assert missed(*DIVIDED, methods="all") == "a retina_unet and a ceiling"
    for network in lacking:
        assert missed(*DIVIDED[1:], methods=network) == f"a {network}"


def test_methods_without_a_network_need_no_scan_to_train_on(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "b,a.nii,l.nii,validation", "c,a.nii,,test")
    assert faults(sheet, methods="affine,grey_ncc") == []
    assert faults(sheet, methods="affine,regression")


def test_without_networks_what_needs_one_is_one_fault() -> None:
    assert faults(DEMO, weights="none", methods="regression,position_map,grey_ncc") == [
        "command line, parameter 'weights': found 'none', expected trained networks for regression and position_map, "
        "or only methods that need none: matched, grey_mse, grey_cosine, grey_ncc, affine, bspline, convex and syn."
    ]


def test_weights_that_are_neither_a_folder_nor_shipped_are_told_with_what_there_is() -> None:
    (fault,) = faults(DEMO, weights="nonne")
    assert fault.startswith("command line, parameter 'weights': found 'nonne', expected a folder that exists, ")
    assert fault.endswith("none (did you mean 'none'?).")
    assert all(name in fault for name in SHIPPED)


def test_a_method_of_an_extra_is_asked_for_by_name_and_told_where_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rprloc.catalogue.rows.find_spec", lambda _: None)
    assert "syn" not in parse_methods("all")[0] and parse_methods("all")[1] == []
    asked, (fault,) = parse_methods("affine,syn")
    assert asked == ["affine", "syn"]
    assert fault.message == (
        "command line, parameter 'methods': found 'syn', expected a method whose package is installed: syn needs a "
        "package that is not installed: get it by 'make syn', or by pip install 'rprloc[syn]'."
    )
    monkeypatch.setattr("rprloc.catalogue.rows.find_spec", lambda _: object())
    assert parse_methods("syn,all")[0][-1] == "syn" and parse_methods("syn")[1] == []

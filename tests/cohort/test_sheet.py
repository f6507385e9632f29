"""Sample sheets: every spelling that is read, and one sentence for every fault."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rprloc.cohort.sheet import Row, Sheet, colour_tables, named_files, parse_sheet, place_of

GOOD = "subject,image,label,split\na,a.nii,,train\nb,b.nii,b_l.nii,validation\nc,c.nii,,test\n"

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,20}", fullmatch=True)
PATHS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=30
).filter(lambda text: text.strip() == text and text != "\ufeff")


def sheet_of(text: str, **options: Any) -> Sheet:
    sheet = parse_sheet(text.encode(), **options)
    assert sheet.faults == ()
    return sheet


def messages(text: str | bytes, **options: Any) -> list[str]:
    content = text.encode() if isinstance(text, str) else text
    return [fault.message for fault in parse_sheet(content, name="s.csv", **options).faults]


def uses(sheet: Sheet) -> list[tuple[str, bool, bool, bool, bool]]:
    return [(row.subject, row.train, row.validation, row.support, row.query) for row in sheet.rows]


def test_a_subject_may_be_called_as_a_file_of_another_s_folder_is() -> None:
    assert [row.subject for row in sheet_of(GOOD + "c_body,d.nii,,test\nc_label,e.nii,,test\n").rows[2:]] == [
        "c", "c_body", "c_label",
    ]  # fmt: skip


def test_splits_say_what_a_scan_is_for() -> None:
    sheet = sheet_of(GOOD)
    assert uses(sheet) == [
        ("a", True, False, False, False),
        ("b", False, True, True, False),
        ("c", False, False, False, True),
    ]
    assert [(row.line, row.cohort, row.label, row.split) for row in sheet.rows] == [
        (2, "default", None, "train"),
        (3, "default", "b_l.nii", "validation"),
        (4, "default", None, "test"),
    ]


def test_without_split_every_scan_is_for_everything() -> None:
    sheet = sheet_of("subject,image,label\na,a.nii,\nb,b.nii,b_l.nii\nc,c.nii,\n")
    assert uses(sheet) == [
        ("a", True, False, False, True),
        ("b", True, False, True, True),
        ("c", True, False, False, True),
    ]


def test_a_split_column_left_empty_by_a_whole_cohort_is_none() -> None:
    text = GOOD.replace("split\n", "split,cohort\n") + "d,d.nii,l.nii,,other\ne,e.nii,,,other\n"
    sheet = sheet_of(text, cohorts=["default", "other"])
    assert uses(sheet)[3:] == [("d", True, False, True, True), ("e", True, False, False, True)]
    assert {row.cohort for row in sheet.rows} == {"default", "other"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_spellings_of_one_sheet(delimiter: str, end: str, encoding: str) -> None:
    rows = [
        ["subject", "image", "label", "split"],
        ["a", 'Große Köpfe/a, 1; "x"\'s\u00a0.nii', "", "train"],
        ["b", "b b.nii", "ü.nii", "validation"],
        ["c", "c\\c.nii", "", "test"],
    ]
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator=f"{end}{end}").writerows(rows)
    content = (end + stream.getvalue() + delimiter * 3 + end).encode(encoding)
    sheet = parse_sheet(content, name="my sheet.csv")
    assert sheet.faults == ()
    assert [[row.subject, row.image, row.label or "", row.split or ""] for row in sheet.rows] == rows[1:]
    assert [row.line for row in sheet.rows] == [4, 6, 8]
    assert sheet.name == "my sheet.csv"
    # A label may have a colour table beside it.
    named = [file for file in named_files(content) if not file.endswith(".ctbl")]
    assert named == [cell for row in rows[1:] for cell in row[1:3] if cell]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(NAMES, PATHS), min_size=2, max_size=8, unique_by=lambda row: row[0].casefold()),
    st.sampled_from(",;\t"),
    st.permutations(["subject", "image", "label"]),
    st.booleans(),
)
def test_whatever_csv_writes_is_read_back(
    rows: list[tuple[str, str]], delimiter: str, header: list[str], quote: bool
) -> None:
    stream = io.StringIO()
    options: dict[str, Any] = {"quoting": csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL}
    writer = csv.DictWriter(stream, header, delimiter=delimiter, **options)
    writer.writeheader()
    writer.writerows({"subject": subject, "image": path, "label": f"{path}.l"} for subject, path in rows)
    sheet = sheet_of(stream.getvalue())
    assert [(row.subject, row.image, row.label) for row in sheet.rows] == [(s, p, f"{p}.l") for s, p in rows]


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.data())
def test_mutated_sheets_give_sentences(data: st.DataObject) -> None:
    """Whatever is done to a sheet, it is read or each fault is one sentence on one line that names the sheet."""
    content = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(content)))
        stop = min(len(content), start + data.draw(st.integers(0, 12)))
        content[start:stop] = data.draw(st.binary(max_size=6) | st.sampled_from([b'"', b",", b"\n", b";", b"\xff\xfe"]))
    for message in messages(bytes(content)):
        assert message.startswith("s.csv")
        assert message.endswith(".")
        assert message.isprintable()
        assert ": found " in message
        assert ", expected " in message


@given(st.integers(1, 20), st.integers(0, 5))
@settings(derandomize=True, max_examples=30, deadline=None)
def test_appended_queries_move_none(count: int, more: int) -> None:
    def positions(n: int) -> dict[str, int]:
        text = GOOD + "".join(f"q{i},q.nii,,test\n" for i in range(n))
        return {row.subject: row.position for row in sheet_of(text).rows if row.query}

    before, after = positions(count), positions(count + more)
    assert {name: after[name] for name in before} == before
    assert list(after.values()) == list(range(1 + count + more))


def test_positions_count_by_cohort_and_queries_only() -> None:
    text = "subject,image,label,cohort\na,a,l,one\na,a,m,two\nb,b,,one\nb,b,,two\nc,c,,one\n"
    rows = sheet_of(text).rows
    assert [(row.cohort, row.subject, row.position) for row in rows] == [
        ("one", "a", 0),
        ("two", "a", 0),
        ("one", "b", 1),
        ("two", "b", 1),
        ("one", "c", 2),
    ]


FAULTS = {
    "empty sheet": ("", "line 1: found nothing, expected a header"),
    "only empty lines": ("\n\n,,\n", "expected a header"),
    "only a header": ("subject,image\n", "expected a row"),
    "missing column": ("subject\na\n", "column 'image': found nothing"),
    "unknown column": (GOOD.replace("label", "lable"), "column 'lable': found 'lable', expected one of the columns"),
    "nearest column": (GOOD.replace("label", "lable"), "(did you mean 'label'?)"),
    "column twice": (GOOD.replace("label", "image"), "expected every column once"),
    "nameless column": (GOOD.replace("label", ""), "column 3 without a name"),
    "unknown split": (GOOD.replace("train", "trian"), "line 2, column 'split': found 'trian', expected"),
    "nearest split": (GOOD.replace("train", "trian"), "(did you mean 'train'?)"),
    "split left empty": (GOOD + "d,d.nii,,\n", "line 5, column 'split': found ''"),
    "duplicate subject": (GOOD + "b,d.nii,,test\n", "line 5, column 'subject': found 'b'"),
    "duplicate but for case": (GOOD + "B,d.nii,,test\n", "line 5, column 'subject': found 'B'"),
    "empty image": (GOOD.replace("a.nii", ""), "line 2, column 'image': found ''"),
    "label is the image": (GOOD.replace("b_l.nii", "b.nii"), "line 3, column 'label': found 'b.nii'"),
    "no column that is known": ("# my scans\n" + GOOD, "column 'subject': found '# my scans', expected"),
    "structure as a folder": (GOOD.replace("b_l", "{structure}/b_l"), "expected {structure} once, in the file's name"),
    "structure twice": (GOOD.replace("b_l", "{structure}_{structure}"), "expected {structure} once"),
    "too many cells": (GOOD + "d,d,1,test,x\n", "line 5: found 'd,d,1,test,x', expected as many cells as in"),
    "open quote": (GOOD + 'd,"d.nii,,test\n', "line 5: found 'd,\"d.nii,,test', expected cells whose quotes"),
    "open quote in the header": ('"subject,image\na,b\n', "line 1: found"),
    "not a text": ("\x1f\x8b\x08\x00\x00", "expected a text file"),
    "nothing to train on": (GOOD.replace("train", "test"), "expected a scan to train on in cohort 'default'"),
    "no support": (GOOD.replace("b_l.nii", ""), "line 2, column 'label': found '1 train, 1 validation, 1 test, 0 with"),
    "no query": (GOOD.replace("test", "train"), "expected a query in cohort 'default'"),
    "only the support to search": (
        "subject,image,label\na,a.nii,l.nii\n",
        "expected a query in cohort 'default' beside",
    ),
    "bad cohort": (GOOD.replace("split\n", "cohort\n").replace("train", "../x"), "column 'cohort': found '../x'"),
}


@pytest.mark.parametrize(("text", "expected"), FAULTS.values(), ids=FAULTS)
def test_fault(text: str, expected: str) -> None:
    found = messages(text)
    assert any(expected in message for message in found), found


@pytest.mark.parametrize("subject", ["a;rm -rf x", "$(id)", "../x", "", "x" * 65, "-a", ".a", "ä", "a b", "a/b", "١"])
def test_subject_outside_the_form(subject: str) -> None:
    (message,) = messages(GOOD + f'"{subject}",d.nii,,test\n')
    assert message.startswith("s.csv, line 5, column 'subject': found ")


@pytest.mark.parametrize("subject", ["x" * 64, "0", "A.b_c-d", "nan", "1e3"])
def test_subject_within_the_form(subject: str) -> None:
    assert sheet_of(GOOD + f"{subject},d.nii,,test\n").rows[-1].subject == subject


def test_unknown_cohort_names_the_nearest() -> None:
    text = GOOD.replace("split\n", "split,cohort\n") + "d,d.nii,,test,opnkbp\n"
    (message,) = messages(text, cohorts=["default", "openkbp"])
    assert message.startswith("s.csv, line 5, column 'cohort': found 'opnkbp'")
    assert "(did you mean 'openkbp'?)" in message


def test_cohorts_that_differ_by_case() -> None:
    text = "subject,image,label,cohort\na,a,l,one\nb,b,,one\nc,c,,One\n"
    (message,) = messages(text)
    assert message.startswith("s.csv, line 4, column 'cohort': found 'One'")


def test_empty_columns_at_the_end_are_read_without_complaint() -> None:
    text = GOOD.replace("\n", ",,,\n")
    assert messages(text) == []
    assert [row.subject for row in sheet_of(text).rows] == ["a", "b", "c"]


def test_two_columns_without_a_name_are_two_faults() -> None:
    found = messages(GOOD.replace("image,label", ",,image"))
    assert found[:2] == [
        f"s.csv, line 1: found 'column {n} without a name', expected one of the columns subject, image, label, marks, "
        "series, split or cohort."
        for n in (2, 3)
    ]


def test_nothing_is_said_of_rows_below_columns_that_are_not_known() -> None:
    found = messages("# my scans\n" + GOOD)
    assert [message.split(":")[0] for message in found] == [
        "s.csv, line 1, column 'subject'",
        "s.csv, line 1, column 'image'",
    ]


@pytest.mark.parametrize("names", ["age,sex,site", "scanner,img,modality", "split_old,Image,notes"])
def test_columns_of_the_users_own_are_passed_over_with_one_note(names: str) -> None:
    head, *lines = GOOD.splitlines()
    sheet = sheet_of("\n".join([f"{names},{head}", *(f"64,f,,{line}" for line in lines)]))
    first, second, third = names.split(",")
    assert sheet.faults == ()
    assert sheet.warnings == (
        f"sheet, line 1: passed over the columns '{first}', '{second}' and '{third}', which rprloc does not use.",
    )
    assert sheet.rows == sheet_of(GOOD).rows


def test_one_column_of_the_users_own_is_named_and_may_be_there_twice() -> None:
    sheet = sheet_of(GOOD.replace("\n", ",64,64\n").replace("64,64", "age,age", 1))
    assert sheet.faults == ()
    assert sheet.warnings == ("sheet, line 1: passed over the column 'age', which rprloc does not use.",)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("imge", "image"), ("Image", "image"), ("lable", "label"), ("splits", "split"), ("sbject", "subject")],
)
def test_a_column_near_to_one_that_is_missing_is_a_fault(wrong: str, right: str) -> None:
    found = messages(GOOD.replace(right, wrong, 1))
    assert f"(did you mean '{right}'?)" in found[0]
    # Beside the right one it is one of the user's own.
    assert messages(GOOD.replace("\n", ",x\n").replace("x", wrong, 1)) == []


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"])
def test_a_workbook_has_to_be_saved_as_csv(start: bytes) -> None:
    (found,) = messages(start + bytes(range(256)))
    assert found == (
        "s.csv, line 1: found 'a workbook (.xlsx, .xls, .ods)', expected comma-separated values: save the sheet as CSV "
        "in the spreadsheet program."
    )
    assert named_files(start + b"subject,image\na,b\n") == []


def test_trained_weights_need_no_scan_to_train_on() -> None:
    assert messages(GOOD.replace("train", "test"), training=False) == []


def test_the_paths_to_look_up_are_each_named_once_and_those_of_patterns_are_folders() -> None:
    text = (
        GOOD
        + "d,c.nii,masks/{structure}.nii,test\ne,/x/e.nii,{structure}_e.nii,test\nf,s3://b/f.nii,/{structure},test\n"
    )
    tables = ["b_l_ColorTable.ctbl", "b_l.ctbl"]
    expected = ["a.nii", "b.nii", "b_l.nii", *tables, "c.nii", "masks", "/x/e.nii", ".", "s3://b/f.nii", "/"]
    assert named_files(text.encode()) == expected
    # Also of a sheet that is otherwise all wrong.
    assert named_files(b"subject,image\n,x.nii\n$,x.nii\n") == ["x.nii"]
    assert named_files(b"\x00") == named_files(b"") == []
    assert place_of("s3://b/masks/{structure}.nii") == "s3://b/masks"


def test_all_faults_at_once_and_none_that_only_follow() -> None:
    text = "subject,image,split,color\na,,train,1\nA,x.nii,tset,2\n$(id),y.nii,test,\n"
    found = messages(text)
    assert [message.split(":")[0] for message in found] == [
        "s.csv, line 2, column 'image'",
        "s.csv, line 3, column 'subject'",
        "s.csv, line 3, column 'split'",
        "s.csv, line 4, column 'subject'",
    ]


def test_an_image_under_two_subjects_is_a_warning() -> None:
    sheet = parse_sheet(f"{GOOD}d,./c.nii,,test\n".encode(), name="s.csv")
    assert sheet.faults == ()
    assert sheet.warnings == ("s.csv, line 5, column image: './c.nii' is also that of line 4.",)


def test_a_series_is_named_in_a_column_of_its_own() -> None:
    text = "subject,image,label,series\na,x,,3\nb,x,l.nii,Thorax 1.0\nc,x,,\nd,x,,3\n"
    sheet = sheet_of(text)
    assert [row.series for row in sheet.rows] == ["3", "Thorax 1.0", None, "3"]
    # Two series of one folder are two scans.
    assert sheet.warnings == ("sheet, line 5, column image: 'x' is also that of line 2.",)


def test_scans_alone_need_neither_support_nor_query() -> None:
    assert messages("subject,image\na,a.nii\n", training=None) == []


def test_a_label_may_be_a_folder_or_a_pattern_of_masks() -> None:
    for label in ("masks/b", "masks/b/{structure}.nii.gz", "masks/b_{structure}.nii"):
        assert sheet_of(GOOD.replace("b_l.nii", label)).rows[1] == Row(
            cohort="default", subject="b", image="b.nii", label=label, split="validation", line=3, validation=True,
            support=True,
        )  # fmt: skip


def test_marks_make_a_support_as_a_label_does() -> None:
    text = "subject,image,marks\na,a.nii,a.mrk.json\nb,b.nii,\n"
    sheet = parse_sheet(text.encode())
    assert sheet.faults == () and [(row.marks, row.annotated, row.support) for row in sheet.rows] == [
        ("a.mrk.json", True, True), (None, False, False),
    ]  # fmt: skip
    assert named_files(text.encode()) == ["a.nii", "a.mrk.json", "b.nii"]
    (message,) = messages("subject,image,marks\na,a.nii,a.nii\nb,b.nii,\n")
    assert message == "s.csv, line 2, column 'marks': found 'a.nii', expected another file than the image."


def test_only_a_label_of_numbers_may_have_a_colour_table() -> None:
    assert colour_tables("x/l.nii.gz") == ["x/l_ColorTable.ctbl", "x/l.ctbl"]
    assert [colour_tables(name) for name in ("", "a.seg.nrrd", "s.dcm", "m/{structure}.nii", "masks")] == [[]] * 5

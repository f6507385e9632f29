"""The files that a sheet names: what a task is given, and a sentence for each that it cannot have."""

from dataclasses import replace
from pathlib import Path

import pytest

from rprloc.cohort.places import Files, file_faults, files_of, places_beside
from rprloc.cohort.sheet import Row, place_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Masks beside a scan, a folder, a hidden file and a text; names that a shell would expand."""
    for name in (
        "it's (b).nii", "masks/two.nii", "masks/spleen.nii.gz", "masks/heart.NRRD", "masks/a.folder.nii/x",
        "masks/._heart.nii.gz", "masks/notes.txt", "more/p 1 heart.mha", "more/p 1 lung.mha", "more/p 2 lung.mha",
        "odd/Heart.nii", "odd/heart.nrrd", "odd/left lung.nii", "$HOME/a.nii", "[ab].nii", "a.nii", "[c].nii",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def row_of(image: str, label: str | None = None) -> Row:
    return Row(cohort="c", subject="s", image=image, label=label, split=None, line=2)


def files(folder: Path, row: Row, structures: dict[str, int] | None = None) -> Files:
    return files_of(row, places_beside(folder, [row.image, place_of(row.label or "")]), structures)


def faults(folder: Path, row: Row, structures: dict[str, int] | None = None) -> list[str]:
    places = places_beside(folder, [name for name in (row.image, place_of(row.label or "")) if name])
    found = [fault.message for fault in file_faults(row, places, structures, sheet="s.csv")]
    return [message.removeprefix("s.csv, line 2, column ") for message in found]


def test_a_label_is_one_file_or_a_mask_for_each_structure(folder: Path) -> None:
    assert files(folder, row_of("a.nii")) == Files("a.nii")
    assert files(folder, row_of("a.nii", "it's (b).nii")) == Files("a.nii", ("it's (b).nii",))
    # The scan itself, a folder, a hidden file and one that is no image are no masks.
    row = row_of("masks/two.nii", "masks")
    masks = {"heart": "heart.NRRD", "spleen": "spleen.nii.gz"}
    assert files(folder, row) == Files("masks/two.nii", ("masks/heart.NRRD", "masks/spleen.nii.gz"), masks)
    assert files(folder, row, {"spleen": 1}).masks == {"spleen": "spleen.nii.gz"}
    row = row_of("a.nii", "more/p 1 {structure}.mha")
    assert files(folder, row).masks == {"heart": "p 1 heart.mha", "lung": "p 1 lung.mha"}
    assert files(folder, row, {"lung": 3, "liver": 1}).label == ("more/p 1 lung.mha",)
    assert files(folder, row_of("a.nii", "{structure}.nii")).masks == {
        "[ab]": "[ab].nii", "[c]": "[c].nii", "it's (b)": "it's (b).nii",
    }  # fmt: skip
    for given in (row, row_of("masks/two.nii", "masks"), row_of("a.nii", "it's (b).nii")):
        assert faults(folder, given) == []


def test_what_is_missing_or_a_folder(folder: Path) -> None:
    assert faults(folder, row_of("no.nii", "none/{structure}.nii"), {"heart": 1, "lung": 2}) == [
        "'image': found 'no.nii', expected a file that exists.",
        "'label': found 'none/{structure}.nii', expected a file that exists, or a folder or pattern with a mask of "
        "heart or lung, named after it.",
    ]
    assert faults(folder, row_of("masks", "no.nii")) == [
        "'label': found 'no.nii', expected a file that exists.",
    ]
    assert faults(folder, row_of("a.nii", "more/x")) == ["'label': found 'more/x', expected a file that exists."]
    assert faults(folder, row_of("a.nii", "masks/{structure}.mha")) == [
        "'label': found 'masks/{structure}.mha', expected a file that exists, or a folder or pattern with a mask of "
        "any structure, named after it."
    ]
    assert faults(folder, row_of("z" * 5000))[0].startswith("'image': found 'zzz")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.dcm", "a DICOM file."),
        ("a.IMA", "a DICOM file."),
        ("a.zip", "an archive, which has to be unpacked."),
    ],
)
def test_dicom_is_called_so_by_its_name(folder: Path, name: str, kind: str) -> None:
    (folder / name).write_bytes(b"")
    expected = f"found '{name}', expected an image (.nii.gz, .nii, .mha, .nrrd, .mhd, .nhdr or .hdr), not {kind}"
    # A segmentation or a structure set in DICOM may be a label.
    assert faults(folder, row_of("a.nii", name)) == ([f"'label': {expected}"] if name.endswith(".zip") else [])
    assert faults(folder, row_of("a.nii")) == []


@pytest.mark.parametrize("name", ["series", "a.dcm", "a.IMA", "a.zip", "IM0001"])
def test_an_image_may_be_dicom(folder: Path, name: str) -> None:
    (folder / "series" / "deep").mkdir(parents=True)
    for file in ("a.dcm", "a.IMA", "a.zip", "IM0001", "series/IM1", "series/x.nii"):
        (folder / file).touch()
    row = replace(row_of(name), series="Thorax 1.0")
    assert faults(folder, row) == []
    assert files(folder, row) == Files(name)
    assert places_beside(folder, ["series"])["series"].files == ("x.nii",)
    assert faults(folder, replace(row, image="a.nii")) == [
        "'series': found 'Thorax 1.0', expected nothing beside an image of one volume: a series is one of DICOM."
    ]
    (folder / "a.tar.gz").touch()
    assert "not an archive, which has to be unpacked" in faults(folder, row_of("a.tar.gz"))[0]


def test_a_header_goes_with_the_file_of_its_voxels(folder: Path) -> None:
    (folder / "s").mkdir()
    (folder / "s" / "a.mhd").write_text("NDims = 3\nElementDataFile = a b.raw\n")
    for name in ("a b.raw", "l.hdr", "l.img.gz", "x.nhdr", "[ab].img", "[ab].hdr", "a.hdr"):
        (folder / "s" / name).touch()
    row = row_of("s/a.mhd", "s/l.hdr")
    assert faults(folder, row) == []
    assert files(folder, row) == Files("s/a.mhd", ("s/l.hdr", "s/l.img.gz"), voxels=("s/a b.raw",))
    assert faults(folder, row_of("s/x.nhdr")) == [
        "'image': found 's/x.nhdr', expected a header and its voxels in one file each, side by side."
    ]
    # Of another file that its voxels' name would stand for.
    (folder / "s" / "a.img").touch()
    assert len(faults(folder, row_of("s/[ab].hdr"))) == 1


def test_masks_have_one_name_each_that_can_be_a_structures(folder: Path) -> None:
    assert faults(folder, row_of("a.nii", "odd")) == [
        "'label': found 'Heart.nii and heart.nrrd', expected one mask a structure (case does not count).",
        "'label': found 'left lung.nii', expected a mask whose structure has 1 to 64 of the characters A-Z a-z 0-9 . "
        "_ - as its name.",
    ]
    # Those that nobody asks for do no harm.
    assert faults(folder, row_of("a.nii", "odd"), {"heart": 1}) == []


def test_names_that_a_shell_would_expand_are_refused_where_they_mean_others(folder: Path) -> None:
    expected = (
        "expected a path without what the shell would expand: tab, $NAME, {a,b}, or * ? [ ] that fit other files."
    )
    assert faults(folder, row_of("$HOME/a.nii", "[ab].nii")) == [
        f"'image': found '$HOME/a.nii', {expected}",
        f"'label': found '[ab].nii', {expected}",
    ]
    # It means no other file.
    assert faults(folder, row_of("[c].nii")) == []
    (folder / "masks" / "[hx]eart.nii").touch()
    (folder / "masks" / "heart.nii").touch()
    found = faults(folder, row_of("a.nii", "masks/{structure}.nii"))
    assert any(expected in message for message in found)


def test_addresses_are_taken_as_they_are(folder: Path) -> None:
    assert faults(folder, row_of("s3://bucket/a.nii", "s3://bucket/l.nii")) == []


def test_marks_are_a_file_or_the_files_of_a_folder_and_a_label_may_have_a_colour_table(tmp_path: Path) -> None:
    for name in (
        "a.nii",
        "l.nii",
        "l.ctbl",
        "m/a.mrk.json",
        "m/b.csv",
        "m/.c.json",
        "m/notes.txt",
        "none/x.txt",
        "l.csv",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    places = places_beside(tmp_path, ["a.nii", "l.nii", "l.ctbl", "l_ColorTable.ctbl", "m", "none", "l.csv", "x.json"])

    def row(label: str | None, marks: str | None) -> Row:
        return Row(cohort="c", subject="s", image="a.nii", label=label, marks=marks, split=None, line=2)

    assert files_of(row("l.nii", "m"), places, None) == Files(
        "a.nii", ("l.nii",), colours="l.ctbl", marks=("m/a.mrk.json", "m/b.csv")
    )
    assert files_of(row(None, "l.csv"), places, None).marks == ("l.csv",)
    told = [[fault.message for fault in file_faults(row(*one), places, None, sheet="s.csv")] for one in (
        ("l.nii", "m"), (None, "none"), (None, "x.json"), (None, "l.nii"), ("l.csv", None),
    )]  # fmt: skip
    kinds = "boxes or points (.mrk.json, .csv or .json)"
    assert told == [
        [],
        [f"s.csv, line 2, column 'marks': found 'none', expected a folder that holds {kinds}."],
        ["s.csv, line 2, column 'marks': found 'x.json', expected a file that exists."],
        [
            f"s.csv, line 2, column 'marks': found 'l.nii', expected {kinds}; what is drawn belongs in the column "
            "'label'."
        ],
        [
            "s.csv, line 2, column 'label': found 'l.csv', expected an image (.nii.gz, .nii, .mha, .nrrd, .mhd, .nhdr "
            f"or .hdr), not {kinds}, which belong in the column 'marks'."
        ],
    ]

"""What the importers share: patients to files, one by one, and the sample sheet that a run takes at once."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.cohort.sheet import SPLITS
from rprloc.errors import InputError
from rprloc.files import whole_file, write_text
from rprloc.scans.boxes import LabelVoxels
from rprloc.scans.landmarks import structure_landmarks
from rprloc.scans.record import Native
from rprloc.scans.sides import exchanged
from rprloc.scans.volume import read_volume
from rprloc.seeds import generator_of

_HEAD_NECK = """
brainstem mandible parotid_left parotid_right spinal_cord esophagus larynx optic_chiasm optic_nerve_left
optic_nerve_right submandibular_left submandibular_right eye_left eye_right lens_left lens_right temporal_lobe_left
temporal_lobe_right pituitary inner_ear_left inner_ear_right middle_ear_left middle_ear_right
temporomandibular_joint_left temporomandibular_joint_right
"""

HEAD_NECK = {name: value for value, name in enumerate(_HEAD_NECK.split(), start=1)}
"""Structures of all head-and-neck data sets and their label values; one numbering, so that they can be put together."""


@dataclass(frozen=True)
class ImportedScan:
    """A patient's scan in HU and its label on the same voxels, None without one.

    `remarks` are sentences on what looks odd in it.
    """

    image: sitk.Image
    label: sitk.Image | None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Patient:
    """A patient's name in the sheet and how to read it; `read` raises InputError where that cannot be done."""

    subject: str
    read: Callable[[], ImportedScan]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set: how it is laid out, and what a run should look for in it.

    cohort: the settings that fit it. structures: names and values of its labels. wanted: those that a support or a
    query must have. find: returns the patients in a folder, raises InputError where it has none. proportions: train,
    validation and test scans of the paper. published: a subject's split where the paper's authors published it.
    """

    cohort: str
    structures: Mapping[str, int]
    wanted: tuple[str, ...]
    find: Callable[[Path], list[Patient]]
    proportions: tuple[int, int, int]
    published: Callable[[str], str | None] = lambda _: None


@dataclass
class Imported:
    """What an import has left: the sheet, its subjects' structures and splits, and a sentence on each one left out."""

    sheet: Path
    drawn: dict[str, frozenset[str]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    splits: dict[str, str] = field(default_factory=dict)

    def summary(self, dataset: Dataset) -> str:
        """Return what to tell at the end: how many scans for what, who was left out, and how to run them."""
        counts = [f"{list(self.splits.values()).count(split)} {split}" for split in SPLITS if self.splits]
        what = ", ".join(counts) or "without splits: every scan is for everything"
        said = [f"{self.sheet}: {len(self.drawn)} scans, {what}"]
        said += [f"Left out: {sentence}" for sentence in self.left_out]
        said.append(f"Next: nextflow run main.nf --input '{self.sheet}' --cohort {dataset.cohort}")
        return "\n".join(said)


def import_dataset(
    dataset: Dataset, source: Path, folder: Path, *, split: bool, seed: int, say: Callable[[str], None]
) -> Imported:
    """Write a data set as `images/`, `labels/` and `samples.csv` to a folder, telling each patient by `say`.

    Files that are there already are kept, so that a stopped import goes on. A patient that cannot be read is left out
    with a sentence and the rest goes on; raises InputError where the source holds no patient or none can be read.
    The sheet lists all scans in the folder, so that two data sets of one cohort can be put together there.
    split: whether the sheet divides the scans as `splits_of` says; otherwise every scan is for everything.
    """
    done = Imported(folder / "samples.csv")
    patients = dataset.find(source)
    for number, patient in enumerate(patients, start=1):
        try:
            said = _import(patient, dataset, folder)
        except InputError as error:
            said = f"left out. {error}"
            done.left_out.append(f"{patient.subject}: {error}")
        say(f"[{number}/{len(patients)}] {patient.subject}: {said}")
    for path in sorted((folder / "images").glob("[!.]*.nii.gz")):
        subject = path.name.removesuffix(".nii.gz")
        done.drawn[subject] = _drawn(_paths(folder, subject)[1], dataset.structures)
    if not done.drawn:
        raise InputError(f"{source}: found no patient that can be used, expected at least one of {len(patients)}.")
    if split:
        done.splits = splits_of(done.drawn, dataset, seed=seed)
    _write_sheet(done)
    return done


def _import(patient: Patient, dataset: Dataset, folder: Path) -> str:
    """Write a patient's files unless they are there; return what to say about it."""
    image, label = _paths(folder, patient.subject)
    kept = image.is_file()
    remarks: tuple[str, ...] = ()
    if not kept:
        scan = patient.read()
        remarks = scan.remarks + _mirrored(scan.label, dataset.structures)
        # The image is last: where it is, the label is too.
        if scan.label is not None:
            _write(scan.label, label)
        _write(scan.image, image)
    drawn = _drawn(label, dataset.structures)
    found = ", ".join(name for name in dataset.structures if name in drawn) or "no structure"
    return f"{'kept' if kept else 'written'}; {found}" + "".join(f" Look at it: {remark}" for remark in remarks)


def splits_of(drawn: Mapping[str, frozenset[str]], dataset: Dataset, *, seed: int) -> dict[str, str]:
    """Return each subject's split, by the authors' published list or drawn in the paper's proportions.

    Only scans that have all wanted structures are drawn for validation (supports) and test (queries). Fewer than
    three of them give no splits: every scan is for everything. The published list holds where it knows all subjects
    and leaves no split empty.
    """
    published = {subject: split for subject in drawn if (split := dataset.published(subject))}
    if len(published) == len(drawn) and set(published.values()) == set(SPLITS):
        return published
    complete = [subject for subject, names in drawn.items() if names.issuperset(dataset.wanted)]
    # Each subject has a draw of its own, so that another patient hardly changes the others' splits.
    complete.sort(key=lambda subject: generator_of(seed, "split", subject).random())
    if len(complete) < 3:
        return {}
    validation, test = (max(1, round(len(drawn) * part / sum(dataset.proportions))) for part in dataset.proportions[1:])
    while validation + test >= len(complete):
        validation, test = (validation - 1, test) if validation > test else (validation, test - 1)
    splits = dict.fromkeys(drawn, "train")
    splits |= dict.fromkeys(complete[:validation], "validation")
    splits |= dict.fromkeys(complete[validation : validation + test], "test")
    return splits


def numbered(paths: Iterable[Path], form: str) -> list[tuple[int, Path]]:
    """Return paths whose whole name fits a regular expression with a number in its group, sorted by that number."""
    found = [(re.fullmatch(form, path.name, re.IGNORECASE), path) for path in paths]
    return sorted((int(match[1]), path) for match, path in found if match)


def label_image(masks: Mapping[int, NDArray[np.bool_]], image: sitk.Image) -> sitk.Image | None:
    """Return one label of masks (z, y, x) by value on an image's voxels, None without masks; low values hide others."""
    if not masks:
        return None
    values = np.zeros(image.GetSize()[::-1], dtype=np.uint8)
    for value in sorted(masks, reverse=True):
        values[masks[value]] = value
    label = sitk.GetImageFromArray(values)
    label.CopyInformation(image)
    return label


def as_int16(image: sitk.Image) -> sitk.Image:
    """Return an image in HU as int16, rounded and kept within its bounds."""
    if image.GetPixelID() in (sitk.sitkFloat32, sitk.sitkFloat64):
        image = sitk.Round(image)
    bounds = np.iinfo(np.int16)
    return sitk.Clamp(image, sitk.sitkInt16, float(bounds.min), float(bounds.max))


def _paths(folder: Path, subject: str) -> tuple[Path, Path]:
    """Return where a subject's image and label are written."""
    return folder / "images" / f"{subject}.nii.gz", folder / "labels" / f"{subject}.nii.gz"


def _write(image: sitk.Image, path: Path) -> None:
    """Write an image, whole; raises OSError where the disk does not hold it, which ITK does not tell."""
    with whole_file(path) as temporary:
        sitk.WriteImage(image, str(temporary), useCompression=True, compressionLevel=4)
        try:
            read_volume(temporary)
        except InputError as error:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error


def _drawn(label: Path, structures: Mapping[str, int]) -> frozenset[str]:
    """Return which structures a label file holds; none where there is no file."""
    if not label.is_file():
        return frozenset()
    values = set(np.unique(sitk.GetArrayFromImage(read_volume(label))).tolist())
    return frozenset(name for name, value in structures.items() if value in values)


def _mirrored(label: sitk.Image | None, structures: Mapping[str, int]) -> tuple[str, ...]:
    """Return a sentence for each structure that lies on the wrong side of its twin."""
    if label is None:
        return ()
    found = structure_landmarks(LabelVoxels(sitk.GetArrayViewFromImage(label)), structures, Native.of(label))
    return tuple(f"{one}." for one in exchanged(found))


def _write_sheet(done: Imported) -> None:
    """Write the sheet of all imported patients."""
    columns = ["subject", "image", "label"] + (["split"] if done.splits else [])
    lines = [",".join(columns)]
    for subject in done.drawn:
        image, label = _paths(Path(), subject)
        cells = [subject, str(image), str(label) if (done.sheet.parent / label).is_file() else ""]
        lines.append(",".join(cells + ([done.splits[subject]] if done.splits else [])))
    write_text(done.sheet, "\n".join(lines) + "\n")

"""PDDCA: 48 head-and-neck CT scans of the MICCAI 2015 auto-segmentation challenge.

Raudaschl et al., Medical Physics 44, 2020-2036 (2017). Layout: a folder for each patient, in one or several parts
(`PDDCA-1.4.1_part1/0522c0001/`), with `img.nrrd` and `structures/*.nrrd`, one mask a structure.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rprloc.errors import InputError
from rprloc.importers.dataset import HEAD_NECK, Dataset, ImportedScan, Patient, as_int16
from rprloc.scans.labels import read_label
from rprloc.scans.record import Native
from rprloc.scans.volume import read_volume

FILES = {
    "brainstem": "BrainStem",
    "mandible": "Mandible",
    "parotid_left": "Parotid_L",
    "parotid_right": "Parotid_R",
    "optic_chiasm": "Chiasm",
    "optic_nerve_left": "OpticNerve_L",
    "optic_nerve_right": "OpticNerve_R",
    "submandibular_left": "Submandibular_L",
    "submandibular_right": "Submandibular_R",
}


def find(source: Path) -> list[Patient]:
    """Return the patients in a folder; raises InputError where there is none."""
    found = sorted({path.parent.name: path.parent for path in source.rglob("img.nrrd")}.items())
    if not found:
        raise InputError(f"{source}: found no img.nrrd, expected a folder such as 0522c0001 for each patient.")
    return [Patient(name, partial(read, path)) for name, path in found]


def read(folder: Path) -> ImportedScan:
    """Return a patient's scan with one label of its masks, the paper's organs before others; raises InputError."""
    image = read_volume(folder / "img.nrrd")
    masks = {name: folder / "structures" / f"{file}.nrrd" for name, file in FILES.items()}
    masks = {name: path for name, path in masks.items() if path.is_file()}
    if not masks:
        return ImportedScan(as_int16(image), None)
    # Of masks that overlap the later one is seen.
    order = {name: HEAD_NECK[name] for name in reversed(FILES)}
    label = read_label(masks, Native.of(image), image_name=f"{folder.name}/img.nrrd", structures=order)
    return ImportedScan(as_int16(image), label.image)


DATASET = Dataset(
    cohort="head_neck",
    structures={name: HEAD_NECK[name] for name in FILES},
    wanted=("brainstem", "mandible", "parotid_left", "parotid_right"),
    find=find,
    proportions=(109, 19, 38),
)

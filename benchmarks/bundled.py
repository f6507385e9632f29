"""The real scans that the demo brings along, in model space, for the measurements that need scans."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rprloc.catalogue import network_named
from rprloc.cohort.seen import learning_of
from rprloc.cohort.settings import Settings, load_settings
from rprloc.cohort.tasks import Learning
from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.record import ScanRecord
from rprloc.scans.target import Target, scan_folder, subject_of

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1")
"""Of the environment of a process that is measured."""
ASSETS = Path(__file__).resolve().parent.parent / "assets"


def openkbp_settings() -> Settings:
    """Return the settings that the demo uses."""
    path = ASSETS / "cohorts" / "openkbp.yml"
    settings, faults = load_settings(path, name=path.name)
    assert settings is not None, faults
    return settings


def openkbp_learning(network: str) -> Learning:
    """Return what a training of the demo's cohort depends on."""
    return learning_of(openkbp_settings(), network_named(network))


def target_of(settings: Settings, *, matching: bool = True) -> Target:
    """Return what a cohort's scans become, with the volume for matching or without."""
    return Target(
        modality=settings.modality,
        spacing=settings.spacing,
        structures=settings.structures,
        matching_spacing=settings.matching_spacing if matching else None,
    )


def preprocessed(
    folder: Path, *, matching: bool = False, splits: Sequence[str] = ("train", "validation", "test")
) -> dict[str, list[Path]]:
    """Preprocess the bundled scans into `folder`, with the volume for `matching` if asked, those of some splits alone
    if asked; return the scans' folders by split.
    """
    settings = openkbp_settings()
    target = target_of(settings, matching=matching)
    found: dict[str, list[Path]] = {}
    with (ASSETS / "demo" / "samples.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["split"] not in splits:
                continue
            image = ASSETS / "demo" / row["image"]
            label = ASSETS / "demo" / row["label"] if row["label"] else None
            source = Source(cohort="openkbp", subject=row["subject"], image=image, label=label)
            preprocess(folder, source, target)
            found.setdefault(row["split"], []).append(folder / scan_folder("openkbp", row["subject"]))
    return found


def copies(scans: list[Path], folder: Path, count: int) -> list[Path]:
    """Link the files of preprocessed scans under other names until there are `count` scans in `folder`."""
    made = []
    for number in range(count):
        source = scans[number % len(scans)]
        old, new = subject_of(source), f"copy_{number:04d}"
        target = replace(ScanRecord.read(source), subject=new).write(folder)
        for path in source.iterdir():
            if path.suffix != ".json":
                os.link(path, target / path.name.replace(old, new))
        made.append(target)
    return made

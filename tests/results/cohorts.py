"""Small made-up cohorts for the tests of the results: a checked sheet, preprocessed scans and answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from rprloc.geometry import CORNERS, WALLS
from rprloc.methods.prediction import draw_order
from rprloc.results.expected import expected_rows, settings_of

ORGANS = ("brainstem", "mandible", "parotid_left", "parotid_right")
HALF = [1.0, 1.0, 1.5]


def structure(low: Any, high: Any) -> dict[str, Any]:
    """Return a label's entry for a box whose extreme points lie in the middle of its walls."""
    box = np.array([low, high], dtype=float)
    points = {}
    for i, wall in enumerate(WALLS):
        point = box.mean(axis=0)
        point[i // 2] = box[i % 2, i // 2]
        points[wall] = point.tolist()
    return {"box_mm": box.tolist(), "half_voxel_mm": HALF, "extreme_mm": points, "voxels": 100}


def scan(cohort: str, subject: str, structures: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON of a preprocessed scan of 40 x 50 x 30 voxels (x, y, z)."""
    model = {"size": [40, 50, 30], "spacing_mm": [2.0, 2.0, 3.0], "origin_mm": [-40.0, -50.0, -45.0]}
    return {
        "subject": subject, "cohort": cohort, "status": "ok", "reason": None, "file": f"{subject}.nii.gz",
        "version": "0", "native": {**model, "direction": np.eye(3).ravel().tolist()}, "model": model,
        "body_box_mm": [[-41, -51, -46.5], [39, 49, 43.5]], "source_sha256": "0" * 64,
        "structures": structures, "label": bool(structures),
    }  # fmt: skip


def aside(cohort: str, subject: str, reason: str, file: str = "broken.nii.gz") -> dict[str, Any]:
    """Return the JSON of a scan that was set aside."""
    return {
        "subject": subject, "cohort": cohort, "status": "set_aside", "reason": reason, "file": file, "version": "0",
    }  # fmt: skip


def row(cohort: str, subject: str, role: str, label: bool = True) -> dict[str, Any]:
    """Return a checked row of the sheet for a scan with one role: train, validation (support) or test (query)."""
    return {
        "cohort": cohort, "subject": subject, "image": f"images/{subject}.nii.gz",
        "label": f"labels/{subject}.nii.gz" if label else None, "split": role, "line": 2, "batch": 0,
        "train": role == "train", "validation": role == "validation", "support": role == "validation",
        "query": role == "test",
    }  # fmt: skip


def answer(cohort: str, subject: str, organ: str, setting: str, support: str, drawn: bool, box: Any) -> dict[str, Any]:
    """Return an answer with the given box."""
    entry = structure(*box)
    diagonal = setting.startswith("diagonal")
    points = dict(zip(CORNERS, entry["box_mm"], strict=True)) if diagonal else entry["extreme_mm"]
    return {
        "cohort": cohort, "subject": subject, "structure": organ, "method": "regression", "setting": setting,
        "support": support, "drawn": drawn, "n_supports": 1, "points_mm": points, "box_mm": entry["box_mm"],
        "half_voxel_mm": HALF, "spread_mm": 2.5, "confidence": None,
        "seconds": {"load": 0.25, "coarse": 0.5}, "first": False, "device": "cpu", "failed": False, "reason": None,
    }  # fmt: skip


def cohort(
    name: str = "demo", *, queries: int = 4, supports: int = 2, starts: int = 15, tables: bool = True, drawn: str = "s0"
) -> tuple[dict[str, Any], dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """Return a cohort's check, scans and answers: random boxes round the truth, `drawn` is the support of the draw."""
    rng = np.random.default_rng(len(name))
    names = {"test": [f"q{i}" for i in range(queries)], "validation": [f"s{i}" for i in range(supports)]}
    rows = [row(name, "t0", "train", label=False), *(row(name, n, role) for role in names for n in names[role])]
    scans = {"t0": scan(name, "t0", {})}
    for subject in names["test"] + names["validation"]:
        entries = {}
        for i, organ in enumerate(ORGANS):
            low = np.array([-30.0 + 10 * i, -20, -20]) + rng.uniform(-3, 3, 3)
            entries[organ] = structure(low, low + rng.uniform(10, 30, 3))
        scans[subject] = scan(name, subject, entries)
    answers = [
        answer(name, query, organ, setting, support, support == drawn, np.sort(box + rng.normal(0, 4, (2, 3)), axis=0))
        for query in names["test"]
        for organ in ORGANS
        for setting in settings_of(starts, tables)
        for support in names["validation"]
        for box in [np.array(scans[query]["structures"][organ]["box_mm"])]
    ]
    settings = {"structures": {organ: i + 1 for i, organ in enumerate(ORGANS)}, "starts": starts}
    check = {"parameters": {"seed": 1}, "errors": [], "rows": rows, "cohorts": {name: settings}}
    return check, scans, answers


OTHERS = [
    {"name": "grey_ncc", "settings": ["extreme.s1"], "supports": None},
    {"name": "affine", "settings": ["extreme"], "supports": 2},
    {"name": "retina_unet", "settings": ["box"], "supports": 0},
]
"""Methods beside the paper's: from all supports, from the first two of the draw, from none."""


def many_methods(name: str = "demo", **changes: Any) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Return a cohort with the answers of the paper's method in its main setting and of OTHERS; seed 0 draws.

    Each answer of a method other than the paper's is the true box moved by 3 (grey_ncc), 2 (affine) or 1 mm
    (retina_unet) along x, and took 0.5 s.
    """
    drawn = draw_order(0, name, [f"s{i}" for i in range(changes.get("supports", 2))])[0]
    check, scans, answers = cohort(name, tables=False, drawn=drawn, **changes)
    settings = check["cohorts"][name]
    own = {"name": "regression", "settings": settings_of(settings["starts"], False), "supports": None}
    settings["methods"] = [own, *OTHERS]
    shifts = {"grey_ncc": 3.0, "affine": 2.0, "retina_unet": 1.0}
    for blank in expected_rows(settings, check["rows"], scans, {}, seed=0, tables=False):
        if blank["method"] == "regression":
            continue
        box = np.array(scans[blank["subject"]]["structures"][blank["structure"]]["box_mm"])
        box += np.array([shifts[blank["method"]], 0, 0])
        names = (blank["subject"], blank["structure"], blank["setting"], blank["support"], blank["drawn"])
        row = {**answer(name, *names, box), **blank, "spread_mm": None}
        if blank["method"] == "retina_unet":
            row |= {"points_mm": dict(zip(CORNERS, box.tolist(), strict=True)), "half_voxel_mm": None}
        answers.append(row | {"seconds": {"read": 0.1, "prepare": 0.05, "transform": 0.25, "search": 0.1}})
    return check, scans, answers

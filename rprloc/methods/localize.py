"""Find the structures of all supports in a batch of queries: the LOCALIZE step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from rprloc.errors import InputError
from rprloc.methods.prediction import Prediction, Scan, draw_order, main_setting, table_settings
from rprloc.methods.regression import Regression
from rprloc.networks.checkpoint import check_conflicts, read_model
from rprloc.scans.preprocess import subject_of


def localize(
    *,
    supports: Sequence[Path],
    queries: Sequence[Path],
    models: Sequence[Path],
    settings: dict[str, Any],
    tables: bool,
    seed: int,
    device: torch.device,
) -> list[Prediction]:
    """Return the answers for every query that can be used, in the queries' sorted order.

    `supports` and `queries` are folders of preprocessed scans of one cohort, `models` its network files and
    `settings` its settings for localization. `tables` asks for the settings of tables 1 and 2 as well. Raises
    InputError where a model is no model, does not fit the settings, or one is missing.
    """
    networks = {}
    for path in models:
        model = read_model(path, device=device)
        check_conflicts(path.name, model.settings, settings)
        networks[model.settings.stage] = model
    read = [scan for folder in sorted(supports) if (scan := Scan.read(folder)) is not None]
    by_subject = {scan.subject: scan for scan in read}
    if not queries:
        raise InputError("Found no query, expected at least one scan to search.")
    cohort = sorted(queries)[0].name.partition("@")[0]
    names = [subject_of(folder) for folder in supports]
    drawn = next((name for name in draw_order(seed, cohort, names) if name in by_subject), None)
    grid = table_settings(settings["starts"]) if tables else [main_setting(settings["starts"])]
    names_of_structures = list(settings["structures"]) if settings["structures"] else None
    method = Regression(networks, grid, structures=names_of_structures, drawn=drawn, seed=seed)
    method.prepare(read)
    rows: list[Prediction] = []
    for folder in sorted(queries):
        query = by_subject.get(subject_of(folder)) or Scan.read(folder)
        if query is not None:
            rows += method.locate(query)
    return rows

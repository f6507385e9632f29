"""The LOCALIZE step with real, untrained networks: which rows there are, and what they do not depend on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rprloc.cohort.methods import TAUGHT
from rprloc.errors import InputError
from rprloc.files import write_json
from rprloc.methods.localize import localize
from rprloc.methods.prediction import draw_order, table_settings
from rprloc.networks.checkpoint import Model, ModelSettings, new_network, write_model
from tests.scans.images import LABELS, patient, preprocessed

SPACING = (4.0, 5.0, 5.0)
WINDOW = ((-500.0, 0.0), (500.0, 1.0))
SETTINGS: dict[str, Any] = {
    "structures": {"organ": 1, "spot": 2}, "modality": "ct", "spacing": list(SPACING), "starts": 5,
    "window": [list(knot) for knot in WINDOW], "patch": [16, 20, 20],
}  # fmt: skip


def write_models(folder: Path, **changes: Any) -> list[Path]:
    """Write an untrained coarse and fine network whose latents are far enough apart to matter."""
    paths = []
    for seed, (stage, r_mm) in enumerate({"coarse": 60.0, "fine": 20.0}.items()):
        settings = ModelSettings(stage, "ct", SPACING, (4, 4, 4), WINDOW, r_mm, "isotropic", 4)
        network = new_network(settings, seed=seed)
        with torch.no_grad():
            network.head[-1].weight *= 20
        paths.append(folder / f"{stage}.safetensors")
        write_model(paths[-1], Model(network, replace(settings, **changes)))
    return paths


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write preprocessed scans c@a to c@e, all labelled, and c@broken, which was set aside."""
    parent = tmp_path_factory.mktemp("cohort")
    for number, subject in enumerate("abcde"):
        image, label = patient(seed=number, origin=(number, -3 * number, 2 * number))
        made = parent / subject
        preprocessed(made, image, label, spacing=SPACING)
        folder = parent / f"c@{subject}"
        folder.mkdir()
        for path in (made / "c@s").iterdir():
            path.rename(folder / path.name.replace("s", subject, 1))
        about = folder / f"{subject}.json"
        about.write_text(about.read_text(encoding="utf-8").replace('"subject": "s"', f'"subject": "{subject}"'))
    write_json(parent / "c@broken" / "broken.json", {"cohort": "c", "subject": "broken", "status": "set_aside"})
    write_models(parent)
    return parent


def rows_of(cohort: Path, queries: str, supports: str = "a b", *, tables: bool = False, **changes: Any) -> Any:
    """Return the rows of queries and supports, given by name, without their times."""
    asked: dict[str, Any] = {
        "models": [cohort / "coarse.safetensors", cohort / "fine.safetensors"], "settings": SETTINGS, "seed": 1,
        "device": torch.device("cpu"),
    } | changes  # fmt: skip
    found = localize(
        "regression",
        supports=[cohort / f"c@{name}" for name in supports.split()],
        queries=[cohort / f"c@{name}" for name in queries.split()],
        tables=tables,
        **asked,
    )
    return [{key: value for key, value in row.to_json().items() if key not in ("seconds", "first")} for row in found]


def test_every_query_structure_setting_and_support_has_one_row(cohort: Path) -> None:
    rows = rows_of(cohort, "c d e", tables=True)
    keys = {(row["subject"], row["structure"], row["setting"], row["support"]) for row in rows}
    assert len(keys) == len(rows) == 3 * 2 * len(table_settings(5)) * 2
    assert {row["structure"] for row in rows} == set(LABELS)
    assert not any(row["failed"] for row in rows)
    assert [row["subject"] for row in rows] == sorted(row["subject"] for row in rows)


def test_another_batch_of_queries_gives_the_same_rows(cohort: Path) -> None:
    together = rows_of(cohort, "c d e", tables=True)
    assert together == rows_of(cohort, "e c d", tables=True)
    assert together == [row for name in "cde" for row in rows_of(cohort, name, tables=True)]


def test_the_main_rows_and_other_supports_rows_agree_within_a_hundredth_of_a_millimetre(cohort: Path) -> None:
    def points(rows: Any) -> Any:
        main = [row for row in rows if row["setting"] == "extreme.k5.c1f1"]
        return {
            (row["subject"], row["structure"], row["support"]): np.array(list(row["points_mm"].values()))
            for row in main
        }

    tables = points(rows_of(cohort, "c d", tables=True))
    alone = points(rows_of(cohort, "c d")), points(rows_of(cohort, "c d", "a")), points(rows_of(cohort, "c d", "b"))
    for some in alone:
        assert some
        for key, value in some.items():
            np.testing.assert_allclose(value, tables[key], atol=0.01)


def test_the_drawn_support_is_the_first_of_the_draw_that_can_be_used(cohort: Path) -> None:
    names = ["a", "b", "c", "d", "broken"]
    drawn_first = set()
    for seed in range(5):
        expected = next(name for name in draw_order(seed, "c", names) if name != "broken")
        rows = rows_of(cohort, "e", "a b c d broken", seed=seed)
        assert {row["support"] for row in rows} == {"a", "b", "c", "d"}
        assert {row["support"] for row in rows if row["drawn"]} == {expected}
        drawn_first.add(expected)
    assert len(drawn_first) > 1


def test_a_support_that_is_a_query_as_well_is_located_from_the_others(cohort: Path) -> None:
    rows = rows_of(cohort, "a b c", "a b")
    assert {(row["subject"], row["support"]) for row in rows} == {("a", "b"), ("b", "a"), ("c", "a"), ("c", "b")}


def test_queries_and_supports_that_were_set_aside_have_no_rows_and_end_nothing(cohort: Path) -> None:
    assert rows_of(cohort, "broken c", "a") == rows_of(cohort, "c", "a")
    assert rows_of(cohort, "broken", "a") == []
    assert rows_of(cohort, "c", "broken") == []


def test_an_absent_structure_fails_its_rows_alone(cohort: Path) -> None:
    settings = SETTINGS | {"structures": {"organ": 1, "missing": 9}}
    rows = rows_of(cohort, "c", "a", settings=settings)
    assert {row["structure"]: row["failed"] for row in rows} == {"organ": False, "missing": True}


def test_without_named_structures_those_of_the_supports_are_found(cohort: Path) -> None:
    assert {row["structure"] for row in rows_of(cohort, "c", settings=SETTINGS | {"structures": None})} == set(LABELS)


def test_mistake_1_a_model_for_other_scans_is_refused(cohort: Path, tmp_path: Path) -> None:
    models = write_models(tmp_path, spacing=(3.0, 5.0, 5.0))
    with pytest.raises(InputError, match=r"coarse\.safetensors: was trained with spacing"):
        rows_of(cohort, "c", models=models)


def test_a_missing_network_or_query_is_told_in_one_sentence(cohort: Path) -> None:
    with pytest.raises(InputError, match="Found no fine network"):
        rows_of(cohort, "c", models=[cohort / "coarse.safetensors"])
    with pytest.raises(InputError, match="Found no query"):
        rows_of(cohort, "")


@pytest.mark.parametrize("method", TAUGHT)
def test_what_learned_before_needs_its_network_and_the_position_map_and_no_support(
    cohort: Path, tmp_path: Path, method: str
) -> None:
    details = {
        "structures": ["organ"], "spacing": [3.0, 3.0, 3.0], "size": [24, 24, 24], "middle_latent_mm": [0.0, 0.0, 0.0],
        "half_voxel_mm": {"organ": [1.0, 1.0, 1.0]}, "position_map": "",
    }  # fmt: skip
    models: dict[str, Path] = {}
    for stage in ("position_map", method):
        settings = ModelSettings.of_cohort(SETTINGS | {"network": {"convolution": "isotropic", "width": 4}}, stage)
        settings = replace(settings, details=details if stage == method else {})
        models[stage] = tmp_path / f"{stage}.safetensors"
        made = Model(new_network(settings, seed=1), settings)
        write_model(models[stage], made)
        details["position_map"] = details["position_map"] or made.fingerprint
    asked: dict[str, Any] = {
        "supports": [], "queries": [cohort / "c@d", cohort / "c@e"], "tables": False, "seed": 1,
        "device": torch.device("cpu"), "settings": SETTINGS | {"methods": [method]},
    }  # fmt: skip
    rows = localize(method, models=list(models.values()), **asked)
    assert [(row.subject, row.structure, row.method, row.support, row.drawn, row.n_supports) for row in rows] == [
        (subject, structure, method, "-", True, 0) for subject in "de" for structure in ("organ", "spot")
    ]
    # An untrained map knows no scan.
    for row in rows:
        said = "the network has not learned spot" if row.structure == "spot" else "the position map does not know"
        assert row.failed and (row.reason or "").startswith(said)
        assert {"read", "support", "start"} <= row.seconds.keys()
    for missing in models:
        left = [path for stage, path in models.items() if stage != missing]
        with pytest.raises(InputError, match=f"Found no {missing} network, expected one"):
            localize(method, models=left, **asked)
    wrong = asked | {"settings": asked["settings"] | {"spacing": [5.0, 5.0, 5.0]}}
    with pytest.raises(InputError, match=r"was trained with spacing \[4.0, 5.0, 5.0\]"):
        localize(method, models=list(models.values()), **wrong)


def test_another_seed_draws_other_starts(cohort: Path) -> None:
    one, two = (rows_of(cohort, "c", seed=seed) for seed in (1, 2))
    assert all(a["points_mm"] != b["points_mm"] for a, b in zip(one, two, strict=True))

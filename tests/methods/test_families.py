"""Every family of methods in the LOCALIZE step: what is expected is answered, with a number or a reason."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from rprloc.results.metrics import evaluate

from rprloc.cohort.methods import FAMILIES, METHODS, TAUGHT, settings_of, supports_of
from rprloc.cohort.settings import Settings
from rprloc.files import read_json, write_json
from rprloc.methods.localize import localize
from rprloc.methods.prediction import Prediction
from rprloc.networks.checkpoint import Model, ModelSettings, new_network, read_model, write_model
from rprloc.scans.preprocess import preprocess
from tests.scans.images import LABELS, patient, write

PARAMETERS = {"template_stride": 2, "registration_supports": 3}
NOT_OF_THE_ANSWER = ("seconds", "first", "device")
OWN: dict[str, dict[str, Any]] = {
    "ct": {"modality": "ct", "window": ((-500.0, 0.0), (500.0, 1.0))},
    "mr": {"modality": "mr", "window": ((0.0, 0.0), (1000.0, 1.0))},
}


class Cohort:
    """Preprocessed scans a to d, of which `a` has two structures, `b` one, `c` an empty label and `d` none."""

    def __init__(self, folder: Path, modality: str) -> None:
        self.folder = folder
        # Slices twice as far apart as pixels, and a patch larger than the scan along z.
        self.settings = Settings(**OWN[modality], spacing=(6.0, 3.0, 3.0), patch=(60.0, 24.0, 24.0), starts=3)
        for number, subject in enumerate("abcd"):
            image, label = patient(seed=number, origin=(number, 2 * number, 0))
            if subject == "b":
                label = label * (label == LABELS["organ"])
            preprocess(
                folder,
                cohort="c",
                subject=subject,
                image=write(image, folder / "in" / f"{subject}.mha"),
                label=None
                if subject == "d"
                else write(label * (subject != "c"), folder / "in" / f"{subject}_label.mha"),
                settings=self.settings.preprocess(matching=True),
            )
        write_json(folder / "c@broken" / "broken.json", {"cohort": "c", "subject": "broken", "status": "set_aside"})
        for family in FAMILIES:
            for network in family.networks:
                trained = ModelSettings.of_cohort(self.settings.train(network), network)
                if family.learns:
                    trained.details.update(structures=["label_1"], half_voxel_mm={"label_1": [1.0, 1.0, 1.0]})
                if network == "retina_unet":
                    trained.details.update(anchors=[[5.0, 5.0, 5.0]])
                if network in TAUGHT:
                    trained.details.update(
                        spacing=list(self.settings.matching_spacing),
                        size=[24, 24, 24],
                        middle_latent_mm=[0.0, 0.0, 0.0],
                        position_map=read_model(folder / family.name / "position_map.safetensors").fingerprint,
                    )
                made = Model(new_network(trained, seed=1), trained)
                write_model(folder / family.name / f"{network}.safetensors", made)

    def rows(
        self, supports: str, queries: str, *, structures: list[str] | None = None, methods: tuple[str, ...] = METHODS
    ) -> list[Prediction]:
        """Return the answers of all families for a batch of queries."""
        found = []
        for family in FAMILIES:
            asked = [method for method in family.methods if method in methods]
            settings = self.settings.localize() | PARAMETERS | {"methods": asked, "structures": structures}
            if asked:
                found += localize(
                    family.name,
                    supports=[self.folder / f"c@{name}" for name in supports.split() if family.supports],
                    queries=[self.folder / f"c@{name}" for name in queries.split()],
                    models=sorted((self.folder / family.name).glob("*.safetensors")),
                    settings=settings,
                    tables=False,
                    seed=1,
                    device=torch.device("cpu"),
                    threads=1,
                )
        return found

    def evaluated(
        self, supports: str, queries: str, rows: list[Prediction], structures: list[str] | None = None
    ) -> Any:
        """Return the complete answers and their metrics."""
        names = sorted({*supports.split(), *queries.split()})
        members = [
            {
                "cohort": "c", "subject": name, "image": f"{name}.mha", "label": None if name == "d" else "l.mha",
                "train": False, "support": name in supports.split(), "query": name in queries.split(),
            }
            for name in names
        ]  # fmt: skip
        methods = [
            {"name": name, "settings": settings_of(name, PARAMETERS), "supports": supports_of(name, PARAMETERS)}
            for name in METHODS
        ]
        settings = self.settings.evaluate() | {"structures": structures, "methods": methods}
        check = {"rows": members, "cohorts": {"c": settings}}
        scans = {name: read_json(self.folder / f"c@{name}" / f"{name}.json") for name in names}
        return evaluate(check, "c", scans, [row.to_json() for row in rows], seed=1, tables=False)[:2]


@pytest.fixture(scope="module", params=["ct", "mr"])
def cohort(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return Cohort(tmp_path_factory.mktemp(request.param), request.param)


@pytest.mark.parametrize(
    ("supports", "queries", "structures"),
    [
        ("a b c", "d", None),
        ("a b c broken", "a b c d broken", None),
        ("a b", "d", ["label_2", "nowhere"]),
        ("c", "a d", None),
        ("broken", "a", None),
    ],
)
def test_every_expected_answer_is_a_box_or_a_reason(
    cohort: Cohort, supports: str, queries: str, structures: list[str] | None
) -> None:
    answers = cohort.rows(supports, queries, structures=structures)
    for row in answers:
        assert row.failed == (row.box_mm is None) == (row.reason is not None)
        assert not row.reason or (len(row.reason) > 20 and "Error" not in row.reason and "ITK" not in row.reason)
    rows, metrics = cohort.evaluated(supports, queries, answers, structures)
    assert len(rows) == len(metrics) >= len(answers)
    assert set(metrics["method"]) == set(METHODS)
    lost = [row for row in rows if row["reason"] == "no answer: its task died"]
    assert not lost
    assert all(row["support"] != row["subject"] for row in rows)


def test_no_answer_depends_on_its_batch_or_on_the_other_methods(cohort: Cohort) -> None:
    def facts(rows: list[Prediction]) -> dict[tuple[str, ...], dict[str, Any]]:
        found = {}
        for row in rows:
            values = {key: value for key, value in row.to_json().items() if key not in NOT_OF_THE_ANSWER}
            found[row.subject, row.structure, row.method, row.support] = values
        return found

    together = facts(cohort.rows("a b", "b c d"))
    assert len({key[2] for key in together}) == len(METHODS)
    for name in "bcd":
        alone = facts(cohort.rows("a b", name))
        assert alone and all(together[key] == values for key, values in alone.items())
    one_by_one = {
        key: values for method in METHODS for key, values in facts(cohort.rows("a b", "d", methods=(method,))).items()
    }
    assert one_by_one == {key: values for key, values in together.items() if key[0] == "d"}


def test_the_default_method_answers_without_its_network(cohort: Cohort) -> None:
    answers = localize(
        "matched", supports=[cohort.folder / f"c@{name}" for name in "abc"], queries=[cohort.folder / "c@d"], models=[],
        settings=cohort.settings.localize() | {"methods": ["matched"], "structures": None},
        tables=False, seed=1, device=torch.device("cpu"), threads=1,
    )  # fmt: skip
    assert {(row.structure, row.support) for row in answers} == {(f"label_{n}", name) for n in (1, 2) for name in "abc"}
    for row in answers:
        assert row.failed == (row.box_mm is None) == (row.reason is not None)
    absent = {(row.structure, row.support) for row in answers if "is absent in" in (row.reason or "")}
    assert absent == {("label_2", "b"), ("label_1", "c"), ("label_2", "c")}


def test_what_learned_before_answers_without_a_support_where_its_map_knows_the_scan(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rprloc.methods.body_map.BodyMap.fault", lambda _self: None)
    # A structure of 6 mm may be found beyond the field's end.
    monkeypatch.setattr("rprloc.methods.prediction._SHOWN", 0.0)
    answers = cohort.rows("a b", "c d", methods=TAUGHT)
    assert [(row.method, row.subject, row.structure, row.support, row.n_supports) for row in answers] == [
        (method, subject, "label_1", "-", 0) for method in TAUGHT for subject in "cd"
    ]
    assert all(row.box_mm is not None and row.half_voxel_mm == [1.0, 1.0, 1.0] for row in answers)


def test_methods_of_one_support_find_the_scan_it_came_from(cohort: Cohort) -> None:
    found = [row for row in cohort.rows("a", "d") if row.method.startswith(("grey", "feature"))]
    assert len(found) == 10 and not any(row.failed for row in found)
    assert all(math.isfinite(edge) for row in found for corner in row.box_mm or [] for edge in corner)

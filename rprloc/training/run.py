"""Train one network of a cohort, or go on with it: the TRAIN step."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from rprloc.cohort.methods import CEILING, STUDENT, TAUGHT
from rprloc.errors import InputError
from rprloc.files import read_json, sha256, write_json_lines, write_text
from rprloc.networks.checkpoint import Model, ModelSettings, check_conflicts, read_model, write_model
from rprloc.scans.preprocess import subject_of
from rprloc.training.body_positions import BARE, BodyPositions
from rprloc.training.data import read_training_scans
from rprloc.training.loop import Objective, train
from rprloc.training.plan import TrainingPlan, plan_of
from rprloc.training.position import RelativePosition
from rprloc.training.reconstruction import CROP_VOXELS, Reconstruction
from rprloc.training.state import TrainingState, one_writer

MAP = "position_map"


def train_stage(
    folder: Path,
    *,
    cohort: str,
    stage: str,
    scans: Sequence[Path],
    validation: Sequence[Path],
    settings: dict[str, Any],
    training: str,
    seed: int,
    checkpoints: Path,
    code: str,
    device: torch.device,
    models: Sequence[Path] = (),
    supports: Sequence[Path] = (),
    log: Callable[[str], None] = print,
) -> Model:
    """Train one of a cohort's networks; write it to `folder`/<cohort> and its curve and log to `folder`.

    `scans` and `validation` are folders of preprocessed scans, `settings` the cohort's training settings of the
    stage, `training` names the plan; a network that is taught takes the position map among `models`, and the folders
    of the `supports`. The folder `checkpoints` keeps the state, in a file named by the hash of
    everything the weights depend on, and beside it a log to follow; the next start with the same inputs goes on from
    the state. Raises what `rprloc.training.loop.train` raises.
    """
    model_settings, plan = ModelSettings.of_cohort(settings, stage), plan_of(training, stage)
    sources = {"train": scans, "validation": validation, "supports": supports}
    state_path = checkpoints / f"{cohort}.{stage}.{_key(model_settings, plan, seed, code, sources, models)}.safetensors"
    log_path = state_path.with_suffix(".log")
    state = TrainingState(state_path)
    folder.mkdir(parents=True, exist_ok=True)
    with (
        one_writer(state_path, log),
        state.stop_on_signal(),
        tempfile.TemporaryDirectory(dir=folder, prefix=".scans-") as unpacked,
    ):
        if not state_path.exists():
            log_path.write_text("", encoding="utf-8")

        def say(line: str) -> None:
            log(f"{cohort} {stage}: {line}")
            with log_path.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")

        if stage in TAUGHT:
            objective: Objective = _taught(
                model_settings, settings, plan, sources, models, state, seed=seed, device=device, log=say
            )
        else:
            objective = _objective(model_settings, settings, plan, sources, Path(unpacked), seed=seed, device=device)
        batch = f"{plan.groups} x {plan.patches} patches" if plan.patches > 1 else f"{plan.groups} scans"
        say(
            f"training on {objective.scans} scans, {plan.steps:,} steps of {batch}, "
            f"on {device}, {torch.get_num_threads()} threads"
        )
        model = train(objective, plan, seed=seed, state=state, log=say)
    write_model(folder / cohort / f"{stage}.safetensors", model)
    write_json_lines(folder / f"{cohort}.{stage}.jsonl", state.history)
    write_text(folder / f"{cohort}.{stage}.log", log_path.read_text(encoding="utf-8"))
    return model


def _objective(
    settings: ModelSettings,
    cohort: dict[str, Any],
    plan: TrainingPlan,
    sources: dict[str, Sequence[Path]],
    scratch: Path,
    *,
    seed: int,
    device: torch.device,
) -> Objective:
    """Return what a stage's network learns from the folders of the training and validation scans."""
    if settings.stage == "retina_unet":
        # MONAI and torchvision take seconds to import.
        from rprloc.training.detection import Detection

        structures = cohort["structures"]
        return Detection(
            sources["train"], sources["validation"], settings, plan, structures=structures, seed=seed, device=device
        )
    patches: tuple[Callable[..., Objective], tuple[int, int, int]] = (RelativePosition, settings.patch_voxels)
    objective, crop = _OBJECTIVES.get(settings.stage, patches)
    padding = replace(settings, patch_voxels=crop)
    train, validation = (
        read_training_scans(sources[split], padding, device=device, scratch=scratch)
        for split in ("train", "validation")
    )
    return objective(train, validation, settings, plan, seed=seed, device=device)


_OBJECTIVES: dict[str, tuple[Callable[..., Objective], tuple[int, int, int]]] = {
    "autoencoder": (Reconstruction, CROP_VOXELS),
    "position_map": (BodyPositions, BARE),
}
"""What is learned from whole scans, with the crops for which these have to be padded; else patches of a pair."""


def _taught(
    settings: ModelSettings,
    cohort: dict[str, Any],
    plan: TrainingPlan,
    sources: Mapping[str, Sequence[Path]],
    models: Sequence[Path],
    state: TrainingState,
    *,
    seed: int,
    device: torch.device,
    log: Callable[[str], None],
) -> Objective:
    """Return what a network learns that is told where landmarks lie; what it is told is kept beside its state."""
    from rprloc.training.landmarks import Landmarks
    from rprloc.training.teaching import taught_points

    assert state.path is not None
    body_map = next(
        (model for path in models if (model := read_model(path, device=device)).settings.stage == MAP), None
    )
    if body_map is None:
        raise InputError(f"{settings.stage}: found no position_map network, expected one.")
    check_conflicts("position_map", body_map.settings, cohort)
    told = taught_points(
        settings.stage,
        sources["train"],
        supports=sources["supports"],
        body_map=body_map,
        structures=cohort["structures"],
        kept=state.path.with_suffix(".landmarks.json"),
        device=device,
        stopped=lambda: state.interrupted,
        log=log,
    )
    return Landmarks(
        sources["train"],
        sources["validation"],
        settings,
        plan,
        told=told,
        tellers=sources["train" if settings.stage == CEILING else "supports"],
        body_map=body_map,
        spacing=cohort["matching_spacing"],
        seed=seed,
        device=device,
    )


def _key(
    settings: ModelSettings,
    plan: TrainingPlan,
    seed: int,
    code: str,
    sources: Mapping[str, Sequence[Path]],
    models: Sequence[Path],
) -> str:
    """Return a short hash of everything that a training's weights depend on."""
    abouts = {
        split: [read_json(f / f"{subject_of(f)}.json") for f in sorted(folders)] for split, folders in sources.items()
    }
    data = [
        [(about["subject"], about.get("source_sha256"), about.get("model")) for about in abouts[split]]
        for split in ("train", "validation")
    ]
    everything = [asdict(settings), asdict(plan), seed, code, data, torch.__version__]
    if settings.stage in (*TAUGHT, "retina_unet"):
        # The student looks at no label of a training scan.
        told = [split for split in abouts if split != "train" or settings.stage != STUDENT]
        everything.append([[about.get("structures") for about in abouts[split]] for split in told])
    if settings.stage in TAUGHT:
        everything.append([[about.get("matching") for about in part] for part in abouts.values()])
        everything.append([about.get("source_sha256") for about in abouts["supports"]])
        surfaces = [f / f"{subject_of(f)}_surface.safetensors" for f in sorted(sources["supports"])]
        everything.append([sha256(path) for path in (*models, *surfaces) if path.exists()])
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:16]

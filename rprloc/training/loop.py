"""The training loop of the position networks, top to bottom."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rprloc.errors import InputError
from rprloc.networks.checkpoint import Model, ModelSettings, new_network
from rprloc.networks.patches import apply_window
from rprloc.networks.pnet import Pnet
from rprloc.seeds import generator_of
from rprloc.training.data import TrainingScan
from rprloc.training.pairs import all_pairs_mm, pair_error_mm, pair_loss
from rprloc.training.plan import TrainingPlan
from rprloc.training.sampling import IndexArray, draw_group
from rprloc.training.state import Interrupted, TrainingState

RECORDS = 40
"""Points of a training curve."""
LOG_SECONDS = 10.0
_VALIDATION_GROUPS, _VALIDATION_PATCHES = 24, 8


def train(
    scans: Sequence[TrainingScan],
    validation: Sequence[TrainingScan],
    settings: ModelSettings,
    plan: TrainingPlan,
    *,
    seed: int,
    device: torch.device,
    state: TrainingState,
    log: Callable[[str], None] = print,
) -> Model:
    """Train a network to predict where two patches of a scan lie to each other; return it with its record.

    The validation pairs are drawn once, from the validation scans or, where there are none, from the training scans.
    Every step draws from a generator of its own, seeded by `seed` and the step: a training that `state` takes up
    again after a kill ends with the same weights. Raises InputError without scans and where the loss is no number,
    and `Interrupted` once a signal has asked to stop and the state is saved.
    """
    if not scans:
        raise InputError("No scan to train on: every scan of the training split was set aside.")
    network = new_network(settings, seed=seed).to(device)
    optimiser = torch.optim.Adam(
        network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True
    )
    chosen = _fixed_groups(validation or scans, settings, seed)
    fixed = [_cropped(chosen[start : start + 8], settings) for start in range(0, len(chosen), 8)]
    record_every = max(1, plan.steps // RECORDS)
    step = state.restore(network, optimiser)
    if step:
        log(f"goes on from step {step} of {plan.steps}")
    started = logged = time.monotonic()
    first, losses, errors = step, [], []
    while step < plan.steps:
        for group in optimiser.param_groups:
            group["lr"] = plan.learning_rate_at(step)
        batch = _cropped(_draw_groups(scans, settings, plan, np.random.default_rng([seed, step])), settings)
        predicted, true = _offsets_mm(network, batch, settings)
        loss = pair_loss(predicted, true, settings.r_mm)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        losses.append(loss.detach())
        errors.append(pair_error_mm(predicted.detach(), true))
        if step % record_every == 0 or step == plan.steps:
            seconds = time.monotonic() - started
            state.history.append(_record(step, plan, losses, errors, _validation_error_mm(network, fixed, settings)))
            state.history[-1]["seconds"] = round(state.seconds + seconds, 1)
            losses, errors = [], []
        now = time.monotonic()
        if now - logged >= LOG_SECONDS or step == plan.steps:
            left = (now - started) / (step - first) * (plan.steps - step)
            log(_log_line(step, plan, state.history, left))
            logged = now
        if state.interrupted or step % record_every == 0:
            state.save_when_due(step, network, optimiser, time.monotonic() - started)
        if state.interrupted:
            raise Interrupted(f"stopped at step {step} of {plan.steps}; the next start goes on from here")
    state.save(step, network, optimiser, time.monotonic() - started)
    record = _training_record(scans, validation, plan, seed, state)
    network.requires_grad_(False)
    return Model(network.eval(), settings, record)


_Group = tuple[TrainingScan, IndexArray]
"""A scan and the voxels (patches, 3) of patch centres in it."""


@dataclass(frozen=True)
class _Batch:
    """The patches of some groups."""

    patches: Tensor
    """(groups * patches, d, h, w) int16."""
    centres_mm: Tensor
    """(groups, patches, 3), (x, y, z)."""


def _draw_groups(
    scans: Sequence[TrainingScan], settings: ModelSettings, plan: TrainingPlan, generator: np.random.Generator
) -> list[_Group]:
    """Draw a step's groups, each from a scan drawn at random."""
    chosen = [scans[number] for number in generator.integers(len(scans), size=plan.groups)]
    return [(scan, _draw(scan, plan.patches, settings, generator)) for scan in chosen]


def _draw(scan: TrainingScan, patches: int, settings: ModelSettings, generator: np.random.Generator) -> IndexArray:
    """Draw one group of patch centres (patches, 3) in a scan's body."""
    return draw_group(
        scan.body, patches, stage=settings.stage, r_mm=settings.r_mm, spacing_mm=settings.spacing, generator=generator
    )


def _fixed_groups(scans: Sequence[TrainingScan], settings: ModelSettings, seed: int) -> list[_Group]:
    """Draw the groups of the fixed validation pairs, as many from each scan, seeded by its subject's name.

    Of very many scans every second, third, ... is enough.
    """
    some = scans[:: -(-len(scans) // _VALIDATION_GROUPS)]
    per_scan = -(-_VALIDATION_GROUPS // len(some))
    groups = []
    for scan in some:
        generator = generator_of(seed, scan.subject)
        groups += [(scan, _draw(scan, _VALIDATION_PATCHES, settings, generator)) for _ in range(per_scan)]
    return groups


def _cropped(groups: Sequence[_Group], settings: ModelSettings) -> _Batch:
    """Crop the patches of some groups, by one gather a scan on the computing device."""
    device = groups[0][0].scan.values.device
    voxels = torch.from_numpy(np.stack([centres for _, centres in groups])).to(device)
    patches = torch.cat([scan.scan.crop(centres) for (scan, _), centres in zip(groups, voxels, strict=True)])
    # Voxels are (z, y, x), positions (x, y, z).
    return _Batch(patches, (voxels * torch.tensor(settings.spacing, device=device)).flip(-1))


def _offsets_mm(network: Pnet, batch: _Batch, settings: ModelSettings) -> tuple[Tensor, Tensor]:
    """Return predicted and true offsets (pairs, 3) in mm of all pairs of a batch's groups, in one network pass."""
    device = batch.patches.device
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=_bfloat16_is_fast(device)):
        latents = network(apply_window(batch.patches, settings.window))
    return all_pairs_mm(latents.view(*batch.centres_mm.shape), batch.centres_mm, settings.r_mm, stage=settings.stage)


def _bfloat16_is_fast(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 natively; elsewhere autocast would only slow down."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


@torch.inference_mode()
def _validation_error_mm(network: Pnet, fixed: list[_Batch], settings: ModelSettings) -> float:
    """Return the mean error in mm over the fixed pairs."""
    parts = [_offsets_mm(network, batch, settings) for batch in fixed]
    predicted, true = (torch.cat(side) for side in zip(*parts, strict=True))
    return float(pair_error_mm(predicted, true))


def _record(
    step: int, plan: TrainingPlan, losses: list[Tensor], errors: list[Tensor], validation_error_mm: float
) -> dict[str, Any]:
    """Return one point of the training curve: means since the last; raises InputError for a loss that is no number."""
    loss = float(torch.stack(losses).mean())
    if not np.isfinite(loss):
        raise InputError(f"The training's loss is {loss} at step {step}, expected a number: its settings do not train.")
    return {
        "step": step,
        "steps": plan.steps,
        "loss": loss,
        "train_error_mm": round(float(torch.stack(errors).mean()), 3),
        "validation_error_mm": round(validation_error_mm, 3),
        "learning_rate": plan.learning_rate_at(step - 1),
    }


def _log_line(step: int, plan: TrainingPlan, history: list[dict[str, Any]], seconds_left: float) -> str:
    """Return a line for a person who waits."""
    text = f"step {step:,} of {plan.steps:,}"
    if history:
        last = history[-1]
        text += (
            f"   pair error: training {last['train_error_mm']:.1f} mm, validation {last['validation_error_mm']:.1f} mm"
        )
    minutes, seconds = divmod(int(seconds_left), 60)
    return f"{text}   {minutes}:{seconds:02d} left"


def _training_record(
    scans: Sequence[TrainingScan],
    validation: Sequence[TrainingScan],
    plan: TrainingPlan,
    seed: int,
    state: TrainingState,
) -> dict[str, Any]:
    """Return what a model file tells about its training."""
    return {
        "steps": plan.steps,
        "groups": plan.groups,
        "patches": plan.patches,
        "learning_rate": plan.learning_rate,
        "seed": seed,
        "scans": len(scans),
        "validation": [scan.subject for scan in validation] or "fixed pairs of the training scans",
        "history": state.history,
        "torch": torch.__version__,
    }

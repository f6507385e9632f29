"""Find the trained models for a cohort and let its settings follow them, without loading a network."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rprloc.catalogue import networks
from rprloc.cohort.faults import Fault, listed, shown
from rprloc.cohort.settings import Settings
from rprloc.cohort.settings_file import schema_faults
from rprloc.cohort.tasks import AUTO, NO_WEIGHTS
from rprloc.files import PICKLES
from rprloc.scans.target import OWN

SHARED = ("modality", "window", "spacing")
"""Keys of the settings that every model brings along and that a cohort's settings must not contradict."""

FORMAT = "rprloc-model-1"
"""What rprloc.networks.checkpoint writes and reads."""

SEEING_FINER = tuple(network.name for network in networks() if "matching_spacing" in network.keys)
"""The networks for the finer volume, whose models bring along its spacing as well."""

_SHIPPED_FOLDER = Path(__file__).parents[1] / "weights"
SHIPPED = tuple(sorted(folder.name for folder in _SHIPPED_FOLDER.glob("*") if folder.is_dir()))
"""Names of the weights that come with the package, which `--weights` takes."""

_LONGEST_HEADER = 10_000_000


@dataclass(frozen=True)
class Brought:
    """What a model's header says of the settings that the model brings along."""

    network: str
    settings: Settings
    keys: tuple[str, ...]
    """Those of the settings that count."""


def adopt_weights(
    settings: Settings,
    folder: Path,
    *,
    cohort: str,
    name: str,
    wanted: Sequence[str],
    optional: Sequence[str] = (),
) -> tuple[Settings, dict[str, str], list[Fault]]:
    """Return a cohort's settings as its trained models need them, each network's path within the folder, and faults.

    The models are `<cohort>/*.safetensors` in the folder or, without such a folder, `*.safetensors`. A key that the
    cohort's settings file leaves out is the models'; a key that it holds with another value is a fault. `wanted` are
    the networks that the run needs, `optional` those of them that may be missing; models of others are left alone.
    Messages call the folder `name`.
    """
    paths = find_models(folder, cohort)
    found: dict[str, str] = {}
    faults: list[Fault] = []
    for path in paths:
        file = str(path.relative_to(folder))
        model, reason = read_model_settings(path)
        if model is None:
            expected = f"a trained model of rprloc ({FORMAT}, safetensors) for cohort {shown(cohort)}"
            faults.append(Fault(file=file, value=reason, expected=expected))
            continue
        network = model.network
        if network not in wanted:
            continue
        if network in found:
            expected = f"one model a network ({found[network]} is one)"
            faults.append(Fault(file=file, value=f"{network} model", expected=expected))
        found.setdefault(network, file)
        settings, conflicts = adopt_model(settings, model, file=file, cohort=cohort)
        faults += conflicts
    missing = [network for network in wanted if network not in found and network not in optional]
    if missing and not faults:
        expected = (
            f"a {listed(missing, 'and a')} model for cohort {shown(cohort)}: *.safetensors, there or in {cohort}/"
        )
        faults.append(Fault(file=name, value=listed(found.values(), "and") if found else None, expected=expected))
    return settings, found, faults


def shipped_folder(name: str) -> Path:
    """Return the folder of shipped weights; each network's file there is named after it."""
    return _SHIPPED_FOLDER / name


def weights_folder(name: str) -> Path:
    """Return the folder to which models' files are relative: of given weights their own, else that of all shipped."""
    if name in (AUTO, NO_WEIGHTS):
        return _SHIPPED_FOLDER
    return shipped_folder(name) if name in SHIPPED else Path(name)


def find_models(folder: Path, cohort: str) -> list[Path]:
    """Return the model files of a cohort in a folder of weights, sorted."""
    own = folder / cohort
    return sorted((own if own.is_dir() else folder).glob("*.safetensors"))


def read_model_settings(path: Path) -> tuple[Brought | None, str]:
    """Return the settings in a model file's header, or None and what is wrong with the file.

    A safetensors file begins with the length of its header (8 bytes, little end first) and the header, a JSON object.
    Read here by hand, because the library comes with a network library that takes seconds to start.
    """
    try:
        with path.open("rb") as stream:
            start, size = stream.read(8), path.stat().st_size
            length = int.from_bytes(start, "little")
            if not 2 <= length <= min(_LONGEST_HEADER, size - 8):
                pickled = start.startswith(PICKLES)
                return None, "a pickle, which is never opened" if pickled else "no safetensors file, or one cut short"
            header = json.loads(stream.read(length))
        about = json.loads(header.pop("__metadata__")["rprloc"])
        if about["format"] != FORMAT:
            return None, f"a file of format {shown(about['format'])}"
        promised = 8 + length + max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        if size != promised:
            return None, f"a file of {size:,} bytes whose header promises {promised:,}"
        model = about["settings"]
        values = {key: model[key] for key in SHARED}
        network = str(model["network"] if "network" in model else model["stage"])
        if network in SEEING_FINER:
            # Files of version 0.1.0 say it under `details`.
            finer = model["matching_spacing"] if "matching_spacing" in model else model["details"]["spacing"]
            values["matching_spacing"] = finer
        if schema_faults(values, {}, file=path.name):
            return None, "a file whose header holds no model settings that are possible"
        return Brought(network, Settings.from_json(values), tuple(values)), ""
    except OSError as error:
        return None, str(error.strerror)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None, "a file whose header holds no model settings"


def adopt_model(settings: Settings, model: Brought, *, file: str, cohort: str) -> tuple[Settings, list[Fault]]:
    """Return settings with the keys that a trained model brings along, and a fault for each that conflicts: modality,
    window and spacing, and the matching spacing of a network for the finer volume.

    Of scans at spacings of their own a network sees those at its own. A network is no good at settings that it was not
    trained with, so a key that was given with another value is a
    fault; the settings that come back count the model's keys as given, so that a second model must agree as well.
    """
    current, own = settings.to_json(), model.settings.to_json()
    keys = [key for key in model.keys if key != "matching_spacing" or settings.matching_spacing != OWN]
    conflicts = [key for key in keys if key in settings.given and not _equal(current[key], own[key])]
    faults = [
        Fault(file=file, value=_plain(own[key]), column=key, kind="key", expected=_wanted(current[key], cohort))
        for key in conflicts
    ]
    merged = current | {key: own[key] for key in keys if key not in settings.given}
    given = settings.given | set(keys)
    return replace(Settings.from_json(merged), given=given), faults


def _wanted(value: object, cohort: str) -> str:
    """Return in words the setting that a model should have been trained with."""
    return f"{_plain(value)} as in the settings of cohort {shown(cohort)} or its other model"


def _plain(value: object) -> str:
    """Return a setting as a text, which a message puts in quotes where it is what was found."""
    return value if isinstance(value, str) else shown(value)


def _equal(one: object, other: object) -> bool:
    """Tell whether two plain values are equal, numbers within the rounding of a text."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_equal(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    return bool(one == other)

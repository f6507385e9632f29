"""Which trained weights: those that are named, or those that ship and fit a cohort's settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from rprloc.catalogue import method_named, networks_of
from rprloc.cohort.faults import listed, parameter_fault
from rprloc.cohort.settings import Settings
from rprloc.cohort.tasks import AUTO, NO_WEIGHTS
from rprloc.cohort.weights import SHIPPED, adopt_weights, shipped_folder, weights_folder
from rprloc.errors import InputError, nearest


@dataclass(frozen=True)
class Weights:
    """Trained networks for a method, and the settings that they need."""

    name: str
    """As `--weights` takes it."""
    why: str
    """Why these, without a full stop."""
    settings: Settings
    models: tuple[Path, ...] = ()


def given_weights(name: str, settings: Settings, cohort: str, method: str) -> Weights:
    """Return the weights of a name: of shipped ones, of a folder, or `none`.

    Raises InputError where there are none, where they do not fit the settings, and where a network is missing.
    """
    wanted, optional = networks_of([method]), method_named(method).family.optional
    if name == NO_WEIGHTS:
        if wanted and not optional:
            expected = f"weights with {listed(wanted, 'and')}, which {method} needs"
            raise InputError(parameter_fault("weights", name, expected).message)
        return Weights(name, "as asked", settings)
    folder = weights_folder(name)
    if not folder.is_dir():
        names = [AUTO, *SHIPPED, NO_WEIGHTS]
        expected = listed(["a folder that exists", *names]) + nearest(name, names)
        raise InputError(parameter_fault("weights", name, expected).message)
    settings, models, faults = adopt_weights(settings, folder, cohort=cohort, name=name, wanted=wanted)
    if faults:
        raise InputError(fault.message for fault in faults)
    return Weights(name, "as asked", settings, tuple(folder / models[network] for network in wanted))


def shipped_weights(settings: Settings, cohort: str, method: str) -> Weights:
    """Return the weights that ship for a method and fit the settings, else none, with the reason.

    A window as in default.yml is no one's wish, and theirs is taken. Whether scans lie in their field is to be seen:
    `rprloc.methods.field`. Raises InputError where the method cannot do without.
    """
    wanted = networks_of([method])
    if not wanted:
        return Weights(NO_WEIGHTS, f"{method} needs no network", settings)
    why = [f"none that ship hold {listed(wanted, 'and')}"]
    free = replace(settings, given=settings.given - ({"window"} if settings.window == Settings.window else set()))
    for name in SHIPPED:
        if all((shipped_folder(name) / f"{network}.safetensors").is_file() for network in wanted):
            try:
                return given_weights(name, free, cohort, method)
            except InputError as error:
                why.append(f"{name} does not fit the settings: {error.errors[0].rstrip('.')}")
    return without(settings, method, why[-1])


def without(settings: Settings, method: str, why: str) -> Weights:
    """Return no weights for a reason; raises InputError where the method cannot do without."""
    if not method_named(method).family.optional:
        expected = f"a folder of weights with {listed(networks_of([method]), 'and')}, as {why}"
        raise InputError(parameter_fault("weights", AUTO, expected).message)
    return Weights(NO_WEIGHTS, why, settings)

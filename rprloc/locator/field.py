"""Which trained weights: those that are named, or those that ship, where the supports lie in their field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rprloc.catalogue import method_named, networks_of
from rprloc.cohort.check import NO_WEIGHTS
from rprloc.cohort.faults import listed, parameter_fault
from rprloc.cohort.settings import Settings
from rprloc.cohort.weights import SHIPPED, adopt_weights, shipped_folder
from rprloc.errors import InputError, nearest
from rprloc.scans.plausible import no_hounsfield
from rprloc.scans.scan import Scan

AUTO = "auto"
"""What `--weights` says for those that ship where the supports lie in their field, else for none."""
MAP = "position_map"
"""The network that says whether a scan is of its field; it learned from the scans from which all that ships did."""
BENT_MM = 5.0
"""A scan whose map is bent by more is of another field: 98 of 99 CT of head and neck are bent by less, and no phantom,
abdominal MR or brain MR is (`python -m benchmarks.field`).
"""


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
    folder = shipped_folder(name) if name in SHIPPED else Path(name)
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

    Whether scans lie in their field is to be seen: `out_of_field`. Raises InputError where the method cannot do
    without.
    """
    wanted = networks_of([method])
    if not wanted:
        return Weights(NO_WEIGHTS, f"{method} needs no network", settings)
    why = [f"none that ship hold {listed(wanted, 'and')}"]
    for name in SHIPPED:
        if all((shipped_folder(name) / f"{network}.safetensors").is_file() for network in wanted):
            try:
                return given_weights(name, settings, cohort, method)
            except InputError as error:
                why.append(f"{name} does not fit the settings: {error.errors[0].rstrip('.')}")
    return _none(settings, method, why[-1])


def without(weights: Weights, settings: Settings, method: str, why: str) -> Weights:
    """Return no weights, as a scan is out of the field of those that ship; raises InputError as `shipped_weights`."""
    return _none(settings, method, f"{weights.name} is not for these scans: {why}")


def _none(settings: Settings, method: str, why: str) -> Weights:
    """Return no weights for a reason; raises InputError where the method cannot do without."""
    if not method_named(method).family.optional:
        expected = f"a folder of weights with {listed(networks_of([method]), 'and')}, as {why}"
        raise InputError(parameter_fault("weights", AUTO, expected).message)
    return Weights(NO_WEIGHTS, why, settings)


def out_of_field(scans: Sequence[Scan]) -> str | None:
    """Return why some of the scans are out of the field of the weights that ship, None where none is.

    In the field is a scan whose values are Hounsfield units and which the shipped position map knows: no axis of it
    is turned or stretched for the map, and where it puts the scan's voxels is by and large where they are.
    """
    from rprloc.methods.body_map import BodyMap
    from rprloc.networks.checkpoint import read_model
    from rprloc.networks.device import device_of

    home = next(name for name in SHIPPED if (shipped_folder(name) / f"{MAP}.safetensors").is_file())
    model = read_model(shipped_folder(home) / f"{MAP}.safetensors", device=device_of("cpu"))
    for scan in scans:
        if no_hounsfield(scan.record.findings):
            return f"{scan.subject} has no Hounsfield units"
        found = BodyMap(model, scan)
        if fault := found.fault():
            return f"of {scan.subject}, {fault}"
        if (bent_mm := found.bent_mm()) > BENT_MM:
            return f"the position map of {scan.subject} is bent by {bent_mm:.1f} mm, expected at most {BENT_MM:g}"
    return None

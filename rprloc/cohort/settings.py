"""Everything that the pipeline knows about a cohort: one YAML file, validated, and typed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from rprloc.cohort.faults import Fault, shown
from rprloc.cohort.settings_file import Values, parse_yaml, schema_faults
from rprloc.scans.target import OWN, MatchingSpacing, Triple, voxels_of

BODY_WINDOW = ((-1000.0, 0.0), (-200.0, 0.2), (200.0, 0.8), (1500.0, 1.0))
"""Whole-body CT, HU -> grey value, air at exactly 0."""

MR_WINDOW = ((0.0, 0.0), (1000.0, 1.0))
"""MR, from the 0.2 (0) to the 99.8 percentile (1000) of the body's values -> grey value."""

PATCH_VOXELS = (4, 512)
"""Fewest and most voxels a patch may have along an axis."""

PATCH_VOLUME = 2**24
"""Most voxels a patch may have: 256 cubed, beyond what any training could hold."""

SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True)
class NetworkShape:
    """Shape of the patch network: kind of convolution (`in_plane` or `isotropic`) and base number of channels."""

    convolution: str = "in_plane"
    width: int = 8


@dataclass(frozen=True)
class Reach:
    """Longest offset in mm of the coarse and of the fine network, r in the paper's offset = r * tanh(...)."""

    coarse: float = 700.0
    fine: float = 50.0


@dataclass(frozen=True)
class Settings:
    """Settings of one cohort; the defaults are those of a whole-body CT.

    structures: name -> label value, None for whatever the labels hold. window: knots (HU, grey value) for ct, for mr
    (0 to 1000 between the body's 0.2 and 99.8 percentiles, grey value). spacing, patch: z, y, x in mm. r: mm.
    starts: K of the paper. matching_spacing: z, y, x in mm, of the volume for image matching, or OWN.
    given: the keys that the file itself held, which a trained model may not contradict (see weights.py).
    """

    structures: Mapping[str, int] | None = None
    modality: str = "ct"
    window: tuple[tuple[float, float], ...] = BODY_WINDOW
    spacing: Triple = (6.0, 6.0, 6.0)
    patch: Triple = (144.0, 144.0, 144.0)
    network: NetworkShape = NetworkShape()
    r: Reach = Reach()
    starts: int = 20
    matching_spacing: MatchingSpacing = (3.0, 3.0, 3.0)
    given: frozenset[str] = frozenset()

    @property
    def patch_voxels(self) -> tuple[int, int, int]:
        """Return the patch's size z, y, x in voxels."""
        return voxels_of(self.patch, self.spacing)

    @property
    def learnt_spacing(self) -> Triple:
        """Return the spacing z, y, x of the finer volume in which networks learn landmarks: all scans' is the same."""
        if self.matching_spacing != OWN:
            return self.matching_spacing
        z, y, x = self.spacing
        return z / 2, y / 2, x / 2

    def to_json(self) -> dict[str, Any]:
        """Return all keys of the settings as plain values for JSON, as a settings file would hold them."""
        return {
            "structures": None if self.structures is None else dict(self.structures),
            "modality": self.modality,
            "window": [list(knot) for knot in self.window],
            "spacing": list(self.spacing),
            "patch": list(self.patch),
            "network": {"convolution": self.network.convolution, "width": self.network.width},
            "r": {"coarse": self.r.coarse, "fine": self.r.fine},
            "starts": self.starts,
            "matching_spacing": OWN if self.matching_spacing == OWN else list(self.matching_spacing),
        }

    @classmethod
    def from_json(cls, values: Values) -> Settings:
        """Make settings from plain values that are known to be valid, such as those that `to_json` returns.

        Other keys than those of the settings are ignored.
        """
        given = {key: value for key, value in values.items() if key in KEYS}
        made: dict[str, Any] = dict(given)
        if given.get("modality") == "mr":
            made.setdefault("window", MR_WINDOW)
            # How finely MR shows what it does differs by a factor of eight from one protocol to the next.
            made.setdefault("matching_spacing", OWN)
        for key in ("spacing", "patch", "matching_spacing"):
            if key in made and made[key] != OWN:
                made[key] = tuple(float(value) for value in made[key])
        if "window" in made:
            made["window"] = tuple((float(value), float(grey)) for value, grey in made["window"])
        if "network" in made:
            network = NetworkShape(**made["network"])
            made["network"] = NetworkShape(network.convolution, int(network.width))
        if "r" in made:
            reach = Reach(**made["r"])
            made["r"] = Reach(float(reach.coarse), float(reach.fine))
        if "starts" in made:
            made["starts"] = int(made["starts"])
        if made.get("structures") is not None:
            made["structures"] = {name: int(value) for name, value in made["structures"].items()}
        return cls(**made, given=frozenset(given))


KEYS = tuple(field.name for field in fields(Settings) if field.name != "given")


def parse_settings(text: str, *, file: str) -> tuple[Settings | None, list[Fault]]:
    """Read settings from YAML text; `file` names it in messages.

    Returns the settings, or None where there is a fault, and all faults at once.
    """
    values, lines, faults = parse_yaml(text, file=file)
    if values is None:
        return None, faults
    faults += schema_faults(values, lines, file=file)
    if faults:
        return None, faults
    settings = Settings.from_json(values)
    for key, value, expected in _contradictions(settings):
        path = tuple(key.split("."))
        line = lines.get(path, lines.get(path[:1]))
        faults.append(Fault(file=file, line=line, column=key, value=value, expected=expected, kind="key"))
    return (None if faults else settings), faults


def load_settings(path: Path, *, name: str) -> tuple[Settings | None, list[Fault]]:
    """Read a cohort's settings file (YAML), which messages call `name`: the settings, None where there is a fault."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        return None, [Fault(file=name, value=reason, expected="a readable YAML file of settings")]
    return parse_settings(text, file=name)


def _contradictions(settings: Settings) -> list[tuple[str, str, str]]:
    """Return (key, found, expected) for all that a schema cannot say."""
    found: list[tuple[str, str, str]] = []
    inputs, greys = zip(*settings.window, strict=True)
    window = shown([list(knot) for knot in settings.window])
    if any(b <= a for a, b in pairwise(inputs)):
        found.append(("window", window, "knots whose first number increases"))
    if any(b < a for a, b in pairwise(greys)):
        found.append(("window", window, "grey values that never fall"))
    if greys[0] != 0 or greys[-1] == 0:
        found.append(("window", window, "grey values that start at 0 and end above 0"))
    if settings.modality == "mr" and not 0 <= min(inputs) <= max(inputs) <= MR_WINDOW[-1][0]:
        found.append(("window", window, "first numbers from 0 to 1000, because modality is mr"))
    fewest, most = PATCH_VOXELS
    voxels = settings.patch_voxels
    if not all(fewest <= n <= most for n in voxels):
        expected = f"from {fewest} to {most} voxels along each axis at a spacing of {shown(list(settings.spacing))} mm"
        found.append(("patch", f"{shown(list(settings.patch))} mm or {shown(list(voxels))} voxels", expected))
    elif math.prod(voxels) > PATCH_VOLUME:
        found.append(("patch", f"{math.prod(voxels)} voxels", f"at most {PATCH_VOLUME} voxels in a patch"))
    if settings.r.fine > settings.r.coarse:
        found.append(("r.fine", f"{settings.r.fine:g}", f"at most r.coarse, {settings.r.coarse:g} mm"))
    return found + _structure_contradictions(settings.structures or {})


def _structure_contradictions(structures: Mapping[str, int]) -> list[tuple[str, str, str]]:
    """Return (key, found, expected) for structures that share a name but for case, or share a label value."""
    found: list[tuple[str, str, str]] = []
    by_folded: dict[str, str] = {}
    by_value: dict[int, str] = {}
    for name, value in structures.items():
        if (other := by_folded.setdefault(name.casefold(), name)) != name:
            found.append((f"structures.{name}", name, f"a name that differs from {other} in more than case"))
        if (other := by_value.setdefault(value, name)) != name:
            found.append((f"structures.{name}", str(value), f"another label value than that of {other}"))
    return found


def known_cohorts(folders: list[Path]) -> dict[str, Path]:
    """Return name -> settings file for all cohorts in the folders; an earlier folder hides a later one's file."""
    known: dict[str, Path] = {}
    for folder in folders:
        # Listed and not tried by name, so that a case-blind file system gives the answer of any other.
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix in SUFFIXES and not path.name.startswith("."):
                known.setdefault(path.stem, path)
    return known

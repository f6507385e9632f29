"""How good are the outlines? `python -m benchmarks.outlines SHEET [SPLIT [SUPPORTS [QUERIES [METHODS]]]]`.

The scans of a split of a sample sheet (validation) are outlined by matched and by the registrations, from each of the
first supports (3) among the labelled validation scans, by the shipped position map; so many queries (all) take part,
and of the registrations (affine,bspline,convex) those that are named. For each method: Dice, 95 % surface distance and
surface Dice at 2 mm with their 95 % intervals over the queries, Dice of each structure, seconds a pair with the
outlines, and those of the outlines alone. Last comes matched less convex.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import torch

from benchmarks.bundled import openkbp_settings
from benchmarks.registration import labelled_scans
from rprloc.cohort.weights import shipped_folder
from rprloc.methods.answer import ALL_SUPPORTS, Finder
from rprloc.methods.clock import Clock
from rprloc.methods.judged import Judged
from rprloc.methods.matched import Matched
from rprloc.methods.outlined import Artist
from rprloc.methods.registration import METHODS, Registration
from rprloc.methods.start import MapStart
from rprloc.networks.checkpoint import read_model
from rprloc.networks.device import set_up_cpu
from rprloc.results.statistics import mean_interval, organ_means
from rprloc.scans.scan import Scan

MEASURES = ("dice", "surface_95_mm", "surface_dice_2mm")


def main(sheet: Path, split: str, supports: int, queries: int | None, methods: Sequence[str]) -> None:
    """Print the figures of a sheet."""
    set_up_cpu(None)
    settings = openkbp_settings()
    names = list(settings.structures or {})
    start = MapStart(read_model(shipped_folder("head-neck-ct") / "position_map.safetensors"), seed=1)
    finders: list[Finder] = [
        Matched(start, window=settings.window, structures=names, device=torch.device("cpu"), outlines=True),
        Registration(dict.fromkeys(methods, "extreme"), window=settings.window, structures=names, seed=1),
    ]
    with tempfile.TemporaryDirectory() as folder:
        given = labelled_scans(sheet, Path(folder) / "validation", "validation")[:supports]
        asked = labelled_scans(sheet, Path(folder) / split, split)[:queries]
        rows = pd.DataFrame([row for finder in finders for row in _rows(finder, given, asked)])
    for method, own in rows.groupby("method", sort=False):
        _print(str(method), own[own["support"] != ALL_SUPPORTS])
        _print(f"{method}, all together", own[own["support"] == ALL_SUPPORTS])
    _print_difference(rows[rows["support"] != ALL_SUPPORTS])


def _rows(finder: Finder, supports: Sequence[Scan], queries: Sequence[Scan]) -> Iterator[dict[str, object]]:
    """Yield a row for each outline, with the seconds of its pair."""
    finder.prepare(supports)
    artist = Artist(supports)
    for query in queries:
        clock = Clock()
        answers = finder.locate(query, clock)
        outlines = artist.outlines(query, Judged(answers), clock)
        others = sum(scan.subject != query.subject for scan in supports)
        for key in [*answers, *(key for key in outlines if key.support == ALL_SUPPORTS)]:
            if key.structure not in query.structures:
                continue
            facts = outlines[key].facts if key in outlines else None
            seconds = {
                part.name: taken
                for part, taken in clock.seconds.items()
                if part.method in ("", key.method) and part.support in ("", key.support)
            }
            shared = {part.name for part in clock.seconds if not part.support}
            spent = {name: taken / (others if name in shared else 1) for name, taken in seconds.items()}
            yield {
                "method": key.method, "support": key.support, "structure": key.structure, "subject": query.subject,
                "dice": getattr(facts, "dice", 0.0), "surface_95_mm": getattr(facts, "surface_95_mm", None),
                "surface_dice_2mm": getattr(facts, "surface_dice_2mm", 0.0),
                "seconds": sum(spent.values()), "drawing": spent["outline"] + spent.get("surface", 0.0),
            }  # fmt: skip


def _print(name: str, rows: pd.DataFrame) -> None:
    """Print the figures of a method."""
    if not len(rows):
        return
    means = organ_means(rows, MEASURES)
    dice, far, near = (means[measure] for measure in MEASURES)
    structures = ", ".join(f"{one} {100 * own['dice'].mean():.1f}" for one, own in rows.groupby("structure"))
    print(
        f"{name}: Dice {100 * dice.mean:.1f} +- {100 * dice.half_width:.1f} %, "
        f"95 % surface distance {far.mean:.2f} +- {far.half_width:.2f} mm, "
        f"surface Dice at 2 mm {100 * near.mean:.1f} +- {100 * near.half_width:.1f} %; "
        f"{len(rows)} outlines of {dice.n} queries; {structures}"
    )
    if rows["support"].iloc[0] != ALL_SUPPORTS:
        seconds, drawing = rows["seconds"].mean(), rows["drawing"].mean()
        print(f"  {seconds:.2f} s a pair, the registrations' outlines of all together; of it {drawing:.2f} s to draw")


def _print_difference(rows: pd.DataFrame) -> None:
    """Print matched less convex, query by query."""
    for measure in MEASURES:
        means = rows.groupby(["method", "subject"])[measure].mean()
        if "convex" not in means:
            return
        found = mean_interval(means["matched"] - means["convex"])
        print(f"matched less convex, {measure}: {found.mean:.3f} +- {found.half_width:.3f}, n = {found.n}")


if __name__ == "__main__":
    own = [*sys.argv[2:], *("validation", "3", "", ",".join(METHODS))[len(sys.argv) - 2 :]]
    main(Path(sys.argv[1]), own[0], int(own[1]), int(own[2]) if own[2] else None, own[3].split(","))

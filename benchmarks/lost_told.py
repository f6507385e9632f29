"""How well lost answers are told: what is fitted on the answers of `benchmarks.lost`, and the tables of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize

from rprloc.geometry import FloatArray
from rprloc.methods.answer import DOUBTFUL
from rprloc.methods.lost import OFF_MM, SIGNS, agreement_signs, logistic
from rprloc.results.tables.calibration import auroc
from rprloc.scans.turned import Turn

KEPT = 0.99
"""Of the good answers that a threshold keeps."""
ELSEWHERE = "elsewhere"
"""Answers that are all moved far away, as methods that do not compare whole scans may give; they teach, and are too
easy to be counted.
"""
NEARBY = "nearby"
"""Answers each of which is moved a little, as coarse methods are off and right by them; they teach what one support
says alone, and are not of the method that is counted.
"""
TURNS = {
    "feet up": Turn((0, 1, 2), (1, 1, -1)), "front to back": Turn((0, 1, 2), (1, -1, 1)),
    "left to right": Turn((0, 1, 2), (-1, 1, 1)), "half round z": Turn((0, 1, 2), (-1, -1, 1)),
    "half round y": Turn((0, 1, 2), (-1, 1, -1)), "half round x": Turn((0, 1, 2), (1, -1, -1)),
    "x and y": Turn((1, 0, 2), (1, 1, 1)), "y and z": Turn((0, 2, 1), (1, 1, 1)),
    "x and z": Turn((2, 1, 0), (1, 1, 1)), "quarter round x": Turn((0, 2, 1), (1, -1, 1)),
}  # fmt: skip
"""The ways in which scans are turned."""
_RIDGE = 0.01
_FAR_MM = 30.0
"""Lost answers that are farther off are counted apart: one that is 19 mm off is good, and looks as one of 21 mm."""


@dataclass(frozen=True)
class _Fit:
    """What tells lost answers: by one support alone, and by three that agree or not."""

    alone: tuple[FloatArray, float]
    """Weights and bias of the signs."""
    agreed: tuple[FloatArray, float]
    at: float
    """From this probability on answers are called lost."""

    @classmethod
    def of(cls, rows: pd.DataFrame) -> _Fit:
        """Fit on answers with known truth."""
        alone = fitted(rows, _signs(rows)[:, :-1])
        # What is moved by us agrees, or does not, as no method's answers do.
        several = rows[rows["apart"].notna() & rows["usual"].notna() & ~rows["kind"].isin([ELSEWHERE, NEARBY])]
        fit = cls(alone, fitted(several, _agreement(several)), at=1.0)
        good = fit.chances(rows[~rows["lost"]])
        return replace(fit, at=float(np.nanmax(np.nanquantile(good, KEPT, axis=1))))

    def chances(self, rows: pd.DataFrame) -> FloatArray:
        """Return the probabilities (2, n) that answers are lost, by one support and by three; NaN without three."""
        alone = logistic(_signs(rows)[:, :-1], *self.alone)
        return np.stack([alone, logistic(_agreement(rows), *self.agreed)])


def _signs(rows: pd.DataFrame) -> FloatArray:
    return rows[list(SIGNS)].to_numpy(dtype=np.float64)


def _agreement(rows: pd.DataFrame) -> FloatArray:
    return agreement_signs(_signs(rows), rows["apart"].to_numpy(dtype=np.float64))


def told(answers: pd.DataFrame) -> None:
    """Print how well each cohort's lost answers are told by what was fitted on the others, and the weights of all."""
    judged = answers[answers["likeness"].notna()].assign(lost=lambda rows: rows["off_mm"] > OFF_MM)
    before = judged.reindex(columns=["before"])["before"].notna()
    paired = judged["structure"].str.endswith(("_left", "_right"))
    repaired, sided = judged["repaired"].astype(bool), judged["sided"].astype(bool)
    undecided = paired & (((judged["kind"] == "left to right") & ~repaired) | (repaired & ~sided))
    wrong = (undecided & judged["lost"]).sum()
    print(f"{undecided.sum()} answers of sides that cannot be told, {wrong} on the wrong one\n")
    judged, before = judged[~undecided], before[~undecided]
    # An answer in a frame that is wrong is right by luck alone: it teaches nothing.
    teaching = judged[~((before | judged["kind"].isin(TURNS)) & ~judged["repaired"] & ~judged["lost"])]
    final = judged[~before & ~judged["kind"].isin([ELSEWHERE, NEARBY])]
    print("| cohort | answers | lost | AUROC: one support, three, spread_mm", end="")
    print(" | told at 1 % of the others; of those 30 mm off |", end="")
    print(" called lost by one: the lost, the others | by three | doubtful by one | by three |")
    print("|---" * 9 + "|")
    for cohort in final["cohort"].unique():
        own = final[final["cohort"] == cohort]
        fit = _Fit.of(teaching[teaching["cohort"] != cohort])
        _print_cohort(cohort, own, fit)
        _print_cohort(f"{cohort}, as they are", own[own["kind"] == "as it is"], fit)
    fit = _Fit.of(teaching)
    _print_cohort("all, in sample", final, fit)
    _print_changes(final, fit)
    for name, (weights, bias) in (("_WEIGHTS, _BIAS", fit.alone), ("_AGREE, _AGREE_BIAS", fit.agreed)):
        print(f"\n{name} = ({', '.join(f'{weight:.2f}' for weight in weights)}), {bias:.2f}")
    print(f"LOST_AT = {fit.at:.2f}")


def _print_cohort(name: str, rows: pd.DataFrame, fit: _Fit) -> None:
    """Print the line of some answers."""
    lost = rows["lost"].to_numpy()
    chances = fit.chances(rows)
    measures = [*chances, rows["spread_mm"].to_numpy(dtype=float)]
    known = [np.isfinite(one) for one in measures]
    tells = ", ".join(f"{auroc(one[own], lost[own]):.3f}" for one, own in zip(measures, known, strict=True))
    shares = [
        ", ".join(f"{100 * (chance >= at)[own & of].mean():.0f} %" if (own & of).any() else "–" for of in (lost, ~lost))
        for at in (fit.at, DOUBTFUL)
        for chance, own in zip(chances, known[:2], strict=True)
    ]
    far = rows["off_mm"].to_numpy() > _FAR_MM
    alike = "; ".join(
        ", ".join(_told_at(chance[own], lost[own], of[own]) for chance, own in zip(chances, known[:2], strict=True))
        for of in (lost, far)
    )
    print(f"| {name} | {len(rows)} | {lost.sum()} | {tells} | {alike} | {' | '.join(shares)} |")


def _told_at(chances: FloatArray, lost: NDArray[np.bool_], of: NDArray[np.bool_]) -> str:
    """Return the part of some lost answers that have a larger probability than all but 1 % of the good ones."""
    if not of.any():
        return "–"
    return f"{100 * (chances[of] > np.quantile(chances[~lost], KEPT)).mean():.0f} %"


def _print_changes(rows: pd.DataFrame, fit: _Fit) -> None:
    """Print a line for each change, by three supports where there are three."""
    print("\n| change | scans | repaired | answers | lost | called lost | probability of the lost, of the others |")
    print("|---" * 7 + "|")
    alone, agreed = fit.chances(rows)
    for kind, own in rows.assign(chance=np.where(np.isfinite(agreed), agreed, alone)).groupby("kind", sort=False):
        scans = own.groupby(["cohort", "subject"])["repaired"].first()
        medians = [f"{100 * own['chance'][mask].median():.0f} %" for mask in (own["lost"], ~own["lost"])]
        right = (own["chance"] >= fit.at) & own["lost"]
        counts = f"{len(scans)} | {scans.sum()} | {len(own)} | {own['lost'].sum()} | {right.sum()}"
        print(f"| {kind} | {counts} | {', '.join(medians)} |")


def fitted(rows: pd.DataFrame, signs: FloatArray) -> tuple[FloatArray, float]:
    """Return the weights (k,) of signs (n, k) and the bias of logistic regression with a small ridge; each cohort's
    lost answers, and its others, weigh as much as any other cohort's.
    """
    middle, scale = signs.mean(axis=0), signs.std(axis=0) + 1e-9
    scaled, lost = (signs - middle) / scale, rows["lost"].to_numpy(dtype=np.float64)
    weights = 1 / rows.groupby(["cohort", "lost"])["lost"].transform("size").to_numpy(dtype=np.float64)
    weights /= weights.sum()

    def loss(given: FloatArray) -> float:
        margin = (scaled @ given[:-1] + given[-1]) * (2 * lost - 1)
        return float((weights * np.logaddexp(0, -margin)).sum() + _RIDGE * (given[:-1] ** 2).sum())

    found = minimize(loss, np.zeros(signs.shape[1] + 1)).x
    return found[:-1] / scale, float(found[-1] - (found[:-1] * middle / scale).sum())

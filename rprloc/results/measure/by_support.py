"""What each method found from each support alone, as arrays, beside what is true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rprloc.geometry import FloatArray
from rprloc.methods.answer import ALL_SUPPORTS, NO_SUPPORT, OUTSIDE, Prediction, say
from rprloc.results.frame import Group, Main, groups_of, with_truth
from rprloc.results.measure.expected import Scans, usable
from rprloc.results.measure.voxels import edges_in


@dataclass(frozen=True)
class BySupport:
    """What one method found in Q queries of T structures from each of S supports, and what is true."""

    group: Group
    supports: list[str]
    boxes_mm: FloatArray
    """(Q, T, S, 2, 3); NaN where nothing was found."""
    weights: FloatArray
    """(Q, T, S), how much say each box has in what several say together."""
    asked: NDArray[np.bool_]
    """(Q, T, S); a query is never asked for from itself."""
    outside: NDArray[np.bool_]
    """(Q, T, S); where the prediction is that the query does not show it."""
    seconds: FloatArray
    """(Q, T, S); NaN for queries that were the first of their task or took no time."""
    true_mm: FloatArray
    """(Q, T, 2, 3); NaN where there is no truth."""
    known: NDArray[np.bool_]
    """(Q, T); whether a prediction counts, were it only as a miss."""
    edges_mm: FloatArray
    """(Q, 2, 3), of the queries' voxels, as `edges_in` has them."""

    @property
    def structures(self) -> tuple[str, ...]:
        """The T structures."""
        return self.group.structures


def by_support(predictions: Sequence[Prediction], metrics: pd.DataFrame, scans: Scans) -> Iterator[BySupport]:
    """Yield what each method that tables show found from one support or none.

    `predictions` are one cohort's complete ones, before they end at voxels' edges, and `metrics` their lines of
    metrics.csv. Supports that were set aside
    and structures without any truth take no part.
    """
    known = with_truth(metrics)
    counts = {(str(query), str(name)) for query, name in zip(known["subject"], known["structure"], strict=True)}
    own = by_setting(predictions)
    for group in groups_of(known):
        alone = [one for one in own[group.method, group.setting] if one.support != ALL_SUPPORTS]
        queries = list(dict.fromkeys(one.subject for one in alone))
        pairs = [[(query, name) in counts for name in group.structures] for query in queries]
        yield _arrays(group, alone, queries, np.array(pairs, dtype=bool), scans)


def by_setting(predictions: Sequence[Prediction]) -> dict[tuple[str, str], list[Prediction]]:
    """Return predictions by method and setting."""
    own: dict[tuple[str, str], list[Prediction]] = {}
    for one in predictions:
        own.setdefault(Main(one.method, one.setting), []).append(one)
    return own


def usable_supports(predictions: Sequence[Prediction], scans: Scans) -> list[str]:
    """Return the supports of a method's predictions that can be used, sorted; all where none can: misses count."""
    names = sorted({one.support for one in predictions})
    return [name for name in names if name == NO_SUPPORT or usable(scans, name)] or names


def support_count(supports: Sequence[str]) -> int:
    """Return how many supports a method's predictions come from, 0 for one that answers without."""
    return 0 if list(supports) == [NO_SUPPORT] else len(supports)


def _arrays(
    group: Group, predictions: Sequence[Prediction], queries: Sequence[str], known: NDArray[np.bool_], scans: Scans
) -> BySupport:
    """Return one method's predictions as arrays."""
    supports = usable_supports(predictions, scans)
    image = _places(queries, [one.subject for one in predictions])
    organ = _places(group.structures, [one.structure for one in predictions])
    support = _places(supports, [one.support for one in predictions])
    # A structure without any truth, and a support that was set aside, have no place.
    there = np.flatnonzero((organ >= 0) & (support >= 0))
    at = (image[there], organ[there], support[there])
    placed = [predictions[int(i)] for i in there]
    shape = (len(queries), len(group.structures), len(supports))
    boxes = np.full((*shape, 2, 3), np.nan)
    weights = np.ones(shape)
    asked, outside, seconds = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool), np.zeros(shape)
    nothing = [[np.nan] * 3] * 2
    boxes[at] = np.reshape([one.box_mm or nothing for one in placed], (-1, 2, 3))
    weights[at] = [say(one.lost) for one in placed]
    asked[at] = True
    outside[at] = [one.failed and one.reason == OUTSIDE for one in placed]
    seconds[at] = [sum(one.seconds.values()) for one in placed]
    seconds[[image[i] for i, one in enumerate(predictions) if one.first]] = np.nan
    seconds[~(seconds > 0).any(axis=(1, 2))] = np.nan
    true = _true(queries, group.structures, scans)
    edges = np.reshape([edges_in(scans, query) for query in queries], (-1, 2, 3))
    return BySupport(group, supports, boxes, weights, asked, outside, seconds, true, known, edges)


def _places(names: Sequence[str], own: Sequence[str]) -> NDArray[np.intp]:
    """Return the place of each own name (n) among the names, -1 for one that is not there."""
    place = {name: i for i, name in enumerate(names)}
    return np.array([place.get(name, -1) for name in own], dtype=np.intp)


def _true(queries: Sequence[str], structures: Sequence[str], scans: Scans) -> FloatArray:
    """Return the true boxes (Q, T, 2, 3) in mm; NaN where there is no truth."""
    true = np.full((len(queries), len(structures), 2, 3), np.nan)
    for q, query in enumerate(queries):
        labelled = scans[query].structures if query in scans else {}
        for t, name in enumerate(structures):
            if name in labelled:
                true[q, t] = labelled[name].box_mm
    return true

"""Every method that `--methods` offers has its words, and its row in the order of the paper."""

from __future__ import annotations

import pandas as pd

from rprloc.cohort.methods import METHODS
from rprloc.results.method_words import compared, in_order, main_answers, words_of
from rprloc.results.paper import paper_numbers


def test_the_rows_of_the_paper_are_methods() -> None:
    assert {row for table, row, _ in paper_numbers() if table == 3} <= set(METHODS)
    assert len({words_of(method).label for method in METHODS}) == len(METHODS)


def test_order_and_families() -> None:
    assert in_order(["convex", "new", *reversed(METHODS)]) == [*METHODS, "new"]
    families = [words_of(method).family for method in METHODS]
    assert len(set(families)) == 8
    # A column of figure 4 has three line styles.
    assert max(families.count(family) for family in families) == 3
    assert words_of("regression").networks == ("coarse", "fine") and words_of("affine").networks == ()
    assert words_of("ceiling").family == words_of("retina_unet").family != words_of("student").family
    assert (words_of("new").label, words_of("new").family) == ("new (ours)", "new")


def test_of_the_paper_s_method_only_the_main_setting_is_compared() -> None:
    names = [("convex", "extreme"), ("regression", "extreme.k4.c1f0"), ("regression", "extreme.k4.c1f1")]
    rows = pd.DataFrame(names, columns=["method", "setting"])
    assert [entry[:2] for entry in compared(rows, 4)] == [names[2], names[0]]
    assert [entry[:2] for entry in compared(rows, 5)] == [names[0]]


def test_the_answers_to_use() -> None:
    both = [("regression", "extreme.k4.c1f1"), ("matched", "extreme"), ("affine", "extreme")]
    assert main_answers(both, 4) == ("matched", "extreme")
    assert main_answers([("affine", "extreme"), ("regression", "extreme.k4.c1f0")], 4) == (
        "regression",
        "extreme.k4.c1f1",
    )
    assert main_answers([("convex", "extreme"), ("grey_ncc", "extreme.s1")], 4) == ("grey_ncc", "extreme.s1")
    assert main_answers([], 4) == ("regression", "extreme.k4.c1f1")

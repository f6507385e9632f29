"""Random generators by name, and the draw of the support."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rprloc.seeds import draw_order, generator_of

names = st.lists(st.text("abc019._-", min_size=1, max_size=6), min_size=1, max_size=8, unique=True)


@given(names, st.integers(0, 2**31))
def test_the_draw_depends_on_seed_cohort_and_the_set_of_names(some: list[str], seed: int) -> None:
    order = draw_order(seed, "cohort", some)
    assert sorted(order) == sorted(some)
    assert order == draw_order(seed, "cohort", some[::-1])


def test_the_draw_is_fair_between_the_candidates() -> None:
    some = [f"s{n}" for n in range(5)]
    firsts = [draw_order(seed, "cohort", some)[0] for seed in range(500)]
    assert all(60 < firsts.count(name) < 145 for name in some)
    assert len({tuple(draw_order(seed, f"cohort{seed}", some)) for seed in range(50)}) > 20


def test_generators_of_different_names_are_different_streams() -> None:
    def first(*key: str, seed: int = 1) -> float:
        return float(generator_of(seed, *key).random())

    assert first("a", "b") == first("a", "b")
    assert len({first("a", "b"), first("b", "a"), first("ab"), first("a"), first("a", "b", seed=2)}) == 5

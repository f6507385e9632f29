"""What rows say, how a table grows, and how learning rates fall."""

import pytest

from rprloc.catalogue import (
    Family,
    Length,
    Method,
    families_of,
    in_order,
    load,
    method_named,
    methods,
    network_named,
    networks,
    register,
    settings_of,
    unregister,
)

NEW = Method(name="new", family=Family(name="new", make="tests.methods.mean_place:make"))


def test_a_registered_row_comes_last_and_can_be_taken_back() -> None:
    before = methods()
    register(NEW)
    try:
        assert methods() == (*before, NEW) and method_named("new") is NEW
        assert in_order(["unknown", "new", "affine", "new"]) == ["affine", "new", "unknown"]
        assert families_of(["new", "convex", "affine"]) == [method_named("affine").family, NEW.family]
        with pytest.raises(ValueError, match="found new twice"):
            register(NEW)
    finally:
        unregister(NEW)
    assert methods() == before
    with pytest.raises(KeyError):
        method_named("new")


def test_a_method_and_a_network_may_share_a_name() -> None:
    assert method_named("position_map").family.networks == (network_named("position_map").name,)
    with pytest.raises(ValueError, match="found position_map twice"):
        register(network_named("position_map"))
    assert len({network.name for network in networks()}) == len(networks())


def test_a_reference_is_loaded_when_it_is_needed() -> None:
    assert load("rprloc.errors:nearest")("affin", ["affine"]) == " (did you mean 'affine'?)"


def test_settings_are_filled_in_and_named_once_the_one_to_use_last() -> None:
    regression, grey = method_named("regression"), method_named("grey_ncc")
    assert settings_of(regression, {"starts": 7}, tables=False) == ["extreme.k7.c1f1"]
    whole = settings_of(regression, {"starts": 10}, tables=True)
    assert len(whole) == len(set(whole)) == 13 and whole[-1] == "extreme.k10.c1f1"
    assert settings_of(grey, {"template_stride": 2}, tables=True) == ["extreme.s2"]


def test_learning_rates_fall_by_a_tenth_every_fiftieth_or_along_a_cosine() -> None:
    paper = Length(steps=100, groups=1, patches=2, learning_rate=1.0)
    assert paper.learning_rate_at(0) == paper.learning_rate_at(1) == 1.0
    assert paper.learning_rate_at(2) == pytest.approx(0.9) and paper.learning_rate_at(99) == pytest.approx(0.9**49)
    cosine = Length(steps=100, groups=1, patches=1, learning_rate=1.0, decay="cosine", warm_up=3)
    assert cosine.learning_rate_at(0) == pytest.approx(0.25)
    assert cosine.learning_rate_at(50) == pytest.approx(0.5) and cosine.learning_rate_at(99) < 0.001

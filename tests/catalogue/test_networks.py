"""The table of networks: every row says all that a training asks of it."""

import pytest

from rprloc.catalogue import Network, load, method_named, methods, network_named, networks, trainings
from rprloc.cohort.settings import KEYS


@pytest.mark.parametrize("network", networks(), ids=lambda network: network.name)
def test_a_row_is_whole(network: Network) -> None:
    assert all(callable(load(reference)) for reference in (network.settings, network.build, network.objective))
    assert list(network.lengths) == list(trainings())
    steps = [length.steps for length in network.lengths.values()]
    assert steps == sorted(steps)
    assert {key.partition(".")[0] for key in network.keys} <= set(KEYS)
    assert network.sentence.endswith(".") and network.source
    # What it needs is trained before, and needs nothing itself.
    assert all(not network_named(name).needs for name in network.needs)


def test_every_network_is_some_methods_and_learns_as_these_do() -> None:
    families = {method.family for method in methods()}
    assert {name for family in families for name in family.networks} == {network.name for network in networks()}
    for name in ("student", "ceiling", "retina_unet"):
        assert network_named(name).learns == method_named(name).family.learns

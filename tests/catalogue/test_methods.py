"""The table of methods: every row says all that the pipeline asks of it."""

import pytest

from rprloc.catalogue import BY_LABELS, BY_SUPPORTS, DEFAULT, PAPER, Method, load, method_named, methods, network_named
from rprloc.cohort.parameters import properties_of, read_schema
from tests.cohort.planned import ROOT

PARAMETERS = properties_of(read_schema(ROOT / "nextflow_schema.json"))


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.name)
def test_a_row_is_whole(method: Method) -> None:
    family = method.family
    assert callable(load(family.make))
    assert {network_named(name).name for name in family.networks} == set(family.networks)
    assert family.learns in ("", BY_LABELS, BY_SUPPORTS)
    assert {*family.parameters, *filter(None, [family.most_supports])} <= PARAMETERS.keys()
    assert method.sentence.endswith(".") and method.source
    assert method.label == f"{method.name} ({method.paper or 'ours'})"
    # A method that has learned needs no support, and knows nothing of how sure it is.
    assert family.supports == (not family.learns) and not (family.learns and family.calibrated)


def test_rows_of_one_family_stand_together_and_share_it() -> None:
    families = [method.family for method in methods()]
    assert len({family.name: family for family in families}) == len(set(families))
    names = [family.name for family in families]
    assert names == sorted(names, key=names.index)


def test_the_default_method_works_without_a_network_and_the_papers_is_there() -> None:
    assert method_named(DEFAULT).family.optional
    assert method_named(PAPER).paper == "the paper's"

"""Every method of the catalogue has its words, and one that it does not know stands for itself."""

from __future__ import annotations

from rprloc.catalogue import Family, Method, methods, register, unregister
from rprloc.results.words import calibrated_methods, column_of, label_of, method_of

NAMES = [method.name for method in methods()]


def test_each_method_has_a_label_of_its_own() -> None:
    assert len({label_of(name) for name in NAMES}) == len(NAMES)
    assert label_of("regression") == "regression (the paper's)" and label_of("grey_mse") == "grey_mse (GS MSE)"
    assert label_of("matched") == "matched (ours)"


def test_columns_of_figure_4() -> None:
    columns = [column_of(name) for name in NAMES]
    assert len(set(columns)) == 8
    # A column has four line styles.
    assert max(columns.count(column) for column in columns) == 4
    assert column_of("ceiling") == column_of("retina_unet") != column_of("student")


def test_an_unknown_method_stands_for_itself() -> None:
    assert (label_of("new"), column_of("new")) == ("new (ours)", "new")
    assert method_of("new").family.networks == ()
    assert calibrated_methods() == ["matched"]


def test_a_method_that_is_registered_has_the_words_of_its_row() -> None:
    family = Family(name="twins", make="nowhere:make", calibrated=True)
    twin = Method(name="twin", family=family, paper="Twin", column="theirs")
    register(twin)
    try:
        assert (label_of("twin"), column_of("twin")) == ("twin (Twin)", "theirs")
        assert calibrated_methods() == ["matched", "twin"]
    finally:
        unregister(twin)

"""A fault is one printable sentence on one line."""

from hypothesis import given
from hypothesis import strategies as st

from rprloc.cohort.faults import Fault, listed, parameter_fault, shown


def test_a_fault_names_place_value_and_expectation() -> None:
    fault = Fault(file="s.csv", line=3, column="split", value="tset", expected="train or test")
    assert fault.message == "s.csv, line 3, column 'split': found 'tset', expected train or test."
    assert parameter_fault("seed", None, "a number").message == (
        "command line, parameter 'seed': found nothing, expected a number."
    )


def test_names_in_a_sentence() -> None:
    assert [listed(names) for names in ((), ("a",), ("a", "b"), ("a", "b", "c"))] == [
        "nothing", "a", "a or b", "a, b or c",
    ]  # fmt: skip
    assert listed(("a", "b"), "and") == "a and b"


@given(st.text(max_size=300) | st.integers() | st.lists(st.text(max_size=50), max_size=9))
def test_what_was_found_is_shown_on_one_line(value: object) -> None:
    text = shown(value)
    assert len(text) <= 80 and text.isprintable()
    text.encode("utf-8")

"""Damage to files, drawn by hypothesis: what disks, transfers, editors and other programs do to them."""

from __future__ import annotations

import faulthandler
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hypothesis import strategies as st

HANG_S = 120
"""An example that takes longer ends the tests with the place where it hangs."""

Change = Callable[[bytes], bytes]


@contextmanager
def no_hang() -> Iterator[None]:
    """End the process with a traceback of where it is, should the block not end."""
    faulthandler.dump_traceback_later(HANG_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def damaged(content: bytes, *, first: int, words: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Return a strategy of one to four changes to `content`, most of them in its `first` bytes.

    Some put one of `words` in the place of another word of the same stretch.
    """
    changes = st.lists(_change(max(1, first), words) | _change(max(1, len(content)), words), min_size=1, max_size=4)
    return changes.map(lambda drawn: _changed(content, drawn))


def _changed(content: bytes, changes: list[Change]) -> bytes:
    for change in changes:
        content = change(content)
    return content


def _change(within: int, words: tuple[bytes, ...]) -> st.SearchStrategy[Change]:
    """Return a strategy of changes at a place within the first bytes."""
    at = st.integers(0, within - 1)
    return st.one_of(
        st.builds(_overwritten, at, st.binary(min_size=1, max_size=8)),
        st.builds(_overwritten, at, st.sampled_from(NUMBERS)),
        st.builds(_inserted, at, st.binary(min_size=1, max_size=40) | st.sampled_from(words)),
        st.builds(_cut, at),
        st.builds(_left_out, at, st.integers(1, 60)),
        st.builds(_reworded, at, st.sampled_from(words)),
        st.builds(_repeated, at, st.integers(1, 200)),
    )


NUMBERS = tuple(
    bytes.fromhex(digits)
    for digits in (
        "0000", "ffff", "0080", "ff7f", "00000000", "ffffffff", "ffffff7f", "00000080",
        "0000c07f", "0000807f", "000080ff", "ffff7f7f", "01000000", "0000803f", "000080bf",
    )
)  # fmt: skip
"""Integers and floating point numbers at the edges of what two and four bytes hold, NaN and infinity among them."""


def _overwritten(at: int, other: bytes) -> Change:
    return lambda content: content[:at] + other + content[at + len(other) :]


def _inserted(at: int, other: bytes) -> Change:
    return lambda content: content[:at] + other + content[at:]


def _cut(at: int) -> Change:
    return lambda content: content[:at]


def _left_out(at: int, count: int) -> Change:
    return lambda content: content[:at] + content[at + count :]


def _repeated(at: int, count: int) -> Change:
    return lambda content: content[: at + count] + content[at:]


def _reworded(at: int, word: bytes) -> Change:
    """Return the change of the word that holds the byte at a place, between blanks, commas and the like."""

    def change(content: bytes) -> bytes:
        breaks = b" \t\r\n,;:=()[]{}\"'"
        start = end = min(at, len(content))
        while start > 0 and content[start - 1] not in breaks:
            start -= 1
        while end < len(content) and content[end] not in breaks:
            end += 1
        return content[:start] + word + content[end:]

    return change

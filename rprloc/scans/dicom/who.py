"""What a description repeats of who the patient is, struck out."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Iterator

_SHORTEST = 3
"""A shorter word in Latin letters or digits counts only where it stands alone: it is part of many others."""
_ALONE = r"(?<![^\W_]){}(?![^\W_])"
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")
_BETWEEN = r"[\W_]{0,2}"


def without_who(text: str, said: Iterable[str], birth_date: str) -> str:
    """Return a text in which each word of what is said of a patient, and the birth date (as 19430228) however it is
    written, is `...`; case does not count.
    """
    words = {word for each in said for word in re.split(r"[\W_]+", each) if word}
    patterns = [*_dates(birth_date), *(_pattern(word) for word in sorted(words, key=len, reverse=True))]
    for pattern in patterns:
        text = re.sub(pattern, "...", text, flags=re.IGNORECASE)
    return text


def _pattern(word: str) -> str:
    """Return what finds a word in a text: within others too, unless it is short; Chinese names are, and stand so."""
    whole = len(word) < _SHORTEST and word.isascii()
    return _ALONE.format(re.escape(word)) if whole else re.escape(word)


def _dates(birth_date: str) -> Iterator[str]:
    """Yield what finds a date in a text: its parts in any usual order, with or without signs between them."""
    match = _DATE.fullmatch(birth_date.strip())
    if match is None or not 1 <= int(match[2]) <= 12:
        return
    name = calendar.month_name[int(match[2])]
    year, month, day = (
        f"(?:{match[1][:2]})?{match[1][2:]}",
        rf"(?:0?{int(match[2])}|{name[:3]}\w*)",
        f"0?{int(match[3])}",
    )
    for parts in ((year, month, day), (day, month, year), (month, day, year)):
        yield rf"(?<!\d){_BETWEEN.join(parts)}(?!\d)"

"""What structures are called: names from files in the form that the project can write, and those that are asked for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from rprloc.errors import InputError

LONGEST = 64
"""Characters of a structure's name: it becomes part of file names."""
_SHOWN = 5
"""Names that a sentence lists."""


def structure_names(texts: Sequence[str], file: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the structure's name of each text in a file, in their order, and what is to be said of changed ones.

    Accents go, and what is no letter, digit, `.`, `_` or `-` becomes `_`. Raises InputError where nothing is left of a
    name, or two structures would have the same one (case does not count).
    """
    names: dict[str, str] = {}
    folded: dict[str, str] = {}
    for text in texts:
        name = _plain(text)
        if not name:
            raise InputError(
                f"{file}: found a structure called {_quoted(text)}, expected letters or digits in its name."
            )
        if (other := folded.setdefault(name.casefold(), text)) != text:
            both = f"{_quoted(other)} and {_quoted(text)}"
            raise InputError(f"{file}: found the names {both}, expected names that differ in more than case.")
        names[text] = name
    changed = [f"{_quoted(text)} is {name}" for text, name in names.items() if text != name]
    if not changed:
        return names, ()
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return names, (f"{file}: names are written in letters, digits and . _ -: {', '.join(changed[:_SHOWN])}{more}",)


def asked_names(names: Iterable[str], asked: Iterable[str] | None) -> dict[str, str]:
    """Return for each wanted name of a file what it is called: all as they are without `asked`, else those that are
    asked for, in the spelling of `asked` (case does not count).
    """
    if asked is None:
        return {name: name for name in names}
    spelled = {name.casefold(): name for name in asked}
    return {name: spelled[name.casefold()] for name in names if name.casefold() in spelled}


def check_asked(found: Mapping[str, str], names: Iterable[str], asked: Iterable[str] | None, file: str) -> None:
    """Refuse a file none of whose structures is asked for; raises InputError."""
    if not found:
        expected = f"one of the settings' structures: {_listed(asked or ())}"
        raise InputError(f"{file}: found {_listed(names) or 'no structure'}, expected {expected}.")


def _plain(text: str) -> str:
    """Return a text as a structure's name, empty where nothing is left."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^A-Za-z0-9._-]+", "_", letters.strip()).lstrip("._-").rstrip("_")[:LONGEST]


def _quoted(text: str) -> str:
    """Return a text of a file for a message: on one line, printable, not endless."""
    return repr(text[:LONGEST]).encode("utf-8", "backslashreplace").decode("utf-8")


def _listed(names: Iterable[str]) -> str:
    """Return some names in a sentence."""
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more

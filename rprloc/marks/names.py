"""What structures are called: names from files in the form that the project can write, and those that are asked for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from rprloc.errors import InputError

LONGEST = 64
"""Characters of a structure's name: it becomes part of file names."""
_MOST_SAID = 120
"""Characters of a file's own text in a sentence."""
_SHOWN = 5
"""Names that a sentence lists."""
_UNNAMED = "structure"
"""What one is called, before its number, whose name has no letter or digit."""


def structure_names(texts: Sequence[str], file: str) -> tuple[list[str], tuple[str, ...]]:
    """Return what the structure of each text in a file is called, and what is to be said of changed names.

    Accents go, and what is no letter, digit, `.`, `_` or `-` becomes `_`. Where nothing is left, or several texts are
    the same, the text's number in the file tells them apart. Raises InputError where two structures would have the same
    name even so (case does not count).
    """
    names: list[str] = []
    folded: dict[str, str] = {}
    for number, text in enumerate(texts, start=1):
        name = _plain(text) or _UNNAMED
        if name == _UNNAMED or texts.count(text) > 1:
            name = f"{name[: LONGEST - len(str(number)) - 1]}_{number}"
        if (other := folded.setdefault(name.casefold(), text)) != text:
            both = f"{_quoted(other)} and {_quoted(text)}"
            raise InputError(f"{file}: found the names {both}, expected names that differ in more than case.")
        names.append(name)
    changed = [(text, name) for text, name in zip(texts, names, strict=True) if text != name]
    several = [f"{_quoted(text)} is {name}" for text, name in changed if texts.count(text) > 1]
    others = [f"{_quoted(text)} is {name}" for text, name in changed if texts.count(text) == 1]
    return names, (
        *_said(f"{file}: several structures have the same name", several),
        *_said(f"{file}: names are written in letters, digits and . _ -", others),
    )


def _said(about: str, changed: Sequence[str]) -> tuple[str, ...]:
    """Return the sentence, if any, of names that were changed."""
    return (f"{about}: {_listed(changed)}",) if changed else ()


def printable(text: str) -> str:
    """Return a text of a file that may stand in a sentence: on one line, no control characters, not endless."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_MOST_SAID])


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

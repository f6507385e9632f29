"""What is wrong with a sheet, a settings file or a parameter: one record and one sentence each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# Subjects, structures and cohorts become file names, JSON keys and words on a command line.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_EXPECTED = "1 to 64 of the characters A-Z a-z 0-9 . _ - that begin with a letter or a digit"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Say where an input is wrong, what was found there and what was expected.

    `line` counts from 1 and is None where no line is to blame; `column` is the sheet's column, the settings' key or
    the parameter's name, as `kind` says; `value` is None where nothing was found.
    """

    file: str
    expected: str
    line: int | None = None
    column: str | None = None
    value: str | None = None
    kind: str = "column"

    @property
    def message(self) -> str:
        """Return the fault as one sentence on one line."""
        place = [self.file]
        if self.line is not None:
            place.append(f"line {self.line}")
        if self.column is not None:
            place.append(f"{self.kind} {shown(self.column)}")
        found = "nothing" if self.value is None else shown(self.value)
        return f"{', '.join(place)}: found {found}, expected {self.expected}."


def shown(value: object, limit: int = 80) -> str:
    """Return a value for a message: on one line, printable, in quotes where it is text, cut to `limit` characters."""
    text = repr(value)
    # repr keeps letters of any language, but half a surrogate pair could not be written to a log.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= limit else f"{text[: limit - 4]}...{text[-1]}"


def listed(names: Iterable[str], last: str = "or") -> str:
    """Return names as a sentence has them: `a, b or c`."""
    *first, end = [str(name) for name in names] or ["nothing"]
    return f"{', '.join(first)} {last} {end}" if first else end


def parameter_fault(name: str, value: str | None, expected: str) -> Fault:
    """Return the fault of a parameter's value."""
    return Fault(file="command line", column=name, value=value, expected=expected, kind="parameter")

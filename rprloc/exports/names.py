"""Names of files that are made of subjects and structures, whatever these are called."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_LONGEST = 100
"""Bytes of a name without its endings."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""What Windows takes for devices."""


def file_name(text: str) -> str:
    """Return a name for a file that is made of a text: what is no letter of English, digit, dot, underscore or dash is
    written as %XX, byte by byte, and so is a dot in front; no other text has the same name.
    """
    found = "".join(
        chr(byte) if re.fullmatch(rb"[A-Za-z0-9._-]", bytes([byte])) else f"%{byte:02X}"
        for byte in text.encode("utf-8", "surrogatepass")
    )
    if found.startswith(".") or _RESERVED.match(found):
        found = f"%{ord(found[0]):02X}{found[1:]}"
    if not found or len(found) > _LONGEST:
        return f"{found[: _LONGEST // 2]}%{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    return found


def file_names(texts: Iterable[str]) -> dict[str, str]:
    """Return a name for each of several texts; names that a disk without cases takes for one get a number."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for text in dict.fromkeys(texts):
        name, number = file_name(text), 1
        while name.lower() in taken:
            number += 1
            # No name of a text alone has this in it.
            name = f"{file_name(text)}%-{number}"
        taken.add(name.lower())
        names[text] = name
    return names

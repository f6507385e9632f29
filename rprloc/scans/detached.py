"""Headers whose voxels lie in a file beside them, and which file that is."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from rprloc.errors import InputError

ENDINGS = (".mhd", ".nhdr", ".hdr", ".img")
"""Of a file that is not the whole image; `.hdr` and `.img` belong together."""
LONGEST = 1 << 16
"""Characters of a header of text that are looked at."""

_NAMED = {".mhd": r"^\s*ElementDataFile\s*=[ \t]*(.*)$", ".nhdr": r"^\s*data ?file:[ \t]*(.*)$"}
"""The line that names the file of the voxels."""
_OTHER = {".hdr": (".img", ".img.gz"), ".img": (".hdr",)}


def is_detached(name: str) -> bool:
    """Tell whether a file of a name needs another one."""
    return name.lower().endswith(ENDINGS)


def partner(name: str, head: str, beside: Collection[str]) -> str:
    """Return the name of the file that a detached one needs, of those `beside` it; `head` is the text of a header.

    Raises InputError where it is not there, lies in another folder, or is one of several.
    """
    ending = name[name.rindex(".") :].lower()
    if ending in _OTHER:
        wanted = [f"{name[: -len(ending)]}{other}" for other in _OTHER[ending]]
        found = [one for one in beside if one.lower() in [each.lower() for each in wanted]]
        if len(found) != 1:
            what = "no" if not found else "more than one"
            raise InputError(f"{name}: found {what} {' or '.join(_OTHER[ending])} of its name beside it, expected one.")
        return found[0]
    match = re.search(_NAMED[ending], head, re.MULTILINE | re.IGNORECASE)
    said = match[1].strip().removeprefix("./") if match else ""
    if not said:
        raise InputError(f"{name}: found no line that names the file of its voxels, expected one.")
    if said.lower() == "local" or said.split(" ")[0].lower() == "list" or "%" in said:
        raise InputError(f"{name}: found voxels in no or in several files, expected one file beside it.")
    if "/" in said or "\\" in said:
        raise InputError(f"{name}: found voxels in another folder, expected a file beside it.")
    if said not in beside:
        raise InputError(f"{name}: found no file of its voxels beside it, expected the one that it names.")
    return said


def partner_of(path: Path) -> str:
    """Return the name of the file that a detached one on this machine's disk needs; raises InputError and OSError."""
    return partner(path.name, head_of(path), [one.name for one in path.parent.iterdir()])


def head_of(path: Path) -> str:
    """Return the text of a header, nothing for one of bytes; raises OSError."""
    if path.suffix.lower() in _OTHER:
        return ""
    with path.open("rb") as stream:
        return stream.read(LONGEST).decode("latin-1")

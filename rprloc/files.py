"""Files that appear whole or not at all, and the hash that names a content."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from rprloc.errors import InputError

PICKLES = (b"PK\x03\x04", b"\x80")
"""How a pickle begins, as torch.save writes it or alone: told apart to be refused by name."""


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name once the block has ended without an error.

    The temporary name keeps all suffixes of `path`, by which image writers choose their format. An OSError, as on a
    full disk, names `path`; the file that was there before stays.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_part(path), suffix="".join(path.suffixes[-2:]))
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _on_disk(temporary)
        # mkstemp makes files private to the user; results are shared with a group like any other file.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if temporary is None or error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def remove_parts(path: Path) -> None:
    """Remove what a process that was killed while it wrote `path` has left; nobody else may be writing it."""
    for part in path.parent.glob(glob.escape(_part(path)) + "*"):
        part.unlink(missing_ok=True)


def _part(path: Path) -> str:
    """Return how the temporary names of a file begin."""
    return f".part-{path.name[:100]}-"


def _on_disk(path: Path) -> None:
    """Wait until a file's content is on its disk: a network's disk says only then that it is full."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    """Return the process's file mode mask: setting it to read it, as elsewhere, another thread might see."""
    with Path("/proc/self/status").open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith("Umask:"):
                return int(line.split()[1], base=8)
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8, whole."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, content: Any) -> None:
    """Write `content` as indented JSON, whole; raises ValueError for NaN or infinite numbers."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_json_lines(path: Path | str, rows: Iterable[Any]) -> None:
    """Write one JSON object a line, whole; raises ValueError for NaN or infinite numbers."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows))


def read_json(path: Path | str) -> Any:
    """Read a JSON file; raises InputError where it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a JSON file, found: {error}.") from error


def read_json_lines(path: Path | str) -> list[Any]:
    """Read one JSON object a line; raises InputError where the file is missing or a line is not JSON."""
    try:
        return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected one JSON object a line, found: {error}.") from error


def only_file(folder: Path, *, beside: Iterable[str] = ()) -> Path | None:
    """Return the one file or folder in a folder, None where there is none; those with the names of paths `beside` are
    others'.
    """
    others = {PurePosixPath(name).name for name in beside}
    found = sorted(one for one in folder.iterdir() if one.name not in others) if folder.is_dir() else []
    return found[0] if found else None


def sha256(*paths: Path | str) -> str:
    """Return the SHA-256 of the files' contents, one after the other, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in paths:
        with Path(path).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()

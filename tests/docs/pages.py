"""The pages of the documents, and what is written in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
HOW_TO = sorted((DOCS / "how-to").glob("*.md"))
PAGES = [*sorted(DOCS.rglob("*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))]


def name_of(page: Path) -> str:
    """Return a page's path in the checkout, for the names of tests."""
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    """Return what is written on a page."""
    return page.read_text(encoding="utf-8")


def fenced(page: Path, language: str) -> list[str]:
    """Return the blocks of code of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


def indented(page: Path) -> list[str]:
    """Return the indented blocks, without their indentation, outside fenced ones."""
    text = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in blocks]


def prose(page: Path) -> str:
    """Return a page without code, drawings and the addresses of links."""
    text = re.sub(r"^```.*?^```$|^    .*$|`[^`\n]*`", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", text)


COMMANDS = ("nextflow", "rprloc", "make", "python", "docker", "apptainer")


def commands(page: Path) -> list[list[str]]:
    """Return the commands of a page as words: the lines of indented blocks and the code in tables that call a program
    that is ours or that makes its image, without variables before and comments behind.
    """
    lines = [line for block in indented(page) for line in block.replace("\\\n", " ").splitlines()]
    lines += [
        code for row in re.findall(r"^\|.*$", text_of(page), re.MULTILINE) for code in re.findall(r"`([^`]+)`", row)
    ]
    found = []
    for line in lines:
        match = re.match(rf"(?:[A-Z_]+=\S+ )*((?:\.venv/bin/)?(?:{'|'.join(COMMANDS)}) .*)", line)
        if match:
            words = shlex.split(match[1], comments=True)
            found.append([words[0].removeprefix(".venv/bin/"), *words[1:]])
    return found

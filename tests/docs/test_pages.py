"""Lengths, links and numbers of the documents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, name_of, prose, text_of

README_WORDS = 500
RESULTS_WORDS = 900
EXPLANATION_NUMBERS = 15
FINDINGS = 4


def test_the_readme_is_short() -> None:
    assert len(text_of(ROOT / "README.md").split()) <= README_WORDS


@pytest.mark.parametrize("page", sorted((DOCS / "explanation").glob("*.md")), ids=name_of)
def test_an_explanation_has_few_numbers(page: Path) -> None:
    numbers = re.findall(r"(?<![\w.])\d+(?:[.,]\d+)*(?!\w)", prose(page))
    assert len(numbers) <= EXPLANATION_NUMBERS, numbers


def test_the_results_are_a_page_with_a_plot_a_table_of_six_rows_and_four_findings() -> None:
    text = text_of(DOCS / "results" / "openkbp.md")
    assert len(text.split()) <= RESULTS_WORDS
    assert "](accuracy.png)" in text
    table = re.search(r"^\| \| annotated scans.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table and len(table[1].splitlines()) == 6
    findings = text.split("## Four findings")[1].split("\n## ")[0]
    assert len(re.findall(r"^\*\*", findings, re.MULTILINE)) == FINDINGS


def test_what_was_tried_has_a_command_for_every_table() -> None:
    sections = text_of(DOCS / "results" / "trials.md").split("\n## ")[1:]
    for section in sections:
        assert ("|" in section) == bool(re.search(r"`(python -m benchmarks|nextflow run|make bench)", section)), section


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    heads = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text_of(page), flags=re.M | re.S), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


BESIDE = [
    ROOT / "CITATIONS.md",
    ROOT / "assets" / "demo" / "README.md",
    *sorted((ROOT / "rprloc" / "weights").glob("*/README.md")),
]
"""Pages that stand with what they are about."""


@pytest.mark.parametrize("page", [*PAGES, *BESIDE], ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$|^    .*$|`[^`\n]*`", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_names_a_path_of_a_machine(page: Path) -> None:
    assert not re.search(r"(?<![\w.])/(?:work|home|root|tmp|Users)/", text_of(page))


def test_paths_in_code_are_there() -> None:
    """Files and folders of the checkout that pages name."""
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue
        for path in re.findall(
            r"`((?:rprloc|docs|assets|conf|tests|containers|modules|workflows)/[\w./-]+)`", text_of(page)
        ):
            assert (ROOT / path).exists() or "fraction" in path or "NAME" in path, f"{name_of(page)}: {path}"

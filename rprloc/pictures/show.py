"""Where the viewer of a query is in a results folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from rprloc.errors import InputError, nearest
from rprloc.exports.names import file_name


def page_to_open(results: Path, subject: str | None, cohort: str | None = None) -> Path:
    """Return the page of a query's viewer in a results folder, or the report without a query.

    Raises InputError where there is none, and where several cohorts have a query of that name.
    """
    report = results / "report.html"
    if not report.is_file():
        raise InputError(f"{results}: found no report.html, expected the results folder of a run.")
    if subject is None:
        return report
    folder = "*" if cohort is None else file_name(cohort)
    pages = sorted(results.glob(f"viewer/{folder}/*.html"))
    own = [page for page in pages if page.stem == file_name(subject)]
    if len(own) > 1:
        cohorts = ", ".join(page.parent.name for page in own)
        raise InputError(f"{results}: found {subject} in the cohorts {cohorts}, expected one to be named by --cohort.")
    if not own:
        names = sorted({page.stem for page in pages})
        raise InputError(f"{results}: found no viewer of {subject}, expected a query's name{nearest(subject, names)}.")
    return own[0]


def address_of(page: Path, structure: str | None = None) -> str:
    """Return a page's address for a browser, at a structure."""
    return page.resolve().as_uri() + (f"#{quote(structure)}" if structure else "")

"""A page, read."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any


class Html(HTMLParser):
    """Collects a page's tags, the values of its attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.script = ""
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._in = tag if tag in ("script", "style") else ""
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.script += data
        elif self._in != "style":
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    @property
    def data(self) -> Any:
        """What the page tells its script."""
        return json.JSONDecoder().raw_decode(self.script)[0]

    def values(self, name: str) -> list[str]:
        """Return the values of all attributes of one name."""
        return [value or "" for key, value in self.attributes if key == name]

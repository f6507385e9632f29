"""A page, read."""

from __future__ import annotations

from html.parser import HTMLParser


class Html(HTMLParser):
    """Collects a page's tags, the values of its attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        """Return the values of all attributes of one name."""
        return [value or "" for key, value in self.attributes if key == name]

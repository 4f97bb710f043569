"""Texts in both languages, for the words of registries."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping


class Words(Struct, frozen=True):
    """A text in both languages, with `{fields}` that are filled in when it is shown."""

    fr: str
    en: str

    def fields(self) -> frozenset[str]:
        """Return the names of the fields; both languages must have the same."""
        french, english = (fields_of(text) for text in (self.fr, self.en))
        assert french == english, f"{self.en!r} has the fields {english}, its French {french}"
        return english

    def filled(self, language: str, details: Mapping[str, str]) -> str:
        """Return the text in `language` (fr or en) with its fields filled in."""
        return (self.fr if language == "fr" else self.en).format_map(details)


def fields_of(text: str) -> frozenset[str]:
    """Return the names of the `{fields}` in a text."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name)

"""Texts of registries, in both languages: the English is the message id, and its French is in a `fr.po`.

The catalogues are the same as those of pages; they are read when French is first asked for.
"""

from __future__ import annotations

import functools
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Final

from babel.messages.pofile import read_po
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE: Final = Path(__file__).resolve().parents[1]


@functools.cache
def french_texts() -> dict[str, str]:
    """Return the translations of every district and package, as their files have them: English message → French."""
    texts: dict[str, str] = {}
    for path in sorted([*PACKAGE.glob("*/fr.po"), *PACKAGE.glob("*/*/fr.po")]):
        with path.open("rb") as file:
            catalogue = read_po(file, locale="fr")
        for message in catalogue:
            if isinstance(message.id, str) and message.id and isinstance(message.string, str):
                texts[message.id] = message.string
    return texts


class Bilingual(Struct, frozen=True):
    """A text in both languages as data, for documents and stored messages; its fields are filled in."""

    fr: str
    en: str

    def filled(self, language: str, _: Mapping[str, str] | None = None) -> str:
        """Return the text in `language` (fr or en)."""
        return self.fr if language == "fr" else self.en


class Words(Struct, frozen=True):
    """A text by its English, with `{fields}` that are filled in when it is shown."""

    en: str

    @property
    def fr(self) -> str:
        """Return its French; without a translation it stays English."""
        return french_texts().get(self.en, self.en)

    def fields(self) -> frozenset[str]:
        """Return the names of the fields; both languages must have the same."""
        french, english = (fields_of(text) for text in (self.fr, self.en))
        assert french == english, f"{self.en!r} has the fields {english}, its French {french}"
        return english

    def filled(self, language: str, details: Mapping[str, str]) -> str:
        """Return the text in `language` (fr or en) with its fields filled in."""
        return (self.fr if language == "fr" else self.en).format_map(details)

    def in_both(self, **details: str | Bilingual) -> Bilingual:
        """Return the text in both languages with its fields filled in, each with a text or one in both languages."""
        return Bilingual(
            *(
                self.filled(
                    language,
                    {name: text if isinstance(text, str) else text.filled(language) for name, text in details.items()},
                )
                for language in ("fr", "en")
            )
        )


def fields_of(text: str) -> frozenset[str]:
    """Return the names of the `{fields}` in a text."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name)

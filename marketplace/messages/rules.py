"""What a kind of message is, and how its words are filled in; pure."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping


class Recipient(Struct, frozen=True):
    """Who a message is for: all people of a partner, one person, the subscriber of a line, or everyone with a role."""

    audience: Literal["partner", "person", "line", "role"]
    id: str


class Words(Struct, frozen=True):
    """A text in both languages, with `{fields}` that a message's details fill in."""

    fr: str
    en: str

    def fields(self) -> frozenset[str]:
        """Return the names of the fields; both languages must have the same."""
        french, english = (_fields(text) for text in (self.fr, self.en))
        assert french == english, f"{self.en!r} has the fields {english}, its French {french}"
        return english

    def filled(self, language: str, details: Mapping[str, str]) -> str:
        """Return the text in `language` (fr or en) with its fields filled in."""
        return (self.fr if language == "fr" else self.en).format_map(details)


class MessageKind(Struct, frozen=True):
    """A kind of message: its code, its words, and the path of the page it leads to, which may have fields too."""

    code: str
    subject: Words
    body: Words
    path: str

    def fields(self) -> frozenset[str]:
        """Return the names of the details that a message of this kind needs."""
        return self.subject.fields() | self.body.fields() | _fields(self.path)


def _fields(text: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name)

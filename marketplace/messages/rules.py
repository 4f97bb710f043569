"""What a kind of message is, and how its words are filled in; pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from marketplace.words import Words, fields_of


class Recipient(Struct, frozen=True):
    """Who a message is for: all people of a partner, one person, the subscriber of a line, or everyone with a role."""

    audience: Literal["partner", "person", "line", "role"]
    id: str


class MessageKind(Struct, frozen=True):
    """A kind of message: its code, its words, and the path of the page it leads to, which may have fields too."""

    code: str
    subject: Words
    body: Words
    path: str

    def fields(self) -> frozenset[str]:
        """Return the names of the details that a message of this kind needs."""
        return self.subject.fields() | self.body.fields() | fields_of(self.path)

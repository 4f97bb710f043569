"""What a kind of message is, its recipients, and how its words are filled in; pure."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from marketplace.core.words import Words, fields_of

TOKEN: Final = "token"  # noqa: S105 (the name of a field)
"""A field of a path that only the letter fills in: the message stores no secret."""
AT: Final = "at"
"""The field for an instant: stored in ISO 8601, shown in the reader's language and in Paris time."""
SHARE: Final = "_micro"
"""The end of a field's name for a share in millionths; it is shown as a percentage in the reader's language."""
IN_WORDS: Final = "_in_words"
"""The end of a field's name for a text in both languages, as JSON; it is shown in the reader's language."""
WITHOUT_INBOX: Final = ("mailbox", "address")


class Recipient(Struct, frozen=True):
    """Who a message is for.

    All people of a partner, one person, the subscriber of a line, or everyone with a role, in their inbox and by mail.
    A `mailbox` is one person by mail only, for links that are secrets. An `address` is a row of identity with an email
    that no person has proved yet.
    """

    audience: Literal["partner", "person", "line", "role", "mailbox", "address"]
    id: str


class MessageKind(Struct, frozen=True):
    """A kind of message: its words in both languages, and the page that it leads to."""

    code: str
    path: str
    """May have fields, like the words."""
    subject: Words
    body: Words
    readers: Literal["anyone", "partner", "subscriber", "steward", "finance"] = "anyone"
    """The people who may get it."""
    may_stop: Words | None = None
    """Its name on the page where people stop mail; None: a contract or the law requires the message."""
    warns: bool = False
    """Whether it says that somebody may be in the reader's account: no report of a dead address stops it."""
    by_post: bool = False
    """Whether it is printed for the post if mail cannot reach the recipient."""

    def fields(self) -> frozenset[str]:
        """Return the names of the details that a message of this kind needs."""
        return (self.subject.fields() | self.body.fields() | fields_of(self.path)) - {TOKEN}

    @property
    def has_secret(self) -> bool:
        """Return whether its path has a secret, which an inbox must not show."""
        return TOKEN in fields_of(self.path)

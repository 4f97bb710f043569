"""What a kind of message is, who it is for, and how its words are filled in; pure."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from marketplace.words import Words, fields_of

TOKEN: Final = "token"  # noqa: S105 (the name of a field)
"""A field of a path that the letter alone fills in: the message stores no secret."""
AT: Final = "at"
"""The field that is an instant: kept in ISO 8601, it reads in the reader's language and by the clock of Paris."""
SHARE: Final = "_micro"
"""How the name of a field ends that is a share in millionths: it reads as a percentage, in the reader's language."""
WITHOUT_INBOX: Final = ("mailbox", "address")


class Recipient(Struct, frozen=True):
    """Who a message is for.

    All people of a partner, one person, the subscriber of a line, or everyone with a role: in their inbox and by mail.
    A `mailbox` is a person's mail alone, for links that are secrets; an `address` is a row of identity with an email
    of somebody who is no person yet.
    """

    audience: Literal["partner", "person", "line", "role", "mailbox", "address"]
    id: str


class MessageKind(Struct, frozen=True):
    """A kind of message: its code, its words, and the path of the page it leads to, which may have fields too.

    `name`: what the kind is called where people choose what they get by mail. `may_stop`: whether they may stop its mail;
    not where a contract or the law wants them to know. `by_post`: whether it is printed for the post where mail cannot
    reach them. `readers`: who ever gets it.
    """

    code: str
    subject: Words
    body: Words
    path: str
    name: Words | None = None
    may_stop: bool = False
    by_post: bool = False
    readers: Literal["anyone", "partner", "subscriber", "steward", "finance"] = "anyone"

    def __post_init__(self) -> None:
        """Check that what may be stopped has a name to choose it by."""
        assert self.name or not self.may_stop, f"{self.code} may be stopped, and needs a name to be chosen by"

    def fields(self) -> frozenset[str]:
        """Return the names of the details that a message of this kind needs."""
        return (self.subject.fields() | self.body.fields() | fields_of(self.path)) - {TOKEN}

    @property
    def has_secret(self) -> bool:
        """Return whether its path has a secret, which an inbox must not show."""
        return TOKEN in fields_of(self.path)

"""The actor behind a request; `guards.py` says what an actor may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace.people.identity.rules import ADMINISTRATOR

if TYPE_CHECKING:
    import datetime as dt
    import uuid


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in person, or a partner's API key: exactly one of partner, subscriber and role is set."""

    name: str
    person: uuid.UUID | None = None
    """None for an API key."""
    key: uuid.UUID | None = None
    """The API key, or the first of those that replaced each other; None for a person."""
    partner: uuid.UUID | None = None
    vetted: bool = False
    """Whether the partner may buy."""
    subscriber: int | None = None
    role: str | None = None
    """steward, finance or auditor."""
    unread: int = 0
    """How many messages of the last 90 days they have not read, up to 100."""
    proved_at: dt.datetime | None = None
    """When the person last proved their identity, by password or second factor."""
    company_role: str | None = None
    """What a partner's person is, a word of `rules.COMPANY_ROLES`; None for a key, and for who is of no partner."""
    scopes: frozenset[str] | None = None
    """What an API key may do; None for a person, who may do everything."""

    @property
    def is_member(self) -> bool:
        """Whether this is a partner's person who does not administer it."""
        return self.company_role not in {None, ADMINISTRATOR}

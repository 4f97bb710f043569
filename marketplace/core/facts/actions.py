"""Stating a fact for the public log, in the transaction that makes it true."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import rfc8785

from marketplace.core import clock
from marketplace.core.database import is_in_transaction
from marketplace.core.facts.tables import HiddenFact, LogFact, UnloggedFact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Kind = Literal[
    "release_sealed",
    "release_recalled",
    "auction_opened",
    "auction_cancelled",
    "auction_closed",
    "auction_awarded",
    "auction_awarded_again",
]
HiddenKind = Literal["price_inputs"]
Value = str | int | list[str]


async def state_fact(kind: Kind, subject: object, statement: Mapping[str, Value]) -> None:
    """Write one fact of `kind` about `subject`, inside the transaction that makes it true; repeating it writes nothing.

    statement: public words, whole numbers and digests; stored as canonical JSON (RFC 8785).
    """
    assert is_in_transaction(), "a fact is stated in the transaction that makes it true"
    canonical = rfc8785.dumps(dict(statement)).decode()
    fact = LogFact(kind=kind, subject=str(subject), statement=canonical, at=clock.now())
    await LogFact.insert(fact).on_conflict(action="DO NOTHING", target=(LogFact.kind, LogFact.subject))


async def state_hidden(kind: HiddenKind, subject: str, statement: Mapping[str, Value]) -> None:
    """Write one confidential fact, inside the transaction that makes it true; the same statement again writes nothing.

    subject: what the fact is about, including its day. Only a person with its proof can see that the log has it.
    statement: as in `state_fact`.
    """
    assert is_in_transaction(), "a fact is stated in the transaction that makes it true"
    document = rfc8785.dumps(dict(statement))
    source = f"{subject} {hashlib.sha256(document).hexdigest()[:16]}"
    fact = HiddenFact(kind=kind, source=source, document=document.decode(), at=clock.now())
    await HiddenFact.insert(fact).on_conflict(action="DO NOTHING", target=(HiddenFact.kind, HiddenFact.source))


async def note_logged(facts: Sequence[int]) -> None:
    """Remove facts, by their numbers, from the queue, inside the transaction that places them in the log."""
    assert is_in_transaction(), "a fact leaves the queue with its place"
    await UnloggedFact.delete().where(UnloggedFact.fact.is_in([*facts] or [0]))

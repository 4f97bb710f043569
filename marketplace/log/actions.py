"""Stating a fact for the public log, in the transaction that makes it true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import rfc8785

from marketplace import clock
from marketplace.database import is_in_transaction
from marketplace.log.tables import LogFact

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["release_sealed", "release_recalled", "auction_opened", "auction_closed", "auction_awarded"]
Value = str | int | list[str]


async def state_fact(kind: Kind, subject: object, statement: Mapping[str, Value]) -> None:
    """Write one fact of `kind` about `subject`, inside the transaction that makes it true; again writes nothing.

    statement: public words, whole numbers and digests; kept as canonical JSON (RFC 8785).
    """
    assert is_in_transaction(), "a fact is stated in the transaction that makes it true"
    canonical = rfc8785.dumps(dict(statement)).decode()
    fact = LogFact(kind=kind, subject=str(subject), statement=canonical, at=clock.now())
    await LogFact.insert(fact).on_conflict(action="DO NOTHING", target=(LogFact.kind, LogFact.subject))

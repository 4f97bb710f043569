"""Actions on the keys of the operator's own systems, and the activation code that such a system requests."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import columns, fetch_row, transaction
from marketplace.core.errors import Conflict, NotFound
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity.lines import set_activation_code
from marketplace.people.identity.rules import clean_text, digest
from marketplace.subscribers.operators import rules
from marketplace.subscribers.operators.queries import get_line
from marketplace.subscribers.operators.tables import LetterRun, OperatorKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.core.database import Values


class Operator(Struct, frozen=True):
    """The operator's system that asks, and what its key may do."""

    label: str
    scopes: str


async def add_key(label: str, scopes: Sequence[str] = ()) -> str:
    """Make a key for one of the operator's systems and return it, this once; without scopes it has all of them."""
    label, allowed = clean_text(label, 80, field="label"), rules.clean_scopes(scopes)
    key = rules.KEY_PREFIX + secrets.token_urlsafe(32)
    made = uuid.uuid4()
    await OperatorKey.insert(
        OperatorKey(
            id=made,
            label=label,
            prefix=key[: rules.PREFIX_LENGTH],
            key_hash=digest(key),
            scopes=allowed,
            created_at=clock.now(),
            last_used_at=None,
            ended_at=None,
        )
    )
    await note_access(None, "operator_key_made", made, scopes=allowed)
    return key


async def end_key(prefix: str) -> None:
    """End the key with this prefix, at once; ending it again changes nothing."""
    ended: Values = {OperatorKey.ended_at: clock.now()}
    mine = OperatorKey.prefix == prefix[: rules.PREFIX_LENGTH]
    for row in await OperatorKey.update(ended).where(mine, OperatorKey.ended_at.is_null()).returning(OperatorKey.id):
        await note_access(None, "operator_key_ended", row["id"])
    if not await OperatorKey.exists().where(mine):
        raise NotFound("There is no key that begins so; `operator-key list` shows them all.")


async def use_key(key: str) -> Operator | None:
    """Return the system of this key and record its use; None for a key that is unknown or was ended."""
    if not key.startswith(rules.KEY_PREFIX):
        return None
    used: Values = {OperatorKey.last_used_at: clock.now()}
    in_force = (OperatorKey.key_hash == digest(key)) & OperatorKey.ended_at.is_null()
    query = OperatorKey.update(used).where(in_force).returning(*columns(Operator, OperatorKey))
    return await fetch_row(Operator, query)


async def make_code(request: uuid.UUID, reference: int) -> str:
    """Make the activation code of one line for this request id and return it; an earlier code stops working.

    The same request again returns the same code while it works; after that it is refused.
    """
    code = rules.code_of(settings().secret, request, reference)
    async with transaction():
        await lock("letters")
        line = await get_line(reference)
        if line.claimed_at is not None:
            raise Conflict("This line is claimed already: its person signs in, without a code.")
        new = LetterRun(id=request, at=clock.now(), codes=1, sha256=None)
        insert = LetterRun.insert(new).on_conflict(action="DO NOTHING", target=LetterRun.id).returning(LetterRun.id)
        if await insert:
            await set_activation_code(reference, digest(rules.plain_code(code)))
            await note_access(None, "activation_codes_made", request, codes=1)
        elif line.activation_code_hash != digest(rules.plain_code(code)):
            raise Conflict("This request was for another line, or another code was made since: use a new request id.")
    return code

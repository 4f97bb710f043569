"""Mobile lines as the operator's whole tables say: created, ended and in force again, all at once, whatever the millions.

A line that a table lacks is ended, not deleted: its person signs in, is paid what it earned, and can withdraw; no build
counts it. One that a later table has again is in force as it was, since a reference is one contract's for ever. A file
that was cut short must not end a million lines, so a table that lacks many is refused until the number is said.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.database import copy_columns, execute, execute_long, fetch_scalar, transaction
from marketplace.errors import Conflict
from marketplace.identity.queries import SQL
from marketplace.identity.rules import digest
from marketplace.identity.tables import LineTable, Subscriber
from marketplace.locks import lock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from marketplace.database import Values

CODE_BYTES: Final = 17
"""Random bytes of an activation code: 136 bits. Source: OWASP ASVS 5.0.0, 11.5.1: 128 at least."""
ONE_IN: Final = 50
"""A table may lack one line in so many without a word."""


class LineCounts(Struct, frozen=True):
    """What a whole table changed: `lines` are in force from then on; `returned` ended before and came back."""

    lines: int
    new: int
    returned: int
    changed: int
    gone: int


async def apply_line_table(
    references: NDArray[np.int64], sha256: str, *, changed: int = 0, allow_gone: int = 0
) -> LineCounts:
    """Make the lines in force be those of a whole table, and return what that changed; the same table again is nothing.

    references: each line once, not negative. sha256: of the table's rows, hex. changed: how many lines say something
    else than in the table before. Refused, with nothing changed: a table that lacks more than one line in fifty, and
    more than `allow_gone`.
    """
    now = clock.now()
    async with transaction():
        await lock("lines")
        latest = LineTable.select(LineTable.sha256).order_by(LineTable.id, ascending=False).limit(1)
        if await fetch_scalar(str, latest) == sha256:
            return LineCounts(len(references), 0, 0, 0, 0)
        await execute(SQL["stage_lines"])
        await copy_columns("arriving", {"reference": references})
        await execute("ANALYZE arriving")
        before = await fetch_scalar(int, "SELECT count(*) FROM subscriber WHERE gone_at IS NULL") or 0
        gone = await execute_long(SQL["find_missing_lines"])
        _refuse_a_short_table(before, gone, allow_gone)
        await execute_long(SQL["end_missing_lines"], now)
        returned = await execute_long(SQL["return_ended_lines"])
        new = await execute_long(SQL["add_arriving_lines"])
        await execute("DROP TABLE arriving, missing")
        counts = LineCounts(len(references), new, returned, changed, gone)
        await LineTable.insert(
            LineTable(
                sha256=sha256,
                at=now,
                lines=counts.lines,
                new_lines=new,
                returned_lines=returned,
                changed_lines=changed,
                gone_lines=gone,
            )
        )
    return counts


def _refuse_a_short_table(lines: int, gone: int, allow_gone: int) -> None:
    if gone * ONE_IN > lines and gone > allow_gone:
        raise Conflict(
            "{gone} of {lines} lines are not in this table, more than one in {one_in}: is the file whole? "
            "If those contracts have ended, run it again with --allow-gone {gone}.",
            gone=gone,
            lines=lines,
            one_in=ONE_IN,
        )


async def set_activation_code(reference: int, code_hash: str) -> None:
    """Let the code with this digest activate a line that nobody claimed, in place of any earlier one."""
    changed: Values = {Subscriber.activation_code_hash: code_hash}
    await Subscriber.update(changed).where(Subscriber.reference == reference, Subscriber.claimed_at.is_null())


async def issue_way_back(reference: int) -> str | None:
    """Make a code for a letter with which a line's holder gets back in, in place of any earlier one; None without a holder."""
    code = new_code()
    is_claimed = (Subscriber.reference == reference) & Subscriber.claimed_at.is_not_null()
    changed: Values = {Subscriber.activation_code_hash: digest(plain_code(code))}
    return code if await Subscriber.update(changed).where(is_claimed).returning(Subscriber.reference) else None


async def use_way_back(reference: int, code: str) -> bool:
    """Use the code of a holder's letter, in the caller's transaction; False where it was used or replaced meanwhile."""
    used: Values = {Subscriber.activation_code_hash: None}
    fits = (Subscriber.reference == reference) & (Subscriber.activation_code_hash == digest(plain_code(code)))
    return bool(await Subscriber.update(used).where(fits).returning(Subscriber.reference))


def new_code() -> str:
    """Return a new activation code: 136 random bits."""
    return written_code(secrets.token_bytes(CODE_BYTES))


def written_code(random: bytes) -> str:
    """Return `CODE_BYTES` bytes as seven groups of four that survive a letter and a telephone: no longer than an IBAN."""
    text = base64.b32encode(random).decode().rstrip("=")
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def plain_code(code: str) -> str:
    """Return a code as it is hashed: without its dashes and spaces, in capitals, 0 and 1 read as the letters meant."""
    return "".join(sign for sign in code.upper() if sign.isalnum()).replace("0", "O").replace("1", "I")

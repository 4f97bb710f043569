"""Apply the operator's whole tables of lines: create, end and resume all lines at once, however many there are.

A line that a table lacks is ended, not deleted: its person signs in, is paid its earnings, and can withdraw; no build
counts it. If a later table has it again, it is in force as before, since a reference belongs to one contract for ever.
A truncated file must not end a million lines, so a table that lacks many is refused until the number is given.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import copy_columns, execute, execute_long, fetch_scalar, transaction
from marketplace.core.errors import Conflict
from marketplace.core.locks import lock
from marketplace.people.identity.queries import SQL
from marketplace.people.identity.rules import digest
from marketplace.people.identity.tables import LineTable, Subscriber

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from marketplace.core.database import Values

CODE_BYTES: Final = 17
"""Random bytes of an activation code: 136 bits. Source: OWASP ASVS 5.0.0, 11.5.1: 128 at least."""
ONE_IN: Final = 50
"""A table may lack one line in this many without confirmation."""


class LineCounts(Struct, frozen=True):
    """What a whole table changed: `lines` are in force now; `returned` had ended before and are in force again."""

    lines: int
    new: int
    returned: int
    changed: int
    gone: int


async def apply_line_table(
    references: NDArray[np.int64], sha256: str, *, changed: int = 0, allow_gone: int = 0
) -> LineCounts:
    """Put exactly the lines of a whole table in force, and return what changed; the same table again changes nothing.

    references: each line once, not negative. sha256: of the table's rows, hex. changed: how many lines differ from the
    table before. Refuses, with nothing changed, a table that lacks more than one line in fifty and more than
    `allow_gone`.
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
    """Let the code with this digest activate an unclaimed line, in place of any earlier one."""
    changed: Values = {Subscriber.activation_code_hash: code_hash}
    await Subscriber.update(changed).where(Subscriber.reference == reference, Subscriber.claimed_at.is_null())


async def issue_way_back(reference: int) -> str | None:
    """Make a code for the letter that lets a line's holder back in, in place of an earlier one; None without one."""
    code = new_code()
    is_claimed = (Subscriber.reference == reference) & Subscriber.claimed_at.is_not_null()
    changed: Values = {Subscriber.activation_code_hash: digest(plain_code(code))}
    return code if await Subscriber.update(changed).where(is_claimed).returning(Subscriber.reference) else None


async def use_way_back(reference: int, code: str) -> bool:
    """Use the code of a holder's letter, in the caller's transaction; False if it was used or replaced."""
    used: Values = {Subscriber.activation_code_hash: None}
    fits = (Subscriber.reference == reference) & (Subscriber.activation_code_hash == digest(plain_code(code)))
    return bool(await Subscriber.update(used).where(fits).returning(Subscriber.reference))


def new_code() -> str:
    """Return a new activation code: 136 random bits."""
    return written_code(secrets.token_bytes(CODE_BYTES))


def written_code(random: bytes) -> str:
    """Return `CODE_BYTES` bytes as groups of four, easy to read out or copy from a letter; shorter than an IBAN."""
    text = base64.b32encode(random).decode().rstrip("=")
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def plain_code(code: str) -> str:
    """Return a code as it is hashed: no dashes or spaces, in capitals, 0 and 1 read as the letters meant."""
    return "".join(sign for sign in code.upper() if sign.isalnum()).replace("0", "O").replace("1", "I")

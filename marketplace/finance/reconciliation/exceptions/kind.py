"""What a kind of exception is made of; the files beside this one list them by subject.

A kind names its exceptions by SQL with these parameters: $1 the currency of the books, $2 now, $3 the categories of
Stripe's that have an account, $4 the account of Stripe's balance. It may read these queries of `queries.sql`: `book`
(orders with what Stripe, the bank and the books say of each) and `unequal` (Stripe's transactions without their entry).
What a kind names of `book` has the order's or the payment's id as its subject: where one exception is asked for, `book`
is of its subject alone.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from marketplace.core.words import Words


class InBook(Struct, frozen=True):
    """Exceptions of orders, as SQL expressions over a row of `book`: one pass over the orders serves all such kinds."""

    when: str
    detail: str
    movement: str
    """The id of the transaction that shows it where there is no order, or NULL."""
    amount_minor: str
    at: str


class WriteOff(Struct, frozen=True):
    """How two people write an exception off; without an account they only acknowledge it, and the books move nothing."""

    account: str = ""
    """Where its amount is until then."""
    credit_sign: Literal[1, -1] = 1
    """1: a positive amount is a credit of that account; -1: a debit."""
    losses_only: bool = False
    """A positive amount is somebody else's: it may not be written off as a gain."""
    is_match: bool = False
    """It is a bank line, and the write-off is what explains it."""


class ExceptionKind(Struct, frozen=True, kw_only=True):
    """A reason why something is unmatched. An exception is (code, subject), and is computed."""

    code: str
    sentence: Words
    """Why it is unmatched; `{detail}` inserts the exception's detail."""
    advice: Words
    """What finance does about it."""
    sql: str = ""
    """A SELECT of detail, subject, reference, path (or null), amount_minor (cents or null) and at; empty: only `in_book`."""
    in_book: InBook | None = None
    write_off: WriteOff | None = None
    """None: it must be corrected where it comes from."""
    settled_by: Literal["", "line", "payout", "payout_line", "order"] = ""
    """What a bank line that settles it is matched as; `line`: it is itself a bank line. Empty: no bank line settles it."""
    blocks_close: bool = True
    """Whether an open one stops its month from closing."""
    counts: bool = True
    """Whether a comparison counts it as unmatched."""
    after_write_offs: bool = False
    """Whether its SQL reads `found` (all other exceptions) and `written_off` (approved write-offs with their entry)."""

    @property
    def select(self) -> str:
        """Its SQL, with its code as `why`."""
        return f"SELECT '{self.code}' AS why, its.* FROM ({self.sql}) AS its"


ACKNOWLEDGED: Final = WriteOff()
"""Two people may write it off without an entry: the books hold no amount of it."""

"""Columns and constraints of revenue shares: one split a licence, one accrual a person and run.

Never a row per licence × person.
"""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.purchases.tables import Licence


class ShareRun(Table, db=DB, tablename="share_run"):
    """One pass that moved shares: held after settlement, released after the hold, or cancelled by refunds."""

    id = BigSerial(primary_key=True)
    kind = Text()
    """hold, release or cancel."""
    at = Timestamptz()
    amount_minor = BigInt()
    """The pools it moved, in cents: what its accruals add up to, and the journal's amount."""
    people = BigInt(default=0)
    """How many accruals it has."""
    known_kind = Check("kind IN ('hold', 'release', 'cancel')")
    amount_is_not_negative = Check("amount_minor >= 0 AND people >= 0")


class LicenceSplit(Table, db=DB, tablename="licence_split"):
    """How one licence's money was divided; with the manifest, anyone's share follows in O(1)."""

    licence = ForeignKey(Licence, null=False, on_delete=OnDelete.restrict, primary_key=True)
    fee_minor = BigInt()
    """Stripe's fee on the sale."""
    distributable_minor = BigInt()
    """The sale before VAT, less the fee; 0 where the fee took it all."""
    pool_minor = BigInt()
    """The subscribers' part; 0 where nothing was left, and then nobody is accrued anything."""
    operator_minor = BigInt()
    platform_minor = BigInt()
    people = BigInt()
    """Contributors of the release it sold."""
    total_weight = BigInt()
    cutoff_remainder = BigInt()
    cutoff_position = BigInt()
    state = Text(default="held")
    """held → released | cancelled."""
    held_by = ForeignKey(ShareRun, null=False, on_delete=OnDelete.restrict)
    ended_by = ForeignKey(ShareRun, null=True, default=None, on_delete=OnDelete.restrict)
    split_at = Timestamptz()
    known_state = Check("state IN ('held', 'released', 'cancelled')")
    ended_by_a_run = Check("(state = 'held') = (ended_by IS NULL)")
    adds_up = Check("distributable_minor = pool_minor + operator_minor + platform_minor")
    parts_are_not_negative = Check("least(fee_minor, pool_minor, operator_minor, platform_minor) >= 0")
    someone_contributed = Check("people > 0 AND total_weight > 0")


class Accrual(Table, db=DB, tablename="accrual"):
    """What one run moved for one subscriber, in micro-euros; append-only.

    run and subscriber are keys into `share_run` and `subscriber`, held by a trigger that checks a whole COPY at once:
    foreign keys, checked row by row, would make a run of ten million people three times slower.
    """

    id = BigSerial(primary_key=True)
    run = BigInt()
    subscriber = BigInt()
    held_micro = BigInt(default=0)
    """Change of what is held for them."""
    payable_micro = BigInt(default=0)
    """Change of what is theirs."""
    one_row_a_run = Unique([subscriber, run])
    moves_something = Check("held_micro <> 0 OR payable_micro <> 0")

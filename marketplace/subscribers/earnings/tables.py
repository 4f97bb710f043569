"""Columns and constraints of revenue shares: one split per licence, one accrual per person and run.

There is never a row per licence × person. A share is the pool times that person's weight over a public denominator, so
it depends on nobody else; the difference to the pool is the operator's. A month's close credits a subscriber with a
closed share; payments out of the balance, and their returns, are accruals.
"""

from __future__ import annotations

from piccolo.columns import UUID, Array, BigInt, BigSerial, Date, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.sales.orders.tables import Licence


class ShareRun(Table, db=DB, tablename="share_run"):
    """One pass that moved subscribers' money: held after settlement, released after the hold, cancelled by refunds, paid out."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    kind = Text()
    """hold, release or cancel; payout or reward; payout_back or reward_back for refused or returned ones."""
    at = Timestamptz()
    amount_minor = BigInt()
    """The shares or payouts it moved, in whole cents; equals the journal's amount."""
    people = BigInt(default=0)
    """How many rows per person it has (accruals, or closed shares); 0 where shares are computed."""
    known_kind = Check("kind IN ('hold', 'release', 'cancel', 'payout', 'payout_back', 'reward', 'reward_back')")
    amount_is_not_negative = Check("amount_minor >= 0 AND people >= 0")


class ShareClose(Table, db=DB, tablename="share_close"):
    """One month's close: the pass that makes held shares the subscribers', once for all licences whose hold has ended.

    The pass walks the lines by reference, one transaction per part; its rows count once `run` is set.
    """

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    month = Date(unique=True)
    """Its first day in Paris."""
    begun_at = Timestamptz()
    next_reference = BigInt(null=True, default=0)
    """Where the next part begins: the lowest reference that the pass has not reached; null once it has passed all."""
    people = BigInt(default=0)
    """How many people have earned something so far, …"""
    shares_micro = BigInt(default=0)
    """… and how much, in millionths of a euro."""
    returned_minor = BigInt(default=0)
    """The whole cents of collected rounding that return to the operator, …"""
    carry_micro = BigInt(default=0)
    """… and the millionths carried to the next close."""
    run = ForeignKey(ShareRun, null=True, default=None, on_delete=OnDelete.restrict, unique=True)
    """The run that entered it in the books; null while it is under way."""
    ends_after_the_last_line = Check("run IS NULL OR next_reference IS NULL")
    carries_less_than_a_cent = Check(
        "carry_micro BETWEEN 0 AND 9999 AND least(people, shares_micro, returned_minor) >= 0"
    )


class LicenceSplit(Table, db=DB, tablename="licence_split"):
    """How one licence's money was divided; with the manifest, any person's share follows in O(1)."""

    personal_data = NOBODYS
    licence = ForeignKey(Licence, null=False, on_delete=OnDelete.restrict, primary_key=True)
    fee_minor = BigInt()
    """Stripe's fee on the sale."""
    distributable_minor = BigInt()
    """What was paid before VAT, less the fee; below zero where the fee was larger."""
    pool_minor = BigInt()
    """The subscribers' part of the posted price, not of what was paid."""
    operator_minor = BigInt()
    """The operator's part of the posted price, less what a private price took off."""
    platform_minor = BigInt()
    """The rest, which bears the fee; below zero where the fee is more."""
    people = BigInt()
    """Number of contributors to the release it sold."""
    total_weight = BigInt()
    denominator = BigInt()
    """The divisor of the pool times a weight; it depends on published figures alone."""
    shares_micro = BigInt()
    """All shares and their top-ups, in millionths of a euro; only finance and auditors see it."""
    rounding_micro = BigInt()
    """The amount that rounds this up to the whole cents that the books owe."""
    terms = Array(base_column=UUID(), default=list)
    """Contributor terms in force when the licence was priced; their promises are kept, whatever the pool."""
    top_up_operator_minor = BigInt(default=0)
    """What the operator's part adds to the shares of people with larger promises, …"""
    top_up_platform_minor = BigInt(default=0)
    """… and what the platform adds once that part is spent."""
    topped_up = BigInt(default=0)
    """How many people would have earned less than their promise."""
    loss_minor = BigInt(default=0)
    """Refunds before VAT that did not cancel it, entered as the operator's loss once it is released."""
    state = Text(default="held")
    """held → released (by a month's close) | cancelled."""
    close = ForeignKey(ShareClose, null=True, default=None, on_delete=OnDelete.restrict)
    """The close that releases it, set when the close begins; later refunds are a loss."""
    held_by = ForeignKey(ShareRun, null=False, on_delete=OnDelete.restrict)
    ended_by = ForeignKey(ShareRun, null=True, default=None, on_delete=OnDelete.restrict)
    split_at = Timestamptz()
    known_state = Check("state IN ('held', 'released', 'cancelled')")
    ended_by_a_run = Check("(state = 'held') = (ended_by IS NULL)")
    adds_up = Check("distributable_minor = pool_minor + operator_minor + platform_minor")
    parts_are_not_negative = Check("least(fee_minor, pool_minor, operator_minor) >= 0")
    operator_gives_no_more_than_its_part = Check("top_up_operator_minor BETWEEN 0 AND operator_minor")
    platform_helps_when_the_operators_part_is_spent = Check(
        "top_up_platform_minor >= 0 AND (top_up_platform_minor = 0 OR top_up_operator_minor = least(operator_minor, "
        "greatest(0, operator_minor + pool_minor + top_up_operator_minor + top_up_platform_minor "
        "- (shares_micro + rounding_micro) / 10000)))"
    )
    only_promises_top_up = Check(
        "(top_up_operator_minor + top_up_platform_minor = 0 OR topped_up > 0) "
        "AND (topped_up = 0 OR cardinality(terms) > 0) AND topped_up >= 0"
    )
    weighs_who_contributed = Check("(people = 0) = (total_weight = 0) AND total_weight >= 0")
    divides_by_somebody = Check("denominator > 0")
    shares_and_rounding_are_whole_cents = Check(
        "shares_micro >= 0 AND rounding_micro BETWEEN 0 AND 9999 AND (shares_micro + rounding_micro) % 10000 = 0"
    )
    what_is_being_closed_is_not_cancelled = Check("close IS NULL OR state <> 'cancelled'")


class ClosedShare(Table, db=DB, tablename="closed_share"):
    """What one month's close credited to a subscriber, in micro-euros, for all its licences together; append-only.

    Each close is a part of its own: it is written without a key, in the order of subscribers, and given the key
    (subscriber) before it is attached, which takes a quarter of the time of tens of millions of insertions into a key.
    subscriber is a key into `subscriber`; the close checks it a chunk at a time.
    """

    personal_data = PersonalData(
        (Of.SUBSCRIBER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="subscriber = me.line"
    )
    partitioned_by = "LIST (close)"
    close = BigInt()
    """The `share_close` of its part."""
    subscriber = BigInt(primary_key=True)
    payable_micro = BigInt()
    is_something = Check("payable_micro > 0")


class Accrual(Table, db=DB, tablename="accrual"):
    """What one payout or reward, or its return, moved for one subscriber, in micro-euros; append-only.

    run and subscriber are keys into `share_run` and `subscriber`; a trigger checks a whole COPY at once, because
    foreign keys, which are checked row by row, would make a run of ten million people three times slower.
    """

    personal_data = PersonalData(
        (Of.SUBSCRIBER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="subscriber = me.line"
    )
    id = BigSerial(primary_key=True)
    run = BigInt()
    subscriber = BigInt()
    payable_micro = BigInt()
    """Change of the subscriber's balance."""
    one_row_a_run = Unique([subscriber, run])
    moves_something = Check("payable_micro <> 0")

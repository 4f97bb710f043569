"""Columns and constraints of revenue shares: one split a licence, one accrual a person and run.

Never a row per licence × person. Two rules say what a split earns a person: by rule 1, which licences were divided by
once, all shares together are the pool; by rule 2 a share is the pool times that person's weight over a public
denominator, so that it depends on nobody else, and what differs from the pool is the operator's. A payout leaves a subscriber's balance as an accrual too, so that accruals alone say
what is theirs.
"""

from __future__ import annotations

from piccolo.columns import UUID, Array, BigInt, BigSerial, Date, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.purchases.tables import Licence


class ShareRun(Table, db=DB, tablename="share_run"):
    """One pass that moved subscribers' money: held after settlement, released after the hold, cancelled by refunds, paid out."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    kind = Text()
    """hold, release or cancel; payout, and payout_back for what a bank refused or returned; reward, and reward_back for
    what billing refused."""
    at = Timestamptz()
    amount_minor = BigInt()
    """The shares or payouts it moved, in whole cents, and the journal's amount."""
    people = BigInt(default=0)
    """How many rows of people it has: accruals, or of a close what it made theirs; 0 where shares are computed."""
    known_kind = Check("kind IN ('hold', 'release', 'cancel', 'payout', 'payout_back', 'reward', 'reward_back')")
    amount_is_not_negative = Check("amount_minor >= 0 AND people >= 0")


class ShareClose(Table, db=DB, tablename="share_close"):
    """One month's close: the pass that makes held shares the subscribers', once for all licences whose hold has ended.

    The pass goes through the lines by reference, a part a transaction; what it has written counts once `run` is there.
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
    """The whole cents of collected rounding that go back to the operator, …"""
    carry_micro = BigInt(default=0)
    """… and the millionths that are left for the next close."""
    run = ForeignKey(ShareRun, null=True, default=None, on_delete=OnDelete.restrict, unique=True)
    """The run that entered it in the books; null while it is under way."""
    ends_after_the_last_line = Check("run IS NULL OR next_reference IS NULL")
    carries_less_than_a_cent = Check(
        "carry_micro BETWEEN 0 AND 9999 AND least(people, shares_micro, returned_minor) >= 0"
    )


class LicenceSplit(Table, db=DB, tablename="licence_split"):
    """How one licence's money was divided; with the manifest, anyone's share follows in O(1)."""

    personal_data = NOBODYS
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
    rule = Integer(default=1)
    """1: shares add up to the pool exactly; 2: by a public denominator."""
    denominator = BigInt(default=0)
    """Of rule 2: what the pool times a weight is divided by, a function of published figures."""
    shares_micro = BigInt(default=0)
    """Of rule 2: all shares and what tops them up, in millionths of a euro; for finance and the auditor alone."""
    rounding_micro = BigInt(default=0)
    """Of rule 2: what rounds that up to the whole cents that the books owe."""
    terms = Array(base_column=UUID(), default=list)
    """Contributor terms in force when the licence was priced; their promises are kept, whatever the pool."""
    top_up_operator_minor = BigInt(default=0)
    """What the operator's part adds to the shares of those who were promised more, …"""
    top_up_platform_minor = BigInt(default=0)
    """… and what the platform adds where that part is spent."""
    topped_up = BigInt(default=0)
    """How many people fell short of their promise."""
    top_up_each_micro = BigInt(default=0)
    """What rounding the top-up to whole cents gives each of them …"""
    top_up_position = BigInt(default=0)
    """… and those before this position one millionth more."""
    generation = Integer(default=0)
    """How many splits of this licence were ended before, each because a part of the money went back."""
    returned_minor = BigInt(default=0)
    """What had gone back of the licence when it was divided, before VAT: this divides the rest."""
    loss_minor = BigInt(default=0)
    """What of the rest went back after the release, before VAT, and is entered as the operator's loss."""
    state = Text(default="held")
    """held → released (by a month's close) | cancelled."""
    close = ForeignKey(ShareClose, null=True, default=None, on_delete=OnDelete.restrict)
    """The close that releases it, from the moment it begins: what is paid back from then on is a loss."""
    held_by = ForeignKey(ShareRun, null=False, on_delete=OnDelete.restrict)
    ended_by = ForeignKey(ShareRun, null=True, default=None, on_delete=OnDelete.restrict)
    split_at = Timestamptz()
    known_state = Check("state IN ('held', 'released', 'cancelled')")
    ended_by_a_run = Check("(state = 'held') = (ended_by IS NULL)")
    adds_up = Check("distributable_minor = pool_minor + operator_minor + platform_minor")
    parts_are_not_negative = Check("least(fee_minor, pool_minor, operator_minor, platform_minor) >= 0")
    operator_gives_no_more_than_its_part = Check("top_up_operator_minor BETWEEN 0 AND operator_minor")
    platform_helps_when_the_operators_part_is_spent = Check(
        "top_up_platform_minor >= 0 AND (top_up_platform_minor = 0 OR top_up_operator_minor = operator_minor "
        "OR rule = 2 AND top_up_operator_minor = greatest(0, operator_minor + pool_minor + top_up_operator_minor "
        "+ top_up_platform_minor - (shares_micro + rounding_micro) / 10000))"
    )
    only_promises_top_up = Check(
        "(top_up_operator_minor + top_up_platform_minor = 0 OR topped_up > 0) "
        "AND (topped_up = 0 OR top_up_operator_minor + top_up_platform_minor > 0 OR rule = 2) "
        "AND (topped_up = 0 OR cardinality(terms) > 0) "
        "AND least(topped_up, top_up_each_micro, top_up_position) >= 0"
    )
    weighs_who_contributed = Check(
        "(people = 0) = (total_weight = 0) AND total_weight >= 0 AND (total_weight > 0 OR rule = 2)"
    )
    known_rule = Check("rule IN (1, 2)")
    a_public_denominator_makes_rule_two = Check(
        "(rule = 2) = (denominator > 0) AND (rule = 2 OR shares_micro + rounding_micro = 0)"
    )
    shares_and_rounding_are_whole_cents = Check(
        "shares_micro >= 0 AND rounding_micro BETWEEN 0 AND 9999 AND (shares_micro + rounding_micro) % 10000 = 0"
    )
    what_is_being_closed_is_not_cancelled = Check("close IS NULL OR state <> 'cancelled'")


class FormerSplit(Table, db=DB, tablename="former_split"):
    """A split that was cancelled because a part of the money went back; another of what was left followed. Append-only."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    licence = ForeignKey(Licence, null=False, on_delete=OnDelete.restrict)
    generation = Integer()
    pool_minor = BigInt()
    operator_minor = BigInt()
    top_up_operator_minor = BigInt()
    top_up_platform_minor = BigInt()
    rule = Integer(default=1)
    denominator = BigInt(default=0)
    shares_micro = BigInt(default=0)
    rounding_micro = BigInt(default=0)
    terms = Array(base_column=UUID(), default=list)
    returned_minor = BigInt()
    total_weight = BigInt(default=0)
    """What its shares were computed from, as `licence_split` says; 0 where it ended before that was stored."""
    cutoff_remainder = BigInt(default=0)
    cutoff_position = BigInt(default=0)
    topped_up = BigInt(default=0)
    top_up_each_micro = BigInt(default=0)
    top_up_position = BigInt(default=0)
    held_by = ForeignKey(ShareRun, null=False, on_delete=OnDelete.restrict)
    ended_by = ForeignKey(ShareRun, null=False, on_delete=OnDelete.restrict)
    split_at = Timestamptz()
    one_a_generation = Unique([licence, generation])


class ClosedShare(Table, db=DB, tablename="closed_share"):
    """What one month's close made a subscriber's, in micro-euros, for all its licences together; append-only.

    Each close is a part of its own: it is written without a key, in the order of subscribers, and given the key
    (subscriber) before it is attached, which takes a quarter of the time that tens of millions of insertions into a key
    would. subscriber is a key into `subscriber`, checked by the close a chunk at a time.
    """

    personal_data = PersonalData(
        (Of.SUBSCRIBER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="subscriber = me.line"
    )
    partitioned_by = "LIST (close)"
    close = BigInt()
    """The `share_close` whose part it is in."""
    subscriber = BigInt(primary_key=True)
    payable_micro = BigInt()
    is_something = Check("payable_micro > 0")


class Accrual(Table, db=DB, tablename="accrual"):
    """What one payout, or its return, moved for one subscriber, in micro-euros; append-only.

    Until months were closed, holding, releasing and cancelling shares moved them here too: what was released then is
    theirs and counts, and what was held is computed, so those rows of `held_micro` count no more.

    run and subscriber are keys into `share_run` and `subscriber`, held by a trigger that checks a whole COPY at once:
    foreign keys, checked row by row, would make a run of ten million people three times slower.
    """

    personal_data = PersonalData(
        (Of.SUBSCRIBER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="subscriber = me.line"
    )
    id = BigSerial(primary_key=True)
    run = BigInt()
    subscriber = BigInt()
    held_micro = BigInt(default=0)
    """Change of what is held for them."""
    payable_micro = BigInt(default=0)
    """Change of what is theirs."""
    one_row_a_run = Unique([subscriber, run])
    moves_something = Check("held_micro <> 0 OR payable_micro <> 0")

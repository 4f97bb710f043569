"""Columns and constraints of revenue shares and payouts: one split a licence, one accrual a person and run.

Never a row per licence × person. A payout leaves a subscriber's balance as an accrual too, so that accruals alone say
what is theirs.
"""

from __future__ import annotations

from piccolo.columns import (
    UUID,
    Array,
    BigInt,
    BigSerial,
    Bytea,
    Date,
    ForeignKey,
    Integer,
    OnDelete,
    Text,
    Timestamptz,
)
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Person, Subscriber
from marketplace.purchases.tables import Licence


class ShareRun(Table, db=DB, tablename="share_run"):
    """One pass that moved subscribers' money: held after settlement, released after the hold, cancelled by refunds, paid out."""

    id = BigSerial(primary_key=True)
    kind = Text()
    """hold, release or cancel; payout, and payout_back for what a bank refused or returned."""
    at = Timestamptz()
    amount_minor = BigInt()
    """The pools or payouts it moved, in cents: what its accruals add up to, and the journal's amount."""
    people = BigInt(default=0)
    """How many accruals it has."""
    known_kind = Check("kind IN ('hold', 'release', 'cancel', 'payout', 'payout_back')")
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
    lost_minor = BigInt(default=0)
    """What of the rest went back after the release, before VAT, and is entered as the operator's loss."""
    state = Text(default="held")
    """held → released | cancelled."""
    held_by = ForeignKey(ShareRun, null=False, on_delete=OnDelete.restrict)
    ended_by = ForeignKey(ShareRun, null=True, default=None, on_delete=OnDelete.restrict)
    split_at = Timestamptz()
    known_state = Check("state IN ('held', 'released', 'cancelled')")
    ended_by_a_run = Check("(state = 'held') = (ended_by IS NULL)")
    adds_up = Check("distributable_minor = pool_minor + operator_minor + platform_minor")
    parts_are_not_negative = Check("least(fee_minor, pool_minor, operator_minor, platform_minor) >= 0")
    operator_gives_no_more_than_its_part = Check("top_up_operator_minor BETWEEN 0 AND operator_minor")
    platform_helps_when_the_operators_part_is_spent = Check(
        "top_up_platform_minor >= 0 AND (top_up_platform_minor = 0 OR top_up_operator_minor = operator_minor)"
    )
    only_promises_top_up = Check(
        "(top_up_operator_minor + top_up_platform_minor = 0) = (topped_up = 0) "
        "AND (topped_up = 0 OR cardinality(terms) > 0) "
        "AND least(topped_up, top_up_each_micro, top_up_position) >= 0"
    )
    someone_contributed = Check("people > 0 AND total_weight > 0")


class FormerSplit(Table, db=DB, tablename="former_split"):
    """A split that was cancelled because a part of the money went back; another of what was left followed. Append-only."""

    id = BigSerial(primary_key=True)
    licence = ForeignKey(Licence, null=False, on_delete=OnDelete.restrict)
    generation = Integer()
    pool_minor = BigInt()
    operator_minor = BigInt()
    top_up_operator_minor = BigInt()
    top_up_platform_minor = BigInt()
    returned_minor = BigInt()
    held_by = ForeignKey(ShareRun, null=False, on_delete=OnDelete.restrict)
    ended_by = ForeignKey(ShareRun, null=False, on_delete=OnDelete.restrict)
    split_at = Timestamptz()
    one_a_generation = Unique([licence, generation])


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


class BankDetails(Table, db=DB, tablename="bank_details"):
    """Where one subscriber wants their money: sealed with a key outside the database, never edited, only replaced."""

    id = UUID(primary_key=True)
    subscriber = ForeignKey(Subscriber, null=False, on_delete=OnDelete.restrict, target_column="reference")
    sealed = Bytea(null=True, default=None)
    """Holder and IBAN, AES-GCM, bound to this row and line; null once forgotten."""
    key_id = Text()
    """Which of PARTAGE_IDENTITY_KEYS sealed it."""
    fingerprint = Text()
    """Keyed hash of the IBAN: tells that two lines share one, and nothing else."""
    last_four = Text()
    """The IBAN's last four characters: all that is ever shown of it."""
    country = Text()
    added_at = Timestamptz()
    usable_from = Timestamptz()
    """When the first payout may go there; some days later than `added_at` for a change."""
    ended_at = Timestamptz(null=True, default=None)
    """When they were replaced or removed."""
    refused_at = Timestamptz(null=True, default=None)
    """When a bank said that nothing can be paid there; no payout goes there any more."""
    refused_reason = Text(null=True, default=None)
    last_four_are_four = Check("last_four ~ '^[0-9A-Z]{4}$' AND country ~ '^[A-Z]{2}$'")
    usable_after_added = Check("usable_from >= added_at")
    refused_with_a_reason = Check("(refused_at IS NULL) = (refused_reason IS NULL)")
    forgotten_only_when_ended = Check("sealed IS NOT NULL OR ended_at IS NOT NULL")


class PayoutChoice(Table, db=DB, tablename="payout_choice"):
    """What one subscriber chose about being paid: a threshold above the common one, a Stripe account to be paid at."""

    subscriber = ForeignKey(
        Subscriber, null=False, on_delete=OnDelete.restrict, target_column="reference", primary_key=True
    )
    threshold_minor = BigInt()
    """0: the common one."""
    stripe_account = Text(null=True, default=None)
    """A connected account that takes transfers; null: paid by bank transfer."""
    stripe_from = Timestamptz(null=True, default=None)
    """When the first transfer may go there: some days later where it replaces another way."""
    chosen_at = Timestamptz()
    stripe_account_from_an_instant = Check("(stripe_account IS NULL) = (stripe_from IS NULL)")
    threshold_is_not_negative = Check("threshold_minor >= 0")


class PayoutRun(Table, db=DB, tablename="payout_run"):
    """One payout run: drafted for everyone due, approved by a second person, sent to the bank or Stripe, settled."""

    id = UUID(primary_key=True)
    route = Text()
    """sepa or stripe."""
    state = Text()
    """draft → approved → sent → settled | failed; draft or approved → cancelled."""
    threshold_minor = BigInt()
    """The common threshold it was drafted with."""
    amount_minor = BigInt()
    people = BigInt()
    drafted_at = Timestamptz()
    prepared_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    """The first pair of eyes: who drafted it, or who looked through the draft that the clock made."""
    approved_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    approved_at = Timestamptz(null=True, default=None)
    reason = Text(null=True, default=None)
    """Why it was approved."""
    cancelled_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    cancelled_reason = Text(null=True, default=None)
    sent_at = Timestamptz(null=True, default=None)
    execute_on = Date(null=True, default=None)
    """The day the bank is asked to pay."""
    file_sha256 = Text(null=True, default=None)
    """The SHA-256 of the pain.001 handed out, hex: whoever asks again gets the same bytes."""
    moved_by = ForeignKey(ShareRun, null=True, default=None, on_delete=OnDelete.restrict)
    """The pass that took its money from the subscribers' balances, when it was sent."""
    answered_at = Timestamptz(null=True, default=None)
    """When the bank last said what it makes of the file."""
    ended_at = Timestamptz(null=True, default=None)
    known_route = Check("route IN ('sepa', 'stripe')")
    known_state = Check("state IN ('draft', 'approved', 'sent', 'settled', 'failed', 'cancelled')")
    pays_someone = Check("amount_minor > 0 AND people > 0 AND threshold_minor > 0")
    four_eyes = Check("approved_by IS NULL OR (prepared_by IS NOT NULL AND approved_by <> prepared_by)")
    approved_before_it_is_sent = Check(
        "state NOT IN ('approved', 'sent', 'settled', 'failed') OR "
        "(approved_by IS NOT NULL AND approved_at IS NOT NULL AND reason IS NOT NULL)"
    )
    sent_with_its_money = Check(
        "(state IN ('sent', 'settled', 'failed')) = (sent_at IS NOT NULL AND moved_by IS NOT NULL)"
    )
    ended_at_an_instant = Check("(state IN ('settled', 'failed', 'cancelled')) = (ended_at IS NOT NULL)")
    cancelled_by_someone = Check("(state = 'cancelled') = (cancelled_by IS NOT NULL AND cancelled_reason IS NOT NULL)")


class PayoutBatch(Table, db=DB, tablename="payout_batch"):
    """A bounded number of a run's payouts, which the bank books together."""

    id = UUID(primary_key=True)
    run = ForeignKey(PayoutRun, null=False, on_delete=OnDelete.restrict)
    number = Integer()
    """From 1."""
    amount_minor = BigInt()
    people = BigInt()
    one_place_a_batch = Unique([run, number])
    batch_pays_someone = Check("number > 0 AND amount_minor > 0 AND people > 0")


class Payout(Table, db=DB, tablename="payout"):
    """What one run pays one subscriber, in whole cents; a partial unique index keeps one open payout a subscriber."""

    id = UUID(primary_key=True)
    run = ForeignKey(PayoutRun, null=False, on_delete=OnDelete.restrict)
    batch = Integer()
    subscriber = ForeignKey(Subscriber, null=False, on_delete=OnDelete.restrict, target_column="reference")
    details = ForeignKey(BankDetails, null=True, default=None, on_delete=OnDelete.restrict)
    stripe_account = Text(null=True, default=None)
    amount_minor = BigInt()
    state = Text(default="open")
    """open → settled | failed | cancelled; settled → failed when the money comes back."""
    reason = Text(null=True, default=None)
    """The bank's code for why it failed, such as AC04."""
    ended_at = Timestamptz(null=True, default=None)
    put_back_by = ForeignKey(ShareRun, null=True, default=None, on_delete=OnDelete.restrict)
    """The pass that gave a failed payout back to its subscriber's balance."""
    one_payout_a_run = Unique([run, subscriber])
    one_way_to_be_paid = Check("num_nonnulls(details, stripe_account) = 1")
    amount_can_be_transferred = Check("amount_minor BETWEEN 1 AND 99999999999")
    known_state = Check("state IN ('open', 'settled', 'failed', 'cancelled')")
    ended_at_an_instant = Check("(state = 'open') = (ended_at IS NULL)")
    failed_is_put_back = Check("(state = 'failed') = (put_back_by IS NOT NULL AND reason IS NOT NULL)")


class PayoutAnswer(Table, db=DB, tablename="payout_answer"):
    """One status report of the bank about a run (pain.002), taken once."""

    id = BigSerial(primary_key=True)
    run = ForeignKey(PayoutRun, null=False, on_delete=OnDelete.restrict)
    message = Text()
    """The bank's id of its message."""
    file_sha256 = Text(unique=True)
    group_status = Text()
    """ACCP, ACTC, ACSP, ACSC, PART, RJCT, PDNG…; empty where only single payments are reported."""
    reason = Text()
    rejected = BigInt()
    """How many payouts it made fail."""
    taken_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    taken_at = Timestamptz()
    rejected_is_not_negative = Check("rejected >= 0")

"""Columns and constraints of payouts: each subscriber's bank details, and runs, batches and payouts.

A payout leaves a subscriber's balance as an accrual of `earnings`, so that accruals alone define the balance.
"""

from __future__ import annotations

from piccolo.columns import (
    UUID,
    Array,
    BigInt,
    BigSerial,
    Boolean,
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

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Ends, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Person, Subscriber
from marketplace.subscribers.earnings.tables import ShareRun

DRAFTED_FOR_ME = "drafted_at >= (SELECT coalesce(claimed_at, '-infinity') FROM subscriber WHERE reference = me.line)"


class BankDetails(Table, db=DB, tablename="bank_details"):
    """Where one subscriber wants their money: sealed with a key outside the database, never edited, only replaced."""

    personal_data = PersonalData(
        (Of.SUBSCRIBER,),
        "name and IBAN 13 months after they are replaced, the last four characters for good; all of it until erased",
        exported=True,
        erasure=Erasure.EXPIRES,
        find="subscriber = me.line AND added_at > me.since",
        opened=("holder", "iban"),
        ends=Ends("ended_at", 396, "sealed IS NOT NULL"),
    )
    id = UUID(primary_key=True)
    subscriber = ForeignKey(Subscriber, null=False, on_delete=OnDelete.restrict, target_column="reference")
    sealed = Bytea(null=True, default=None)
    """Holder and IBAN, AES-GCM, bound to this row and line; null once forgotten."""
    key_id = Text()
    """Which of PARTAGE_IDENTITY_KEYS sealed it."""
    fingerprint = Text()
    """Keyed hash of the IBAN: it shows that two lines have the same one, and nothing else."""
    last_four = Text()
    """The IBAN's last four characters, the only ones ever shown."""
    country = Text()
    added_at = Timestamptz()
    usable_from = Timestamptz()
    """When the first payout may go there; some days after `added_at` if the IBAN changed."""
    ended_at = Timestamptz(null=True, default=None)
    """When they were replaced or removed."""
    refused_at = Timestamptz(null=True, default=None)
    """When a bank reported that this account cannot be paid; no payout goes there any more."""
    refused_reason = Text(null=True, default=None)
    held_at = Timestamptz(null=True, default=None)
    """Since when payouts there wait for a person of finance, who checks why many lines share it; null: no wait."""
    last_four_are_four = Check("last_four ~ '^[0-9A-Z]{4}$' AND country ~ '^[A-Z]{2}$'")
    usable_after_added = Check("usable_from >= added_at")
    refused_with_a_reason = Check("(refused_at IS NULL) = (refused_reason IS NULL)")
    forgotten_only_when_ended = Check("sealed IS NOT NULL OR ended_at IS NOT NULL")


class PayoutChoice(Table, db=DB, tablename="payout_choice"):
    """What one subscriber chose about being paid: a threshold above the common one, a Stripe account to be paid at."""

    personal_data = PersonalData(
        (Of.SUBSCRIBER,),
        "until the line changes hands, or the last payout has arrived, then the next day's clean-up",
        exported=True,
        erasure=Erasure.EXPIRES,
        find="subscriber = me.line AND chosen_at > me.since",
    )
    subscriber = ForeignKey(
        Subscriber, null=False, on_delete=OnDelete.restrict, target_column="reference", primary_key=True
    )
    threshold_minor = BigInt()
    """0: the common threshold."""
    stripe_account = Text(null=True, default=None)
    """A connected account that accepts transfers; null: paid by bank transfer."""
    stripe_from = Timestamptz(null=True, default=None)
    """When the first transfer may go there; some days later if it replaces another way."""
    chosen_at = Timestamptz()
    is_last = Boolean(default=False)
    """Whether its holder left and waits for the whole balance, from one cent on; nothing is paid there after that."""
    way = Text(default="bank")
    """bank (or the Stripe account), bill, gift or kept: `rewards` moves the money of bills and gifts."""
    gift_to = Text(null=True, default=None)
    """The association that a gift goes to."""
    stripe_account_from_an_instant = Check("(stripe_account IS NULL) = (stripe_from IS NULL)")
    threshold_is_not_negative = Check("threshold_minor >= 0")
    known_way = Check("way IN ('bank', 'bill', 'gift', 'kept')")
    gift_is_to_somebody = Check("(way = 'gift') = (gift_to IS NOT NULL)")


class PayoutRun(Table, db=DB, tablename="payout_run"):
    """One payout run: drafted for everyone due, approved by a second person, sent to the bank or Stripe, settled."""

    personal_data = PersonalData(
        (Of.STAFF,),
        FOR_GOOD,
        exported=True,
        erasure=Erasure.KEPT,
        find="me.person IN (prepared_by, approved_by, cancelled_by, send_asked_by)",
    )
    id = UUID(primary_key=True)
    route = Text()
    """sepa or stripe."""
    state = Text()
    """draft → approved → sent → settled | failed; draft or approved → cancelled."""
    threshold_minor = BigInt()
    """The common threshold it was drafted with."""
    amount_minor = BigInt()
    people = BigInt()
    spread = Array(base_column=BigInt())
    """How many payees get an amount from each of `rules.STEPS` on, up to the next."""
    shared = BigInt(null=True, default=None)
    """How many of the payees had the IBAN of another line at the draft; null: few enough to count when shown."""
    drafted_at = Timestamptz()
    prepared_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    """The first person: who drafted it, or who confirmed the draft that the clock made."""
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
    """The SHA-256 of its first file as sent, hex; `payout_file` has each file's."""
    file_sequence = Integer(default=0)
    """How often files of this run were replaced because payees in them were left out."""
    send_asked_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    """Who requested that a run be sent whose files take longer than a page may."""
    send_asked_at = Timestamptz(null=True, default=None)
    send_problem = Text(null=True, default=None)
    """Why the last request to send it, or to leave somebody out, failed."""
    replace_asked_at = Timestamptz(null=True, default=None)
    """Since when some of its files wait for a replacement without the payees who are left out; null: none waits."""
    moved_by = ForeignKey(ShareRun, null=True, default=None, on_delete=OnDelete.restrict)
    """The pass that debited the subscribers' balances, when it was sent."""
    answered_at = Timestamptz(null=True, default=None)
    """When the bank last reported on the file."""
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


class DraftRequest(Table, db=DB, tablename="payout_draft_request"):
    """A run that a person of finance requested and whose draft takes longer than a page may: a job drafts it."""

    personal_data = PersonalData(
        (Of.STAFF,), FOR_GOOD, exported=True, erasure=Erasure.KEPT, find="asked_by = me.person"
    )
    id = BigSerial(primary_key=True)
    route = Text()
    """sepa or stripe."""
    asked_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    asked_at = Timestamptz()
    share_micro = Integer(default=0)
    """Its progress, in millionths."""
    run = ForeignKey(PayoutRun, null=True, default=None, on_delete=OnDelete.restrict)
    """The drafted run; null: not drafted yet, or nobody was due."""
    problem = Text(default="")
    """Why the draft failed, once it ended."""
    ended_at = Timestamptz(null=True, default=None)
    known_route = Check("route IN ('sepa', 'stripe')")
    share_is_a_share = Check("share_micro BETWEEN 0 AND 1000000")
    ended_with_a_run_or_why_not = Check("(ended_at IS NULL) = (run IS NULL AND problem = '')")


class PayoutFile(Table, db=DB, tablename="payout_file"):
    """A file that asks the bank to pay some batches of a run, no larger than a bank accepts.

    As sent, or as last replaced.
    """

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    """Its message id contains it."""
    run = ForeignKey(PayoutRun, null=False, on_delete=OnDelete.restrict)
    number = Integer()
    """From 1."""
    first_batch = Integer()
    last_batch = Integer()
    sequence = Integer(default=0)
    """How often it was replaced because payees in it were left out; part of the message id."""
    people = BigInt()
    amount_minor = BigInt()
    made_at = Timestamptz()
    """The instant as of which it was written; payouts that fail later are still in it."""
    execute_on = Date()
    """The day the bank is asked to pay."""
    file_sha256 = Text(null=True, default=None)
    """The SHA-256 of the pain.001, hex: every download gets the same bytes; null where nobody is left in it."""
    one_place_a_file = Unique([run, number])
    batches_in_order = Check("number > 0 AND 0 < first_batch AND first_batch <= last_batch AND sequence >= 0")
    nobody_is_no_file = Check(
        "(people = 0) = (file_sha256 IS NULL) AND (people = 0) = (amount_minor = 0) AND people >= 0"
    )


class PayoutBatch(Table, db=DB, tablename="payout_batch"):
    """A bounded number of a run's payouts, which the bank books together."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    run = ForeignKey(PayoutRun, null=False, on_delete=OnDelete.restrict)
    number = Integer()
    """From 1."""
    amount_minor = BigInt()
    people = BigInt()
    one_place_a_batch = Unique([run, number])
    batch_pays_someone = Check("number > 0 AND amount_minor > 0 AND people > 0")


class Payout(Table, db=DB, tablename="payout"):
    """What one run pays one subscriber, in whole cents; a partial unique index allows one open payout per subscriber.

    run, subscriber and details are keys; a trigger checks them for a whole draft at once, as for `accrual`.
    recredited_by is one too, checked where a payout fails, because a draft of millions has none.
    """

    personal_data = PersonalData(
        (Of.SUBSCRIBER,),
        FOR_GOOD,
        exported=True,
        erasure=Erasure.PSEUDONYM,
        find="subscriber = me.line AND run IN (SELECT id FROM payout_run WHERE drafted_at > me.since"
        f" AND {DRAFTED_FOR_ME})",
    )
    id = UUID(primary_key=True)
    run = UUID(default=None)
    batch = Integer()
    subscriber = BigInt()
    details = UUID(null=True, default=None)
    """Bank details of the same line."""
    stripe_account = Text(null=True, default=None)
    amount_minor = BigInt()
    state = Text(default="open")
    """open → settled | failed | cancelled; settled → failed when the money comes back."""
    reason = Text(null=True, default=None)
    """The bank's code for why it failed, such as AC04."""
    ended_at = Timestamptz(null=True, default=None)
    recredited_by = BigInt(null=True, default=None)
    """The pass that recredited a failed payout to its subscriber's balance."""
    one_payout_a_run = Unique([run, subscriber])
    one_way_to_be_paid = Check("num_nonnulls(details, stripe_account) = 1")
    amount_can_be_transferred = Check("amount_minor BETWEEN 1 AND 99999999999")
    known_state = Check("state IN ('open', 'settled', 'failed', 'cancelled')")
    ended_at_an_instant = Check("(state = 'open') = (ended_at IS NULL)")
    failed_is_recredited = Check("(state = 'failed') = (recredited_by IS NOT NULL AND reason IS NOT NULL)")


class PayoutSum(Table, db=DB, tablename="payout_sum"):
    """How many payouts of a run are no longer open, or were checked by our bank, and their sum; triggers update it.

    A page shows a run of millions without counting them; how many are open follows from the run.
    """

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    run = ForeignKey(PayoutRun, null=False, on_delete=OnDelete.restrict)
    what = Text()
    """settled, failed or cancelled; or the bank's answer with the decision of finance, such as close or close/pay."""
    people = BigInt()
    amount_minor = BigInt()
    one_sum_of_each = Unique([run, what])


class PayeeCheck(Table, db=DB, tablename="payee_check"):
    """Our bank's answer about one payout's name and account, and the decision of finance.

    Names that a bank proposes are not stored.
    """

    personal_data = PersonalData(
        (Of.SUBSCRIBER,),
        FOR_GOOD,
        exported=True,
        erasure=Erasure.PSEUDONYM,
        find="checked_at > me.since AND payout IN (SELECT payout.id FROM payout JOIN payout_run ON payout_run.id = run"
        f" WHERE subscriber = me.line AND {DRAFTED_FOR_ME})",
    )
    payout = ForeignKey(Payout, null=False, on_delete=OnDelete.restrict, primary_key=True)
    outcome = Text()
    """match, close, none, or unknown: the bank does not know."""
    source = Text()
    """api or file."""
    checked_at = Timestamptz()
    decision = Text(null=True, default=None)
    """pay or left_out; null: undecided, or nothing to decide."""
    decided_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    decided_at = Timestamptz(null=True, default=None)
    known_outcome = Check("outcome IN ('match', 'close', 'none', 'unknown') AND source IN ('api', 'file')")
    known_decision = Check("decision IN ('pay', 'left_out') AND outcome <> 'match' OR decision IS NULL")
    decided_whole = Check("num_nonnulls(decision, decided_by, decided_at) IN (0, 3)")


class PayoutAnswer(Table, db=DB, tablename="payout_answer"):
    """One status report of the bank about a run (pain.002), received once."""

    personal_data = PersonalData(
        (Of.STAFF,), FOR_GOOD, exported=True, erasure=Erasure.KEPT, find="received_by = me.person"
    )
    id = BigSerial(primary_key=True)
    run = ForeignKey(PayoutRun, null=False, on_delete=OnDelete.restrict)
    file = Integer(default=1)
    """The number of the run's file that it reports on."""
    message = Text()
    """The bank's id of its message."""
    file_sha256 = Text(unique=True)
    group_status = Text()
    """ACCP, ACTC, ACSP, ACSC, PART, RJCT, PDNG…; empty where it reports on single payments only."""
    reason = Text()
    rejected = BigInt()
    """How many payouts it failed."""
    received_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    received_at = Timestamptz()
    rejected_is_not_negative = Check("rejected >= 0")

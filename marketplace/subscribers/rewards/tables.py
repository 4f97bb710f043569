"""Columns and constraints of rewards: benefits and associations, runs that pay for them, and each person's part."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Date, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Person
from marketplace.subscribers.earnings.tables import ShareRun


class Association(Table, db=DB, tablename="association"):
    """An association that people can give to; once ended, nobody can choose it any more."""

    personal_data = NOBODYS
    code = Text(primary_key=True)
    name = Text()
    pays_to = Text()
    """Its IBAN, as it publishes it."""
    listed_at = Timestamptz()
    ended_at = Timestamptz(null=True, default=None)
    listed_by = UUID(default=None)
    """Who listed it, and so may not pay it."""
    name_is_given = Check("length(name) BETWEEN 1 AND 70")


class Benefit(Table, db=DB, tablename="benefit"):
    """A benefit of the operator's list and its price from a balance: its stated rate."""

    personal_data = NOBODYS
    code = Text(primary_key=True)
    title_fr = Text()
    title_en = Text()
    price_minor = BigInt()
    listed_at = Timestamptz()
    ended_at = Timestamptz(null=True, default=None)
    price_is_positive = Check("price_minor > 0")


class RewardRun(Table, db=DB, tablename="reward_run"):
    """One pass that moved money out of balances for bills, gifts or a benefit; append-only."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    way = Text()
    amount_minor = BigInt()
    people = BigInt()
    made_at = Timestamptz()
    moved_by = ForeignKey(ShareRun, null=False, on_delete=OnDelete.restrict)
    known_way = Check("way IN ('bill', 'gift', 'benefit')")
    moves_something = Check("amount_minor > 0 AND people > 0")


class GiftPayment(Table, db=DB, tablename="gift_payment"):
    """The payment of one month's gifts to one association, once the month is over; never edited."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=True, erasure=Erasure.KEPT, find="made_by = me.person")
    id = UUID(primary_key=True)
    month = Date()
    """Its first day in Paris."""
    association = ForeignKey(Association, null=False, on_delete=OnDelete.restrict, target_column="code")
    name = Text()
    iban = Text()
    """The IBAN it is paid at, as listed then."""
    amount_minor = BigInt()
    people = BigInt()
    made_at = Timestamptz()
    made_by = UUID(default=None)
    one_a_month = Unique([month, association])
    pays_something = Check("amount_minor > 0 AND people > 0")


class RewardAnswer(Table, db=DB, tablename="reward_answer"):
    """A file of the operator's billing with the answer to each line: credited or refused; append-only."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    sha256 = Text(unique=True)
    received_at = Timestamptz()
    done = BigInt()
    """Cents credited …"""
    refused = BigInt()
    """… and cents that return to balances, …"""
    returned_by = ForeignKey(ShareRun, null=True, default=None, on_delete=OnDelete.restrict)
    """… by this pass; null if no cents return."""


class Reward(Table, db=DB, tablename="reward"):
    """One person's part of a run: open until billing answers; a gift is done at once.

    Amount and person never change.
    """

    personal_data = PersonalData(
        (Of.SUBSCRIBER,),
        FOR_GOOD,
        exported=True,
        erasure=Erasure.PSEUDONYM,
        find="subscriber = me.line AND run IN (SELECT id FROM reward_run WHERE made_at > me.since)",
    )
    id = UUID(primary_key=True)
    run = ForeignKey(RewardRun, null=False, on_delete=OnDelete.restrict)
    subscriber = BigInt()
    amount_minor = BigInt()
    what = Text(default="")
    """Code of the association or the benefit; empty for a bill."""
    state = Text(default="open")
    reason = Text(default="")
    """Why billing refused it."""
    answer = ForeignKey(RewardAnswer, null=True, default=None, on_delete=OnDelete.restrict)
    once_a_run = Unique([run, subscriber])
    amount_is_positive = Check("amount_minor > 0")
    known_state = Check("state IN ('open', 'done', 'refused')")


class FarmDecision(Table, db=DB, tablename="farm_decision"):
    """A person's decision about many lines that share an account or a browser; append-only, the latest counts."""

    personal_data = PersonalData(
        (Of.STAFF,), FOR_GOOD, exported=True, erasure=Erasure.KEPT, find="decided_by = me.person"
    )
    id = UUID(primary_key=True)
    """The form's id."""
    kind = Text()
    """account or browser."""
    key = Text()
    """The account's keyed fingerprint, or a hash of browser and network."""
    lines = BigInt()
    """How many lines it had."""
    decision = Text()
    """fine, or wait: payouts to these accounts wait."""
    reason = Text()
    decided_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    decided_at = Timestamptz()
    known_kind = Check("kind IN ('account', 'browser')")
    known_decision = Check("decision IN ('fine', 'wait')")
    has_lines_and_a_reason = Check("lines > 0 AND reason <> ''")

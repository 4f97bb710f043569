"""Columns and constraints of rewards: what can be had besides a transfer, runs that move money there, and each person's part."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Date, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.earnings.tables import ShareRun
from marketplace.identity.tables import Person
from marketplace.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData


class Association(Table, db=DB, tablename="association"):
    """An association that people can give to; ended, nobody can choose it any more."""

    personal_data = NOBODYS
    code = Text(primary_key=True)
    name = Text()
    pays_to = Text()
    """Its IBAN, which it publishes itself."""
    listed_at = Timestamptz()
    ended_at = Timestamptz(null=True, default=None)
    listed_by = UUID(null=True, default=None)
    """Who listed it, who may not pay it too; null: listed before that was kept."""
    name_is_given = Check("length(name) BETWEEN 1 AND 70")


class Benefit(Table, db=DB, tablename="benefit"):
    """Something of the operator's list and what it costs out of a balance: its stated rate."""

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
    """What one association is paid of one month's gifts, once the month is over: one payment, never edited."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=True, erasure=Erasure.KEPT, find="made_by = me.person")
    id = UUID(primary_key=True)
    month = Date()
    """Its first day in Paris."""
    association = ForeignKey(Association, null=False, on_delete=OnDelete.restrict, target_column="code")
    name = Text()
    iban = Text()
    """Where it is paid: as the association was listed then."""
    amount_minor = BigInt()
    people = BigInt()
    made_at = Timestamptz()
    made_by = UUID(default=None)
    one_a_month = Unique([month, association])
    pays_something = Check("amount_minor > 0 AND people > 0")


class RewardAnswer(Table, db=DB, tablename="reward_answer"):
    """A file of the operator's billing that says of each line whether it was credited; append-only."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    sha256 = Text(unique=True)
    received_at = Timestamptz()
    done = BigInt()
    """Cents credited …"""
    refused = BigInt()
    """… and cents that return to balances, …"""
    returned_by = ForeignKey(ShareRun, null=True, default=None, on_delete=OnDelete.restrict)
    """… by this pass; null: none do."""


class Reward(Table, db=DB, tablename="reward"):
    """One person's part of a run: open until billing answers; a gift is done at once. Amount and person never change."""

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
    """What a person decided about many lines that share an account or a browser; append-only, the latest counts."""

    personal_data = PersonalData(
        (Of.STAFF,), FOR_GOOD, exported=True, erasure=Erasure.KEPT, find="decided_by = me.person"
    )
    id = UUID(primary_key=True)
    """The form's."""
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

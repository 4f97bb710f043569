"""Columns and constraints of the sums of revenue, and of what two people judged of an offer: its revenue gross or net."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, BigSerial, Boolean, Date, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.catalogue.tables import Offer
from marketplace.database import DB
from marketplace.identity.tables import Person
from marketplace.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData


class RevenueJudgement(Table, db=DB, tablename="revenue_judgement"):
    """Someone's proposal of whether we sell an offer as principal or as agent (IFRS 15, B34 to B38), and another's decision.

    It counts for what is ordered from its decision on, and the offer's first for all before it, too; before any, we are the
    principal.
    """

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    offer = ForeignKey(Offer, null=False, on_delete=OnDelete.restrict)
    role = Text()
    """principal: revenue is what the partner pays; agent: what of it stays ours."""
    control = Text()
    """Who answers for the data towards the partner, and controls them before they are its (B37a)."""
    risk = Text()
    """Who bears the cost where nobody buys, or money goes back (B37b)."""
    price = Text()
    """Who sets the price (B37c)."""
    proposed_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    proposed_at = Timestamptz()
    decided_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    decided_at = Timestamptz(null=True, default=None)
    approved = Boolean(null=True, default=None)
    known_role = Check("role IN ('principal', 'agent')")
    each_reason_is_given = Check(
        "least(length(btrim(control)), length(btrim(risk)), length(btrim(price))) >= 3 "
        "AND greatest(length(control), length(risk), length(price)) <= 2000"
    )
    four_eyes = Check("decided_by <> proposed_by")
    decided_whole = Check("num_nonnulls(decided_by, decided_at, approved) IN (0, 3)")


class UnsummedEntry(Table, db=DB, tablename="unsummed_entry"):
    """An entry of revenue, or of shares of it, that is in no sum yet: a trigger writes it with the entry, the job that sums deletes it."""

    personal_data = NOBODYS
    entry = BigInt(primary_key=True)


class RevenueSum(Table, db=DB, tablename="revenue_sum"):
    """What entries of sales and returns of a day in Paris add up to, by one side: kept so that a page reads days in their place.

    Revenue is these sums and the entries that wait, whether or not the job has been.
    """

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    side = Text()
    """dataset, partner, vat or way; a sector is its partners'."""
    key = Text()
    """Which dataset, partner, VAT rule with its rate, or way of selling."""
    day = Date()
    orders = BigInt()
    """How many were sold."""
    net_minor = BigInt()
    vat_minor = BigInt()
    one_sum_a_day = Unique([side, day, key])
    known_side = Check("side IN ('dataset', 'partner', 'vat', 'way')")


class ShareSum(Table, db=DB, tablename="share_sum"):
    """What entries of shares of a day in Paris add up to, by dataset and by the judgement that their sales were ordered under."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    day = Date()
    dataset = Text()
    judgement = Text()
    """Its id; empty where none was decided when it was ordered."""
    shares_minor = BigInt()
    one_share_sum_a_day = Unique([day, dataset, judgement])


class RevenueEntry(Table, db=DB, tablename="revenue_entry"):
    """An entry of a sale, or of what goes back, with its order and each key that it has: what a page shows behind a number.

    The job that sums an entry writes it. Each side has an index that holds the entries of a key by their kind and instant.
    """

    personal_data = NOBODYS
    entry = BigInt(primary_key=True)
    at = Timestamptz()
    kind = Text()
    purchase_order = UUID()
    number = Text()
    """The order's."""
    dataset = Text()
    partner = UUID()
    vat = Text()
    """VAT rule with its rate."""
    way = Text()
    net_minor = BigInt()
    vat_minor = BigInt()

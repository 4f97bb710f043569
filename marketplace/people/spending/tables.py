"""Columns and constraints of spending limits, of what is spent under each in a month, and of who ordered what."""

from __future__ import annotations

from piccolo.columns import UUID, Array, BigInt, Date, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.people.identity.tables import ApiKey, Partner, Person


class SpendingLimit(Table, db=DB, tablename="spending_limit"):
    """What a colleague or an API key may spend. There is one for each; writing it again replaces what it says.

    Amounts are in cents before VAT.
    """

    personal_data = PersonalData(
        (Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="person = me.person"
    )
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    person = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null, unique=True)
    """The colleague; null for a key, and once that colleague is erased."""
    api_key = ForeignKey(ApiKey, null=True, default=None, on_delete=OnDelete.restrict, unique=True)
    """The key, and all keys that replaced it."""
    order_minor = BigInt()
    """The most that one order or bid may be."""
    month_minor = BigInt()
    """The most that all of a month of Paris may be."""
    datasets = Array(base_column=Text())
    """The codes of the only datasets that may be bought; empty: any."""
    purposes = Array(base_column=Text())
    """The codes of the only purposes whose datasets may be bought; empty: any."""
    approval_minor = BigInt(null=True, default=None)
    """The most that may be ordered or bid within a day without an approval; null: no order needs one."""
    ends_at = Timestamptz()
    """From then on nothing may be ordered under it."""
    written_at = Timestamptz()
    revoked_at = Timestamptz(null=True, default=None)
    one_holder_at_most = Check("num_nonnulls(person, api_key) <= 1")
    an_order_fits_into_a_month = Check("0 < order_minor AND order_minor <= month_minor")
    approval_within_a_month = Check("approval_minor BETWEEN 0 AND month_minor")


class SpendingMonth(Table, db=DB, tablename="spending_month"):
    """What was spent under a limit in a month of Paris. Its row is locked while more is spent."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    spending_limit = ForeignKey(SpendingLimit, null=False, on_delete=OnDelete.restrict)
    month = Date()
    """Its first day."""
    spent_minor = BigInt()
    ceiling_minor = BigInt()
    """The limit's ceiling a month, or what was spent when it was lowered below that."""
    once_a_month = Unique([spending_limit, month])
    within_the_ceiling = Check("spent_minor BETWEEN 0 AND ceiling_minor")


class Spending(Table, db=DB, tablename="spending"):
    """Who of a partner, or which key, placed an order or bid, under which limit; amounts in cents before VAT."""

    personal_data = PersonalData(
        (Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="me.person IN (person, approved_by)"
    )
    subject = UUID(primary_key=True)
    """The order's id; of bids, an id made of the auction's and the partner's."""
    auction = UUID(null=True, default=None)
    """Of bids: the auction. An open bid counts as spent until the auction is over."""
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    person = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """Null for a key, and once that person is erased."""
    api_key = ForeignKey(ApiKey, null=True, default=None, on_delete=OnDelete.restrict)
    approved_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """Who approved exactly this order; null where no approval was needed, and once that person is erased."""
    spending_limit = ForeignKey(SpendingLimit, null=True, default=None, on_delete=OnDelete.restrict)
    """Null: an owner of the company, who has no limit."""
    month = Date()
    """The first day of the month of Paris in which it counts."""
    amount_minor = BigInt()
    at = Timestamptz()
    bids = UUID(null=True, default=None)
    """Of an award's order: the bids that it pays for, with which it is counted."""
    returned_at = Timestamptz(null=True, default=None)
    """When an order lapsed or bids were over without a purchase: it does not count any more."""
    closed_at = Timestamptz(null=True, default=None)
    """Of bids: when the auction was over, and only what was bought in it counts from then on."""
    amount_is_not_negative = Check("amount_minor >= 0")
    one_spender_at_most = Check("num_nonnulls(person, api_key) <= 1")
    only_bids_close = Check("closed_at IS NULL OR auction IS NOT NULL")
    bids_or_an_order = Check("auction IS NULL OR bids IS NULL")

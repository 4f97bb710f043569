"""Columns and constraints of the sums of revenue."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, BigSerial, Date, Integer, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS


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
    """What an entry of a sale, or of what goes back, moves for a lot of its order: what a page shows behind a number.

    The job that sums an entry writes it. Each side has an index that holds the entries of a key by their kind and instant.
    """

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    entry = BigInt()
    lot = Integer()
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
    one_row_a_lot = Unique([entry, lot])

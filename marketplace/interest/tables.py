"""Columns and constraints of counts of interest, and of reasons for not buying."""

from __future__ import annotations

from piccolo.columns import Date, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.catalogue.tables import Quote
from marketplace.database import DB
from marketplace.datasets.tables import Dataset
from marketplace.personal_data import NOBODYS


class ListingDay(Table, db=DB, tablename="listing_day"):
    """How often a dataset's page was looked at on a UTC day, and how often it was asked about zones; nobody's trace."""

    personal_data = NOBODYS
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code")
    day = Date()
    seen = Integer(default=0)
    previewed = Integer(default=0)
    one_row_a_day = Unique([dataset, day])
    counts_grow = Check("seen >= 0 AND previewed >= 0")


class NotBought(Table, db=DB, tablename="not_bought"):
    """Why a partner does not pay a price that it asked for; the latest it said."""

    personal_data = NOBODYS
    quote = ForeignKey(Quote, null=False, on_delete=OnDelete.restrict, primary_key=True)
    reason = Text()
    """A code of the slice's rules."""
    given_at = Timestamptz()

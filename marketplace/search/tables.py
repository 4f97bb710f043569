"""Columns and constraints of what is searched: a card a dataset."""

from __future__ import annotations

from piccolo.columns import BigInt, Boolean, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB
from marketplace.datasets.tables import Dataset
from marketplace.personal_data import NOBODYS


class SearchCard(Table, db=DB, tablename="search_card"):
    """What a dataset is found by, as it was when it was last looked at; each process has all of them in memory."""

    personal_data = NOBODYS
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code", primary_key=True)
    is_listed = Boolean(default=False)
    """Whether it is for sale and has a release."""
    words = Text(default="")
    """Of code, titles, descriptions and area in both languages, and of its zones' names: lower case, no accents, each once."""
    stems = Text(default="")
    """Of the same words but the zones' names, by both languages' dictionaries."""
    area = Text(default="")
    indicator = Text(default="")
    """Code of the product."""
    zones = Text(default="")
    """Code of the operator's table, or `h3-` and a resolution."""
    grain = Text(default="")
    cadence = Text(default="")
    price_minor = BigInt(null=True, default=None)
    """Of its latest release, before VAT, in cents; null where it has no price."""
    coverage_basis_points = Integer(default=0)
    """Lines that consent, of all lines of its area."""
    period_to = Timestamptz(null=True, default=None)
    version = BigInt()
    """Rises with every change of any card: what a process has read up to."""
    looked_at = Timestamptz()
    price_is_positive = Check("price_minor > 0")
    coverage_is_a_share = Check("coverage_basis_points BETWEEN 0 AND 10000")

"""Columns and constraints of what is searched: a card a dataset; and the searches that people saved."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Boolean, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.datasets.tables import Dataset, Release
from marketplace.identity.tables import Person
from marketplace.personal_data import NOBODYS, of_a_person


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


class SavedSearch(Table, db=DB, tablename="saved_search"):
    """A search of somebody at a partner's, who is written when something new matches: once a day at most."""

    personal_data = of_a_person("until it is stopped, or the account is erased")
    id = UUID(primary_key=True)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade)
    name = Text()
    query = Text()
    """The address's query, as the catalogue shows it."""
    saved_at = Timestamptz()
    looked_at = Timestamptz()
    """When it was compared with what is for sale; matches before it are known."""
    written_at = Timestamptz(null=True, default=None)
    name_is_bounded = Check("length(name) BETWEEN 1 AND 200 AND length(query) <= 4000")


class SearchMatch(Table, db=DB, tablename="search_match"):
    """A release that matched a saved search, its price below the one asked for, if any: known, and written about."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    saved_search = ForeignKey(SavedSearch, null=False, on_delete=OnDelete.cascade)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    matched_at = Timestamptz()
    once = Unique([saved_search, release])

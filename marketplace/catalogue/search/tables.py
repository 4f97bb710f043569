"""Columns and constraints of searching: a card for each dataset, its words, and people's saved searches."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, BigSerial, Boolean, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS, of_a_person
from marketplace.datasets.releases.tables import Dataset, Release
from marketplace.people.identity.tables import Person


class TsVector(Text):
    """PostgreSQL's column of words for searching."""


class SearchCard(Table, db=DB, tablename="search_card"):
    """A dataset's searchable properties when its card was last updated."""

    personal_data = NOBODYS
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code", primary_key=True)
    is_listed = Boolean(default=False)
    """Whether it is for sale and has a release."""
    words = TsVector(default="")
    """Of code, titles, descriptions, area in both languages, and zones' names: lower case without accents, and stems.
    """
    area = Text(default="")
    indicator = Text(default="")
    """Code of the product."""
    zones = Text(default="")
    """Code of the operator's table, or `h3-` and a resolution."""
    grain = Text(default="")
    cadence = Text(default="")
    price = Text(default="")
    """The number of its price band; empty without a price."""
    coverage = Text(default="")
    """The number of its coverage band."""
    latest = Text(default="")
    """The month in which its latest period ends."""
    price_minor = BigInt(null=True, default=None)
    """Of its latest release, before VAT, in cents; null without a price."""
    coverage_basis_points = Integer(default=0)
    """The share of the area's lines that consent."""
    period_to = Timestamptz(null=True, default=None)
    version = BigInt()
    """Rises with every change of any card; cached counts belong to one version."""
    looked_at = Timestamptz()
    price_is_positive = Check("price_minor > 0")
    coverage_is_a_share = Check("coverage_basis_points BETWEEN 0 AND 10000")


class SearchTrigram(Table, db=DB, tablename="search_trigram"):
    """A trigram of a word that some card has or had, by which the nearest words to a misspelt one are found."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    word = Text()
    trigram = Text()
    trigram_once = Unique([word, trigram])


class SavedSearch(Table, db=DB, tablename="saved_search"):
    """A partner's person's search; they are notified of new matches, at most once a day."""

    personal_data = of_a_person("until it is stopped, or the account is erased")
    id = UUID(primary_key=True)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade)
    name = Text()
    query = Text()
    """The address's query, as the catalogue shows it."""
    saved_at = Timestamptz()
    looked_at = Timestamptz()
    """When it was last compared with the datasets for sale; earlier matches are known."""
    written_at = Timestamptz(null=True, default=None)
    name_is_bounded = Check("length(name) BETWEEN 1 AND 200 AND length(query) <= 4000")


class SearchMatch(Table, db=DB, tablename="search_match"):
    """A release that matched a saved search, within its price limit if any, and that the person was notified of."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    saved_search = ForeignKey(SavedSearch, null=False, on_delete=OnDelete.cascade)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    matched_at = Timestamptz()
    once = Unique([saved_search, release])

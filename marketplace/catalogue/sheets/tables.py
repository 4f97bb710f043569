"""Columns and constraints of price sheets, of the laws of volume, and of the points that releases have."""

from __future__ import annotations

from piccolo.columns import UUID, Array, BigInt, BigSerial, ForeignKey, Integer, OnDelete, Text, Timestamptz, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.datasets.geography.tables import ZoneTable
from marketplace.datasets.releases.tables import Release
from pricing.money import EUR


class PriceSheet(Table, db=DB, tablename="price_sheet"):
    """A market: datasets that count the same figures, over the same kind of zones. Append-only except for titles."""

    personal_data = NOBODYS
    code = Text(primary_key=True)
    title_fr = Text()
    title_en = Text()
    product = Text()
    grain = Text()
    zone_table = ForeignKey(ZoneTable, null=True, default=None, on_delete=OnDelete.restrict, target_column="code")
    """The operator's own zones; null: H3 cells."""
    h3_resolution = Integer()
    """Of H3 cells, or the level of the operator's zones."""
    currency = Varchar(length=3, default=EUR)
    created_at = Timestamptz()
    code_is_a_slug = Check("code ~ '^[a-z0-9][a-z0-9-]{1,62}$'")


class SheetVersion(Table, db=DB, tablename="sheet_version"):
    """A sheet as it was stated, in force from an instant until the next one's. Append-only."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    sheet = ForeignKey(PriceSheet, null=False, on_delete=OnDelete.restrict, target_column="code")
    number = Integer()
    """From 1."""
    document = Text()
    """Canonical JSON: constants of zones and segments, the worth of a point, half-life, rights and purposes."""
    sha256 = Text()
    terms = Text()
    """Canonical JSON of the document without zones, segments and constants: what a price needs besides points."""
    groups = Array(base_column=Text())
    """The demand groups of its zones, and of the zones of the versions before it."""
    starts_at = Timestamptz()
    stated_by = Text()
    stated_at = Timestamptz()
    numbered_once = Unique([sheet, number])
    document_is_the_one_named = Check("sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex')")
    starts_when_stated_or_later = Check("stated_at <= starts_at")


class VolumeLaw(Table, db=DB, tablename="volume_law"):
    """What an order costs of what it is worth, for all sheets of a currency, from an instant on. Append-only."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    currency = Varchar(length=3, default=EUR)
    starts_minor = Array(base_column=BigInt())
    """From so much of an order's worth on, the first from 0, …"""
    rates_basis_points = Array(base_column=Integer())
    """… each further cent of it costs so much; never rising."""
    least_minor = BigInt()
    starts_at = Timestamptz()
    stated_by = Text()
    stated_at = Timestamptz()
    one_at_an_instant = Unique([currency, starts_at])
    each_start_has_a_rate = Check("cardinality(starts_minor) = cardinality(rates_basis_points)")
    charges_something = Check("least_minor > 0")


class LeastKept(Table, db=DB, tablename="least_kept"):
    """A least charge that is not lowered until an instant: what contributors may be promised rests on it. Append-only."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    """Of the call for contributors."""
    currency = Varchar(length=3, default=EUR)
    least_minor = BigInt()
    until = Timestamptz()
    charges_something = Check("least_minor > 0")


class ReleasePoints(Table, db=DB, tablename="release_points"):
    """What a sealed release, or an edition of it, has on its sheet, counted once by its days' constants. Append-only."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    version = ForeignKey(SheetVersion, null=False, on_delete=OnDelete.restrict)
    """In force when they were counted."""
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    level = Integer()
    """0: the release itself."""
    spans = Text()
    """JSON: [first hour since 1970, hour after the last, demand group, points] for each day and group."""
    stages = Array(base_column=BigInt())
    """Points times hours: declared, published, by how many consent, by noise as well, by evenness as well."""
    counted_once = Unique([version, release, level])
    five_stages = Check("cardinality(stages) = 5")

"""Columns and constraints of offers, licence terms, and quotes."""

from __future__ import annotations

from piccolo.columns import UUID, Array, BigInt, Bytea, Date, ForeignKey, Integer, OnDelete, Text, Timestamptz, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.catalogue.sheets.tables import PriceSheet
from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS
from marketplace.datasets.releases.tables import Dataset, Release
from marketplace.money.credit.tables import CreditSale
from marketplace.people.identity.tables import Partner
from pricing.money import EUR


class LicenceTerms(Table, db=DB, tablename="licence_terms"):
    """A licence in five lines, versioned; a licence sold under it keeps it."""

    personal_data = NOBODYS
    code = Text(primary_key=True)
    """Name and version, such as `standard-1`."""
    lines_fr = Text()
    lines_en = Text()
    months = Integer()
    """How long a licence lasts unless its partner chooses another length."""
    usage_right = Text()
    """The allowed use of the figures: internal, publish or resell."""
    purposes = Array(base_column=Text(), default=list)
    """The allowed purposes, by their names in `consent.vocabulary`; empty: any."""
    countries = Array(base_column=Text(), default=list)
    """Countries in which buyers may be established, by ISO 3166-1; empty: any."""
    lasts_a_while = Check("months BETWEEN 1 AND 120")
    known_right = Check("usage_right IN ('internal', 'publish', 'resell')")


class IntendedUse(Table, db=DB, tablename="intended_use"):
    """A partner's stated use under some licence terms; its last statement counts."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    terms = ForeignKey(LicenceTerms, null=False, on_delete=OnDelete.restrict, target_column="code")
    usage_right = Text()
    purpose = Text()
    stated_at = Timestamptz()
    one_word_each = Unique([partner, terms])
    known_right = Check("usage_right IN ('internal', 'publish', 'resell')")


class Offer(Table, db=DB, tablename="offer"):
    """A dataset for sale: every sealed release of it, at the prices of its market's sheet."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code", unique=True)
    terms = ForeignKey(LicenceTerms, null=False, on_delete=OnDelete.restrict, target_column="code")
    sheet = ForeignKey(PriceSheet, null=False, on_delete=OnDelete.restrict, target_column="code")
    """What its figures are worth is stated there, for all datasets of the market."""
    currency = Varchar(length=3, default=EUR)
    """That of the sheet."""
    listed_at = Timestamptz()
    withdrawn_at = Timestamptz(null=True, default=None)


class ExclusiveWindow(Table, db=DB, tablename="exclusive_window"):
    """Between two instants only one partner may buy an offer; the auction with the same id writes it."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    offer = ForeignKey(Offer, null=False, on_delete=OnDelete.restrict)
    partner = ForeignKey(Partner, null=True, default=None, on_delete=OnDelete.restrict)
    """Null during the bidding: nobody gets a quote then."""
    starts_at = Timestamptz()
    ends_at = Timestamptz()
    """The window is half-open."""
    window_is_not_empty = Check("starts_at < ends_at")


class DemandDraw(Table, db=DB, tablename="demand_draw"):
    """The day's demand multiplier of a sheet: recorded, the same for every partner, and for at least seven days."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    sheet = ForeignKey(PriceSheet, null=False, on_delete=OnDelete.restrict, target_column="code")
    day = Date()
    demand_basis_points = Integer()
    drawn_at = Timestamptz()
    sales = Integer(default=0)
    """How many licences, paid in the year before, are its evidence, …"""
    days = Integer(default=0)
    """… over how many days on sale, …"""
    bids = Integer(default=0)
    """… and how many bids that auctions revealed."""
    one_a_day = Unique([sheet, day])
    draw_is_positive = Check("demand_basis_points > 0")
    sources_are_counted = Check("least(sales, days, bids) >= 0")


class Quote(Table, db=DB, tablename="quote"):
    """A signed price for one partner and release; it can be recomputed from its own bytes.

    It expires after fifteen minutes, or after thirty days if it is held.
    """

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    offer = ForeignKey(Offer, null=False, on_delete=OnDelete.restrict)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    level = Integer(default=0)
    """The accuracy: 0 is the release itself, 1 and higher its coarser editions."""
    terms = ForeignKey(LicenceTerms, null=False, on_delete=OnDelete.restrict, target_column="code")
    """The licence's terms when the price was signed or the auction announced; a later offer changes nothing."""
    months = Integer()
    """How long its licence lasts."""
    amount_minor = BigInt()
    """Before VAT."""
    currency = Varchar(length=3, default=EUR)
    document = Bytea()
    """Canonical bytes (RFC 8785): inputs, waterfall, price, partner, expiry."""
    signature = Bytea()
    """Ed25519 over `document`."""
    quoted_at = Timestamptz()
    expires_at = Timestamptz()
    auction = UUID(null=True, default=None)
    """The auction whose award set this price, written by it; null for a posted price."""
    amount_is_positive = Check("amount_minor > 0")
    levels_count_from_the_finest = Check("level >= 0")
    lasts_a_while = Check("months BETWEEN 1 AND 120")
    expires_later = Check("quoted_at < expires_at")


class QuoteAcceptance(Table, db=DB, tablename="quote_acceptance"):
    """An ordered quote; written by orders."""

    personal_data = NOBODYS
    quote = ForeignKey(Quote, null=False, on_delete=OnDelete.restrict, primary_key=True)
    accepted_at = Timestamptz()


class PostedSale(Table, db=DB, tablename="posted_sale"):
    """A licence sold at a posted price, paid or on credit; written by orders, so that demand can learn from it."""

    personal_data = NOBODYS
    quote = ForeignKey(Quote, null=False, on_delete=OnDelete.restrict, primary_key=True)
    sold_at = Timestamptz()
    neutral_minor = BigInt()
    """What was paid, converted to neutral demand."""
    returned_at = Timestamptz(null=True, default=None)
    """When the whole price was refunded; demand learns nothing from it afterwards."""
    credit_sale = ForeignKey(CreditSale, null=True, default=None, on_delete=OnDelete.restrict, target_column="subject")
    """Its sale on credit, if any; overdue or written off, it does not count until it is paid."""
    price_is_not_negative = Check("neutral_minor >= 0")


class ObservedBid(Table, db=DB, tablename="observed_bid"):
    """A partner's highest bid that an auction's transcript revealed; written by auctions."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    offer = ForeignKey(Offer, null=False, on_delete=OnDelete.restrict)
    auction = UUID()
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    value_basis_points = BigInt()
    """The demand multiplier that makes the posted price equal this bid; volume and least charge are ignored."""
    reserve_basis_points = BigInt()
    """The least bid allowed, in the same measure."""
    observed_at = Timestamptz()
    one_a_bidder = Unique([auction, partner])
    values_are_not_negative = Check("least(value_basis_points, reserve_basis_points) >= 0")

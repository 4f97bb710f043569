"""Reads of the catalogue: listings, a release's page, quotes."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.catalogue.licences.policies import LicenceText
from marketplace.catalogue.offers.rules import Evidence, PricedOffer, PricedRelease, asked_in
from marketplace.catalogue.offers.tables import DemandDraw, ExclusiveWindow, LicenceTerms, Quote
from marketplace.consent.vocabulary import PURPOSES
from marketplace.core import clock
from marketplace.core.database import fetch_column, fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.core.web.formats import paris_day
from marketplace.datasets.releases.tables import Dataset, Edition
from marketplace.money.vat import Vat, vat
from marketplace.people.identity.tables import Partner
from marketplace.privacy.series import ReleaseFacts, breaks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.core.words import Words
    from marketplace.privacy.series import Break

SQL: Final = load_statements(__package__)
LIST_PROMISED: Final = "SELECT array_agg(DISTINCT dataset) FROM contributor_term WHERE starts_at <= $1 AND $1 < ends_at"
MOST_OF_A_SERIES: Final = 1000


class ListingRow(Struct, frozen=True):
    """A dataset for sale as the catalogue lists it, with its latest release; the period is half-open."""

    code: str
    title_fr: str
    title_en: str
    description_fr: str
    description_en: str
    area: str
    zone_table: str | None
    h3_resolution: int
    grain: str
    time_zone: str
    release: uuid.UUID
    period_from: dt.datetime
    period_to: dt.datetime
    consenting: int
    population: int
    threshold: int


class Listing(LicenceText, frozen=True):
    """A dataset for sale with its licence terms; `latest` is its latest release."""

    code: str
    title_fr: str
    title_en: str
    description_fr: str
    description_en: str
    area: str
    zone_table: str | None
    h3_resolution: int
    grain: str
    time_zone: str
    product: str
    cadence: str
    age_bands: list[str]
    unit: str
    max_cells: int
    max_events: int
    parent_resolution: int
    offer: uuid.UUID
    sheet: str
    terms: str
    purposes: list[str]
    usage_right: str
    months: int
    latest: uuid.UUID

    @property
    def named_purposes(self) -> list[tuple[str, Words]]:
        """Return the only purposes that the licence allows, with their words; none: it allows any."""
        return [(code, PURPOSES[code]) for code in self.purposes]


class FormerListing(Struct, frozen=True):
    """A dataset that was for sale: when its offer was withdrawn, and when and why its latest release was called back."""

    code: str
    title_fr: str
    title_en: str
    description_fr: str
    description_en: str
    area: str
    withdrawn_at: dt.datetime | None
    revoked_at: dt.datetime | None
    reason_fr: str | None
    reason_en: str | None


class ListedRelease(PricedRelease, frozen=True):
    """A sealed release as its page shows it; the period is half-open, ε and shares are in millionths."""

    epsilon_micro: int
    delta_exponent: int
    threshold: int
    suppressed_micro: int
    r_indicator_micro: int | None
    error_people: int
    revision: int
    note_fr: str
    note_en: str
    schema_version: int
    method_version: int
    expansion_micro: int | None
    published_people: int


class PublishedRelease(Struct, frozen=True):
    """A sealed release as lists and the API publish it; `revoked_at` is when it was recalled."""

    id: uuid.UUID
    dataset: str
    period_from: dt.datetime
    period_to: dt.datetime
    sealed_at: dt.datetime
    epsilon_micro: int
    threshold: int
    key_count: int
    row_count: int
    suppressed_micro: int
    consenting: int
    population: int
    latest_event_at: dt.datetime | None
    revision: int
    note_fr: str
    note_en: str
    schema_version: int
    method_version: int
    expansion_micro: int | None
    delta_exponent: int
    mean_error_micro: int
    error_people: int
    error_events: int
    r_indicator_micro: int | None
    revoked_at: dt.datetime | None


class SeriesRow(Struct, frozen=True):
    """A sealed release's figures for comparing it in a series; the period is half-open."""

    id: uuid.UUID
    period_from: dt.datetime
    method_version: int
    population: int
    consenting: int
    revision: int
    notices: list[int]


class Level(Struct, frozen=True):
    """An accuracy level of a release coarser than the release itself; its noise variance is in millionths."""

    level: int
    variance_multiple: int
    noise_variance_micro: int
    threshold: int
    row_count: int
    error_people: int


class CountedBy(Struct, frozen=True):
    """A dataset's product and its zones: a table of the operator's own, or H3's cells of a resolution."""

    product: str
    zone_table: str | None
    h3_resolution: int


class SignedQuote(Struct, frozen=True):
    """A quote with the document that it is checked against; the amount is in cents before VAT."""

    id: uuid.UUID
    partner: uuid.UUID
    release: uuid.UUID
    level: int
    amount_minor: int
    document: bytes
    signature: bytes
    expires_at: dt.datetime
    auction: uuid.UUID | None
    """The auction that set the price, or None."""


class QuotePage(SignedQuote, frozen=True):
    """A partner's own quote with its subject; the release's period is half-open."""

    terms: str
    months: int
    currency: str
    quoted_at: dt.datetime
    code: str
    title_fr: str
    title_en: str
    time_zone: str
    period_from: dt.datetime
    period_to: dt.datetime
    is_expired: bool
    is_ordered: bool


class QuoteSubject(Struct, frozen=True):
    """A quote's partner, release, accuracy level and length, and its signed document."""

    partner: uuid.UUID
    release: uuid.UUID
    level: int
    months: int
    document: bytes

    @property
    def asked(self) -> tuple[uuid.UUID, uuid.UUID, int, frozenset[str]]:
        """Return partner, release and level, the names of agreed changes to the posted price, and named companies."""
        return self.partner, self.release, self.level, asked_in(self.document)


class VatCountry(Struct, frozen=True):
    """The facts that determine a partner's VAT: its country (ISO 3166-1), and when VIES confirmed its number."""

    country: str
    vat_confirmed_at: dt.datetime | None


async def list_listings_of(datasets: Sequence[str]) -> list[ListingRow]:
    """Return which of some datasets are for sale, in no order."""
    return await fetch_rows(ListingRow, SQL["list_listings_of"], list(datasets))


async def get_listing(code: str) -> Listing:
    """Return a dataset that is for sale, with its licence terms; refuses NotFound."""
    return existing(
        await fetch_row(Listing, SQL["get_listing"], code),
        NotFound("There is no dataset {dataset} in the catalogue.", dataset=code),
    )


async def find_former_listing(code: str) -> FormerListing | None:
    """Return a dataset that had a sealed release for sale, to be asked for when nothing of it is; or None."""
    return await fetch_row(FormerListing, SQL["find_former_listing"], code)


async def find_vat(partner: uuid.UUID | None, net_minor: int) -> Vat | None:
    """Return the VAT that a partner would pay today on top of `net_minor` (cents), or None for anyone else."""
    if partner is None:
        return None
    where = await fetch_row(VatCountry, select(VatCountry, Partner).where(Partner.id == partner))
    assert where
    is_confirmed = where.vat_confirmed_at is not None
    return vat(where.country, confirmed=is_confirmed, net_minor=net_minor, on=paris_day(clock.now()))


async def list_priced_releases(releases: Sequence[uuid.UUID]) -> list[PricedRelease]:
    """Return the inputs of some releases' prices, the latest period first."""
    return await fetch_rows(PricedRelease, SQL["list_priced_releases"], list(releases)) if releases else []


async def find_listed_release(release: uuid.UUID) -> ListedRelease | None:
    """Return a sealed release, or None."""
    return await fetch_row(ListedRelease, SQL["find_listed_release"], release)


async def get_listed_release(code: str, release: uuid.UUID) -> ListedRelease:
    """Return a sealed release of a dataset; refuses NotFound."""
    row = await find_listed_release(release)
    if row is None or row.dataset != code:
        raise NotFound("There is no such release in the catalogue.")
    return row


async def list_listed_releases(code: str, page: int) -> Paged[PublishedRelease]:
    """Return one page of a dataset's sealed releases, the latest period first, also recalled ones."""
    rows = await fetch_rows(PublishedRelease, SQL["list_listed_releases"], code, PAGE_SIZE + 1, offset(page))
    return paged(rows, page)


async def list_series(code: str) -> list[tuple[SeriesRow, list[Break]]]:
    """Return a dataset's sealed releases except recalled ones, the earliest first, each with its breaks."""
    rows = await fetch_rows(SeriesRow, SQL["list_series"], code, MOST_OF_A_SERIES)
    rows.reverse()
    stated = [ReleaseFacts(row.method_version, row.population, row.revision, tuple(row.notices)) for row in rows]
    return [(row, breaks(before, own)) for row, before, own in zip(rows, [None, *stated], stated, strict=False)]


async def list_levels(release: uuid.UUID) -> list[Level]:
    """Return a release's coarser accuracy levels, the finest first."""
    return await fetch_rows(Level, select(Level, Edition).where(Edition.release == release).order_by(Edition.level))


async def get_counted_by(dataset: str) -> CountedBy:
    """Return the product and the zones of an existing dataset."""
    row = await fetch_row(CountedBy, select(CountedBy, Dataset).where(Dataset.code == dataset))
    assert row
    return row


async def list_priced_offers(
    datasets: Sequence[str], now: dt.datetime, *, stated_at: dt.datetime | None = None
) -> list[PricedOffer]:
    """Return the open offers of some datasets, with their sheet's version in force and the day's draw, if any.

    stated_at: when the version is in force; None: now.
    """
    return await fetch_rows(PricedOffer, SQL["list_priced_offers"], list(datasets), now, stated_at or now)


async def list_starts(offer: uuid.UUID, after: dt.datetime, before: dt.datetime) -> list[dt.datetime]:
    """Return when versions of an offer's sheet and laws of its currency start, strictly between two instants, ascending."""
    return await fetch_column(dt.datetime, SQL["list_starts"], offer, after, before)


async def get_evidence(sheet: str, now: dt.datetime) -> Evidence:
    """Return the evidence for a sheet's multiplier of the UTC day of `now`; empty while it is not drawn."""
    of_day = (DemandDraw.sheet == sheet) & (DemandDraw.day == now.astimezone(dt.UTC).date())
    return await fetch_row(Evidence, select(Evidence, DemandDraw).where(of_day)) or Evidence()


async def count_quotes(partner: uuid.UUID, since: dt.datetime) -> int:
    """Return how many prices a partner had signed after `since`, without awards of auctions."""
    return int(await Quote.count().where(Quote.partner == partner, Quote.quoted_at > since, Quote.auction.is_null()))


async def is_reserved(offer: uuid.UUID, partner: uuid.UUID, now: dt.datetime, until: dt.datetime) -> bool:
    """Return whether by `until` an offer is reserved for another partner, or for the winner of an open auction."""
    is_now = (ExclusiveWindow.starts_at <= until) & (ExclusiveWindow.ends_at > now)
    is_not_ours = ExclusiveWindow.partner.is_null() | (ExclusiveWindow.partner != partner)
    return await ExclusiveWindow.exists().where(ExclusiveWindow.offer == offer, is_now, is_not_ours)


async def is_quoted_beyond(offer: uuid.UUID, instant: dt.datetime, now: dt.datetime) -> bool:
    """Return whether somebody may order or pay an offer at a signed price until after `instant`, without awards."""
    return bool(await fetch_scalar(bool, SQL["is_quoted_beyond"], offer, max(instant, now)))


class Terms(Struct, frozen=True):
    """Licence terms of one version: five lines in two languages, months, and allowed use."""

    code: str
    lines_fr: str
    lines_en: str
    months: int
    usage_right: str


async def get_terms(code: str) -> Terms:
    """Return licence terms of a version, also if nothing is sold under it; refuses NotFound."""
    return existing(
        await fetch_row(Terms, select(Terms, LicenceTerms).where(LicenceTerms.code == code)),
        NotFound("There are no such licence terms."),
    )


async def find_quote_subject(quote: uuid.UUID) -> QuoteSubject | None:
    """Return a quote's subject, or None if there is no such quote."""
    return await fetch_row(QuoteSubject, select(QuoteSubject, Quote).where(Quote.id == quote))


async def get_quote(quote: uuid.UUID, partner: uuid.UUID) -> QuotePage:
    """Return a partner's own quote with its subject, and whether it was ordered; NotFound for another partner's."""
    return existing(
        await fetch_row(QuotePage, SQL["get_quote"], quote, partner, clock.now()), NotFound("There is no such quote.")
    )

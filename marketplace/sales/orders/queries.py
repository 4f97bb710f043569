"""Queries of purchases for pages and machines: a partner's own orders with what they grant."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.catalogue.licences.policies import LicenceText
from marketplace.catalogue.offers.queries import SignedQuote
from marketplace.core.database import fetch_column, fetch_row, fetch_rows, fetch_scalar
from marketplace.core.errors import Conflict, NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.money.payments.queries import BankTransfer, read_bank_transfer
from marketplace.people.identity.tables import Person
from marketplace.sales.orders.tables import OrderLot

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL: Final = load_statements(__package__)


class OrderedQuote(SignedQuote, frozen=True):
    """A quote to order, with the state of its release and its partner's place for VAT."""

    offer: uuid.UUID
    terms: str
    months: int
    currency: str
    dataset: str
    purpose: str
    release_state: str
    title_fr: str
    title_en: str
    withdrawn_at: dt.datetime | None
    country: str
    is_vat_confirmed: bool


class OrderPage(LicenceText, frozen=True):
    """A partner's own order with one of its lots: release, licence, entitlement; amounts in cents, intervals half-open."""

    id: uuid.UUID
    number: str
    quote: uuid.UUID
    release: uuid.UUID
    state: str
    lot: int
    """Which lot it is, from 1 on."""
    lots: int
    """How many there are."""
    net_minor: int
    vat_minor: int
    total_minor: int
    returned_minor: int
    charged_back_minor: int
    currency: str
    vat_basis_points: int
    vat_rule: str
    ordered_at: dt.datetime
    paid_at: dt.datetime | None
    dataset: str
    title_fr: str
    title_en: str
    time_zone: str
    period_from: dt.datetime
    period_to: dt.datetime
    payment_state: str | None
    transfer: str | None
    may_be_transferred: bool
    """Whether its page offers a bank transfer."""
    licence: uuid.UUID | None
    cancelled_at: dt.datetime | None
    months: int
    entitlement: uuid.UUID | None
    starts_at: dt.datetime | None
    ends_at: dt.datetime | None
    revoked_at: dt.datetime | None
    suspended_at: dt.datetime | None
    level: int
    terms: str
    recalled_at: dt.datetime | None
    recalled_fr: str | None
    recalled_en: str | None
    due_at: dt.datetime | None
    """Of a sale on credit: when its invoice is due."""
    settled_at: dt.datetime | None
    is_overdue: bool
    """Whether it is suspended because of an unpaid invoice."""
    reference: str
    ordered_by: str
    """The colleague by name, or the key by its label; empty once that person is erased."""
    approved_by: str
    """Who approved it; empty where no approval was needed."""

    @property
    def bank_transfer(self) -> BankTransfer | None:
        """Where to send the money, while a bank transfer is awaited."""
        return read_bank_transfer(self.transfer)


async def list_orders(
    partner: uuid.UUID,
    page: int = 1,
    *,
    after: uuid.UUID | None = None,
    state: str | None = None,
    dataset: str | None = None,
    since: dt.datetime | None = None,
) -> Paged[OrderPage]:
    """Return one page of a partner's orders, the latest first: by its number, or after one of the partner's orders."""
    narrowed = (after, state, dataset, since)
    return paged(await fetch_rows(OrderPage, SQL["list_orders"], partner, PAGE_SIZE + 1, offset(page), *narrowed), page)


async def get_order(partner: uuid.UUID, order: uuid.UUID, lot: int = 1) -> OrderPage:
    """Return a partner's own order with its payment, and the licence and entitlement of a lot.

    Raises NotFound for any other order, and for a lot that it does not have.
    """
    row = await fetch_row(OrderPage, SQL["get_order"], partner, order, lot)
    return existing(row, NotFound("There is no such order."))


class OrderedLot(Struct, frozen=True):
    """A release that an order buys, at what part of its price; cents before VAT, the period half-open."""

    lot: int
    release: uuid.UUID
    amount_minor: int
    title_fr: str
    title_en: str
    time_zone: str
    period_from: dt.datetime
    period_to: dt.datetime
    recalled_at: dt.datetime | None


async def list_lots(partner: uuid.UUID, order: uuid.UUID) -> list[OrderedLot]:
    """Return the lots of a partner's own order; empty for any other order."""
    return await fetch_rows(OrderedLot, SQL["list_lots"], partner, order)


async def list_quotes(orders: Sequence[uuid.UUID]) -> Sequence[uuid.UUID]:
    """Return the quotes that these orders buy."""
    return await fetch_column(uuid.UUID, "SELECT quote FROM order_lot WHERE purchase_order = ANY ($1)", list(orders))


async def find_order(quote: uuid.UUID) -> uuid.UUID | None:
    """Return the order of a quote, or None without one."""
    return await fetch_scalar(uuid.UUID, OrderLot.select(OrderLot.purchase_order).where(OrderLot.quote == quote))


class NumberedOrder(Struct, frozen=True):
    """An order by its id, and its number, which people read."""

    id: uuid.UUID
    number: str


class QuoteTerms(LicenceText, frozen=True):
    """The partner and the licence of a quote."""

    company: str
    country: str
    vat_number: str
    months: int


async def get_quote_terms(quote: uuid.UUID) -> QuoteTerms:
    """Return the partner and the licence of an existing quote."""
    row = await fetch_row(
        QuoteTerms,
        """SELECT lines_fr, lines_en, sectors, partner.company, partner.country, partner.vat_number, quote.months
           FROM quote
           JOIN partner ON partner.id = quote.partner
           JOIN release ON release.id = quote.release
           JOIN dataset ON dataset.code = release.dataset
           JOIN licence_terms ON licence_terms.code = quote.terms
           WHERE quote.id = $1""",
        quote,
    )
    assert row
    return row


class HeldLicence(Struct, frozen=True):
    """A partner's entitlement to a release: its id, until when, at which accuracy level."""

    entitlement: uuid.UUID
    ends_at: dt.datetime
    purchase_order: uuid.UUID
    level: int


async def find_held(partner: uuid.UUID, release: uuid.UUID, level: int, now: dt.datetime) -> HeldLicence | None:
    """Return a partner's entitlement to a release at a level or a finer one, or None."""
    return await fetch_row(HeldLicence, SQL["find_held"], partner, release, level, now)


async def find_paying(partner: uuid.UUID, release: uuid.UUID, level: int) -> str | None:
    """Return the number of an order of a release at a level or a finer one with a payment under way, or None."""
    return await fetch_scalar(str, SQL["find_paying"], partner, release, level)


async def get_email(partner: uuid.UUID) -> str:
    """Return the email for Stripe's receipt when a machine orders: the partner's first person's."""
    first = Person.select(Person.email).where(Person.partner == partner).order_by(Person.created_at, Person.id).limit(1)
    return existing(
        await fetch_scalar(str, first),
        Conflict("Nobody of your company can receive the receipt; sign up a person first."),
    )

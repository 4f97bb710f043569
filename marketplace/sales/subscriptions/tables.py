"""Columns and constraints of subscriptions, and of their orders."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Bytea, ForeignKey, Integer, OnDelete, Text, Timestamptz, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.catalogue.offers.tables import LicenceTerms
from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.datasets.releases.tables import Dataset, Release
from marketplace.people.identity.tables import ApiKey, Partner, Person
from marketplace.sales.orders.tables import Order
from pricing.money import EUR


class Subscription(Table, db=DB, tablename="subscription"):
    """A partner buys the next releases of a dataset, each by the price sheet of the day on which it began."""

    personal_data = PersonalData(
        (Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="person = me.person"
    )
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    person = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """Who subscribed or last changed how it is paid, under whose spending limit its releases are ordered."""
    api_key = ForeignKey(ApiKey, null=True, default=None, on_delete=OnDelete.restrict)
    """The key that did."""
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code")
    locked_minor = BigInt()
    """The highest price of one release, before VAT: what the latest one cost when new."""
    locked = Bytea()
    """Canonical bytes of the latest release's price when it began: its law and terms are locked, its age is not."""
    currency = Varchar(length=3, default=EUR)
    releases = Integer()
    """The number of its releases."""
    after = Timestamptz()
    """It has releases of periods that end later than this, the end of the latest one when it began."""
    pay_by = Text(default="saved_method")
    """How each release is paid: by the saved method (without one on invoice if there is a limit), or on invoice."""
    state = Text(default="active")
    """active ↔ paused → ended."""
    began_at = Timestamptz()
    ended_at = Timestamptz(null=True, default=None)
    promised_days = Integer()
    """The days after its period's end within which a release is published."""
    promised_coverage_micro = BigInt()
    """The least share of lines that consent, in millionths."""
    terms = ForeignKey(LicenceTerms, null=False, on_delete=OnDelete.restrict, target_column="code")
    """The licence terms of its releases, for which the price was locked."""
    price_is_positive = Check("locked_minor > 0")
    some_releases = Check("releases BETWEEN 1 AND 120")
    known_way_to_pay = Check("pay_by IN ('saved_method', 'invoice')")
    known_state = Check("state IN ('active', 'paused', 'ended')")
    ends_at_an_instant = Check("(state = 'ended') = (ended_at IS NOT NULL)")


class SubscribedRelease(Table, db=DB, tablename="subscribed_release"):
    """A release that a subscription handled: ordered, or not, with the reason."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    subscription = ForeignKey(Subscription, null=False, on_delete=OnDelete.restrict)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    purchase_order = ForeignKey(Order, null=True, default=None, on_delete=OnDelete.restrict, unique=True)
    """Null: it was not sold."""
    refusal = Text(default="")
    """JSON of the sentence and its fields if it was not sold: the menu's audit refused it."""
    at = Timestamptz()
    ordered_once = Unique([subscription, release])
    ordered_or_refused = Check("(purchase_order IS NULL) = (refusal <> '')")


class ServiceCredit(Table, db=DB, tablename="service_credit"):
    """The part of an order that is refunded because its release came late or covers fewer people than sold.

    The refund has the same id.
    """

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    purchase_order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict, unique=True)
    subscription = ForeignKey(Subscription, null=False, on_delete=OnDelete.restrict)
    days_late = Integer()
    coverage_micro = BigInt()
    promised_coverage_micro = BigInt()
    basis_points = Integer()
    refund_minor = BigInt()
    """VAT included, in cents."""
    asked_at = Timestamptz(null=True, default=None)
    """When its refund was requested; null until the order is paid."""
    falls_short = Check("days_late > 0 OR coverage_micro < promised_coverage_micro")
    is_half_at_most = Check("basis_points BETWEEN 1 AND 5000 AND refund_minor > 0")

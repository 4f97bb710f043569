"""Columns and constraints of subscriptions, and of what they ordered."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, ForeignKey, Integer, OnDelete, Text, Timestamptz, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.catalogue.tables import LicenceTerms
from marketplace.database import DB
from marketplace.datasets.tables import Dataset, Release
from marketplace.identity.tables import Partner
from marketplace.personal_data import NOBODYS
from marketplace.purchases.tables import Order
from pricing.money import EUR


class Subscription(Table, db=DB, tablename="subscription"):
    """A partner buys the next releases of a dataset, each for the price of the day it began, or less."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code")
    locked_minor = BigInt()
    """The most that one release costs, before VAT."""
    currency = Varchar(length=3, default=EUR)
    releases = Integer()
    """How many it is for."""
    after = Timestamptz()
    """Releases of periods that end later than the latest one when it began."""
    pay_by = Text(default="saved_method")
    """How each release is paid: by the saved method (on invoice only by who has none and a limit), or on invoice in any case."""
    state = Text(default="active")
    """active ↔ paused → ended."""
    began_at = Timestamptz()
    ended_at = Timestamptz(null=True, default=None)
    promised_days = Integer(null=True, default=None)
    """Within how many days of its period's end a release is published; null: begun before that was promised."""
    promised_coverage_micro = BigInt(null=True, default=None)
    """The least share of lines that consent, in millionths."""
    agreed_offers = Text(null=True, default=None)
    """JSON of the offers of the day it began that compare: a later rise of their prices changes nothing of it; null: begun before."""
    terms = ForeignKey(LicenceTerms, null=True, default=None, on_delete=OnDelete.restrict, target_column="code")
    """Of the licence that its releases are sold under: the price was locked for it. Where the version before names none, a trigger does."""
    price_is_positive = Check("locked_minor > 0")
    has_a_licence = Check("terms IS NOT NULL")
    promises_both = Check("num_nonnulls(promised_days, promised_coverage_micro) IN (0, 2)")
    some_releases = Check("releases BETWEEN 1 AND 120")
    known_way_to_pay = Check("pay_by IN ('saved_method', 'invoice')")
    known_state = Check("state IN ('active', 'paused', 'ended')")
    ends_at_an_instant = Check("(state = 'ended') = (ended_at IS NOT NULL)")


class SubscribedRelease(Table, db=DB, tablename="subscribed_release"):
    """A release that a subscription came to: ordered, or not, with the reason."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    subscription = ForeignKey(Subscription, null=False, on_delete=OnDelete.restrict)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    purchase_order = ForeignKey(Order, null=True, default=None, on_delete=OnDelete.restrict, unique=True)
    """Null: it was not sold."""
    refusal = Text(default="")
    """JSON of the sentence and its fields, where it was not sold: the menu's audit refused it."""
    at = Timestamptz()
    ordered_once = Unique([subscription, release])
    ordered_or_refused = Check("(purchase_order IS NULL) = (refusal <> '')")


class ServiceCredit(Table, db=DB, tablename="service_credit"):
    """What of an order goes back because its release came late or covers fewer people than sold; the refund has its id."""

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
    """When its refund was asked for; null until the order is paid."""
    falls_short = Check("days_late > 0 OR coverage_micro < promised_coverage_micro")
    is_half_at_most = Check("basis_points BETWEEN 1 AND 5000 AND refund_minor > 0")

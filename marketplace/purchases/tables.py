"""Columns and constraints of orders, licences and entitlements."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, ForeignKey, Integer, OnDelete, Text, Timestamptz, Varchar
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.catalogue.tables import LicenceTerms, Quote
from marketplace.database import DB
from marketplace.datasets.tables import Release
from marketplace.identity.tables import Partner


class Order(Table, db=DB, tablename="purchase_order"):
    """A partner's decision to buy one quote; its payment bears the same id."""

    id = UUID(primary_key=True)
    number = Text(unique=True)
    """What people read, such as `P-2026-000042`."""
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    quote = ForeignKey(Quote, null=False, on_delete=OnDelete.restrict, unique=True)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    net_minor = BigInt()
    vat_minor = BigInt()
    total_minor = BigInt()
    currency = Varchar(length=3, default="EUR")
    vat_basis_points = Integer()
    vat_rule = Text()
    """domestic, reverse_charge, unverified or outside_eu."""
    state = Text(default="awaiting_payment")
    """awaiting_payment → paid → refunded; awaiting_payment → lapsed."""
    ordered_at = Timestamptz()
    paid_at = Timestamptz(null=True, default=None)
    refund_requested_at = Timestamptz(null=True, default=None)
    refund_requested_by = Text(null=True, default=None)
    """Who in finance decided to give the money back."""
    adds_up = Check("total_minor = net_minor + vat_minor AND net_minor > 0 AND vat_minor >= 0")
    known_rule = Check("vat_rule IN ('domestic', 'reverse_charge', 'unverified', 'outside_eu')")
    known_state = Check("state IN ('awaiting_payment', 'paid', 'lapsed', 'refunded')")
    paid_at_an_instant = Check("(state IN ('paid', 'refunded')) = (paid_at IS NOT NULL)")


class Licence(Table, db=DB, tablename="licence"):
    """What a paid order grants, with the rates agreed when it was sold."""

    id = UUID(primary_key=True)
    purchase_order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict, unique=True)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    terms = ForeignKey(LicenceTerms, null=False, on_delete=OnDelete.restrict, target_column="code")
    net_minor = BigInt()
    currency = Varchar(length=3, default="EUR")
    subscribers_basis_points = Integer()
    operator_basis_points = Integer()
    sold_at = Timestamptz()
    hold_until = Timestamptz()
    cancelled_at = Timestamptz(null=True, default=None)
    """When a refund took it back."""
    rates_are_shares = Check(
        "subscribers_basis_points >= 0 AND operator_basis_points >= 0 "
        "AND subscribers_basis_points + operator_basis_points <= 10000"
    )
    net_is_positive = Check("net_minor > 0")


class Entitlement(Table, db=DB, tablename="entitlement"):
    """A partner may read a release between two instants, unless revoked."""

    id = UUID(primary_key=True)
    licence = ForeignKey(Licence, null=False, on_delete=OnDelete.restrict, unique=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    starts_at = Timestamptz()
    ends_at = Timestamptz()
    revoked_at = Timestamptz(null=True, default=None)
    interval_is_not_empty = Check("starts_at < ends_at")

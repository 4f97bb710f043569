"""Every scheduled job on one screen: its name, its interval, what it does. Jobs pull what is due."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from marketplace import invariants
from marketplace.auctions.award import close_auctions, settle_sales
from marketplace.audit_trail.chain import link_actions
from marketplace.audit_trail.copying import copy_trail
from marketplace.audit_trail.guards import note_lost_requests
from marketplace.bank.payout_lines import match_payouts
from marketplace.bank_rules.actions import book_by_rules
from marketplace.baskets.waiting import charge_waiting
from marketplace.bookkeeping.export_files import write_exports
from marketplace.bucket_exports.actions import fill_buckets
from marketplace.business.actions import sum_revenue
from marketplace.catalogue.actions import refresh_demand
from marketplace.catalogue.menu import audit_published
from marketplace.catalogue.offers import draw_pictures, make_changes
from marketplace.contributions.actions import index_contributions
from marketplace.credit.actions import remind_debtors
from marketplace.datasets.build_requests import refresh_datasets, run_requests
from marketplace.datasets.ingestion import ingest_new
from marketplace.datasets.published_days import note_days
from marketplace.deletions.actions import remind_of_deletion
from marketplace.delivery.reminders import write_reminders
from marketplace.duplicate_orders.actions import decide_duplicates
from marketplace.earnings.actions import cancel_shares, hold_shares
from marketplace.earnings.month_close import close_months
from marketplace.einvoicing.actions import exchange_einvoices
from marketplace.einvoicing.months import sum_many_months
from marketplace.finance.actions import reconcile
from marketplace.finance.looks import refresh_large_books
from marketplace.identity.names import reseal_names
from marketplace.identity.vat_checks import confirm_pending_vat
from marketplace.ledger.actions import fold_day_sums
from marketplace.mail.actions import send_mail
from marketplace.my_data.actions import make_own_maps
from marketplace.notifications.actions import notify_programs
from marketplace.payments.balance import mirror_balance
from marketplace.payments.events import handle_events, sweep_events
from marketplace.payments.stripe_calls import run_commands
from marketplace.payouts.actions import draft_on_time, follow_transfers
from marketplace.payouts.asked import do_asked
from marketplace.population_density.callbacks import answer_callbacks
from marketplace.purchases.actions import lapse_unpaid, settle_paid
from marketplace.purchases.disputes import follow_disputes
from marketplace.purchases.invoices import render_pending_invoices
from marketplace.purchases.refunds import record_refunds
from marketplace.recovery.actions import send_first_confirmations
from marketplace.recovery.address_changes import make_agreed_changes
from marketplace.retractions.actions import retract_erased
from marketplace.reverse_auctions.award import award_auctions
from marketplace.rights.erasure_list import note_erasures
from marketplace.rights.retention import enforce_retention
from marketplace.search.actions import refresh_cards
from marketplace.search.saved import write_alerts
from marketplace.settings import settings
from marketplace.storefront.reminders import write_to_bidders
from marketplace.subscriptions.actions import deliver
from marketplace.transparency.actions import keep_log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger(__name__)
MINUTE, HOUR, DAY = 60, 3600, 86_400

SUMS: Final[dict[str, tuple[int, Callable[[], Awaitable[object]]]]] = {
    "fold-sums": (HOUR, fold_day_sums),
    "sum-revenue": (10 * MINUTE, sum_revenue),
    "sum-months-of-einvoices": (HOUR, sum_many_months),
    "refresh-exceptions": (5 * MINUTE, refresh_large_books),
}
"""What finance's pages of large books read in place of the books."""

OF_ORDERS: Final = {
    "settle-orders": (2, settle_paid),
    "charge-baskets": (2, charge_waiting),
    "decide-duplicates": (2, decide_duplicates),
    "lapse-orders": (MINUTE, lapse_unpaid),
}
OF_RELEASES: Final[dict[str, tuple[int, Callable[[], Awaitable[object]]]]] = {
    "refresh-datasets": (10 * MINUTE, refresh_datasets),
    "note-days": (HOUR, note_days),
}
DRAWN: Final[dict[str, tuple[int, Callable[[], Awaitable[object]]]]] = {
    "draw-pictures": (MINUTE, draw_pictures),
    "draw-own-maps": (2, make_own_maps),
}
"""Pictures that pages show and do not draw themselves."""


async def sweep_invariants() -> int:
    """Log every invariant that is broken; return how many offenders there are."""
    offenders = await invariants.broken()
    for line in offenders:
        log.error("invariant broken", offender=line)
    return len(offenders)


def jobs() -> dict[str, tuple[int, Callable[[], Awaitable[object]]]]:
    """Return every job: its name, its interval in seconds, what it does."""
    shares = settings().shares_every_seconds
    return {
        "send-mail": (2, send_mail),
        "stripe-commands": (2, run_commands),
        "stripe-events": (2, handle_events),
        "stripe-sweep": (5 * MINUTE, sweep_events),
        "stripe-balance": (min(shares, 10 * MINUTE), mirror_balance),
        **OF_ORDERS,
        "deliver-subscriptions": (30, deliver),
        "close-auctions": (1, close_auctions),
        "settle-auctions": (10, settle_sales),
        "award-reverse-auctions": (10, award_auctions),
        "record-refunds": (10, record_refunds),
        "remind-debtors": (HOUR, remind_debtors),
        "follow-disputes": (10, follow_disputes),
        "invoices": (10, render_pending_invoices),
        "einvoices": (MINUTE, exchange_einvoices),
        "bidder-messages": (MINUTE, write_to_bidders),
        "licence-messages": (MINUTE, write_reminders),
        "deletion-reminders": (HOUR, remind_of_deletion),
        "fill-buckets": (30, fill_buckets),
        "notify-programs": (10, notify_programs),
        "density-callbacks": (2, answer_callbacks),
        "index-contributions": (MINUTE, index_contributions),
        "hold-shares": (shares, hold_shares),
        "cancel-shares": (shares, cancel_shares),
        "close-month": (min(shares, HOUR), close_months),
        "draft-payouts": (settings().payouts_every_seconds, draft_on_time),
        "send-payouts": (10, do_asked),
        "match-payouts": (MINUTE, match_payouts),
        "book-by-rules": (MINUTE, book_by_rules),
        "follow-transfers": (10, follow_transfers),
        "reseal-names": (DAY, reseal_names),
        "note-lost-requests": (10 * MINUTE, note_lost_requests),
        "link-trail": (10, link_actions),
        "copy-trail": (MINUTE, copy_trail),
        "keep-log": (5, keep_log),
        "exports": (2, write_exports),
        **SUMS,
        "reconcile": (min(shares, HOUR), reconcile),
        "refresh-demand": (HOUR, refresh_demand),
        "change-offers": (MINUTE, make_changes),
        "refresh-search": (MINUTE, refresh_cards),
        "search-alerts": (10 * MINUTE, write_alerts),
        "ingest-events": (HOUR, ingest_new),
        "retract-erased": (DAY, retract_erased),
        **OF_RELEASES,
        "build-releases": (2, partial(run_requests, allow=audit_published)),
        "confirm-vat": (HOUR, confirm_pending_vat),
        "note-erasures": (10, note_erasures),
        **DRAWN,
        "enforce-retention": (DAY, enforce_retention),
        "confirm-addresses": (MINUTE, send_first_confirmations),
        "change-addresses": (HOUR, make_agreed_changes),
        "sweep-invariants": (HOUR, sweep_invariants),
    }

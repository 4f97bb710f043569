"""The purposes of processing personal data: kinds of data on the screen of retention, and the record of processing.

An activity names the packages, or files of tables, that are its own. The tables' declarations state whose data they
have, how long it stays and what erasing does. A table with personal data and no activity fails a test.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from marketplace.core.words import Words


class Activity(Struct, frozen=True):
    """A processing activity: its purpose, legal basis under the GDPR, packages and recipients.

    `recipients` are codes of `recipients.RECIPIENTS`.
    """

    code: str
    title: Words
    purpose: Words
    basis: Words
    packages: tuple[str, ...]
    recipients: tuple[str, ...] = ()


CONTRACT: Final = Words("contract (art. 6(1)(b))")
LAW: Final = Words("legal obligation (art. 6(1)(c))")
CONSENT: Final = Words("consent (art. 6(1)(a))")
ACTIVITIES: Final = (
    Activity(
        "accounts",
        Words("Accounts and signing in"),
        Words("Know who signs in, protect each account, let people leave."),
        CONTRACT,
        (
            "people.identity",
            "people.sign_in.factor_tables",
            "people.sign_in.recovery_tables",
            "people.sign_in.provider_tables",
        ),
        ("host",),
    ),
    Activity(
        "statistics",
        Words("Consents and statistics"),
        Words("Record and prove consent; count anonymous aggregates of those who gave it."),
        CONSENT,
        (
            "consent.purposes",
            "consent.switches",
            "core.notes",
            "subscribers.my_data",
            "datasets.retractions",
            "subscribers.earnings.contribution_tables",
            "datasets.releases",
            "datasets.geography",
            "datasets.geography.layer_tables",
            "oversight.public_log",
        ),
        ("host",),
    ),
    Activity(
        "sales",
        Words("Sales, auctions and invoices"),
        Words("Sell licences and invoice them."),
        CONTRACT,
        (
            *(
                "catalogue.sheets",
                "catalogue.chosen_zones",
                "catalogue.search",
                "catalogue.requests",
                "sales.auctions",
                "sales.orders",
                "sales.orders.approval_tables",
                "sales.orders.claim_tables",
                "sales.subscriptions",
                "people.spending",
                "delivery.downloads.deletion_tables",
                "delivery.outgoing.bucket_tables",
                "sales.agreed.private_tables",
                "money.payments",
                "finance.einvoicing",
            ),
            *("delivery.links", "delivery.delta_sharing", "delivery.outgoing.notification_tables"),
        ),
        ("host", "stripe", "vies"),
    ),
    Activity(
        "shares",
        Words("Revenue shares and payouts"),
        Words("Compute each subscriber’s share and pay it out."),
        CONTRACT,
        ("subscribers.earnings", "sales.auctions.reverse_tables", "subscribers.payouts", "subscribers.rewards"),
        ("host", "bank", "stripe"),
    ),
    Activity(
        "books",
        Words("Bookkeeping"),
        Words("Keep the books, reconcile them with the bank and Stripe, answer audits."),
        LAW,
        (
            "people.proposals",
            "money.ledger",
            "finance.bank",
            "finance.bank.rule_tables",
            "finance.reconciliation",
            "finance.bookkeeping",
        ),
        ("host", "bank", "tax"),
    ),
    Activity(
        "security",
        Words("Security and audit trail"),
        Words("Know who did what and who came in, under ids; prove it."),
        LAW,
        ("people.audit_trail",),
        ("host",),
    ),
    Activity(
        "messages",
        Words("Messages and mail"),
        Words("Notify people of what concerns them."),
        CONTRACT,
        ("people.messages", "people.mail"),
        ("host", "mail"),
    ),
    Activity(
        "rights",
        Words("Questions and rights"),
        Words("Answer questions, hand people their data, erase."),
        LAW,
        ("subscribers.legal", "oversight.rights"),
        ("host",),
    ),
)

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


CONTRACT: Final = Words(fr="contrat (art. 6-1 b)", en="contract (art. 6(1)(b))")
LAW: Final = Words(fr="obligation légale (art. 6-1 c)", en="legal obligation (art. 6(1)(c))")
CONSENT: Final = Words(fr="consentement (art. 6-1 a)", en="consent (art. 6(1)(a))")
ACTIVITIES: Final = (
    Activity(
        "accounts",
        Words(fr="Comptes et connexions", en="Accounts and signing in"),
        Words(
            fr="Savoir qui se connecte, protéger chaque compte, laisser partir ceux qui le veulent.",
            en="Know who signs in, protect each account, let people leave.",
        ),
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
        Words(fr="Consentements et statistiques", en="Consents and statistics"),
        Words(
            fr="Recueillir et prouver le consentement ; compter, pour ceux qui l’ont donné, des agrégats anonymes.",
            en="Record and prove consent; count anonymous aggregates of those who gave it.",
        ),
        CONSENT,
        (
            "consent.purposes",
            "consent.switches",
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
        Words(fr="Ventes, enchères et factures", en="Sales, auctions and invoices"),
        Words(fr="Vendre des licences et les facturer.", en="Sell licences and invoice them."),
        CONTRACT,
        (
            *(
                "catalogue.offers",
                "catalogue.chosen_zones",
                "catalogue.search",
                "catalogue.requests",
                "sales.auctions",
                "sales.orders",
                "sales.orders.claim_tables",
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
        Words(fr="Partage des revenus et versements", en="Revenue shares and payouts"),
        Words(
            fr="Calculer la part de chaque abonné et la lui verser.",
            en="Compute each subscriber’s share and pay it out.",
        ),
        CONTRACT,
        ("subscribers.earnings", "sales.auctions.reverse_tables", "subscribers.payouts", "subscribers.rewards"),
        ("host", "bank", "stripe"),
    ),
    Activity(
        "books",
        Words(fr="Comptabilité", en="Books"),
        Words(
            fr="Tenir les comptes, les rapprocher de la banque et de Stripe, répondre aux contrôles.",
            en="Keep the books, reconcile them with the bank and Stripe, answer audits.",
        ),
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
        Words(fr="Sécurité et piste d’audit", en="Security and audit trail"),
        Words(
            fr="Savoir qui a fait quoi et qui est entré, sous des identifiants ; le prouver.",
            en="Know who did what and who came in, under ids; prove it.",
        ),
        LAW,
        ("people.audit_trail",),
        ("host",),
    ),
    Activity(
        "messages",
        Words(fr="Messages et courriels", en="Messages and mail"),
        Words(fr="Prévenir chacun de ce qui le concerne.", en="Notify people of what concerns them."),
        CONTRACT,
        ("people.messages", "people.mail"),
        ("host", "mail"),
    ),
    Activity(
        "rights",
        Words(fr="Questions et droits", en="Questions and rights"),
        Words(
            fr="Répondre aux questions, remettre à chacun ses données, effacer.",
            en="Answer questions, hand people their data, erase.",
        ),
        LAW,
        ("subscribers.legal", "oversight.rights"),
        ("host",),
    ),
)

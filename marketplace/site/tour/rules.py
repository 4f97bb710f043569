"""The tours: the person of each, and its stops in the best order; pure."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stop(Struct, frozen=True):
    """A page to open, its title, and what to look at there."""

    path: str
    title: Words
    text: Words


class Tour(Struct, frozen=True):
    """A tour: its reader, the email of the demo's person for it, its subject, and its stops."""

    title: Words
    email: str
    about: Words
    stops: tuple[Stop, ...]


PARTNER: Final = Tour(
    Words("Partner"),
    "camille@demo.partage.example",
    Words("Camille Roche buys data for Atelier Urbain: find, understand, try, buy, receive."),
    (
        Stop(
            "/catalogue",
            Words("Search the catalogue"),
            Words(
                "Type “nuits” or “villeurbane”: typing errors and both languages are understood. The filters count what is "
                "left, and the page’s address keeps your search."
            ),
        ),
        Stop(
            "/datasets/lyon-presence-hour",
            Words("Understand a dataset"),
            Words(
                "Move the hours’ slider on the map, then read the price’s waterfall: each bar says what is paid for, and "
                "the last where the money goes."
            ),
        ),
        Stop(
            "/datasets/lyon-flows-day/preview",
            Words("Look at your zones before you pay"),
            Words(
                "Choose “Lyon 3e” and “Villeurbanne”, or paste postcodes: the answer says, zone by zone, whether the "
                "figures suffice."
            ),
        ),
        Stop(
            "/compare?dataset=lyon-presence-day&dataset=grenoble-presence-day",
            Words("Compare two cities"),
            Words("What differs is marked: coverage, precision, freshness, price."),
        ),
        Stop(
            "/datasets/lyon-nights",
            Words("Buy"),
            Words(
                "Get a price, order and pay on the test page (one click is enough). The file is ready at once, and so is "
                "the invoice."
            ),
        ),
        Stop(
            "/orders",
            Words("Find your purchases"),
            Words("A year of orders, with files, invoices and links for your programs."),
        ),
        Stop(
            "/subscriptions",
            Words("Subscribe"),
            Words("Atelier Urbain gets the next weeks of Lyon at a locked price, without doing anything."),
        ),
        Stop(
            "/auctions",
            Words("Bid"),
            Words(
                "An auction is under way: somebody is ahead of you. The one that is over shows its transcript, which "
                "anybody can compute again."
            ),
        ),
        Stop(
            "/datasets/grenoble-presence-day",
            Words("See a recall"),
            Words("A release of Grenoble was just called back: the page says why, and which one follows it."),
        ),
    ),
)
SUBSCRIBER: Final = Tour(
    Words("Subscriber"),
    "lucie@demo.partage.example",
    Words("Lucie Martin has a mobile line and said yes: she sees what it earns, who uses it, and how to stop."),
    (
        Stop(
            "/earnings",
            Words("What it earns"),
            Words("A year of shares, to a millionth of a euro: each licence sold, and how your share is computed."),
        ),
        Stop(
            "/my-data",
            Words("What is counted"),
            Words("Switch off a source, a place, hours or a sector: it counts from the next build on."),
        ),
        Stop(
            "/my-data#map",
            Words("Your own map"),
            Words("Your own events, prepared for you alone and deleted ten minutes later."),
        ),
        Stop(
            "/consent",
            Words("Say no"),
            Words("Withdraw a consent: it is as easy as giving it, and a receipt proves it."),
        ),
        Stop(
            "/calls",
            Words("Name your price"),
            Words("A call asks the least you would accept; nobody sees your answer."),
        ),
        Stop(
            "/earnings/payouts",
            Words("Be paid"),
            Words("Eleven transfers made, month by month; one may also give, or take gigabytes instead."),
        ),
        Stop(
            "/profile/data",
            Words("Take everything along"),
            Words("A copy of all that is known about you; and, beside it, erasure."),
        ),
    ),
)
STEWARD: Final = Tour(
    Words("Steward"),
    "samir@demo.partage.example",
    Words("Samir Haddad decides what is counted, under which promise, and at what price it is sold."),
    (
        Stop("/start", Words("What waits"), Words("The first steps are done; below, what asks for a decision.")),
        Stop(
            "/steward/datasets",
            Words("Eight datasets"),
            Words("Two cities, four kinds, hexagons and zones of your own: the budget spent and the releases of each."),
        ),
        Stop(
            "/steward/datasets/lyon-flows-day/dry-run",
            Words("Try without spending"),
            Words("What a release would be like and cost, before any ε is spent."),
        ),
        Stop(
            "/steward/offers",
            Words("Prices"),
            Words("Change a price: the audit refuses what would let somebody have the same for less, and says how."),
        ),
        Stop(
            "/staff/funnel",
            Words("Seen, previewed, bought"),
            Words("Of each dataset: how many saw it, asked and bought, and why others did not. Without cookies."),
        ),
        Stop(
            "/steward/requests",
            Words("What is missing"),
            Words("Two companies ask for the same without knowing: answer by an offer, a call or a refusal."),
        ),
        Stop(
            "/steward/private-offers",
            Words("An offer to one alone"),
            Words("The metropolis pays 15% less until a day, never below what the people counted are due."),
        ),
        Stop(
            "/steward/sectors",
            Words("Partners of several sectors"),
            Words("You state a partner’s sector, and subscribers may exclude it."),
        ),
    ),
)
FINANCE: Final = Tour(
    Words("Finance"),
    "nora@demo.partage.example",
    Words("Nora Lefèvre keeps the books to the cent: sales, shares, transfers, bank, closes."),
    (
        Stop(
            "/finance/desk",
            Words("The morning’s desk"),
            Words("What waits, by age and amount, and who sees to it. A claim has just come."),
        ),
        Stop(
            "/finance",
            Words("Reconciled four ways"),
            Words("Orders, Stripe, bank and payouts: the difference must be zero, and is."),
        ),
        Stop(
            "/finance/business",
            Words("The business in figures"),
            Words("A year of revenue, VAT, what is owed; a click shows the entries behind a number."),
        ),
        Stop("/staff/claims", Words("A claim"), Words("The shares of this sale wait until two people decide.")),
        Stop(
            "/finance/exceptions",
            Words("Exceptions"),
            Words("A transfer came back: account closed. The page says what to do."),
        ),
        Stop(
            "/finance/payout-runs",
            Words("Pay the subscribers"),
            Words("Draft a run, let Hugo Blanc approve it, and see the bank answer."),
        ),
        Stop(
            "/finance/periods",
            Words("Close"),
            Words("Twelve months closed; what would prevent the next close is named."),
        ),
        Stop(
            "/finance/exports",
            Words("Hand over to accountants"),
            Words("FEC, beancount, hledger: each is read again by another program."),
        ),
    ),
)
AUDITOR: Final = Tour(
    Words("Auditor"),
    "paul@demo.partage.example",
    Words("Paul Girard reads everything and changes nothing: he checks without having to believe."),
    (
        Stop(
            "/finance/audit",
            Words("Who did what"),
            Words("Each decision, access and look, in a chain that breaks if one is removed."),
        ),
        Stop(
            "/finance/trial-balance",
            Words("The trial balance"),
            Words("Debit equals credit, on any day; an account leads to its entries, an entry to its document."),
        ),
        Stop(
            "/finance/reconciliation",
            Words("Reconciliations"),
            Words("Each reconciliation made in a year, and what it found."),
        ),
        Stop(
            "/steward/datasets/lyon-presence-hour",
            Words("The promise kept"),
            Words("The privacy budget, release by release, and what the gate tried before publishing."),
        ),
        Stop(
            "/transparency",
            Words("The public log"),
            Words("Witnesses sign what we published; compute a proof again without us."),
        ),
        Stop(
            "/staff/compliance",
            Words("The compliance file"),
            Words("Register, retention, incidents: in one file to download."),
        ),
    ),
)
TOURS: Final[Mapping[str, Tour]] = MappingProxyType(
    {"partner": PARTNER, "subscriber": SUBSCRIBER, "steward": STEWARD, "finance": FINANCE, "auditor": AUDITOR}
)
"""By the word in the address, in the order of the page."""

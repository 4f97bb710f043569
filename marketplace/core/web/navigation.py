"""The navigation: the pages of each role in groups, and which of them a visitor's page belongs to.

Staff have headings, and see the links that their role may follow; everybody else has one short list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.core.words import Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    Link = tuple[str, Words]
    Group = tuple[Words | None, Sequence[Link]]

BOOKS: Final = frozenset({"finance", "auditor"})
SHOP: Final = frozenset({"steward", "auditor"})
STEWARD: Final = frozenset({"steward"})
STAFF: Final = BOOKS | SHOP
SITE: Final = (("/catalogue", Words("Catalogue")), ("/auctions", Words("Auctions")))
PARTNER: Final = (("/orders", Words("Orders")), ("/keys", Words("API keys")))
SUBSCRIBER: Final = (("/earnings", Words("Earnings")), ("/calls", Words("Calls")), ("/consent", Words("Consent")))
GROUPS: Final = (
    (None, (("/start", Words("To do"), STEWARD),)),
    (
        Words("Finance"),
        (
            ("/finance", Words("Overview"), BOOKS),
            ("/finance/desk", Words("Desk"), BOOKS),
            ("/finance/exceptions", Words("Exceptions"), BOOKS),
            ("/finance/decisions", Words("Decisions"), BOOKS),
            ("/finance/commands", Words("Stuck"), BOOKS),
        ),
    ),
    (
        Words("Money"),
        (
            ("/finance/bank", Words("Bank"), BOOKS),
            ("/finance/reconciliation", Words("Stripe"), BOOKS),
            ("/finance/payout-runs", Words("Payout runs"), BOOKS),
            ("/finance/orders", Words("Orders"), BOOKS),
            ("/finance/credit", Words("Credit"), BOOKS),
            ("/finance/penalties", Words("Unpaid awards"), BOOKS),
            ("/finance/einvoicing", Words("E-invoices"), BOOKS),
            ("/finance/rewards", Words("Bills, gifts and benefits"), BOOKS),
        ),
    ),
    (
        Words("Books"),
        (
            ("/finance/journal", Words("Journal"), BOOKS),
            ("/finance/trial-balance", Words("Trial balance"), BOOKS),
            ("/finance/periods", Words("Periods"), BOOKS),
            ("/finance/exports", Words("Exports"), BOOKS),
            ("/finance/business", Words("Business"), BOOKS),
            ("/finance/audit", Words("Audit trail"), BOOKS),
        ),
    ),
    (
        Words("Data"),
        (
            ("/steward/datasets", Words("Datasets"), SHOP),
            ("/steward/zones", Words("Your own zones"), SHOP),
            ("/steward/map-layers", Words("Layers of maps"), SHOP),
            ("/steward/purposes", Words("Purposes and notices"), SHOP),
            ("/steward/sectors", Words("Sectors"), SHOP),
        ),
    ),
    (
        Words("Sale"),
        (
            ("/steward/offers", Words("Offers"), SHOP),
            ("/steward/private-offers", Words("Private offers"), SHOP),
            ("/steward/sheets", Words("Price sheets"), SHOP),
            ("/steward/volume", Words("Law of volume"), SHOP),
            ("/steward/terms", Words("Licence terms"), SHOP),
            ("/steward/calls", Words("Calls"), STEWARD),
            ("/staff/funnel", Words("From a price to a sale"), STAFF),
        ),
    ),
    (
        Words("People"),
        (
            ("/partners", Words("Partners"), SHOP),
            ("/steward/requests", Words("Requests for data"), SHOP),
            ("/staff/claims", Words("Claims"), STAFF),
            ("/staff/questions", Words("Questions"), STAFF - {"auditor"}),
        ),
    ),
    (
        Words("Trust"),
        (
            ("/staff/compliance", Words("Compliance"), SHOP),
            ("/staff/deletions", Words("Deleted copies"), SHOP),
            ("/staff/mail", Words("Mail"), STAFF),
        ),
    ),
)
"""Headings, and of each link its path, its name and the roles that may follow it."""
ELSEWHERE: Final = {
    "/datasets": "/catalogue",
    "/finance/accounts": "/finance/trial-balance",
    "/finance/categories": "/finance/reconciliation",
    "/finance/years": "/finance/periods",
}
"""Pages whose address does not begin with that of the page that leads to them."""


def navigation(actor: Any) -> list[Group]:  # noqa: ANN401 (the identity package's Actor, or None)
    """Return the groups of links for a visitor: each one's heading, None where it needs none, and its links."""
    if actor is None:
        return [(None, SITE)]
    if actor.role is None:
        return [(None, SITE + (PARTNER if actor.partner else SUBSCRIBER))]
    allowed = [(name, [link[:2] for link in links if actor.role in link[2]]) for name, links in GROUPS]
    return [*((name, links) for name, links in allowed if links), (Words("The site"), SITE)]


def current_link(groups: Sequence[Group], path: str) -> str:
    """Return the path of the link that a page is of or below; empty where there is none."""
    page = "/catalogue" if path == "/" else path
    for below, above in ELSEWHERE.items():
        if f"{page}/".startswith(f"{below}/"):
            page = above
    links = [link for _, links in groups for link, _ in links]
    return max((link for link in links if f"{page}/".startswith(f"{link}/")), key=len, default="")

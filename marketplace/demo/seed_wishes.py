"""What the demo's partners look for: a saved search, a subscription, and data not for sale, requested by two."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from marketplace.catalogue.requests import actions as requests
from marketplace.catalogue.requests.rules import RequestedData
from marketplace.catalogue.search import saved
from marketplace.catalogue.search.rules import State
from marketplace.core import clock
from marketplace.core.database import fetch_scalar
from marketplace.demo.seed_datasets import BY_HOUR
from marketplace.demo.seed_people import ABROAD, NAMESPACE, PARTNER, get_buyer, get_partner
from marketplace.money.payments.queries import find_saved_method
from marketplace.people.spending.rules import spender_of
from marketplace.sales.subscriptions.actions import subscribe

ASKED: Final = (
    (PARTNER, 90_000, "Choisir où ouvrir une seconde boutique."),
    (ABROAD, 120_000, "Compare Confluence with our own district."),
)


async def make_wishes() -> None:
    """Save a search of a partner, and request data. A repeated run makes one of each."""
    person = await fetch_scalar(uuid.UUID, "SELECT id FROM person WHERE email = $1", PARTNER.email)
    assert person is not None, "the partner is added first"
    search = uuid.uuid5(NAMESPACE, "saved search")
    await saved.save(person, State("nuits"), "Nuits à Lyon", search_id=search)
    if await find_saved_method(await get_partner(PARTNER)):
        subscription = uuid.uuid5(NAMESPACE, "subscription")
        by = spender_of(await get_buyer(PARTNER))
        await subscribe(by.partner, BY_HOUR, by=by, releases=4, subscription=subscription)
    today = clock.now().date()
    wanted = RequestedData("Confluence, Gerland", "stays", "day", today - dt.timedelta(days=90), today)
    for who, most_minor, text in ASKED:
        ask_id = uuid.uuid5(NAMESPACE, f"request {who.email}")
        await requests.ask(await get_partner(who), wanted, most_minor=most_minor, text=text, ask_id=ask_id)

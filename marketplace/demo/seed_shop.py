"""The demo's shop today: the latest sales, and other events of a shop's day.

A release was just called back; one partner has an offer for it alone, one tries an older release, one claims that its
purchase is incomplete, one keeps zones, and some did not pay a price, each for its reason. Every step is an ordinary action and can be repeated.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from marketplace.catalogue.chosen_zones import actions as chosen_zones
from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.steward.actions import call_back
from marketplace.core import clock
from marketplace.core.database import fetch_scalar
from marketplace.datasets.releases.queries import find_revocation
from marketplace.delivery.downloads import trial_actions as trials
from marketplace.demo.seed_catalogue import get_latest_release
from marketplace.demo.seed_datasets import (
    BY_DAY,
    BY_HOUR,
    BY_MONTH,
    DISTRICTS_BY_DAY,
    FLOWS,
    GRENOBLE_BY_DAY,
    GRENOBLE_BY_HOUR,
    NIGHTS,
)
from marketplace.demo.seed_people import (
    ABROAD,
    CITY,
    ENERGY,
    INSURER,
    PARTNER,
    SHOPS,
    STEWARD,
    get_partner,
    get_staff,
)
from marketplace.demo.seed_sales import Sale, order_of, sell
from marketplace.people.identity.actors import Actor
from marketplace.sales.agreed import private_actions as private_offers
from marketplace.sales.orders import claim_actions as claims

if TYPE_CHECKING:
    from marketplace.demo.seed_people import DemoPerson

NAMESPACE: Final = uuid.UUID("d0b4c1c2-91a4-4b0e-8c55-0d7e3b5f9a21")
SOLD: Final = (
    ("first", ABROAD, BY_DAY),
    ("second", PARTNER, BY_HOUR),
    ("flows", CITY, FLOWS),
    ("nights", ABROAD, NIGHTS),
    ("districts", SHOPS, DISTRICTS_BY_DAY),
    ("grenoble", ENERGY, GRENOBLE_BY_HOUR),
    ("insured", INSURER, DISTRICTS_BY_DAY),
)
"""The latest sales: name, buyer, dataset."""
NOT_BOUGHT: Final = (
    (SHOPS, BY_HOUR),
    (INSURER, FLOWS),
    (PARTNER, NIGHTS),
    (ENERGY, BY_HOUR),
)
HISTORY_MONTHS: Final = 12
OFFERED_FOR: Final = dt.timedelta(days=60)
WHY_RECALLED: Final = (
    "Une antenne de Saint-Martin-d’Hères était mal placée pendant trois jours : ses personnes comptaient ailleurs.",
    "An antenna in Saint-Martin-d’Hères was misplaced for three days: its people were counted elsewhere.",
)


async def sell_latest() -> None:
    """Make the latest sales, one of them of the release that is called back later."""
    recalled = await _oldest_release(GRENOBLE_BY_DAY)
    await sell(
        *[Sale(name, buyer, await get_latest_release(dataset)) for name, buyer, dataset in SOLD],
        *([] if await find_revocation(recalled) else [Sale("recalled", ENERGY, recalled)]),
    )


async def keep_shop() -> None:
    """Do the other events of a shop's day: recall, offer, trial, claim, zones, unpaid price."""
    steward = await get_staff(STEWARD)
    recalled = await _oldest_release(GRENOBLE_BY_DAY)
    if await find_revocation(recalled) is None:
        reason_fr, reason_en = WHY_RECALLED
        await call_back(steward, recalled, reason_fr=reason_fr, reason_en=reason_en)
    ends_at, offered = clock.now() + OFFERED_FOR, uuid.uuid5(NAMESPACE, "private offer")
    city = await get_partner(CITY)
    await private_offers.offer(steward, city, BY_DAY, percent_off=15, ends_at=ends_at, offer_id=offered)
    await trials.begin(await get_partner(SHOPS), BY_MONTH, trial=uuid.uuid5(NAMESPACE, "trial"))
    found = "Le 7e arrondissement manque le mercredi, alors que la page du jeu de données l’annonce."
    flows = Sale("flows", CITY, await get_latest_release(FLOWS))
    await claims.file_claim(city, order_of(flows), "incomplete", found, claim=uuid.uuid5(NAMESPACE, "claim"))
    await chosen_zones.keep(
        await _actor(PARTNER), uuid.uuid5(NAMESPACE, "kept"), name="Nos deux boutiques", zones="Bellecour, Part-Dieu"
    )
    for who, dataset in NOT_BOUGHT:
        quote = uuid.uuid5(NAMESPACE, f"quote {who.email} {dataset}")
        await catalogue.quote(await get_partner(who), await get_latest_release(dataset), quote_id=quote)


async def _actor(who: DemoPerson) -> Actor:
    person = await fetch_scalar(uuid.UUID, "SELECT id FROM person WHERE email = $1", who.email)
    return Actor(name=who.name, person=person, partner=await get_partner(who))


async def _oldest_release(dataset: str) -> uuid.UUID:
    sql = "SELECT id FROM release WHERE dataset = $1 AND state = 'sealed' ORDER BY period_to LIMIT 1"
    release = await fetch_scalar(uuid.UUID, sql, dataset)
    assert release is not None, "releases are sealed before anything is sold"
    return release

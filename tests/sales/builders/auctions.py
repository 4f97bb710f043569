"""Builders for auction tests: an offer with a sealed release, vetted partners with keys, auctions that open at once."""

import datetime as dt
import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from marketplace.catalogue.offers.stated import state_sheet
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.datasets.releases.ingestion import ingest_events
from marketplace.datasets.releases.queries import get_dataset
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.passwords import hash_password
from marketplace.people.spending.rules import Purchase, Spender, spender_of
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions import reverse_actions
from marketplace.sales.auctions.actions import place_bid, place_sealed_bid
from marketplace.sales.auctions.announcing import Plan, announce
from marketplace.sales.auctions.queries import get_auction
from marketplace.sales.auctions.receipts import BidReceipt
from marketplace.sales.auctions.reverse_rules import Stratum, Timing
from pricing.measure import MOST_HALF_LIFE_HOURS
from tests.catalogue.builders import (
    amounts_of,
    charge_at_least,
    cover,
    figures_alike,
    have_everything_cost,
    put_on_sale,
    sheet_document,
)
from tests.datasets.builders import BANDS, ZONES
from tests.money.builders import REFUSING, refusing
from tests.people.builders import PASSWORD, allow, spender_for
from tests.sales.builders.shop import FLOOR, jobs, save_card
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value
from tests.support.waiting import until

YEAR_START = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Bidder:
    """A vetted partner, one of its people, and its API key."""

    partner: uuid.UUID
    key: str
    person: uuid.UUID | None = None
    """None: the one that `make_bidder` adds."""

    @property
    def actor(self) -> Actor:
        return Actor(name="Bidder", person=self.person or owner_id(self.partner), partner=self.partner, vetted=True)

    @property
    def spender(self) -> Spender:
        return spender_of(self.actor)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def owner_id(partner: uuid.UUID) -> uuid.UUID:
    """Return the id of the owner that `make_bidder` adds to a company, and who bids without a limit."""
    return uuid.uuid5(partner, "owner")


def bid_for(amount_minor: int) -> Purchase:
    """Return what a bid of this amount may buy, of any dataset."""
    return Purchase(uuid.uuid4(), amount_minor, [], [])


async def make_bidder(name: str = "Bidder", *, vetted: bool = True, with_method: bool = True) -> Bidder:
    partner, key, key_id = uuid.uuid4(), f"key-{uuid.uuid4()}", uuid.uuid4()
    await execute(
        """INSERT INTO partner (id, company, country, vat_number, signed_up_at, vetted_at, vetted_by)
           VALUES ($1, $2, 'FR', '', now(), CASE WHEN $3 THEN now() END, CASE WHEN $3 THEN 'steward' END)""",
        partner,
        name,
        vetted,
    )
    await execute(
        """INSERT INTO api_key (id, partner, label, prefix, key_hash, created_at, scopes, ends_at)
           VALUES ($1, $2, 'test', 'key', $3, now(), 'quotes orders bids downloads', now() + interval '1 year')""",
        key_id,
        partner,
        hashlib.sha256(key.encode()).hexdigest(),
    )
    await execute(
        """INSERT INTO person (id, email, name, password_hash, language, partner, company_role, created_at)
           VALUES ($1, $2, $3, '', 'en', $4, 'administrator', now())""",
        owner_id(partner),
        f"{partner.hex}@example.org",
        name,
        partner,
    )
    await allow(partner, key_id)
    if with_method:
        await save_card(partner)
    return Bidder(partner, key)


async def make_offer(
    releases: int = 1, code: str = "new-york", *, floor_minor: int = 1
) -> tuple[uuid.UUID, list[uuid.UUID]]:
    """Add a dataset with sealed releases and its offer; return the offer and the releases.

    The data are so old that a licence is worth the floor, one cent unless said: any reserve will do.
    """
    if not await fetch_value("SELECT true FROM purpose WHERE code = 'presence.statistics'"):
        await execute(
            "INSERT INTO purpose VALUES ('presence.statistics', 'presence', 'statistics', 'Présence', 'Presence')"
            " ON CONFLICT DO NOTHING"
        )
        await execute(
            "INSERT INTO licence_terms (code, lines_fr, lines_en, months, usage_right)"
            " VALUES ('standard-1', 'lignes', 'lines', 12, 'publish') ON CONFLICT DO NOTHING"
        )
    await execute(
        """INSERT INTO dataset (code, purpose, title_fr, title_en, description_fr, description_en, area, zones, age_bands,
                                h3_resolution, grain, max_cells, max_events, epsilon_micro, budget_micro, spent_micro,
                                created_at)
           VALUES ($1, 'presence.statistics', 'Présence à New York', 'Presence in New York', 'd', 'd', 'New York', $3, $4,
                   7, 'hour', 8, 4, 1000000, 100000000, $2, now())""",
        code,
        releases * 1_000_000,
        list(ZONES),
        list(BANDS),
    )
    made: list[uuid.UUID] = []
    await put_on_sale(code, terms="standard-1", worth_minor=1, least_minor=floor_minor)
    offer, terms = await fetch_value("SELECT id FROM offer WHERE dataset = $1", code), await get_dataset(code)
    figures = await figures_alike(terms, {"published_by_day": [1]})
    for number in range(releases):
        made.append(uuid.uuid4())
        await execute(
            """INSERT INTO release (id, dataset, period_from, period_to, specification, state, started_at, sealed_at,
                                    epsilon_micro, sampler, contributors, total_weight, row_count, hours_by_day,
                                    published_by_day, published_by_zone, published_by_figure, cells_sha256, manifest_sha256,
                                    latest_event_at, consenting, population)
               VALUES ($1, $2, $3, $4, 's', 'sealed', now(), now(), 1000000, 'opendp', 3, 6, 1, '{720}', '{1}', '{1}', $5, 'c', 'm',
                       '2000-01-01Z', 500, 1000)""",
            made[-1],
            code,
            YEAR_START + dt.timedelta(days=30 * number),
            YEAR_START + dt.timedelta(days=30 * (number + 1)),
            figures,
        )
        row = {"id": made[-1], "dataset": code, "state": "sealed", "population": 1_000, "consenting": 500}
        await cover(row, terms)
    return offer, made


async def have_it_cost(code: str, amount_minor: int) -> None:
    """State a sheet by which a licence of a dataset's latest release costs so much, at least as its market's least charge.

    Its data age as slowly as a sheet can say: a day later five thousand cents are not one cent less.
    """
    sheet, staff = f"sheet-{code}", Actor(name="Samir", role="steward")
    document = replace(await sheet_document(code, worth_minor=10**12), half_life_hours=MOST_HALF_LIFE_HOURS)
    await state_sheet(sheet, document, staff, version=uuid.uuid4())
    worth = document.worth_micro * amount_minor // (await amounts_of(code))[0]
    await state_sheet(sheet, replace(document, worth_micro=worth), staff, version=uuid.uuid4())
    assert await amounts_of(code) == [amount_minor]


async def move_end(auction: uuid.UUID, instant: str = "clock_timestamp()") -> None:
    """Move an auction's end beneath its guards: no test waits for it, and none is late on a slow machine."""
    await as_owner("ALTER TABLE auction_lead DISABLE TRIGGER USER")
    await execute(f"UPDATE auction_lead SET closes_at = {instant} WHERE auction = $1", auction)
    await as_owner("ALTER TABLE auction_lead ENABLE TRIGGER USER")


async def open_auction(
    kind: str = "ascending", *, seconds: float = 3600, releases: int = 1, **changes: Any
) -> uuid.UUID:
    """Announce an auction that opened a moment ago and closes in `seconds`."""
    offer, made = await make_offer(releases, code=f"d-{uuid.uuid4().hex[:12]}")
    now = dt.datetime.now(dt.UTC)
    closes_at = now + dt.timedelta(seconds=seconds)
    plan: dict[str, Any] = {
        "unsecured_times": 100_000,
        "reserve_minor": 1000,
        "opens_at": now - dt.timedelta(seconds=1),
        "closes_at": closes_at,
    }
    if kind == "exclusive":
        plan |= {"exclusive_from": closes_at + dt.timedelta(days=1), "exclusive_to": closes_at + dt.timedelta(days=31)}
    return await announce(Plan(kind=kind, offer=offer, releases=made, **(plan | changes)), by="Steward")


async def until_over(auction: uuid.UUID) -> None:
    """Wait until an auction's end has come."""
    await until(
        lambda: fetch_value("SELECT clock_timestamp() > closes_at FROM auction_lead WHERE auction = $1", auction)
    )


DAY, SECOND = dt.timedelta(days=1), dt.timedelta(seconds=1)


async def announce_of_shop(
    release: uuid.UUID, kind: str = "limited", *, reserve_minor: int = 0, **changes: Any
) -> uuid.UUID:
    """Announce an auction of the shop's release that is open now; without a window, of one that is worth its floor."""
    now = clock.now()
    if kind != "exclusive":
        await have_everything_cost(FLOOR)
    else:
        changes = {"exclusive_from": now + DAY, "exclusive_to": now + 31 * DAY} | changes
    plan = Plan(
        kind=kind,
        offer=await fetch_value("SELECT id FROM offer"),
        releases=[release],
        opens_at=now - SECOND,
        closes_at=now + DAY,
        reserve_minor=reserve_minor,
        **({"unsecured_times": 100_000} | changes),
    )
    return await announce(plan, by="Steward")


async def place(partner: uuid.UUID, auction: uuid.UUID, amount: int) -> None:
    bidder = Bidder(partner, key="", person=(await spender_for(partner)).person)
    row = await get_auction(auction)
    if row.kind == "ascending":
        assert (await place_bid(bidder.actor, auction, bid=uuid.uuid4(), maximum_minor=amount)).accepted
    else:
        answer = await seal(bidder, auction, ([0], amount))
        assert answer.accepted, answer


async def seal(
    bidder: Bidder, auction: uuid.UUID, *packages: tuple[list[int], int], bid: uuid.UUID | None = None
) -> BidReceipt:
    """Place a sealed bid, of 50 euros on the first lot unless it names packages."""
    return await place_sealed_bid(
        bidder.actor,
        auction,
        bid=bid or uuid.uuid4(),
        nonce=secrets.token_hex(32),
        packages=packages or [([0], 5_000)],
    )


async def end_auction(auction: uuid.UUID) -> None:
    """Let the end pass, and the award be made."""
    await move_end(auction)
    await ending.close_auctions()


ADULTS = Stratum("18-39 ans", "18-39", 2, 10_000_000, 4_000_000)


async def open_reverse_auction(
    seconds: float = 3600.0, strata: Sequence[Stratum] = (ADULTS,), *, people: int = 5
) -> tuple[uuid.UUID, list[uuid.UUID]]:
    """Open a call for the first dataset, of which there is one in the end; return it and its strata, however small."""
    if not await fetch_value("SELECT true FROM dataset"):
        await make_offer()
    await execute("INSERT INTO subscriber (reference) SELECT generate_series(0, $1) ON CONFLICT DO NOTHING", people - 1)
    now = clock.now()
    dataset = await fetch_value("SELECT code FROM dataset")
    await charge_at_least(10_000_000)
    call = await reverse_actions.announce(
        dataset,
        strata,
        timing=Timing(now - DAY, now + seconds * SECOND, now + seconds * SECOND, now + 90 * DAY),
        by="Steward",
        fewest=1,
    )
    rows = await fetch("SELECT id FROM reverse_auction_stratum WHERE auction = $1 ORDER BY position", call)
    return call, [row["id"] for row in rows]


async def end_reverse_auction(call: uuid.UUID) -> None:
    """Let the closing instant pass: the call's own rule is fixed, so the end is moved beneath the guards."""
    await as_owner("ALTER TABLE reverse_auction DISABLE TRIGGER only_forward")
    await execute("UPDATE reverse_auction SET closes_at = clock_timestamp() WHERE id = $1", call)
    await as_owner("ALTER TABLE reverse_auction ENABLE TRIGGER only_forward")


async def ingest_bands(folder: Path, bands: dict[int, str]) -> None:
    """Give the event store the operator's table of subscribers."""
    table = folder / "subscribers.csv"
    lines = [f"{reference},{band},87194e64dffffff" for reference, band in bands.items()]
    table.write_text("\n".join(["subscriber_id,age_band,home_zone", *lines]))
    await ingest_events(subscribers=str(table))


async def make_subscriber(reference: int = 0, email: str = "ada@line.example") -> None:
    """Let the holder of a line sign in."""
    await execute(
        """INSERT INTO person (id, email, name, password_hash, language, subscriber, created_at)
           VALUES (gen_random_uuid(), $1, 'Ada', $2, 'en', $3, now())""",
        email,
        await hash_password(PASSWORD),
        reference,
    )


LIMIT = 3 * FLOOR


async def do_not_pay(stripe: Any, partner: uuid.UUID) -> None:
    """Let a partner's card refuse the charge, and its page and its time to pay run out."""
    await execute(
        "UPDATE saved_method SET method_id = $1 WHERE payer = $2",
        await refusing(stripe, partner, REFUSING["generic_decline"]),
        partner,
    )
    await ending.settle_sales()
    await run_commands()
    await execute("UPDATE auction_sale SET due_at = now() - interval '1 second' WHERE state = 'due'")
    await execute("UPDATE payment SET requested_at = requested_at - interval '1 hour' WHERE state <> 'paid'")
    await jobs()
    await ending.settle_sales()

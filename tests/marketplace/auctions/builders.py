"""Builders for auction tests: an offer with a sealed release, vetted partners with keys, auctions that open at once."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from dataclasses import dataclass
from typing import Any

from marketplace.auctions.announcing import Plan, announce
from marketplace.database import execute
from marketplace.identity.actors import Actor
from tests.support.owner import as_owner
from tests.support.reads import fetch_value

YEAR_START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Bidder:
    """A vetted partner, one of its people, and its API key."""

    partner: uuid.UUID
    key: str

    @property
    def actor(self) -> Actor:
        return Actor(name="Bidder", partner=self.partner, vetted=True)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


async def make_bidder(name: str = "Bidder", *, vetted: bool = True, with_method: bool = True) -> Bidder:
    partner, key = uuid.uuid4(), f"key-{uuid.uuid4()}"
    await execute(
        """INSERT INTO partner (id, company, country, vat_number, signed_up_at, vetted_at, vetted_by)
           VALUES ($1, $2, 'FR', '', now(), CASE WHEN $3 THEN now() END, CASE WHEN $3 THEN 'steward' END)""",
        partner,
        name,
        vetted,
    )
    await execute(
        "INSERT INTO api_key (id, partner, label, prefix, key_hash, created_at) VALUES ($1, $2, 'test', 'key', $3, now())",
        uuid.uuid4(),
        partner,
        hashlib.sha256(key.encode()).hexdigest(),
    )
    await execute(
        """INSERT INTO person (id, email, name, password_hash, language, partner, created_at)
           VALUES ($1, $2, $3, '', 'en', $4, now())""",
        uuid.uuid4(),
        f"{partner.hex}@example.org",
        name,
        partner,
    )
    if with_method:
        await save_card(partner)
    return Bidder(partner, key)


async def save_card(partner: uuid.UUID) -> None:
    """Give a partner a saved card that this database alone knows of: enough to bid with, not to be charged."""
    await execute(
        "INSERT INTO payer (partner, asked_at, customer_id) VALUES ($1, now(), 'cus_' || $1::uuid) ON CONFLICT DO NOTHING",
        partner,
    )
    await execute(
        """INSERT INTO saved_method (id, payer, state, method_id, kind, brand, last_four, requested_at, saved_at)
           VALUES (gen_random_uuid(), $1, 'saved', 'pm_' || gen_random_uuid(), 'card', 'visa', '4242', now(), now())""",
        partner,
    )


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
            "INSERT INTO licence_terms (code, lines_fr, lines_en, months) VALUES ('standard-1', 'lignes', 'lines', 12)"
            " ON CONFLICT DO NOTHING"
        )
    await execute(
        """INSERT INTO dataset (code, purpose, title_fr, title_en, description_fr, description_en, area, zones, age_bands,
                                h3_resolution, grain, max_cells, max_events, epsilon_micro, budget_micro, spent_micro,
                                half_life_days, created_at)
           VALUES ($1, 'presence.statistics', 'Présence à New York', 'Presence in New York', 'd', 'd', 'New York', '{}', '{}',
                   7, 'hour', 8, 4, 1000000, 100000000, $2, 90, now())""",
        code,
        releases * 1_000_000,
    )
    offer, made = uuid.uuid4(), []
    await execute(
        """INSERT INTO offer (id, dataset, terms, full_worth_minor, floor_minor, cap_minor, currency, listed_at)
           VALUES ($1, $2, 'standard-1', 500000, $3, 90000000, 'EUR', now())""",
        offer,
        code,
        floor_minor,
    )
    for number in range(releases):
        made.append(uuid.uuid4())
        await execute(
            """INSERT INTO release (id, dataset, period_from, period_to, specification, state, started_at, sealed_at,
                                    epsilon_micro, contributors, total_weight, row_count, cells_sha256, manifest_sha256,
                                    latest_event_at)
               VALUES ($1, $2, $3, $4, 's', 'sealed', now(), now(), 1000000, 3, 6, 1, 'c', 'm', '2000-01-01Z')""",
            made[-1],
            code,
            YEAR_START + dt.timedelta(days=30 * number),
            YEAR_START + dt.timedelta(days=30 * (number + 1)),
        )
    return offer, made


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

"""What can be done in the catalogue: state licence terms, list a dataset, quote a price, learn demand."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import hmac
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from marketplace import clock
from marketplace.catalogue import rules
from marketplace.catalogue.queries import glance
from marketplace.database import execute, fetch, fetch_one, fetch_value, lock, transaction
from marketplace.datasets.queries import get_dataset, get_release, list_editions, list_revocations
from marketplace.datasets.zone_input import read_zones
from marketplace.datasets.zone_tables import get_geography
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.privacy.specification import TO
from marketplace.settings import settings
from pricing.quote import price

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    import asyncpg

    from pricing.quote import PricedQuote


async def define_terms(code: str, *, months: int, lines_fr: str, lines_en: str) -> str:
    """State licence terms in five lines a language and return their code; terms once stated never change."""
    await execute(
        "INSERT INTO licence_terms (code, lines_fr, lines_en, months) VALUES ($1, $2, $3, $4) ON CONFLICT (code) DO NOTHING",
        code, lines_fr, lines_en, months,
    )  # fmt: skip
    return code


async def list_offer(
    dataset: str, *, terms: str, full_worth_minor: int, floor_minor: int, cap_minor: int, currency: str = "EUR"
) -> None:
    """Put a dataset up for sale, every sealed release of it; listed again, it is sold on the terms given now."""
    if not 0 < floor_minor <= cap_minor or full_worth_minor <= 0:
        raise Invalid("An offer needs a worth, and a floor above zero that is not above its cap.")
    if not await fetch_value("SELECT true FROM dataset WHERE code = $1", dataset):
        raise NotFound("There is no dataset {dataset}.", dataset=dataset)
    await execute(
        """INSERT INTO offer (id, dataset, terms, full_worth_minor, floor_minor, cap_minor, currency, listed_at)
           VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7)
           ON CONFLICT (dataset) DO UPDATE SET terms = excluded.terms, full_worth_minor = excluded.full_worth_minor,
               floor_minor = excluded.floor_minor, cap_minor = excluded.cap_minor, withdrawn_at = NULL""",
        dataset, terms, full_worth_minor, floor_minor, cap_minor, currency, clock.now(),
    )  # fmt: skip


async def withdraw_offer(dataset: str) -> None:
    """Stop selling a dataset; what was sold stays sold."""
    await execute("UPDATE offer SET withdrawn_at = coalesce(withdrawn_at, $2) WHERE dataset = $1", dataset, clock.now())


async def price_now(release: Mapping[str, Any] | asyncpg.Record, *, now: dt.datetime) -> PricedQuote:
    """Return today's price of a release: the same for every partner. Refuses what is not for sale."""
    return _priced(release, (await _offers([release["dataset"]], now)).get(release["dataset"]), now)


async def prices_now(
    releases: Sequence[Mapping[str, Any]] | Sequence[asyncpg.Record], *, now: dt.datetime
) -> dict[uuid.UUID, PricedQuote]:
    """Return today's price of each release that is for sale."""
    offers = await _offers([release["dataset"] for release in releases], now)
    prices = {}
    for release in releases:
        with contextlib.suppress(Conflict):
            prices[release["id"]] = _priced(release, offers.get(release["dataset"]), now)
    return prices


def _priced(
    release: Mapping[str, Any] | asyncpg.Record, offer: Mapping[str, Any] | None, now: dt.datetime
) -> PricedQuote:
    if offer is None:
        raise Conflict("This release is not for sale.")
    return price(
        rules.price_inputs(
            release, offer, demand_basis_points=offer["demand_basis_points"], promised_minor=offer["promised_minor"],
            operator_basis_points=settings().operator_basis_points, now=now,
        )
    )  # fmt: skip


async def _offers(datasets: list[str], now: dt.datetime) -> dict[str, dict[str, Any]]:
    """Return the standing offers of some datasets, by code, with the day's draw and what contributors were promised."""
    rows = await fetch(
        """SELECT offer.*, dataset.half_life_days, demand_draw.demand_basis_points,
                  coalesce((SELECT sum(promised_minor)::bigint FROM contributor_term
                            WHERE contributor_term.dataset = offer.dataset AND starts_at <= $2 AND $2 < ends_at), 0)
                      AS promised_minor
           FROM offer JOIN dataset ON dataset.code = offer.dataset
           LEFT JOIN demand_draw ON demand_draw.offer = offer.id AND demand_draw.day = ($2 AT TIME ZONE 'UTC')::date
           WHERE offer.dataset = ANY($1) AND offer.withdrawn_at IS NULL""",
        datasets, now,
    )  # fmt: skip
    offers = {row["dataset"]: dict(row) for row in rows}
    for offer in offers.values():
        if offer["demand_basis_points"] is None:  # The first look of the day at this offer.
            offer["demand_basis_points"] = await draw_of_day(offer["id"], now)
    return offers


async def editions_now(release: Mapping[str, Any] | asyncpg.Record, *, now: dt.datetime) -> list[Edition]:
    """Return every accuracy level of a release with today's price, the finest first; prices never rise with noise."""
    offer = (await _offers([release["dataset"]], now)).get(release["dataset"])
    levels = [dict(release) | {"level": 0}]
    levels += [rules.coarser(release, edition) for edition in await list_editions(release["id"])]
    return [Edition(row, _priced(row, offer, now)) for row in levels]


class Edition(NamedTuple):
    """One accuracy level on sale: the release's figures at that level, and its price."""

    figures: Mapping[str, Any]
    priced: PricedQuote


async def quote(partner: uuid.UUID, release: uuid.UUID, *, quote_id: uuid.UUID, level: int = 0) -> uuid.UUID:
    """Sign a price for a vetted partner and return the quote; the same id again is the same quote.

    level: 0 for the release itself, 1 and more for its coarser editions. Refuses what is not on sale.
    """
    now = clock.now()
    if await _is_asked_again(partner, release, level, quote_id):
        return quote_id
    sold = await _on_sale(release, level)
    offer = (await _offers([sold["dataset"]], now)).get(sold["dataset"])
    priced = _priced(sold, offer, now)
    assert offer
    if await fetch_value(
        """SELECT true FROM exclusive_window WHERE offer = $1 AND partner IS DISTINCT FROM $2
           AND starts_at <= $3 AND $3 < ends_at""",
        offer["id"], partner, now,
    ):  # fmt: skip
        raise Conflict("Another partner holds this dataset exclusively for now.")
    expires_at = now + rules.QUOTE_LASTS
    document = rules.write_document(
        quote_id,
        partner=partner,
        release=release,
        level=level,
        offer=offer["id"],
        priced=priced,
        quoted_at=now,
        expires_at=expires_at,
    )
    is_new = await execute(
        """INSERT INTO quote (id, partner, offer, release, level, amount_minor, currency, document, signature,
                              quoted_at, expires_at, terms)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING""",
        quote_id, partner, offer["id"], release, level, priced.amount_minor, offer["currency"], document,
        rules.sign(document, settings().signing_key), now, expires_at, offer["terms"],
    )  # fmt: skip
    if not is_new:
        await _is_asked_again(partner, release, level, quote_id)
    return quote_id


async def _on_sale(release: uuid.UUID, level: int) -> Mapping[str, Any] | asyncpg.Record:
    """Return a release's figures at an accuracy level; refuse one that was called back, and a level that is not there."""
    row = await fetch_one("SELECT * FROM release WHERE id = $1 AND state = 'sealed'", release)
    if row is None:
        raise NotFound("There is no such release in the catalogue.")
    if await list_revocations([release]):
        raise Conflict("This release was called back and is no longer for sale.")
    if not level:
        return row
    edition = next((one for one in await list_editions(release) if one["level"] == level), None)
    if edition is None:
        raise NotFound("There is no such edition of this release.")
    return rules.coarser(row, edition)


async def _is_asked_again(partner: uuid.UUID, release: uuid.UUID, level: int, quote_id: uuid.UUID) -> bool:
    """Tell whether the quote exists; refuse when it is another partner's or for something else."""
    known = await fetch_one("SELECT partner, release, level FROM quote WHERE id = $1", quote_id)
    if known is not None and tuple(known) != (partner, release, level):
        raise Conflict("That quote already exists; go back, reload the page and try again.")
    return known is not None


def recompute(row: asyncpg.Record) -> PricedQuote:
    """Check a quote's row against its own signed document and return the price computed again; refuse any difference."""
    import json  # noqa: PLC0415

    assert row["auction"] is None, "an awarded price is the auction's, see check_awarded"
    document = bytes(row["document"])
    priced = rules.recompute(document, bytes(row["signature"]), rules.public_key(settings().signing_key))
    said = json.loads(document)
    stated = (
        said["quote"], said["partner"], said["release"], said.get("level", 0), priced.amount_minor, said["expires_at"],
    )  # fmt: skip
    if stated != (
        str(row["id"]), str(row["partner"]), str(row["release"]), row["level"], row["amount_minor"],
        row["expires_at"].isoformat(),
    ):  # fmt: skip
        raise Invalid("This quote was changed, or was not signed by Partage.")
    return priced


def check_awarded(row: asyncpg.Record) -> None:
    """Check an awarded quote's row against its own signed document; how the price came about is the transcript's to tell."""
    import json  # noqa: PLC0415

    document = bytes(row["document"])
    rules.verify(document, bytes(row["signature"]), rules.public_key(settings().signing_key))
    said = json.loads(document)
    if (said["auction"], said["release"], said["amount_minor"]) != (
        str(row["auction"]), str(row["release"]), row["amount_minor"]
    ):  # fmt: skip
        raise Invalid("This quote was changed, or was not signed by Partage.")


async def keep_window(window: uuid.UUID, offer: uuid.UUID, starts_at: dt.datetime, ends_at: dt.datetime) -> None:
    """Quote nobody between two instants, half-open, until it is decided who holds the window."""
    await execute(
        """INSERT INTO exclusive_window (id, offer, starts_at, ends_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (id) DO NOTHING""",
        window, offer, starts_at, ends_at,
    )  # fmt: skip


async def grant_window(
    window: uuid.UUID, offer: uuid.UUID, partner: uuid.UUID | None, starts_at: dt.datetime, ends_at: dt.datetime
) -> None:
    """Let one partner alone buy an offer between two instants, half-open; None: nobody holds this window any more."""
    await execute("DELETE FROM exclusive_window WHERE id = $1", window)
    if partner is not None:
        await execute(
            "INSERT INTO exclusive_window (id, offer, partner, starts_at, ends_at) VALUES ($1, $2, $3, $4, $5)",
            window, offer, partner, starts_at, ends_at,
        )  # fmt: skip


async def accept_quote(quote_id: uuid.UUID, at: dt.datetime) -> None:
    """Write down that a quote was ordered, inside the order's transaction; demand learns from it."""
    await execute(
        "INSERT INTO quote_acceptance (quote, accepted_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", quote_id, at
    )


async def draw_of_day(offer: uuid.UUID, now: dt.datetime) -> int:
    """Return the offer's demand multiplier of the UTC day of `now`, drawing and recording it when nobody has."""
    day = now.astimezone(dt.UTC).date()
    drawn: int | None = await fetch_value(
        "SELECT demand_basis_points FROM demand_draw WHERE offer = $1 AND day = $2", offer, day
    )
    if drawn is not None:
        return drawn
    async with transaction():
        await lock(f"demand {offer}")
        past = await fetch(
            "SELECT day, demand_basis_points FROM demand_draw WHERE offer = $1 AND day < $2 ORDER BY day", offer, day
        )
        answers = await fetch(
            """SELECT (quote.quoted_at AT TIME ZONE 'UTC')::date AS day, quote.partner::text AS partner,
                      bool_or(quote_acceptance.quote IS NOT NULL) AS accepted
               FROM quote JOIN partner ON partner.id = quote.partner AND partner.vetted_at IS NOT NULL
               LEFT JOIN quote_acceptance ON quote_acceptance.quote = quote.id
               WHERE quote.offer = $1 AND quote.quoted_at < $2 AND quote.auction IS NULL GROUP BY 1, 2""",
            offer, dt.datetime.combine(day, dt.time(), dt.UTC),
        )  # fmt: skip
        multiplier = rules.draw_of(
            [(row["day"], row["demand_basis_points"]) for row in past],
            [(row["day"], row["partner"], row["accepted"]) for row in answers], day, np.random.default_rng(),
        )  # fmt: skip
        await execute(
            """INSERT INTO demand_draw (id, offer, day, demand_basis_points, drawn_at)
               VALUES (gen_random_uuid(), $1, $2, $3, $4) ON CONFLICT (offer, day) DO NOTHING""",
            offer, day, multiplier, now,
        )  # fmt: skip
    return int(
        await fetch_value("SELECT demand_basis_points FROM demand_draw WHERE offer = $1 AND day = $2", offer, day)
    )


async def refresh_demand() -> None:
    """Draw the day's multiplier of every offer; a job."""
    now = clock.now()
    for row in await fetch("SELECT id FROM offer WHERE withdrawn_at IS NULL"):
        await draw_of_day(row["id"], now)


async def preview_zones(partner: uuid.UUID, release: uuid.UUID, zones: str, *, preview_id: uuid.UUID) -> rules.Preview:
    """Return how much of a sealed release survives in a partner's own zones, before it pays; a few times a day.

    zones: a list or GeoJSON, as `read_zones` takes it. Only the published cells are looked at, and the share is
    rounded. The same `preview_id` again is the same question. Refuses a question about fewer than
    rules.FEWEST_PREVIEWED zones, the twenty-first within a day, and the sixty-first about a release.
    """
    now = clock.now()
    row = await get_release(release)
    if row["state"] != "sealed" or await list_revocations([release]):
        raise NotFound("There is no such release in the catalogue.")
    dataset, seen = await get_dataset(row["dataset"]), await glance(row)
    geography = await get_geography(dataset["zone_table"])
    inside, outside = await asyncio.to_thread(read_zones, zones, seen.zones, dataset["h3_resolution"], geography)
    fewest = min(rules.FEWEST_PREVIEWED, len(seen.zones))
    if len(inside) < fewest:
        raise Invalid("Ask about at least {fewest} zones of the area at once.", fewest=fewest)
    left = await _ask_once(partner, release, inside, preview_id, now)
    if dataset["product"] == "flows":
        published = sum(seen.published.get(f"{origin}{TO}{end}", 0) for origin in inside for end in inside)
        possible = len(inside) ** 2 * (row["key_count"] // len(seen.zones) ** 2)
    else:
        published = sum(seen.published.get(zone, 0) for zone in inside)
        possible = len(inside) * (row["key_count"] // len(seen.zones))
    return rules.Preview(len(inside), outside, rules.rounded_percent(published, possible), left)


async def _ask_once(
    partner: uuid.UUID, release: uuid.UUID, zones: Sequence[str], preview_id: uuid.UUID, now: dt.datetime
) -> int:
    """Write a question down unless its id did ask it already, and return how many are left today; refuse one too many."""
    said = " ".join([str(release), *zones]).encode()
    question = hmac.new(settings().secret.encode(), said, hashlib.sha256).hexdigest()
    async with transaction():
        await lock(f"previews {partner}")
        known = await fetch_one("SELECT partner, question FROM zone_preview WHERE id = $1", preview_id)
        if known is not None and tuple(known) != (partner, question):
            raise Conflict("That question was asked already, about other zones; reload the page and ask again.")
        asked = await fetch_one(
            """SELECT count(*) FILTER (WHERE asked_at > $3) AS today, count(*) FILTER (WHERE release = $2) AS ever
               FROM zone_preview WHERE partner = $1 AND id <> $4""",
            partner, release, now - rules.DAY, preview_id,
        )  # fmt: skip
        assert asked
        left: int = min(rules.PREVIEWS_A_DAY - asked["today"], rules.PREVIEWS_A_RELEASE - asked["ever"]) - 1
        if known is None and asked["today"] >= rules.PREVIEWS_A_DAY:
            raise Conflict("You asked {most} times within a day; ask again tomorrow.", most=rules.PREVIEWS_A_DAY)
        if known is None and asked["ever"] >= rules.PREVIEWS_A_RELEASE:
            raise Conflict(
                "You asked {most} times about this release: no more can be told before it is bought.",
                most=rules.PREVIEWS_A_RELEASE,
            )
        if known is None:
            await execute(
                """INSERT INTO zone_preview (id, partner, release, zone_count, asked_at, question)
                   VALUES ($1, $2, $3, $4, $5, $6)""",
                preview_id, partner, release, len(zones), now, question,
            )  # fmt: skip
    return max(left, 0)

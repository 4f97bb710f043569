"""What is known of consent: one definition of when it stood, and what pages show of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.consent import rules
from marketplace.database import fetch, fetch_one
from marketplace.errors import NotFound
from marketplace.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.settings import settings

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    import asyncpg

INTERVALS = """
SELECT subscriber, at AS valid_from, next_at AS valid_to, notice
FROM (SELECT subscriber, at, given, notice,
             lead(at, 1, 'infinity') OVER (PARTITION BY subscriber ORDER BY at, id) AS next_at
      FROM (SELECT subscriber, at, id, given, notice,
                   lag(given, 1, false) OVER (PARTITION BY subscriber ORDER BY at, id) AS gave
            FROM consent_record WHERE purpose = $1) AS record
      WHERE given <> gave) AS change
WHERE given AND at < next_at
"""
"""The merged half-open intervals [valid_from, valid_to) during which each subscriber consents to purpose $1.

A consent given again while one stands adds nothing; a withdrawal ends all before it. Of two records of one instant the
later written one (the greater id) has the last word. A withdrawal splits: a consent given back at the very instant of
the withdrawal starts a new interval, so that earlier events never return. An interval that nothing ended is open
('infinity'). `notice` is the one under which the interval began.
"""


async def consenting_at(purpose: str, instant: dt.datetime) -> list[int]:
    """Return the references of all who consent to `purpose` at `instant`, ascending."""
    rows = await fetch(
        f"SELECT subscriber FROM ({INTERVALS}) AS stands WHERE valid_from <= $2 AND $2 < valid_to ORDER BY subscriber",
        purpose, instant,
    )  # fmt: skip
    return [row["subscriber"] for row in rows]


async def intervals_around(purpose: str, instant: dt.datetime) -> list[asyncpg.Record]:
    """Return subscriber, valid_from and valid_to in microseconds, and notice, of the interval that holds `instant`.

    At most one row a subscriber, by subscriber. `valid_to_us` is None for an interval that nothing ended.
    """
    return await fetch(
        f"""SELECT subscriber, notice, (extract(epoch FROM valid_from) * 1000000)::bigint AS valid_from_us,
                   CASE WHEN valid_to < 'infinity'
                        THEN (extract(epoch FROM valid_to) * 1000000)::bigint END AS valid_to_us
            FROM ({INTERVALS}) AS stands WHERE valid_from <= $2 AND $2 < valid_to ORDER BY subscriber""",
        purpose, instant,
    )  # fmt: skip


async def list_purposes() -> list[asyncpg.Record]:
    """Return every purpose with its latest notice: code, category, use, titles, notice, version, texts."""
    return await fetch(
        """SELECT purpose.code, purpose.category, purpose.use, purpose.title_fr, purpose.title_en,
                  latest.id AS notice, latest.version, latest.text_fr, latest.text_en
           FROM purpose LEFT JOIN LATERAL (
               SELECT id, version, text_fr, text_en FROM notice WHERE notice.purpose = purpose.code
               ORDER BY version DESC LIMIT 1) AS latest ON true
           ORDER BY purpose.code"""
    )


async def standing(subscriber: int) -> list[asyncpg.Record]:
    """Return one row a purpose: its titles and latest notice, whether consent stands (`given`), and the last word.

    `at` and `receipt` are the last word's, None when there never was one.
    """
    return await fetch(
        """SELECT purpose.code, purpose.category, purpose.use, purpose.title_fr, purpose.title_en,
                  latest.version, latest.text_fr, latest.text_en,
                  coalesce(word.given, false) AS given, word.at, word.receipt
           FROM purpose
           JOIN LATERAL (SELECT version, text_fr, text_en FROM notice WHERE notice.purpose = purpose.code
                         ORDER BY version DESC LIMIT 1) AS latest ON true
           LEFT JOIN LATERAL (SELECT given, at, receipt FROM consent_record
                              WHERE consent_record.purpose = purpose.code AND consent_record.subscriber = $1
                              ORDER BY at DESC, id DESC LIMIT 1) AS word ON true
           ORDER BY purpose.code""",
        subscriber,
    )


async def receipts(subscriber: int, page: int = 1) -> Paged[Any]:
    """Return one page of a subscriber's receipts, the latest first."""
    rows = await fetch(
        """SELECT consent_record.receipt, consent_record.given, consent_record.at, consent_record.purpose,
                  purpose.title_fr, purpose.title_en, notice.version
           FROM consent_record JOIN purpose ON purpose.code = consent_record.purpose
           JOIN notice ON notice.id = consent_record.notice
           WHERE consent_record.subscriber = $1
           ORDER BY consent_record.at DESC, consent_record.id DESC LIMIT $2 OFFSET $3""",
        subscriber, PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged([dict(row) for row in rows], page)


async def get_receipt(receipt: uuid.UUID, subscriber: int | None = None) -> asyncpg.Record:
    """Return a receipt with its purpose and notice; with `subscriber` given, only if it is theirs."""
    row = await fetch_one(
        """SELECT consent_record.receipt, consent_record.subscriber, consent_record.given, consent_record.at,
                  consent_record.purpose, purpose.title_fr, purpose.title_en, notice.version,
                  notice.text_fr, notice.text_en
           FROM consent_record JOIN purpose ON purpose.code = consent_record.purpose
           JOIN notice ON notice.id = consent_record.notice
           WHERE consent_record.receipt = $1 AND ($2::bigint IS NULL OR consent_record.subscriber = $2)""",
        receipt, subscriber,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such consent receipt.")
    return row


async def receipt_document(receipt: uuid.UUID, subscriber: int | None = None) -> tuple[bytes, bytes]:
    """Return a receipt's canonical JSON and its Ed25519 signature; the same receipt gives the same bytes for ever."""
    signed = rules.document(await get_receipt(receipt, subscriber))
    return signed, rules.sign(signed, settings().signing_key)

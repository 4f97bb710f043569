"""Answers that are posted to a partner's sink: stored before they are promised, and retried like webhooks.

A worker may die anywhere. Its claimed callbacks are due again a minute later, so a sink may get an answer twice, with
the same operation.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_rows, transaction
from marketplace.core.locks import lock
from marketplace.delivery.outgoing.partner_hosts import post
from marketplace.delivery.outgoing.rules import GONE, outcome_of
from marketplace.delivery.population_density.actions import answer, check
from marketplace.delivery.population_density.queries import SQL
from marketplace.delivery.population_density.rules import Density, DensityError, DensityRequest
from marketplace.delivery.population_density.tables import DensityCallback
from marketplace.people.identity import vault

MOST_WAITING: Final = 20
"""Waiting callbacks of a partner at a time."""
BATCH_SIZE: Final = 10
LEASE: Final = dt.timedelta(minutes=1)
CREATED: Final = range(200, 300)
FAILED: Final = "OPERATION_NOT_COMPLETED"
log = structlog.get_logger(__name__)


class DueCallback(Struct, frozen=True):
    """A callback to try now."""

    id: uuid.UUID
    partner: uuid.UUID
    key_id: str
    request: bytes
    attempts: int


async def promise_answer(partner: uuid.UUID, request: DensityRequest) -> uuid.UUID:
    """Store that a sink is owed an answer, and return the operation; refuses a partner with too many waiting."""
    operation, now = uuid.uuid4(), clock.now()
    content = {"request": msgspec.json.encode(request).decode()}
    key_id, sealed = vault.seal(content, operation, 0, table="density_callback")
    async with transaction():
        await lock(f"density callbacks {partner}")
        if await DensityCallback.count().where(DensityCallback.partner == partner) >= MOST_WAITING:
            raise DensityError("TOO_MANY_REQUESTS")
        new = DensityCallback(id=operation, partner=partner, key_id=key_id, request=sealed, asked_at=now, next_at=now)
        await DensityCallback.insert(new)
    return operation


async def answer_callbacks() -> int:
    """Post the answers that are due; a job. Return how many posts were made."""
    now = clock.now()
    due = await fetch_rows(DueCallback, SQL["claim"], now, BATCH_SIZE, now + LEASE)
    await asyncio.gather(*(_answer(one) for one in due))
    return len(due)


async def _answer(due: DueCallback) -> None:
    """Post one answer; delete the callback once its sink has it or refuses for good, or after three days."""
    now = clock.now()
    try:
        status = await _post(due)
    except Exception:
        log.exception("a density answer could not be posted", operation=str(due.id))
        status = 0
    outcome = outcome_of(due.attempts, now, is_delivered=status in CREATED, is_final=status == GONE)
    is_it = DensityCallback.id == due.id
    if outcome.next_at is None:
        await DensityCallback.delete().where(is_it)
        if outcome.is_given_up:
            log.warning("a density answer was given up", operation=str(due.id), status=status)
    else:
        await DensityCallback.update({DensityCallback.next_at: outcome.next_at}).where(is_it)


async def _post(due: DueCallback) -> int:
    """Post one answer and return the status; `GONE` if no key opens the request."""
    content = vault.find_content(due.key_id, due.request, due.id, 0, table="density_callback")
    if content is None:
        return GONE
    request = msgspec.json.decode(content["request"], type=DensityRequest)
    status, _ = await post(request.sink or "", await _body(due, request), _headers(request))
    return status


async def _body(due: DueCallback, request: DensityRequest) -> bytes:
    """Return the present answer, since an entitlement may have ended; a failure is an answer too."""
    try:
        done = await answer(due.partner, await check(due.partner, request))
    except DensityError as refused:
        done = Density([], FAILED, refused.message)
    except Exception:
        log.exception("a density request failed", operation=str(due.id))
        done = Density([], FAILED, "The request could not be processed.")
    return msgspec.json.encode(msgspec.structs.replace(done, operation_id=due.id))


def _headers(request: DensityRequest) -> dict[str, str]:
    credential = request.sink_credential
    shown = {"authorization": f"Bearer {credential.access_token}"} if credential and credential.access_token else {}
    return {"content-type": "application/json", **shown}

"""Reads of requests for data: a partner's own, and all of them for stewards."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements

SQL: Final = load_statements(__package__)


class OwnRequest(Struct, frozen=True):
    """A request as its own partner reads it; `most_minor` is the most it would pay for a licence, in cents before VAT."""

    id: uuid.UUID
    place: str
    product: str
    grain: str
    starts_on: dt.date
    ends_on: dt.date
    most_minor: int
    text: str
    asked_at: dt.datetime
    state: str
    dataset: str | None
    reason_fr: str
    reason_en: str
    answered_at: dt.datetime | None


class RequestRow(Struct, frozen=True):
    """A request as stewards read it; `most_minor` is what its partners together would pay, in cents before VAT."""

    id: uuid.UUID
    place: str
    product: str
    grain: str
    starts_on: dt.date
    ends_on: dt.date
    asked_at: dt.datetime
    state: str
    dataset: str | None
    reason_fr: str
    reason_en: str
    answered_by: str
    answered_at: dt.datetime | None
    partners: int
    most_minor: int


class PartnersPart(Struct, frozen=True):
    """One partner's part in a request."""

    partner: uuid.UUID
    company: str
    place: str
    most_minor: int
    text: str
    asked_at: dt.datetime


async def list_own(partner: uuid.UUID, page: int) -> Paged[OwnRequest]:
    """Return one page of a partner's requests, the latest first."""
    return paged(await fetch_rows(OwnRequest, SQL["list_own"], partner, PAGE_SIZE + 1, offset(page)), page)


async def get_own(request: uuid.UUID, partner: uuid.UUID) -> OwnRequest:
    """Return a partner's own request; NotFound for another partner's."""
    return existing(
        await fetch_row(OwnRequest, SQL["get_own"], request, partner), NotFound("There is no such request.")
    )


async def list_requests(page: int) -> Paged[RequestRow]:
    """Return one page of all requests, those without an answer first."""
    return paged(await fetch_rows(RequestRow, SQL["list_requests"], PAGE_SIZE + 1, offset(page)), page)


async def get_request(request: uuid.UUID) -> RequestRow:
    """Return a request as stewards read it."""
    return existing(await fetch_row(RequestRow, SQL["get_request"], request), NotFound("There is no such request."))


async def list_parts(request: uuid.UUID) -> list[PartnersPart]:
    """Return a request's partners, the first first."""
    return await fetch_rows(PartnersPart, SQL["list_parts"], request)

"""The marketplace's progress to the first sale, and a partner's to its first dataset."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import object_store
from marketplace.core.database import fetch_row
from marketplace.core.errors import NotFound, Refusal, existing
from marketplace.core.statements import load_statements
from marketplace.datasets.builds.event_store import Store

if TYPE_CHECKING:
    import uuid

SQL: Final = load_statements(__package__)


class Progress(Struct, frozen=True):
    """The marketplace's progress; `dataset` is the first one.

    unexplained: a purpose without a notice. unstated: a market without a version of its sheet.
    """

    has_purpose: bool
    has_notice: bool
    has_dataset: bool
    has_lines: bool
    has_consent: bool
    has_build: bool
    has_release: bool
    has_terms: bool
    has_sheet: bool
    has_law: bool
    has_offer: bool
    has_partner: bool
    has_statement: bool
    has_event: bool
    stewards: int
    clerks: int
    dataset: str | None
    unexplained: str | None
    unstated: str | None


class PartnerProgress(Struct, frozen=True):
    """A partner's progress to its first dataset; `refused_reason` if a steward refused it."""

    is_confirmed: bool
    is_vetted: bool
    refused_reason: str | None
    has_address: bool
    has_quote: bool
    has_licence: bool
    has_download: bool


async def get_progress() -> Progress:
    """Return the marketplace's progress."""
    row = await fetch_row(Progress, SQL["get_progress"])
    assert row
    return row


async def get_partner_progress(partner: uuid.UUID, person: uuid.UUID) -> PartnerProgress:
    """Return a partner's progress, as one of its people sees it; refuses NotFound."""
    return existing(
        await fetch_row(PartnerProgress, SQL["get_partner_progress"], partner, person),
        NotFound("There is nothing here."),
    )


async def has_events() -> bool:
    """Return whether any event was ever ingested; False if the object store cannot be read."""
    try:
        return not await asyncio.to_thread(lambda: Store(object_store.store()).is_empty)
    except (Refusal, *object_store.TROUBLES):
        return False

"""Request data that is not for sale, and answer: offered, a call for contributors, or refused with a reason."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from marketplace.catalogue.message_kinds import DATA_REQUESTED, REQUEST_ANSWERED
from marketplace.catalogue.offers.queries import get_listing
from marketplace.catalogue.requests import rules
from marketplace.catalogue.requests.queries import get_request, list_parts
from marketplace.catalogue.requests.tables import DataRequest, RequestOfPartner
from marketplace.core import clock
from marketplace.core.database import fetch_scalar, transaction
from marketplace.core.errors import Conflict, Expired, Invalid
from marketplace.core.locks import lock
from marketplace.datasets.releases.queries import get_dataset
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient

if TYPE_CHECKING:
    from marketplace.catalogue.requests.rules import RequestedData
    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor

DAY = dt.timedelta(days=1)


async def ask(partner: uuid.UUID, wanted: RequestedData, *, most_minor: int, text: str, ask_id: uuid.UUID) -> uuid.UUID:
    """Request data and return the request; an identical open one is joined, and the same `ask_id` changes nothing.

    most_minor: the most the partner would pay for a licence, in cents before VAT.
    """
    rules.check_wanted(wanted)
    if most_minor <= 0:
        raise Invalid("Write what a licence may cost at most.", field="most")
    if len(text) > rules.LONGEST_TEXT:
        raise Invalid("Write {most} letters at most.", most=rules.LONGEST_TEXT, field="text")
    now, digest = clock.now(), wanted.digest()
    async with transaction():
        await lock("data requests")
        own = RequestOfPartner.select(RequestOfPartner.data_request)
        if known := await fetch_scalar(uuid.UUID, own.where(RequestOfPartner.id == ask_id)):
            return known
        is_today = (RequestOfPartner.partner == partner) & (RequestOfPartner.asked_at > now - DAY)
        if await RequestOfPartner.count().where(is_today) >= rules.REQUESTS_A_DAY:
            raise Conflict(
                "You asked for data {most} times within a day; ask again tomorrow.", most=rules.REQUESTS_A_DAY
            )
        is_same = (DataRequest.digest == digest) & (DataRequest.state == "open")
        joined = await fetch_scalar(uuid.UUID, DataRequest.select(DataRequest.id).where(is_same))
        request = joined or await _open(wanted, digest)
        part = RequestOfPartner(
            id=ask_id,
            data_request=request,
            partner=partner,
            place=wanted.place,
            most_minor=most_minor,
            text=text,
            asked_at=now,
        )
        is_own = (RequestOfPartner.data_request == request) & (RequestOfPartner.partner == partner)
        if await RequestOfPartner.exists().where(is_own):
            changed: Values = {
                RequestOfPartner.most_minor: most_minor,
                RequestOfPartner.text: text,
                RequestOfPartner.place: wanted.place,
            }
            await RequestOfPartner.update(changed).where(is_own)
        else:
            await RequestOfPartner.insert(part)
    return request


async def _open(wanted: RequestedData, digest: str) -> uuid.UUID:
    request = uuid.uuid4()
    await DataRequest.insert(
        DataRequest(
            id=request,
            digest=digest,
            place=wanted.place,
            product=wanted.product,
            grain=wanted.grain,
            starts_on=wanted.starts_on,
            ends_on=wanted.ends_on,
            asked_at=clock.now(),
        )
    )
    place = wanted.place[:80]
    await send(DATA_REQUESTED, request, [Recipient("role", "steward")], place=place, id=str(request))
    return request


async def answer(
    who: Actor, request: uuid.UUID, chosen: str, *, dataset: str = "", reason_fr: str = "", reason_en: str = ""
) -> None:
    """Answer a request and notify all its partners; refuses one that is answered.

    chosen: offered (the dataset is for sale), call (its contributors are asked) or refused, for a reason.
    """
    rules.check_answer(chosen, dataset=dataset, reason_fr=reason_fr, reason_en=reason_en)
    if chosen == "offered":
        await get_listing(dataset)
    elif chosen == "call":
        await get_dataset(dataset)
    async with transaction():
        await lock("data requests")
        if (await get_request(request)).state != "open":
            raise Expired("This request is answered already.")
        answered: Values = {
            DataRequest.state: chosen,
            DataRequest.dataset: dataset if chosen != "refused" else None,
            DataRequest.reason_fr: reason_fr.strip(),
            DataRequest.reason_en: reason_en.strip(),
            DataRequest.answered_by: who.name,
            DataRequest.answered_at: clock.now(),
        }
        await DataRequest.update(answered).where(DataRequest.id == request)
        partners = [Recipient("partner", str(part.partner)) for part in await list_parts(request)]
        await send(REQUEST_ANSWERED, request, partners, id=str(request))
        await note_action(who, "request_answered", request, after={"answer": chosen, "dataset": dataset})

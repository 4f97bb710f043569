"""What a steward does in the shop, each with its line in the audit trail, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import asdict

from marketplace.audit_trail.actions import note_action
from marketplace.catalogue import actions as catalogue
from marketplace.catalogue import lengths, offers
from marketplace.consent import actions as consent
from marketplace.database import transaction
from marketplace.licensing.policies import five_lines
from marketplace.stewardship.queries import get_shelf

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence

    from marketplace.catalogue.rules import StatedOffer
    from marketplace.identity.actors import Actor
    from marketplace.licensing.policies import Policy


async def define_purpose(who: Actor, category: str, use: str, *, title_fr: str, title_en: str) -> str:
    """Define a purpose and return its code; the same one again changes nothing."""
    async with transaction():
        code = await consent.define_purpose(category, use, title_fr=title_fr, title_en=title_en)
        await note_action(who, "purpose_defined", code)
    return code


async def name_purpose(who: Actor, code: str, dpv: str) -> None:
    """Name a purpose as the Data Privacy Vocabulary does."""
    async with transaction():
        await consent.name_purpose(code, dpv)
        await note_action(who, "purpose_named", code, after={"dpv": dpv})


async def publish_notice(
    who: Actor,
    purpose: str,
    *,
    text_fr: str,
    text_en: str,
    asks_anew: bool,
    notice: uuid.UUID,
    since: dt.datetime | None = None,
) -> None:
    """Publish the next version of a purpose's notice; the same `notice` again publishes nothing.

    since: when people began to agree to the very text elsewhere; None for now.
    """
    async with transaction():
        await consent.publish_notice(
            purpose, text_fr=text_fr, text_en=text_en, asks_anew=asks_anew, notice=notice, at=since
        )
        after = {"notice": notice, "asks_anew": asks_anew} | ({"since": since} if since else {})
        await note_action(who, "notice_published", purpose, after=after)


async def state_terms(who: Actor, code: str, policy: Policy) -> None:
    """State a version of licence terms, whose five lines follow from its policy; the same ones again change nothing."""
    async with transaction():
        await catalogue.define_terms(
            code,
            months=policy.months,
            lines_fr=five_lines(policy, "fr"),
            lines_en=five_lines(policy, "en"),
            right=policy.right,
            purposes=policy.purposes,
            countries=policy.countries,
        )
        after = {"months": policy.months, "right": policy.right}
        after |= {"purposes": list(policy.purposes), "countries": list(policy.countries)}
        await note_action(who, "terms_stated", code, after=after)


async def make_offer(who: Actor, dataset: str, stated: StatedOffer) -> None:
    """Put a dataset on sale, or change its offer from now on; refuses what the menu's audit refuses."""
    async with transaction():
        before = (await get_shelf(dataset)).stated
        await catalogue.list_offer(
            dataset,
            terms=stated.terms,
            full_worth_minor=stated.full_worth_minor,
            worth_days=stated.worth_days,
            floor_minor=stated.floor_minor,
            cap_minor=stated.cap_minor,
        )
        await note_action(who, "offer_made", dataset, before=asdict(before) if before else None, after=asdict(stated))


async def set_lengths(who: Actor, dataset: str, terms: Sequence[str]) -> None:
    """Sell a dataset under these terms too, which differ from its offer's in their months alone."""
    async with transaction():
        await lengths.set_lengths(dataset, terms)
        await note_action(who, "offer_lengths_set", dataset, after={"terms": sorted(set(terms))})


async def plan_offer(
    who: Actor, dataset: str, stated: StatedOffer, starts_at: dt.datetime, *, change: uuid.UUID
) -> None:
    """Plan what an offer is to be from a later instant on; the same `change` again plans nothing more."""
    async with transaction():
        await offers.plan_change(dataset, stated, starts_at, change=change, by=who.name)
        await note_action(who, "offer_change_planned", dataset, after=asdict(stated) | {"starts_at": starts_at})


async def cancel_planned(who: Actor, change: uuid.UUID) -> str:
    """Cancel a planned change of an offer, and return its dataset."""
    async with transaction():
        dataset = await offers.cancel_change(change)
        await note_action(who, "offer_change_cancelled", dataset)
    return dataset


async def withdraw(who: Actor, dataset: str) -> None:
    """Withdraw a dataset's offer: nothing of it is sold from now on; withdrawn already, nothing changes."""
    async with transaction():
        if (await get_shelf(dataset)).is_open:
            await catalogue.withdraw_offer(dataset)
            await offers.cancel_changes_of(dataset)
            await note_action(who, "offer_withdrawn", dataset)

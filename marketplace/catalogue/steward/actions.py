"""A steward's actions in the shop, each with its line in the audit trail, in one transaction.

An action that changes nothing writes no second line. `seen` is the state that the page showed. If somebody changed it
since, the action is refused, so that the steward sees the change first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.catalogue.licences.policies import five_lines
from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.stated import count_published
from marketplace.catalogue.steward.queries import get_shelf, list_terms
from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.queries import list_notices, list_purposes
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict, NotFound
from marketplace.core.locks import lock
from marketplace.datasets.releases import actions as datasets
from marketplace.datasets.releases import publishing
from marketplace.datasets.releases.queries import find_revocation, get_dataset
from marketplace.people.audit_trail.actions import note_action

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from marketplace.catalogue.licences.policies import Policy
    from marketplace.datasets.releases.rules import DatasetTerms
    from marketplace.people.identity.actors import Actor


async def define_purpose(who: Actor, category: str, use: str, *, title_fr: str, title_en: str) -> str:
    """Define a purpose and return its code; the same one again changes nothing."""
    async with transaction():
        await lock("purposes")
        known = {row.code for row in await list_purposes()}
        code = await consent.define_purpose(category, use, title_fr=title_fr, title_en=title_en)
        if code not in known:
            await note_action(who, "purpose_defined", code)
    return code


async def name_purpose(who: Actor, code: str, dpv: str) -> None:
    """Store a purpose's name in the Data Privacy Vocabulary; the same name again changes nothing."""
    async with transaction():
        await lock("purposes")
        if any((row.code, row.dpv) == (code, dpv) for row in await list_purposes()):
            return
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
    seen: int | None = None,
) -> None:
    """Publish the next version of a purpose's notice; the same `notice` again publishes nothing.

    since: when people began to agree to this same text elsewhere; None for now. seen: the version that this one
    follows.
    """
    async with transaction():
        await lock(f"notice {purpose}")
        known = await list_notices(purpose)
        is_new = all(row.id != notice for row in known)
        latest = max((row.version for row in known), default=0)
        if is_new and seen is not None and seen != latest:
            raise Conflict(
                "Version {version} of this notice was published meanwhile: read it below, then go on if yours is to follow.",
                version=latest,
            )
        await consent.publish_notice(
            purpose, text_fr=text_fr, text_en=text_en, asks_anew=asks_anew, notice=notice, at=since
        )
        if is_new:
            after = {"notice": notice, "asks_anew": asks_anew} | ({"since": since} if since else {})
            await note_action(who, "notice_published", purpose, after=after)


async def state_terms(who: Actor, code: str, policy: Policy) -> None:
    """State a version of licence terms, whose five lines come from its policy; the same ones again change nothing."""
    async with transaction():
        await lock("licence terms")
        known = {row.code for row in await list_terms()}
        await catalogue.define_terms(
            code,
            months=policy.months,
            lines_fr=five_lines(policy, "fr"),
            lines_en=five_lines(policy, "en"),
            right=policy.right,
            purposes=policy.purposes,
            countries=policy.countries,
        )
        if code not in known:
            after = {"months": policy.months, "right": policy.right}
            after |= {"purposes": list(policy.purposes), "countries": list(policy.countries)}
            await note_action(who, "terms_stated", code, after=after)


async def define_dataset(who: Actor, terms: DatasetTerms) -> str:
    """Define a dataset and return its code; the same one again changes nothing."""
    async with transaction():
        await lock("datasets")
        try:
            await get_dataset(terms.code)
        except NotFound:
            promise = ("purpose", "product", "grain", "unit", "mechanism", "epsilon_micro", "budget_micro")
            await note_action(
                who, "dataset_defined", terms.code, after={name: getattr(terms, name) for name in promise}
            )
        await datasets.define(terms)
    return terms.code


async def make_offer(who: Actor, dataset: str, *, terms: str, sheet: str, seen: str = "") -> None:
    """Put a dataset on sale on a market's sheet, or change its offer from now on.

    seen: the offer's fingerprint when the page was opened. An identical offer is left as it is.
    """
    async with transaction():
        await lock("offers")
        row = await get_shelf(dataset)
        if row.is_open and (row.terms, row.sheet) == (terms, sheet):
            return
        _refuse_unseen(seen, row.fingerprint)
        before = {"terms": row.terms, "sheet": row.sheet} if row.offer else None
        await catalogue.list_offer(dataset, terms=terms, sheet=sheet)
        await note_action(who, "offer_made", dataset, before=before, after={"terms": terms, "sheet": sheet})


def _refuse_unseen(seen: str, now: str) -> None:
    """Refuse to replace a state that the steward has not seen; an empty `seen` is not checked."""
    if seen and seen != now:
        raise Conflict("Somebody changed this meanwhile: look at what it is now, then go on if yours is still right.")


async def withdraw(who: Actor, dataset: str) -> None:
    """Withdraw a dataset's offer, so that nothing of it is sold from now on; repeating it changes nothing."""
    async with transaction():
        await lock("offers")
        if (await get_shelf(dataset)).is_open:
            await catalogue.withdraw_offer(dataset)
            await note_action(who, "offer_withdrawn", dataset)


async def publish_release(who: Actor, release: uuid.UUID) -> None:
    """Publish a release that passed the gate, with its line in the trail; a published one stays as it is."""

    async def allow(dataset: str, at: dt.datetime) -> None:
        await count_published(dataset, at)
        await note_action(who, "release_published", release)

    await publishing.publish(release, by=who.name, allow=allow)


async def call_back(who: Actor, release: uuid.UUID, *, reason_fr: str, reason_en: str) -> None:
    """Recall a published release, with a reason for its holders; a recalled one keeps its first reason."""
    async with transaction():
        await lock(f"call back {release}")
        was = await find_revocation(release)
        if was is None:
            await publishing.revoke(release, reason_fr=reason_fr, reason_en=reason_en, by=who.name)
            await note_action(who, "release_recalled", release, reason=reason_en)
        elif (was.reason_fr, was.reason_en) != (reason_fr.strip(), reason_en.strip()):
            raise Conflict("It was called back already, for another reason: its holders go on reading that one.")

"""Actions on buckets: add one, which is tested at once, remove it, deliver purchases, try again."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Final

import structlog

from marketplace.core import clock
from marketplace.core.database import execute, fetch_rows, fetch_scalar, transaction
from marketplace.core.errors import Conflict, Expired, Invalid, NotFound, Refusal, Unavailable
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.delivery.downloads import actions as delivery
from marketplace.delivery.downloads.rules import ByteRange
from marketplace.delivery.message_kinds import BUCKET_DISABLED, BUCKET_FAILING
from marketplace.delivery.outgoing import bucket_rules
from marketplace.delivery.outgoing.bucket_putting import DONE, OTHER, put
from marketplace.delivery.outgoing.bucket_queries import SQL, DueDelivery
from marketplace.delivery.outgoing.bucket_signing import Credentials
from marketplace.delivery.outgoing.bucket_tables import BucketDelivery, PartnerBucket
from marketplace.delivery.outgoing.rules import outcome_of
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity import vault
from marketplace.people.messages.actions import send_each
from marketplace.people.messages.rules import Recipient

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator

    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor

FORMAT: Final = "parquet"
TABLE: Final = "partner_bucket"
NO_LINE: Final = 0
BATCH_SIZE: Final = 4
"""Files at a time."""
CLAIMED_FOR: Final = dt.timedelta(minutes=15)
"""Longer than a file may take. Nobody else tries it in this time; if this process dies, another one does afterwards."""
LATER: Final = dt.timedelta(days=1)
"""When a disputed purchase is tried again, and …"""
SOON: Final = dt.timedelta(minutes=15)
"""… when a failure on our side is tried again."""
DISABLED_AFTER: Final = dt.timedelta(days=3)
"""A bucket that has accepted nothing for this long is disabled."""
TOO_LARGE: Final = "too large for one request"
TEST: Final = b"Partage can put files here.\n"
log = structlog.get_logger(__name__)


async def add_bucket(who: Actor, written: bucket_rules.BucketForm, *, bucket_id: uuid.UUID) -> None:
    """Add a bucket for all purchases from now on; a small test file is put there first.

    The same form again adds no other. Refuses an invalid bucket, one that fails the test, and a second one.
    """
    assert who.partner
    chosen = bucket_rules.check_bucket(written, settings().webhook_networks)
    if await PartnerBucket.exists().where(PartnerBucket.id == bucket_id):
        return
    answer = await put(
        chosen.endpoint,
        chosen.bucket,
        f"{chosen.prefix}partage-test.txt",
        _once(TEST),
        size=len(TEST),
        sha256=hashlib.sha256(TEST).hexdigest(),
        credentials=Credentials(chosen.key, chosen.secret, chosen.region),
        seconds=bucket_rules.TEST_SECONDS,
    )
    if answer != DONE:
        raise Invalid("The bucket did not take a test file: {answer}.", answer=answer, field="bucket")
    key_id, sealed = vault.seal({"key": chosen.key, "secret": chosen.secret}, bucket_id, NO_LINE, table=TABLE)
    new = PartnerBucket(
        id=bucket_id,
        partner=who.partner,
        owner=who.person,
        endpoint=chosen.endpoint,
        region=chosen.region,
        bucket=chosen.bucket,
        prefix=chosen.prefix,
        key_id=key_id,
        sealed=sealed,
        added_at=clock.now(),
    )
    async with transaction():
        await lock(f"bucket of {who.partner}")
        if await PartnerBucket.exists().where(PartnerBucket.id == bucket_id):
            return  # the same form, sent twice at once
        is_open = (PartnerBucket.partner == who.partner) & PartnerBucket.disabled_at.is_null()
        if await PartnerBucket.exists().where(is_open):
            raise Conflict("Your company has a bucket: remove it first.")
        await PartnerBucket.insert(new)
        await note_access(who, "bucket_added", bucket_id, partner=who.partner)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def remove_bucket(who: Actor, bucket: uuid.UUID) -> None:
    """Put nothing more into a bucket of this partner and delete its credentials; repeating it changes nothing."""
    async with transaction():
        if not await PartnerBucket.exists().where(PartnerBucket.id == bucket, PartnerBucket.partner == who.partner):
            raise NotFound("There is no such bucket.")
        if await _disable(bucket, "removed"):
            await note_access(who, "bucket_removed", bucket, partner=who.partner)


async def _disable(bucket: uuid.UUID, why: str) -> bool:
    disabled: Values = {
        PartnerBucket.disabled_at: clock.now(),
        PartnerBucket.disabled_because: why,
    }
    is_open = (PartnerBucket.id == bucket) & PartnerBucket.disabled_at.is_null()
    return bool(await PartnerBucket.update(disabled).where(is_open).returning(PartnerBucket.id))


async def try_again(partner: uuid.UUID, purchase: int) -> None:
    """Try a delivery as if for the first time; refuses another partner's, and one to a disabled bucket."""
    if not await fetch_scalar(int, SQL["replay"], partner, purchase, clock.now()):
        raise NotFound("There is no such delivery.")


async def fill_buckets() -> int:
    """Put purchases into their partners' buckets, once each; a job. Return how many were tried."""
    now = clock.now()
    await execute(SQL["schedule"], now)
    due = await fetch_rows(DueDelivery, SQL["claim"], now, BATCH_SIZE, now + CLAIMED_FOR)
    await asyncio.gather(*(_deliver(one) for one in due))
    return len(due)


async def _deliver(due: DueDelivery) -> None:
    """Put one purchase into its bucket, and record the outcome."""
    now = clock.now()
    try:
        answer = await _put(due)
    except Expired as over:
        await _record(due, {BucketDelivery.next_at: None, BucketDelivery.last_answer: over.sentence})
        return
    except Refusal as waits:  # such as a payment that its bank checks
        outcome: Values = {
            BucketDelivery.next_at: now + (SOON if isinstance(waits, Unavailable) else LATER),
            BucketDelivery.attempts: due.attempts - 1,
            BucketDelivery.last_answer: waits.sentence,
        }
        await _record(due, outcome)
        return
    except Exception:  # a failure of ours, not the bucket's
        log.exception("a purchase could not be put into a bucket", delivery=due.id)
        await _record(due, {BucketDelivery.next_at: now + SOON, BucketDelivery.attempts: due.attempts - 1})
        return
    await _record_answer(due, answer, now)


async def _record_answer(due: DueDelivery, answer: str, now: dt.datetime) -> None:
    """Record a bucket's answer; disable one that accepted nothing for three days, and notify its partner."""
    is_delivered = answer == DONE
    outcome = outcome_of(due.attempts, now, is_delivered=is_delivered)
    recorded: Values = {
        BucketDelivery.last_answer: answer,
        BucketDelivery.delivered_at: outcome.delivered_at,
        BucketDelivery.next_at: outcome.next_at,
    }
    to = Recipient("partner", str(due.partner))
    async with transaction():
        await _record(due, recorded)
        if not is_delivered and due.attempts == 1:
            details = {"bucket": due.bucket, "order": due.number, "answer": answer}
            await send_each(BUCKET_FAILING, [(due.id, to, details)])
        if (
            outcome.is_given_up
            and not await _accepts_others(due, answer, now)
            and await _disable(due.bucket_id, "failing")
        ):
            await send_each(BUCKET_DISABLED, [(due.bucket_id, to, {"bucket": due.bucket})])


async def _accepts_others(due: DueDelivery, answer: str, now: dt.datetime) -> bool:
    """Return whether the bucket accepts other files; then this one is given up alone."""
    its = (BucketDelivery.bucket == due.bucket_id) & (BucketDelivery.delivered_at > now - DISABLED_AFTER)
    return answer in {OTHER, TOO_LARGE} or await BucketDelivery.exists().where(its)


async def _record(due: DueDelivery, outcome: Values) -> None:
    await BucketDelivery.update(outcome).where(BucketDelivery.id == due.id)


async def _put(due: DueDelivery) -> str:
    """Put one purchase into its bucket and return the server's answer; refuses what its partner may not download."""
    file = await delivery.open_download(due.partner, due.entitlement, FORMAT)
    if file.byte_count > bucket_rules.LARGEST_BYTES:
        return TOO_LARGE
    opened = vault.find_content(due.key_id, due.sealed, due.bucket_id, NO_LINE, table=TABLE)
    if opened is None:
        return "the credentials cannot be opened: add the bucket again"
    answer = await put(
        due.endpoint,
        due.bucket,
        f"{due.prefix}{due.number}/{file.name}",
        delivery.read(file, ByteRange(0, file.byte_count), lambda: delivery.check_still_valid(due.entitlement)),
        size=file.byte_count,
        sha256=file.sha256,
        credentials=Credentials(opened["key"], opened["secret"], due.region),
    )
    if answer == DONE:
        await delivery.record_download(file, is_part=True)
    return answer

"""What partners have: subscriptions, programs and buckets that are notified, alerts, reminders, auctions and claims."""

import datetime as dt
import hashlib
import json
import uuid
from functools import partial
from typing import Any

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.delivery.downloads.deletion_actions import BETWEEN
from marketplace.delivery.outgoing import bucket_actions as buckets
from marketplace.delivery.outgoing import bucket_rules
from marketplace.delivery.outgoing import notification_actions as notifications
from marketplace.delivery.population_density.callbacks import promise_answer
from marketplace.delivery.population_density.rules import DensityRequest, GeohashList
from marketplace.people.identity.actors import Actor
from marketplace.sales.auctions import bid_queue, placing
from marketplace.sales.auctions.actions import place_bid, place_sealed_bid
from marketplace.sales.auctions.queries import get_auction, get_transcript
from marketplace.sales.orders import claim_actions as claims
from marketplace.sales.orders.invoices import change_billing
from marketplace.sales.subscriptions.actions import subscribe
from pricing.auctions.replay import replay
from pricing.auctions.transcript import from_json
from tests.deaths.story import Story
from tests.delivery.builders import (
    CallbackSink,
    boto_client,
    bucket_form,
    call_back,
    objects_in_bucket,
    receiving_hooks,
)
from tests.money.builders import save
from tests.people.builders import Browser, make_staff, spender_for
from tests.sales.builders.auctions import announce_of_shop, end_auction, make_bidder, move_end, open_auction, place
from tests.sales.builders.claims import agree_to_claim
from tests.sales.builders.shop import make_buyer, next_release, open_shop
from tests.support.reads import fetch, fetch_value
from tests.support.s3_server import BUCKET, serving_s3
from tests.support.scenes import named, sell_named, shop

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
OWN_NETWORK = {"PARTAGE_WEBHOOK_NETWORKS": "127.0.0.0/8"}


async def buyer_of(partner: uuid.UUID) -> Actor:
    """Return a partner's person."""
    return Actor(
        "Claire", person=await fetch_value("SELECT id FROM person WHERE partner = $1", partner), partner=partner
    )


async def subscribe_and_wait(story: Story) -> None:
    """Subscribe, have a release come late, be charged for it, and have the credit for that given once."""
    await open_shop()
    partner = await make_buyer()
    await execute("UPDATE dataset SET cadence = 'week', budget_micro = 90000000")
    await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    await save(story.stripe, partner, token="tok_visa")
    await story.act(
        partial(
            subscribe,
            partner,
            "lyon",
            by=await spender_for(partner),
            releases=4,
            subscription=named("1", "subscription"),
        ),
        "subscribe",
    )
    waiting = "began_at = began_at - interval '9 days'"
    await execute(f"UPDATE subscription SET promised_days = -4, promised_coverage_micro = 1, {waiting}")
    await next_release(1)
    await story.work("deliver-subscriptions", "stripe-commands", "stripe-sweep", "stripe-events", "settle-orders")
    await story.work("deliver-subscriptions credit")
    assert await fetch_value("SELECT count(*) FROM message WHERE kind LIKE 'service_credited%'") == 1


async def notify(story: Story) -> None:
    """Notify a program and fill a bucket with what was bought, and call back who asked for a density."""
    story.set(**OWN_NETWORK)
    seeded = await shop()
    who = await buyer_of(seeded.partner)
    receiver = await story.beside.enter_async_context(receiving_hooks())
    story.state.others.append((receiver.posts, lambda posts: {body for _, body in posts}))
    adding = partial(notifications.add_endpoint, who, receiver.url, endpoint_id=named("1", "endpoint"))
    await story.act(adding, "add a program")
    s3 = story.beside.enter_context(serving_s3())
    written = bucket_rules.BucketForm(**bucket_form(s3, endpoint=s3.url, prefix="partage"))
    await story.act(partial(buckets.add_bucket, who, written, bucket_id=named("1", "bucket")), "add a bucket")
    await sell_named("sold")
    before = objects_in_bucket(s3).keys()
    await story.work("notify-programs")
    assert len(receiver.posts) >= 1
    cells = await fetch_value("SELECT cells_sha256 FROM release")

    def put() -> dict[str, str]:
        return {
            name: hashlib.sha256(body).hexdigest() for name, body in objects_in_bucket(s3).items() if name not in before
        }

    async def look() -> None:
        """Refuse a part of an object."""
        assert set(put().values()) <= {cells}

    async def check() -> None:
        """Refuse more or less than one object; the next death finds none."""
        assert list(put().values()) == [cells]
        for name in put():
            boto_client(s3).delete_object(Bucket=BUCKET, Key=name)

    later = buckets.CLAIMED_FOR + dt.timedelta(seconds=1)
    await story.work("fill-buckets", later=later, look=look, check=check)
    sink = CallbackSink()
    story.beside.callback(sink.server.server_close)
    story.beside.callback(sink.server.shutdown)
    story.state.others.append(
        (sink.came, lambda came: {f"{posted['operationId']} {posted['status']}" for _, posted in came})
    )
    day = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    area, address = GeohashList(["u05k"]), f"http://127.0.0.1:{sink.server.server_port}/x"
    asking = DensityRequest(area, day, day + HOUR, sink=address)
    await promise_answer(seeded.partner, asking)
    await story.work("density-callbacks")
    assert await fetch_value("SELECT count(*) FROM density_callback") == 0


async def remind(story: Story) -> None:
    """Write of what matches a saved search, of a licence that ends, and of copies to delete."""
    seeded = await shop()
    await sell_named("sold")
    await execute("UPDATE entitlement SET ends_at = $1", clock.now() + 20 * DAY)
    await story.work("licence-messages")
    await call_back(seeded.release, clock.now() - BETWEEN)
    await story.work("deletion-reminders")
    async with Browser() as claire:
        await claire.sign_in("atelier@partner.example")
        saving = {"query": "search=lyon", "name": "One"}
        assert (await claire.submit("/en/searches", saving)).status_code == 303
    await execute("UPDATE dataset SET budget_micro = 90000000")
    await next_release(1)
    story.pass_time(2 * HOUR)
    story.start_hour()

    async def look() -> None:
        """Refuse a letter without its note, or a note without its letter."""
        noted = await fetch_value("SELECT count(*) FROM saved_search WHERE written_at IS NOT NULL")
        assert noted == await fetch_value("SELECT count(*) FROM message WHERE kind = 'search_match'")

    await story.work("search-alerts", look=look)
    assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'search_match'") == 1


async def bid_and_award(story: Story) -> None:
    """Bid openly and under seal, have both auctions be awarded as their transcripts say, and hold every receipt."""
    story.state.memories += [placing._written_at, bid_queue._queues]
    people = [await make_bidder() for _ in range(3)]
    auctions = {kind: await open_auction(kind) for kind in ("ascending", "exclusive")}
    receipts: dict[uuid.UUID, set[str]] = {one: set() for one in auctions.values()}
    for person, amount in zip(people, (5_000, 9_000, 7_000), strict=True):
        for kind, one in auctions.items():
            number, actor = named(f"{kind} {amount}", "bid"), person.actor
            if kind == "ascending":
                bidding = partial(place_bid, actor, one, bid=number, maximum_minor=amount)
            else:
                packages = [([0], amount)]
                bidding = partial(place_sealed_bid, actor, one, bid=number, nonce=f"{amount:064x}", packages=packages)
            await story.act(
                bidding, f"bid in an {kind} auction" if amount != 5_000 else f"bid first in an {kind} auction"
            )
            answer = await bidding()
            assert answer.is_repeated
            receipts[one] |= set(json.loads(answer.document)["commitments"])
    for one in auctions.values():
        await move_end(one)

    async def check() -> None:
        """Refuse an award that its transcript does not give, or a transcript without a bid that has a receipt."""
        for one, committed in receipts.items():
            transcript = from_json((await get_transcript(one)).decode())
            found = replay(transcript, bytes.fromhex((await get_auction(one)).root or ""))
            assert found.equal, found.differences
            assert committed <= {entry.hex() for entry in transcript.entries}

    await story.work("close-auctions", check=check)
    won = await fetch("SELECT pays_minor FROM auction_outcome WHERE reason = 'won' ORDER BY 1")
    assert [row["pays_minor"] for row in won] == [7_000, 7_250], "the second price, one step above it where it ascends"


async def sell_by_auction(story: Story) -> None:
    """Have who won be charged, once, and who has a day left be notified."""
    release = await open_shop()
    ann, bob = await make_buyer("atelier"), await make_buyer("bureau")
    for partner in (ann, bob):
        await save(story.stripe, partner, token="tok_visa")
        await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    one = await announce_of_shop(release)
    await place(ann, one, 30_000)
    await place(bob, one, 70_000)
    await end_auction(one)
    await story.work("settle-auctions")
    await execute("UPDATE auction_sale SET due_at = $1", clock.now() + HOUR)
    await story.work("bidder-messages", "stripe-commands", "stripe-sweep", "stripe-events", "settle-orders")
    await story.work("settle-auctions paid")
    assert await fetch_value("SELECT count(*) FROM auction_sale WHERE state = 'paid'") == 1


async def have_claim_decided(story: Story) -> None:
    """Claim, have a refund proposed, and have another person decide it."""
    number = await sell_named("claimed")
    partner, nora, paul = (
        await fetch_value("SELECT id FROM partner"),
        await make_staff("Nora"),
        await make_staff("Paul"),
    )
    one = named("one", "claim")
    await story.act(
        partial(claims.file_claim, partner, number, "wrong_figures", "A zone is empty.", claim=one), "claim"
    )
    proposing = partial(claims.propose, nora, one, "refund", "Sunday was lost.", refund_minor=1_000)
    await story.act(proposing, "propose an answer")
    await story.act(partial(agree_to_claim, paul, one), "decide a claim", then=("stripe-commands",))
    await story.work("stripe-commands", "stripe-sweep", "stripe-events", "record-refunds")
    assert await fetch_value("SELECT returned_minor FROM purchase_order") == 1_000


STORIES: dict[Any, str] = {
    subscribe_and_wait: "subscribe, deliver-subscriptions, deliver-subscriptions credit",
    notify: "add a program, add a bucket, notify-programs, fill-buckets, density-callbacks",
    remind: "licence-messages, deletion-reminders, search-alerts",
    bid_and_award: "bid first in an ascending auction, bid first in an exclusive auction, bid in an ascending auction, "
    "close-auctions",
    sell_by_auction: "settle-auctions, bidder-messages, settle-auctions paid",
    have_claim_decided: "claim, propose an answer, decide a claim, record-refunds",
}

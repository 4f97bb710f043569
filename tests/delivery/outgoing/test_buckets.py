"""A partner's own bucket on a real S3 server: filled once a purchase, also after a kill; what fails is named; private hosts are refused."""

import asyncio
import datetime as dt
import hashlib
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import html5lib
import pytest

from marketplace.core import clock, object_store
from marketplace.core.database import execute
from marketplace.core.errors import Invalid, NotFound
from marketplace.core.settings import settings
from marketplace.delivery.outgoing import bucket_actions, bucket_rules
from marketplace.delivery.outgoing.bucket_putting import OTHER, put
from marketplace.delivery.outgoing.bucket_signing import Credentials, path_of, signed
from marketplace.delivery.outgoing.partner_hosts import FORBIDDEN, UNKNOWN
from marketplace.delivery.outgoing.rules import WAITS
from marketplace.people.identity import vault
from marketplace.people.identity.actors import Actor
from tests.delivery.builders import boto_client, bucket_form, objects_in_bucket
from tests.people.builders import Browser, page_text
from tests.sales.builders.shop import make_buyer, make_sale, open_shop
from tests.support.reads import fetch, fetch_one, fetch_value
from tests.support.s3_server import BUCKET, REGION, S3Server, serving_s3

DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    with serving_s3() as server:
        yield server


@pytest.fixture
def own_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process reach its own machine, as an operator may allow a network of theirs."""
    monkeypatch.setenv("PARTAGE_WEBHOOK_NETWORKS", "127.0.0.0/8")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.long
@pytest.mark.usefixtures("stripe", "own_machine")
async def test_each_purchase_is_put_there_once_and_never_after_its_licence(s3_server: S3Server) -> None:
    release = await open_shop()
    partner = await make_buyer()
    await make_buyer("rival")
    async with Browser() as buyer, Browser() as rival:
        await buyer.sign_in("atelier@partner.example")
        await rival.sign_in("rival@partner.example")
        await make_sale(buyer, partner, release)
        for field, value, why in (
            ("bucket", "Not A Bucket", "name as S3 knows it"),
            ("prefix", "../up", "letters, digits"),
            ("region", "Eu West", "such as eu-west-3"),
            ("key", "two words", "access key"),
            ("endpoint", f"{s3_server.url}/path", "without a path"),
            ("endpoint", "ftp://s3.example", "https://"),
            ("endpoint", "https://s3..example.com", "https://"),
            ("secret", "wrong", "HTTP 403"),
        ):
            refused = await buyer.submit("/en/bucket", bucket_form(s3_server, **{field: value}))
            html5lib.HTMLParser(strict=True).parse(refused.text)
            assert why in page_text(refused), (field, value)
            assert bucket_form(s3_server)["secret"] not in refused.text
        form_id = str(uuid.uuid4())
        for _ in range(2):
            assert (await buyer.submit("/en/bucket", bucket_form(s3_server), form_id=form_id)).status_code == 303
        assert "has a bucket" in page_text(await buyer.submit("/en/bucket", bucket_form(s3_server)))
        row = await fetch_one("SELECT * FROM partner_bucket")
        assert row
        assert bucket_form(s3_server)["secret"].encode() not in bytes(row["sealed"])

        assert await bucket_actions.fill_buckets() == 0, "what was bought before is not put there"
        sold = await make_sale(buyer, partner, release)
        assert await bucket_actions.fill_buckets() == 1
        sealed = await fetch_value("SELECT cells_sha256 FROM release")
        there = objects_in_bucket(s3_server)
        [name] = there.keys() - {"partage/in/partage-test.txt"}
        assert name.startswith(f"partage/in/{sold['number']}/lyon")
        assert hashlib.sha256(there[name]).hexdigest() == sealed
        assert await fetch_value("SELECT count(*) FROM download") == 1

        # A process died after S3 had the file and before it was recorded.
        await execute("UPDATE bucket_delivery SET delivered_at = NULL, next_at = $1", clock.now())
        assert await bucket_actions.fill_buckets() == 1
        assert await fetch_value("SELECT delivered_at IS NOT NULL AND last_answer = '' FROM bucket_delivery")
        assert objects_in_bucket(s3_server) == there
        assert await fetch_value("SELECT count(*) FROM download") == 1, "one download a day"

        ended = await make_sale(buyer, partner, release)
        disputed = await make_sale(buyer, partner, release)
        await execute(
            "UPDATE entitlement SET ends_at = starts_at + interval '1 microsecond' FROM licence "
            "WHERE licence.id = entitlement.licence AND licence.purchase_order = $1",
            ended["id"],
        )
        await execute(
            "UPDATE entitlement SET suspended_at = now() FROM licence "
            "WHERE licence.id = entitlement.licence AND licence.purchase_order = $1",
            disputed["id"],
        )
        assert await bucket_actions.fill_buckets() == 2
        assert objects_in_bucket(s3_server) == there
        page = await buyer.get("/en/bucket")
        html5lib.HTMLParser(strict=True).parse(page.text)
        assert "This licence has ended" in page_text(page)
        assert "disputed at its bank" in page_text(page)
        delivery = await fetch_value(
            "SELECT bucket_delivery.id FROM bucket_delivery JOIN entitlement ON entitlement.id = entitlement "
            "WHERE suspended_at IS NOT NULL"
        )
        assert (await rival.submit(f"/en/bucket/purchases/{delivery}/again", {})).status_code == 404
        assert (await rival.submit(f"/en/bucket/{row['id']}/remove", {})).status_code == 404
        assert (await buyer.submit(f"/en/bucket/purchases/{delivery}/again", {})).status_code == 303
        await execute("UPDATE entitlement SET suspended_at = NULL")
        assert await bucket_actions.fill_buckets() == 1
        assert len(objects_in_bucket(s3_server)) == len(there) + 1
        for _ in range(2):
            assert (await buyer.submit(f"/en/bucket/{row['id']}/remove", {})).status_code == 303
        assert await fetch_value("SELECT length(sealed) FROM partner_bucket") == 0, "its credentials are forgotten"
    assert await fetch_value("SELECT array_agg(verb ORDER BY id) FROM staff_action WHERE verb LIKE 'bucket%'") == [
        "bucket_added",
        "bucket_removed",
    ]


@pytest.mark.usefixtures("stripe", "own_machine")
async def test_what_fails_is_named_and_ends_after_three_days(s3_server: S3Server) -> None:
    release = await open_shop()
    partner = await make_buyer()
    who = Actor("Claire", person=await fetch_value("SELECT id FROM person"), partner=partner)
    written = bucket_rules.BucketForm(**bucket_form(s3_server, prefix=uuid.uuid4().hex))
    form_id = uuid.uuid4()
    await asyncio.gather(*(bucket_actions.add_bucket(who, written, bucket_id=form_id) for _ in range(2)))
    async with Browser() as buyer:
        await buyer.sign_in("atelier@partner.example")
        await make_sale(buyer, partner, release)
        kept = await fetch_one("SELECT key_id, sealed FROM partner_bucket")
        assert kept
        change, last_time = (
            "UPDATE partner_bucket SET key_id = $1, sealed = $2",
            "UPDATE bucket_delivery SET attempts = 9",
        )
        await execute(change, *vault.seal({}, form_id, 0, table="partner_bucket"))
        assert await bucket_actions.fill_buckets() == 1, "what nobody foresaw is ours"
        assert await bucket_actions.fill_buckets() == 0
        assert await fetch_value("SELECT attempts FROM bucket_delivery") == 0
        await execute(change, *kept)
        path = object_store.path_of(object_store.cells_key(release))
        assert path
        path.rename(path.with_suffix(".away"))
        path.symlink_to(path)  # a loop, which no store opens
        for times in range(1, 3):
            with clock.shifted(times * (bucket_actions.SOON + dt.timedelta(seconds=1))):
                assert await bucket_actions.fill_buckets() == 1, "so is a store that does not answer"
        assert await fetch_value("SELECT attempts FROM bucket_delivery") == 0
        path.unlink()
        path.with_suffix(".away").rename(path)

        await execute("UPDATE bucket_delivery SET next_at = $1", clock.now())
        assert await bucket_actions.fill_buckets() == 1
        [name] = (each for each in objects_in_bucket(s3_server) if each.startswith(f"{written.prefix}/P"))
        boto_client(s3_server).put_object(Bucket=BUCKET, Key=name, Body=b"somebody else's")
        first = await fetch_value("SELECT id FROM bucket_delivery")
        await bucket_actions.try_again(partner, first)
        await execute(last_time)
        assert await bucket_actions.fill_buckets() == 1
        given_up = await fetch_one("SELECT last_answer, next_at FROM bucket_delivery")
        assert given_up == (OTHER, None)
        await make_sale(buyer, partner, release)
        assert await bucket_actions.fill_buckets() == 1, "the bucket is not disabled by one file"
        await execute("UPDATE partner_bucket SET bucket = 'nobodys-bucket'")
        await bucket_actions.try_again(partner, first)
        await execute(last_time)
        assert await bucket_actions.fill_buckets() == 1
        assert await fetch_value("SELECT disabled_at FROM partner_bucket") is None, "it took another today"
        await bucket_actions.try_again(partner, first)
        waited = dt.timedelta()
        for wait in (dt.timedelta(), *WAITS):
            waited += wait + dt.timedelta(seconds=1)
            with clock.shifted(waited):
                assert await bucket_actions.fill_buckets() == 1
        assert "it took nothing for three days" in page_text(await buyer.get("/en/bucket"))
    messages = await fetch("SELECT kind, details FROM message WHERE kind LIKE 'bucket%' ORDER BY created_at")
    assert [row["kind"] for row in messages] == ["bucket_failing", "bucket_disabled"]
    assert "HTTP 40" in messages[0]["details"]
    with clock.shifted(waited + DAY):
        assert await bucket_actions.fill_buckets() == 0
    with pytest.raises(NotFound):
        await bucket_actions.try_again(partner, first)


async def one_piece(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_no_private_host_is_reached_and_nothing_of_others_is_overwritten(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = Credentials(
        s3_server.environment["AWS_ACCESS_KEY_ID"], s3_server.environment["AWS_SECRET_ACCESS_KEY"], REGION
    )
    digest = {content: hashlib.sha256(content).hexdigest() for content in (b"mine", b"hers")}

    async def attempt(endpoint: str, content: bytes = b"mine", **changed: Any) -> str:
        given: dict[str, Any] = {"size": len(content), "sha256": digest[content], "credentials": credentials} | changed
        return await put(endpoint, BUCKET, "a b/ö.parquet", one_piece(content), **given)

    assert await attempt(s3_server.url) == FORBIDDEN
    assert await attempt("https://169.254.169.254") == FORBIDDEN
    assert await attempt("https://[::ffff:10.0.0.1]") == FORBIDDEN
    for endpoint in ("https://no-such-host.invalid", "https://s3..example.com", "https://1.2.3.999"):
        assert await attempt(endpoint) == UNKNOWN
    who = Actor("a key", partner=uuid.uuid4())
    with pytest.raises(Invalid, match="https://"):
        await bucket_actions.add_bucket(who, bucket_rules.BucketForm(**bucket_form(s3_server)), bucket_id=uuid.uuid4())
    monkeypatch.setenv("PARTAGE_WEBHOOK_NETWORKS", "127.0.0.0/8")
    settings.cache_clear()
    assert await attempt("http://127.0.0.1:1") == "ConnectError"
    assert await attempt(s3_server.url) == ""
    assert await attempt(s3_server.url) == "", "the same again is the same"
    assert await attempt(s3_server.url, b"hers") == OTHER
    assert objects_in_bucket(s3_server)["a b/ö.parquet"] == b"mine"
    settings.cache_clear()


def test_requests_are_signed_as_the_example_of_aws() -> None:
    """The object that AWS's documentation puts as its example."""
    headers = {
        "host": "examplebucket.s3.amazonaws.com",
        "date": "Fri, 24 May 2013 00:00:00 GMT",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
    }
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
    digest = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()
    at = dt.datetime(2013, 5, 24, tzinfo=dt.UTC)
    made = signed("PUT", path_of("test$file.text"), headers, digest, credentials=credentials, at=at)
    assert made["authorization"].endswith("98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")

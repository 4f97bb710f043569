"""Customers who bought a release, and the programs of theirs that fetch it or are written to."""

import asyncio
import contextlib
import datetime as dt
import html
import json
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import httpx
from cryptography.hazmat.primitives import serialization
from joserfc import jwt

from marketplace.core import clock, object_store
from marketplace.core.database import execute
from marketplace.core.settings import settings
from marketplace.delivery.links.actions import make_link, signed
from marketplace.delivery.links.queries import list_links
from marketplace.people.identity.actors import Actor
from tests.catalogue.builders import have_everything_cost
from tests.people.builders import Browser
from tests.sales.builders.shop import FLOOR, make_buyer, make_sale, open_shop
from tests.support.reads import fetch, fetch_value
from tests.support.s3_server import BUCKET, REGION, S3Server


class Customer:
    """A signed-in browser that has bought a release."""

    def __init__(self, browser: Browser, partner: uuid.UUID, bought: Any, entitlement: uuid.UUID) -> None:
        self.browser, self.partner, self.bought, self.entitlement = browser, partner, bought, entitlement

    def path(self, file_format: str = "parquet") -> str:
        return f"/en/entitlements/{self.entitlement}/download?format={file_format}"

    async def get(self, file_format: str = "parquet", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.browser.get(self.path(file_format), headers=named)


async def customers(rows: int = 500, period: tuple[dt.datetime, dt.datetime] | None = None) -> AsyncIterator[Customer]:
    """Yield one customer of a new shop."""
    release = await open_shop(rows=rows, period=period)
    await have_everything_cost(FLOOR)
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        bought = await make_sale(browser, partner, release)
        yield Customer(browser, partner, bought, await fetch_value("SELECT id FROM entitlement"))


async def downloads() -> list[tuple[str, int]]:
    return [(row["format"], row["byte_count"]) for row in await fetch("SELECT * FROM download ORDER BY at")]


LARGE = 8 << 30
"""Far more than a reader on this machine gets before the next look at its link; on disk it is a hole."""


async def path_of_link(customer: Customer) -> str:
    """Make a link to what the customer bought."""
    person = await fetch_value("SELECT id FROM person WHERE partner = $1", customer.partner)
    who, link = Actor(name="A", person=person, partner=customer.partner), uuid.uuid4()
    await make_link(who, customer.entitlement, link_id=link, label="sent", days=7)
    links = await list_links(customer.partner, customer.entitlement, clock.now())
    [row] = [row for row in links if row.id == link]
    return f"/files/{link}/cells.parquet?sig={signed(link, customer.entitlement, row.ends_at)}"


def grow(customer: Customer) -> None:
    """Make the file larger than what waits in sockets."""
    path = object_store.path_of(object_store.cells_key(customer.bought["release"]))
    assert path
    with path.open("r+b") as file:
        file.truncate(LARGE)


@contextlib.asynccontextmanager
async def begin_download(address: str, path: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Ask for a file and read its head alone."""
    reader, writer = await asyncio.open_connection(*address.removeprefix("http://").split(":"), limit=1 << 16)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    yield reader, writer
    writer.close()


async def call_back(release: uuid.UUID, at: dt.datetime) -> None:
    await execute(
        "INSERT INTO revocation (release, reason_fr, reason_en, revoked_by, revoked_at) VALUES ($1, 'Faux', 'Wrong', 'x', $2)",
        release,
        at,
    )


TABLE = "/delta-sharing/shares/partage/schemas/releases/tables/lyon"


MARCH = (dt.datetime(2026, 3, 1, tzinfo=dt.UTC), dt.datetime(2026, 3, 22, tzinfo=dt.UTC))


APRIL = (dt.datetime(2026, 4, 1, tzinfo=dt.UTC), dt.datetime(2026, 4, 22, tzinfo=dt.UTC))


async def profile_of(customer: Any, kind: str = "bearer", public_key: str = "") -> dict[str, Any]:
    """Make a credential on the page and return the profile that it shows."""
    form = {"kind": kind, "label": "dashboard", "days": "30", "public_key": public_key}
    page = await customer.browser.submit("/en/sharing", form)
    assert page.status_code == 200, page.text
    found = re.search(r'class="secret"><code>(.*?)</code>', page.text, re.DOTALL)
    assert found, page.text
    assert page.headers["cache-control"] == "no-store"
    profile: dict[str, Any] = json.loads(html.unescape(found[1]))
    return profile


def sharing_client(customer: Any, authorization: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(customer.browser.app),
        base_url="http://testserver.example",
        headers={"authorization": authorization},
    )


def protocol_lines(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def path_of(url: str) -> str:
    return url.removeprefix(settings().url)


def pem_of(key: Any) -> str:
    encoding, kind = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(encoding, kind).decode())


def assertion(profile: Mapping[str, Any], key: Any, **changed: Any) -> dict[str, str]:
    """Return the form that a client with a key pair sends."""
    auth, now = profile["auth"], int(clock.now().timestamp())
    claims = {"iss": auth["clientId"], "aud": auth["issuer"], "iat": now, "exp": now + 120} | changed
    made = jwt.encode({"alg": auth["privateKey"]["algorithm"]}, claims, key)
    return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": made}


CLIENTS = {
    "pandas": ("pandas==3.1.1", "pyarrow==26.0.1"),
    "polars": ("polars==2.1.0",),
    "duckdb": ("duckdb==1.5.5", "duckdb-extension-httpfs==1.5.5", "pytz"),
    "pyarrow": ("pyarrow==26.0.1", "fsspec", "aiohttp"),
    "croissant": ("mlcroissant==1.1.1", "pandas==3.1.1", "pyarrow==26.0.1"),
}


HTTPFS = """
import duckdb, duckdb_extension_httpfs, pathlib
folder = pathlib.Path(duckdb_extension_httpfs.__file__).parent
duckdb.execute(f"LOAD '{next(folder.rglob('*.duckdb_extension'))}'")
"""
"""DuckDB fetches this itself where it reaches the network; here it comes from a package."""


def boto_client(s3: S3Server) -> Any:
    """Return boto3's client of the server."""
    keys = s3.environment["AWS_ACCESS_KEY_ID"], s3.environment["AWS_SECRET_ACCESS_KEY"]
    return boto3.client(
        "s3", endpoint_url=s3.url, region_name=REGION, aws_access_key_id=keys[0], aws_secret_access_key=keys[1]
    )


def objects_in_bucket(s3: S3Server) -> dict[str, bytes]:
    """Return what is in the bucket, by name."""
    client = boto_client(s3)
    names = [one["Key"] for one in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    return {name: client.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names}


def bucket_form(s3: S3Server, **changed: str) -> dict[str, str]:
    given = {"endpoint": s3.url, "region": REGION, "bucket": BUCKET, "prefix": "partage/in"}
    given |= {"key": s3.environment["AWS_ACCESS_KEY_ID"], "secret": s3.environment["AWS_SECRET_ACCESS_KEY"]}
    return given | changed


UNSPEAKABLE = ("https://s3..example.org", f"https://{'a' * 64}.example.org", "https://1.2.3.999", "https://é-.org")
"""No name service can be asked for these hosts."""


class HookReceiver:
    """A partner's program: remembers what was posted, and answers with `status`."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.status, self.url = "200 OK", ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
        self.posts.append((headers, await reader.readexactly(int(headers["content-length"]))))
        writer.write(f"HTTP/1.1 {self.status}\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def receiving_hooks() -> AsyncIterator[HookReceiver]:
    receiver = HookReceiver()
    async with await asyncio.start_server(receiver.answer, "127.0.0.1", 0) as server:
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        yield receiver


class CallbackSink:
    """What a callback comes to."""

    def __init__(self) -> None:
        self.came: list[tuple[Any, Any]] = []
        self.statuses = [204]
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                sink.came.append((self.headers["authorization"], body))
                self.send_response(sink.statuses.pop(0) if len(sink.statuses) > 1 else sink.statuses[0])
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

"""The attack: open everything, in two worlds that differ in one contributor, where noise made up the difference.

The release is built from the store, gated, sealed, sold and paid for in both worlds by the very programs that do it; only
what is drawn is such that the published cells agree. Then a steward, partners, other subscribers and strangers ask every
address there is. What they get must be the same to the byte: a new one is among them by itself. So must be what an answer
costs: the statements that the database is sent for it, by which its time would say what its bytes do not.
"""

import datetime as dt
import functools
import io
import json
import os
import random
import re
import sys
import uuid
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from marketplace.catalogue.offers.actions import quote as ask_price
from marketplace.catalogue.offers.stated import count_published
from marketplace.consent.purposes import actions as consent
from marketplace.core import clock, database
from marketplace.core.database import copy_in
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.settings import settings
from marketplace.datasets.releases import actions, queries
from marketplace.datasets.releases.ingestion import ingest_events
from marketplace.delivery.delta_sharing.actions import make_credential
from marketplace.delivery.outgoing.notification_actions import notify_programs
from marketplace.delivery.outgoing.notification_queries import list_events
from marketplace.oversight.public_log.actions import keep_log
from marketplace.people.identity import key_actions
from marketplace.people.identity.actors import Actor
from marketplace.people.mail import transports
from marketplace.people.mail.actions import send_mail
from marketplace.privacy import drawing
from marketplace.site.answers import MACHINE_PATHS
from marketplace.site.app import routes
from marketplace.subscribers.earnings.actions import hold_shares
from tests.attacks.builders import CHANCE, live_in
from tests.catalogue import builders as shop
from tests.consent.builders import PURPOSE
from tests.datasets.builders import ZONES, write
from tests.people.builders import visiting
from tests.subscribers.builders import sales
from tests.support.reads import fetch_value, statements_sent

NOW = dt.datetime(2026, 10, 5, 9, 0, tzinfo=dt.UTC)
FROM = dt.datetime(2026, 9, 28, tzinfo=dt.UTC)
PEOPLE, VICTIM, OTHER = 300, 301, 7
EXCEPT = {"finance", "auditor", "the monitor", "Stripe", "the operator"}
"""Of these one reads exact books in confidence, and the others are programs: of the operator, or with nobody's data."""
APART = {"/sign-out", "/profile/erase", "/readyz"}
"""What ends the visit, and what says of the machine by how much its clock is off."""
MASKED = (
    CHANCE,
    re.compile(rb'("sha256\\?": ?\\?")[0-9a-f]{64}'),
    re.compile(rb"(<code>)[0-9a-f]{16}(?=</code>)"),
    re.compile(rb'("request": ?")[0-9a-f]{16}'),
)
"""What is drawn afresh each time, marks of the files that were counted among it (test_exact_digests)."""
SIGNED = re.compile(rb"[0-9a-f]{64,128}|(?<=[\"\n ])[A-Za-z0-9+/]{43,}={0,2}")
"""Digests and signatures, which have the instants and the marks beneath them."""
DRAWN = re.compile(rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32}|(?<=/stop-mail/)[-.\w]+")
"""Ids of letters and credentials, and what signs a link to stop mail."""
HEADERS = ("last-modified", "location", "content-type", "cache-control")


class MadeUp(drawing.Source):
    """Draws such noise that what comes of it is the same for all counts."""

    def noisy(self, what: str, counts: NDArray[np.int64], report: Any = None) -> NDArray[np.int64]:
        del report
        top = {"people": 150, "events": 400, "consenting": 310, "bands": 160, "areas": 305}[what]
        chance = np.random.default_rng(len(what))
        return np.asarray(top + chance.integers(-30, 30, len(counts)), np.int64)


async def live_a_week(folder: Path, chance: random.Random, *, victim: bool) -> dict[str, str]:
    """Count, build, sell and pay for a week; return the ids of what came of it, by the parameters of addresses.

    chance: what ids are drawn from, begun again now and then: one more consent has one more receipt.
    """
    await shop.open_catalogue(grain="day", edition_multiples=[4])
    everyone = range(1, VICTIM + 1)
    long_ago = NOW - dt.timedelta(days=400)
    await copy_in("subscriber", ["reference", "claimed_at"], [(who, long_ago) for who in everyone])
    counted = range(1, PEOPLE + 1 + victim)
    await consent.give_many(PURPOSE, counted, NOW - dt.timedelta(days=100))
    seen = [(who, FROM + dt.timedelta(hours=10 + 24 * (who % 5)), ZONES[who % len(ZONES)]) for who in counted]
    await ingest_events(**write(folder, seen, everyone))
    chance.seed(12)
    release = await actions.build(
        "lyon", period_from=FROM, period_to=FROM + dt.timedelta(days=7), allow=count_published
    )
    assert (await queries.get_release(release)).state == "sealed"
    chance.seed(13)
    partner = await shop.make_vetted_partner()
    quote = await ask_price(partner, release, quote_id=uuid.uuid4())
    with clock.shifted(dt.timedelta(minutes=1)):  # or messages of one instant come in any order
        licence = await sales.write_sale(release, 10_001, fee=318, sold_at=NOW - dt.timedelta(days=20))
    with clock.shifted(-dt.timedelta(days=19)):
        await notify_programs()  # an order that was paid a week ago is no news
    chance.seed(14)
    await hold_shares()
    await keep_log()
    with clock.shifted(dt.timedelta(days=32)):
        await sales.close_month()
    return {
        "code": "lyon",
        "release": str(release),
        "licence": str(licence),
        "order": str(await sales.order_of_licence(licence)),
        "quote": str(quote),
        "partner_id": str(partner),
        "entitlement": str(await fetch_value("SELECT id FROM entitlement")),
        "invoice": str(await fetch_value("SELECT id FROM invoice")),
        "purpose": PURPOSE,
        "year": "2026",
        "number": "0",
        "path": "checkpoint",
        "language": "en",
    }


def addresses(known: dict[str, str]) -> list[tuple[str, frozenset[str]]]:
    """Return every address that somebody but finance, an auditor or a program may read, and who."""
    found = set()
    for handler in routes():
        who = handler.opt["expectation"].who
        if "GET" in handler.http_methods and not who <= EXCEPT:
            for path in handler.paths:
                named = known | ({"code": PURPOSE} if path.startswith("/steward/purposes") else {})
                if path not in APART and "stream" not in path:
                    found.add((address_with_ids(path, named), frozenset(who)))
    return sorted(found)


def address_with_ids(path: str, known: dict[str, str]) -> str:
    """Return an address with an id in place of each parameter, nobody's where none is known."""
    nobodys = {"uuid": str(uuid.UUID(int=1)), "int": "1", "str": "nobodys", "path": "checkpoint"}
    return re.sub(r"\{(\w+):(\w+)\}", lambda match: known.get(match[1], nobodys[match[2]]), path)


async def look_at_everything(
    client: httpx.AsyncClient, whose: str, roles: set[str], known: dict[str, str]
) -> dict[str, bytes]:
    """Return what everything that these roles may read answers, without what is drawn afresh."""
    seen = {}
    more = [
        ("/datasets/lyon?release=" + known["release"] + f"&level={level}", frozenset({"anyone"})) for level in (0, 1)
    ]
    asked = [
        language + path
        for path, who in [*addresses(known), *more]
        if who & roles
        for language in ([""] if path.startswith(MACHINE_PATHS) else ["/en", "/fr"])
    ]
    async with statements_sent() as sent:
        for path in asked:
            sent.clear()
            answer = await client.get(path)
            seen[f"cost of {whose} {path}"] = "\n".join(sorted(sent)).encode()
            content = unpacked(answer.content)
            for mask in MASKED:
                content = mask.sub(rb"\1", content)
            heads = json.dumps([answer.status_code, *(answer.headers.get(name) for name in HEADERS)]).encode()
            seen[f"{whose} {path}"] = heads + SIGNED.sub(b"#", content)
    return seen


def forget_drawn_ids() -> None:
    """Know no more than a process that begins: ids are the same in both worlds, and what is known by them would hide one."""
    for name, module in list(sys.modules.items()):
        if name.startswith("marketplace."):
            for cached in list(vars(module).values()):
                if isinstance(cached, functools._lru_cache_wrapper):
                    cached.cache_clear()


def unpacked(content: bytes) -> bytes:
    """Return the files of an archive one after the other, for it says besides when each was packed."""
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return b"".join(name.encode() + archive.read(name) for name in archive.namelist())


async def everything_answered(known: dict[str, str], chance: random.Random) -> dict[str, bytes]:
    """Return all that a steward, a partner, its robot, another subscriber and a stranger are answered.

    chance: begun again for each of them: what a page imports first may draw from it, and is imported once.
    """
    chance.seed(15)
    async with visiting(OTHER) as subscriber:
        seen = await look_at_everything(subscriber, "subscriber", {"subscriber", "signed in"}, known)
    chance.seed(16)
    async with visiting(role="steward") as steward:
        assert (await steward.get("/en/steward/datasets")).is_success, "the steward is signed in"
        seen |= await look_at_everything(steward, "steward", {"steward", "signed in", "anyone"}, known)
    partner = uuid.UUID(known["partner_id"])
    chance.seed(17)
    async with visiting(partner=partner) as client:
        key = await key_actions.create_key(partner, "robot", key_id=uuid.uuid4(), session="a session's secret")
        client.headers["authorization"] = f"Bearer {key}"
        seen |= await look_at_everything(
            client, "partner", {"partner", "vetted partner", "administrator", "signed in"}, known
        )
        chance.seed(18)
        seen |= await everything_shared(client, partner)
    chance.seed(19)
    async with visiting() as stranger:
        seen |= await look_at_everything(stranger, "stranger", {"anyone"}, known)
    return seen | await mailed() | await bodies_posted(partner)


async def everything_shared(client: httpx.AsyncClient, partner: uuid.UUID) -> dict[str, bytes]:
    """Return what Delta Sharing answers who bought: its tables, their files by address, and the files."""
    person = await fetch_value("SELECT id FROM person WHERE partner = $1 ORDER BY created_at, id LIMIT 1", partner)
    who = Actor(name="Claire", person=person, partner=partner, vetted=True)
    profile = await make_credential(who, credential_id=uuid.uuid4(), session="", kind="bearer", label="b", days=90)
    heads = {"authorization": f"Bearer {profile['bearerToken']}"}
    table = "/delta-sharing/shares/partage/schemas/releases/tables/lyon"
    seen = {}
    for path in ("/delta-sharing/shares/partage/all-tables", f"{table}/metadata", f"{table}/changes?startingVersion=0"):
        answer = await client.get(path, headers=heads)
        assert answer.status_code == 200, answer.text
        seen[f"shared {path}"] = b"[200 " + SIGNED.sub(b"#", DRAWN.sub(b"#", answer.content))
    files = (await client.post(f"{table}/query", json={}, headers=heads)).text
    addresses_of = re.findall(r'"url":"([^"]+)"', files)
    assert addresses_of
    seen["shared query"] = b"[200 " + SIGNED.sub(b"#", DRAWN.sub(b"#", files.encode()))
    for number, address in enumerate(addresses_of):
        file = await client.get(address.removeprefix(settings().url))
        assert file.content.startswith(b"PAR1")
        seen[f"shared file {number}"] = b"[200 " + file.content
    return seen


async def mailed() -> dict[str, bytes]:
    """Return every letter that the job writes but those to finance and auditors, who read exact books in confidence."""
    await send_mail()
    folder = transports.folder_of(settings().smtp_url)
    assert folder
    letters: dict[str, list[bytes]] = {}
    for path in folder.glob("*.eml"):
        content = path.read_bytes()
        to, subject = (re.search(rb"^%s: (.*)$" % name, content, re.MULTILINE) for name in (b"To", b"Subject"))
        assert to
        assert subject
        letters.setdefault(f"mailed {subject[1].decode().strip()}", []).append(
            DRAWN.sub(b"#", content.replace(b"=\r\n", b""))
        )
    return {name: b"[200 " + b"\n".join(sorted(found)) for name, found in letters.items()}


async def bodies_posted(partner: uuid.UUID) -> dict[str, bytes]:
    """Return the bodies that are posted to a partner's programs."""
    await notify_programs()
    events = await list_events(partner, 0, 100)
    stated = [(one.type, one.at.isoformat(), one.data) for one in events]
    return {"posted": b"[200 " + DRAWN.sub(b"#", json.dumps(stated).encode())}


@pytest.mark.deep
def test_every_page_is_the_same_with_one_contributor_more(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "row_check", None)  # it asks the server once of each statement
    monkeypatch.setattr(drawing, "draw", functools.partial(drawing.draw, source=MadeUp))
    monkeypatch.setattr(clock, "now", lambda: NOW + clock._offset)
    monkeypatch.setenv("STAFF_SECOND_FACTOR", "0")
    settings.cache_clear()
    both = []
    for name, victim in (("with_one", True), ("without_one", False)):

        async def seen(*, name: str = name, victim: bool = victim) -> dict[str, bytes]:
            chance, bits = random.Random(11), random.Random(12)  # noqa: S311 (ids of a test)
            monkeypatch.setattr(os, "urandom", bits.randbytes)
            monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=chance.getrandbits(128), version=4))
            monkeypatch.setenv("SMTP_URL", (tmp_path / f"mail {name}").as_uri())
            forget_drawn_ids()
            known = await live_a_week(tmp_path / f"files {name}", chance, victim=victim)
            return await everything_answered(known, chance)

        both.append(live_in(postgres, tmp_path, name, seen))
    with_one, without_one = both
    assert sorted(with_one) == sorted(without_one)
    answered = [path for path, page in with_one.items() if page.startswith(b"[200")]
    assert len(answered) > 250
    assert sum(path.startswith("cost of ") and len(page) > 0 for path, page in with_one.items()) > 250
    assert sum(path.startswith("steward /en/steward/") for path in answered) > 15
    readers = {"subscriber", "steward", "partner", "stranger", "shared", "mailed", "posted"}
    assert {path.split()[0] for path in answered} == readers
    assert len(with_one["posted"]) > 100
    assert [path for path, page in with_one.items() if page.startswith(b"[5")] == []
    assert [path for path, page in with_one.items() if page != without_one[path]] == []

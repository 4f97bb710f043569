"""A sandbox is another installation: a pass lets a partner in there, and nothing of the one opens or changes anything of the other."""

import asyncio
import base64
import datetime as dt
import os
import re
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import html5lib
import httpx
import pytest
from asyncpg import RestrictViolationError
from msgspec import structs

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.setting_checks import problems
from marketplace.core.settings import LOCAL_STRIPE_KEY, settings
from marketplace.core.signing import public_key
from marketplace.demo.demo import counterpart_running, port_of, site_running
from marketplace.demo.demo import free_port as listen
from marketplace.people.identity import actions as identity
from marketplace.people.identity.ending import remove_colleague, set_role
from marketplace.people.identity.key_actions import create_key
from marketplace.people.sandbox.actions import check_database, mark_database
from marketplace.people.sandbox.actions import enter as enter_by
from marketplace.people.sandbox.rules import LASTS, Pass, read_pass, write_pass
from marketplace.site.app import create_app
from tests.people.builders import PASSWORD, Browser, allow, machine_of, page_text
from tests.sales.builders.shop import counts, jobs, make_buyer, open_shop, pay
from tests.support.ports import free_port
from tests.support.reads import fetch_value
from tests.support.server import as_serving
from tests.support.sites import the_site
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parents[3]
SANDBOX_KEYS = {"PARTAGE_SIGNING_KEY": "5a" * 32, "PARTAGE_SECRET": "another secret, of the sandbox alone"}
MONEY = ("purchase_order", "payment", "licence", "entitlement", "journal_entry", "invoice", "demand_draw", "log_fact")
"""Tables in which a purchase leaves a row, or from which prices learn."""
SERVE = """
import asyncio, sys, uvicorn
from marketplace.core import database
from tests.support.sites import the_site
from marketplace.demo.stripe_counterpart.app import create_counterpart
from marketplace.core.settings import settings
from tests.sales.builders.shop import jobs, open_shop
from tests.support.waiting import until

async def main():
    await database.open_pool(settings().database_url, size=4)
    await open_shop()
    def config(app, port):
        return uvicorn.Config(app, port=port, log_level="warning", lifespan="off")
    site = uvicorn.Server(config(the_site(), settings().port))
    stripe = uvicorn.Server(config(create_counterpart(None), int(sys.argv[1])))
    await asyncio.gather(site.serve(), stripe.serve(), until(jobs, 600))  # they return nothing, so they run for good

asyncio.run(main())
"""


def pass_of(address: str) -> str:
    [shown] = parse_qs(urlsplit(address).query)["pass"]
    return shown


async def a_pass(browser: Browser) -> str:
    page = await browser.get("/en/sandbox")
    html5lib.HTMLParser(strict=True).parse(page.text)
    [address] = [part for part in page.text.split('"') if "/sandbox/enter?pass=" in part]
    return pass_of(address)


async def test_a_pass_lets_a_company_into_the_sandbox_of_its_site_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    partner, app = await make_buyer(), the_site()
    ours = public_key(settings().signing_key).hex()
    async with Browser(app) as browser:
        await browser.sign_in("atelier@partner.example")
        assert (await browser.get("/en/sandbox")).status_code == 404, "there is none"
        monkeypatch.setenv("PARTAGE_SANDBOX_URL", "https://sandbox.example/")
        settings.cache_clear()
        assert "/sandbox" in (await browser.get("/en/keys")).text
        shown = await a_pass(browser)
        assert str(partner) not in base64.urlsafe_b64decode(shown + "==").decode("latin-1")
        assert (await browser.get(f"/en/sandbox/enter?pass={shown}")).status_code == 404, "this is the real site"
    given = Passes(settings().signing_key, read_pass(shown, bytes.fromhex(ours), clock.now()))
    for name, value in SANDBOX_KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PARTAGE_SANDBOX_OF", ours)
    monkeypatch.delenv("PARTAGE_SANDBOX_URL")
    settings.cache_clear()
    async with Browser(app) as browser:
        entrance = await browser.get(f"/fr/sandbox/enter?pass={shown}")
        html5lib.HTMLParser(strict=True).parse(entrance.text)
        assert "Atelier" in entrance.text
        assert "données inventées et argent de test" in entrance.text
        for _ in range(2):
            entered = await browser.submit("/en/sandbox/enter", {"shown": shown})
            assert entered.headers["location"] == "/en/keys", entered.text
        onward = await browser.client.get("/en/sandbox/enter", params={"pass": shown})
        assert onward.headers["location"] == "/en/keys", "who is in goes on"
        assert await counts("partner") == (2,), "the one here, and the one that the pass made"
        await used_once(app, shown, given)
        made = await browser.submit(
            "/en/keys", {"label": "first try", "scopes": "quotes orders downloads", "days": "30"}
        )
        assert "pk_test_" in made.text
        middle = shown[40] != "A"
        altered = shown[:40] + ("A" if middle else "B") + shown[41:]
        for wrong in (altered, "", "é", "AAAA", shown[:-4]):
            refused = await browser.client.get("/en/sandbox/enter", params={"pass": wrong})
            assert (refused.status_code, "no pass" in page_text(refused)) == (422, True), wrong
        with clock.shifted(LASTS):
            assert (await browser.get(f"/en/sandbox/enter?pass={shown}")).status_code == 410
        assert (await browser.get("/en/sandbox")).status_code == 404, "a sandbox has none of its own"
        await letting_in_again(given)
    monkeypatch.setenv("PARTAGE_SANDBOX_OF", public_key(settings().signing_key).hex())
    settings.cache_clear()
    found = list(problems(settings()))
    assert any("no sandbox of its own" in one for one in found)
    assert any("test money alone" in one for one in found)
    monkeypatch.setenv("PARTAGE_SANDBOX_OF", "key")
    settings.cache_clear()
    assert any("64 hex digits" in one for one in problems(settings()))


def become_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what makes this process a sandbox's."""
    monkeypatch.setenv("PARTAGE_SANDBOX_OF", public_key("5a" * 32).hex())
    settings.cache_clear()


@pytest.mark.deep
@pytest.mark.owner("it migrates, and tries what only an owner can")
async def test_databases_and_keys_stay_apart_whatever_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTAGE_KEY_LIMIT", "3")

    async def machine(key: str, times: int = 1) -> int:
        transport = httpx.ASGITransport(create_app(manages_pool=False))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver.example") as program:
            answers = [await program.get("/api/v1/me", headers=bearer(key)) for _ in range(times)]
            return answers[-1].status_code

    await check_database()
    become_sandbox(monkeypatch)
    await mark_database()
    assert await fetch_value("SELECT count(*) FROM sandbox_mark") == 1, "an empty database is marked as it is migrated"
    await execute("ALTER TABLE sandbox_mark DISABLE TRIGGER append_only; TRUNCATE sandbox_mark")
    await execute("ALTER TABLE sandbox_mark ENABLE TRIGGER append_only")
    monkeypatch.delenv("PARTAGE_SANDBOX_OF")
    settings.cache_clear()
    partner = await make_buyer()
    real = await create_key(partner, "real", key_id=uuid.uuid4(), session="a session's secret")
    assert real
    assert await machine(real) == 200
    become_sandbox(monkeypatch)
    assert await machine(real) == 401, "a sandbox by settings alone lets no real key in"
    test = await create_key(partner, "test", key_id=uuid.uuid4(), session="a session's secret")
    assert test
    assert [await machine(test, times) for times in (3, 4)] == [200, 429], "what may be asked is what it is elsewhere"
    for begin in (mark_database, check_database):
        with pytest.raises(Conflict, match="not begun as a sandbox"):
            await begin()
    await execute("INSERT INTO sandbox_mark VALUES (1, now())")  # as `migrate` does, where nobody is in it yet
    await mark_database()
    for change in ("DELETE FROM sandbox_mark", "TRUNCATE sandbox_mark", "UPDATE sandbox_mark SET begun_at = now()"):
        with pytest.raises(RestrictViolationError):
            await execute(change)
    monkeypatch.delenv("PARTAGE_SANDBOX_OF")
    settings.cache_clear()
    assert await machine(test) == 401, "nor does a real site let in a key of a sandbox"
    with pytest.raises(Conflict, match="stays one"):
        await check_database()


@dataclass
class Passes:
    """Passes of one company, as the real site signs them."""

    key: str
    first: Pass
    made: int = 0

    def another(self) -> str:
        self.made += 1
        ends_at = self.first.ends_at - dt.timedelta(microseconds=self.made)
        return write_pass(structs.replace(self.first, ends_at=ends_at), self.key)


async def used_once(app: Any, used: str, passes: Passes) -> None:
    """Bring a pass twice: pressed twice in one browser, it lets in twice; in another browser, however it is written, never."""
    for written in (used, f"{used[:9]}!!!!{used[9:]}"):
        async with Browser(app) as thief:
            assert (await thief.client.get("/en/sandbox/enter", params={"pass": written})).status_code == 410
            refused = await thief.submit("/en/sandbox/enter", {"shown": written})
            assert (refused.status_code, "was used" in page_text(refused)) == (410, True), written
            assert (await thief.get("/en/keys")).status_code == 303
    shown, companies = passes.another(), await counts("partner")
    async with Browser(app) as one, Browser(app) as same, Browser(app) as other:
        await one.get("/en/sign-out")
        same.client.cookies.set("csrftoken", one.client.cookies["csrftoken"])  # as it was before the first answer came
        for pressed in (one, same):
            entered = await pressed.submit("/en/sandbox/enter", {"shown": shown})
            assert entered.headers.get("location") == "/en/keys", entered.text
            assert (await pressed.get("/en/keys")).status_code == 200
        assert (await other.submit("/en/sandbox/enter", {"shown": shown})).status_code == 410
    assert await counts("partner") == companies, "the company is the same: what it may have once, it has once"


async def letting_in_again(passes: Passes) -> None:
    """Enter as who administers the company, even where people were removed, joined as members or erased themselves."""
    first = await enter_by(passes.another(), "a browser")
    company = await fetch_value("SELECT partner FROM person WHERE id = $1", first)
    people = []
    for number in range(2):
        email = f"{number}@sandbox.example"
        code = await identity.invite_colleague(company, email=email, name="Colleague", invitation_id=uuid.uuid4())
        people.append(await identity.accept_invitation(code, PASSWORD, "en"))
    member, second = people
    await set_role(company, second, "administrator", by=first)
    assert await enter_by(passes.another(), "a browser") == first, "the one who administers it for the longest time"
    await remove_colleague(company, first, by=second)
    assert await enter_by(passes.another(), "a browser") == second
    for person in (member, second):
        await identity.erase_person(person)
    anew = await enter_by(passes.another(), "a browser")
    assert anew not in (first, member, second)
    assert await enter_by(passes.another(), "a browser") == anew
    await identity.refuse_partner(company, "It asks a thousand times a minute.")
    assert await enter_by(passes.another(), "a browser") == anew
    assert await fetch_value("SELECT vetted_at IS NULL AND refused_reason <> '' FROM partner WHERE id = $1", company)
    await identity.erase_person(anew)
    assert await enter_by(passes.another(), "a browser") != anew, "even so"


@pytest.mark.deep
async def test_nothing_of_a_sandbox_reaches_what_is_real(
    stripe: Any, postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, its_stripe = free_port(), free_port()
    postgres.run_sql("CREATE DATABASE sandbox TEMPLATE template OWNER partage STRATEGY FILE_COPY")
    await open_shop()
    partner, app = await make_buyer(), the_site()
    address = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        **SANDBOX_KEYS,
        "DATABASE_URL": as_serving(postgres.url("sandbox")),
        "PARTAGE_STATE": str(tmp_path / "sandbox"),
        "PARTAGE_URL": address,
        "PARTAGE_SANDBOX_OF": public_key(settings().signing_key).hex(),
        "PORT": str(port),
        "STRIPE_API_BASE": f"http://127.0.0.1:{its_stripe}",
    }
    monkeypatch.setenv("PARTAGE_SANDBOX_URL", address)
    settings.cache_clear()
    real = await create_key(partner, "real", key_id=uuid.uuid4(), session="a session's secret")
    before = await counts(*MONEY)
    serving = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, str(its_stripe), cwd=ROOT, env=environment, stderr=subprocess.PIPE
    )
    try:
        async with Browser(app) as browser:
            await browser.sign_in("atelier@partner.example")
            shown = await a_pass(browser)
        async with httpx.AsyncClient(base_url=address, follow_redirects=False) as visitor:

            async def is_up() -> bool:
                try:
                    return (await visitor.get("/healthz")).status_code == 200
                except httpx.HTTPError:
                    return False

            await until(is_up, seconds=60)
            key = await enter_by_pass(visitor, shown)
            datasets = await try_everything(visitor, key)
            assert (await visitor.get("/api/v1/me", headers=bearer(real))).status_code == 401, "a real key is nobody's"
        assert await counts(*MONEY) == before, "nothing here has moved"
        async with await machine_of(partner, app) as machine:
            for path in ("/api/v1/me", "/api/v1/orders", "/api/v1/entitlements", f"/api/v1/quotes/{datasets}"):
                assert (await machine.get(path, headers=bearer(key))).status_code == 401, "its key is nobody's here"
            asked = {"headers": {"idempotency-key": str(uuid.uuid4())}, "json": {"release": datasets}}
            assert (await machine.post("/api/v1/quotes", **asked)).status_code == 404, "what is sold there is not here"
    finally:
        if serving.returncode is None:
            serving.kill()
        print((await serving.communicate())[1].decode()[-3000:])
        postgres.run_sql("DROP DATABASE sandbox WITH (FORCE)")
    assert stripe


@pytest.mark.deep
async def test_a_partner_on_another_machine_pays_under_the_sandboxs_own_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site, counterpart = listen("127.0.0.1", free_port()), listen("127.0.0.1", free_port())
    for name, value in {
        "PARTAGE_URL": "https://sandbox.example",
        "PARTAGE_SANDBOX_OF": public_key("5a" * 32).hex(),
        "PORT": str(port_of(site)),
        "STRIPE_API_BASE": f"http://127.0.0.1:{port_of(counterpart)}",
        "STRIPE_API_KEY": LOCAL_STRIPE_KEY,
        "STRIPE_WEBHOOK_SECRET": "whsec_seed",
    }.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    partner = await make_buyer()
    await open_shop()
    key_id = uuid.uuid4()
    key = await create_key(partner, "robot", key_id=key_id, session="a session's secret")
    await allow(partner, key_id)
    served = f"http://127.0.0.1:{port_of(site)}"
    async with (
        counterpart_running(None, counterpart, control=True) as stripe,
        site_running(site, stripe),
        httpx.AsyncClient(base_url=served) as visitor,
    ):
        [dataset] = (await visitor.get("/api/v1/datasets")).json()["datasets"]
        once = {**bearer(key), "idempotency-key": str(uuid.uuid4())}
        quote = (await visitor.post("/api/v1/quotes", json={"release": dataset["release"]}, headers=once)).json()
        asked = {"quote": quote["id"], "terms": quote["terms"]}
        order = (await visitor.post("/api/v1/orders", json=asked, headers=once)).json()
        at = urlsplit(order["payment_url"])
        assert (at.scheme, at.netloc) == ("https", "sandbox.example")
        assert "4242" in (await visitor.get(at.path)).text
        paid = await visitor.post(at.path, data={"method": "visa"})
        assert paid.headers["location"].startswith("https://sandbox.example/"), paid.text
        await jobs()
        assert (await visitor.get(f"/api/v1/orders/{order['id']}", headers=bearer(key))).json()["state"] == "paid"
        session = at.path.rsplit("/", 1)[1]
        for path in (f"/v1/checkout/sessions/{session}", f"/c/%2e%2e/v1/checkout/sessions/{session}", "/_test/settle"):
            hidden = await visitor.get(path, headers=bearer(LOCAL_STRIPE_KEY), follow_redirects=True)
            assert hidden.status_code == 404, "of the counterpart, its pages alone"


def bearer(key: str | None) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def enter_by_pass(visitor: httpx.AsyncClient, shown: str) -> str:
    """Go in by a pass as a browser does, and return a key made there."""
    forms = Browser(None)
    forms.client = visitor
    entered = await forms.submit("/en/sandbox/enter", {"shown": shown})
    assert entered.status_code == 303, entered.text
    made = await forms.submit("/en/keys", {"label": "try", "scopes": "quotes orders downloads", "days": "30"})
    listed = (await visitor.get("/en/company/spending")).text
    key = re.findall(r'href="/en/company/spending/([0-9a-f-]{36})"', listed)[-1]
    limit = {"order": "99999", "month": "99999", "until": f"{clock.now() + dt.timedelta(days=30):%Y-%m-%d}"}
    await forms.submit(f"/en/company/spending/{key}", limit)
    return made.text.split('<code class="secret">')[1].split("<")[0]


async def try_everything(visitor: httpx.AsyncClient, key: str) -> str:
    """Buy and download in the sandbox with test money; return the release."""
    assert (await visitor.get("/api/v1/me", headers=bearer(key))).json()["sandbox"] is True
    [dataset] = (await visitor.get("/api/v1/datasets")).json()["datasets"]
    once = {**bearer(key), "idempotency-key": str(uuid.uuid4())}
    quote = (await visitor.post("/api/v1/quotes", json={"release": dataset["release"]}, headers=once)).json()
    asked = {"quote": quote["id"], "terms": quote["terms"]}
    order = (await visitor.post("/api/v1/orders", json=asked, headers=once)).json()
    mine = f"/api/v1/orders/{order['id']}"

    async def page() -> str | None:  # a worker may be about to open it
        found: str | None = (await visitor.get(mine, headers=bearer(key))).json()["payment_url"]
        return found

    async def is_paid() -> bool:
        return (await visitor.get(mine, headers=bearer(key))).json()["state"] == "paid"

    assert (await pay(order["payment_url"] or await until(page))).status_code == 303
    await until(is_paid, seconds=60)
    entitlement = (await visitor.get(mine, headers=bearer(key))).json()["entitlement"]
    file = await visitor.get(f"/api/v1/entitlements/{entitlement}/download", headers=bearer(key))
    assert file.content[:4] == b"PAR1"
    return str(dataset["release"])

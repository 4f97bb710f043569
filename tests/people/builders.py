"""Browsers, people and their devices: a partner or staff signs in, letters come to a real mail server, a key signs."""

import base64
import contextlib
import datetime as dt
import email
import email.policy
import hashlib
import json
import os
import re
import threading
import uuid
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import Any, Self

import cbor2
import html5lib
import httpx
import lxml.html
import pyotp
from aiosmtpd.controller import Controller
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from stdnum import luhn

from marketplace.core import clock
from marketplace.core.database import execute, fetch_scalar
from marketplace.core.settings import settings
from marketplace.people.identity import actions, credentials
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.guards import COOKIE, begin_session
from marketplace.people.identity.key_actions import create_key
from marketplace.people.identity.staff import invite_staff
from marketplace.people.mail.actions import send_mail
from marketplace.people.message_kinds import CONFIRM_ADDRESS
from marketplace.people.messages.links import link_token
from marketplace.people.spending.actions import write_limit
from marketplace.people.spending.rules import Spender, Terms
from tests.support.ports import free_port
from tests.support.reads import fetch, fetch_value
from tests.support.sites import the_site

PASSWORD = "a rather long sentence"
VAT = "FR40303265045"
"""Atelier's."""


class Browser:
    """One browser on the site: `async with Browser() as browser`."""

    def __init__(self, app: Any = None) -> None:
        """Open a browser with an empty jar."""
        self.app = app or the_site()
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False), base_url="http://testserver.example"
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.aclose()

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.get(path, **more)

    async def submit(
        self, path: str, fields: dict[str, str], *, seen_at: str = "/en/sign-out", form_id: str = ""
    ) -> httpx.Response:
        """Load the page of the form for its token, then post."""
        await self.client.get(seen_at)
        token = (
            self.client.cookies.get("csrftoken", domain="testserver.example")
            or self.client.cookies.get("csrftoken")
            or ""
        )
        return await self.client.post(
            path, data={"_csrf_token": token, "form_id": form_id or str(uuid.uuid4()), **fields}
        )

    async def sign_in(self, email: str, password: str = PASSWORD, **fields: str) -> httpx.Response:
        return await self.submit("/en/sign-in", {"email": email, "password": password, **fields})

    def session(self) -> str:
        return self.client.cookies.get("session") or ""


def vat_of(company: str) -> str:
    """Return the VAT number of a French company: one of its own for each name, and the same each time."""
    if company.lower() == "atelier":
        return VAT
    first = f"{zlib.crc32(company.lower().encode()) % 10**8:08}"
    siren = first + luhn.calc_check_digit(first)
    return f"FR{(12 + 3 * (int(siren) % 97)) % 97:02}{siren}"


async def make_partner(company: str = "Atelier", email: str = "claire@atelier.example") -> uuid.UUID:
    return await actions.create_partner(
        company=company, country="FR", vat_number=vat_of(company), name="Claire Martin", email=email, password=PASSWORD
    )


async def spender_for(partner: uuid.UUID) -> Spender:
    """Return a partner's first person, who orders without a limit."""
    return Spender(
        partner, await fetch_value("SELECT id FROM person WHERE partner = $1 ORDER BY created_at, id", partner)
    )


async def allow(
    partner: uuid.UUID, holder: uuid.UUID, *, order_minor: int = 10**9, month_minor: int = 10**10, **terms: Any
) -> None:
    """Let an owner of the partner write a limit for a colleague or key; high ceilings for a year, unless said."""
    owner = Actor(name="Owner", person=(await spender_for(partner)).person, partner=partner)
    written = {"datasets": [], "purposes": [], "ends_at": clock.now() + dt.timedelta(days=365)} | terms
    await write_limit(owner, holder, Terms(order_minor=order_minor, month_minor=month_minor, **written))


async def add_person(
    name: str = "Ada", *, line: int | None = None, role: str | None = None, partner: uuid.UUID | None = None
) -> uuid.UUID:
    """Add the holder of a line, someone of the staff or somebody of a partner's."""
    person = uuid.uuid4()
    await execute(
        """INSERT INTO person (id, email, name, password_hash, language, subscriber, staff_role, partner, company_role, created_at)
           VALUES ($1, $2, $3, 'x', 'en', $4, $5, $6, CASE WHEN $6::uuid IS NOT NULL THEN 'administrator' END, $7)""",
        person,
        f"{person}@{'staff' if role else 'home'}.example",
        name,
        line,
        role,
        partner,
        clock.now(),
    )
    return person


async def add_staff(email: str, name: str, role: str, password: str) -> uuid.UUID:
    """Invite somebody to the staff as the command does, and accept it for them; the same person again changes nothing."""
    by_email = "SELECT id FROM person WHERE email = $1 AND staff_role = $2 AND ended_at IS NULL"
    if known := await fetch_value(by_email, email, role):
        return uuid.UUID(str(known))
    return await actions.accept_invitation(await invite_staff(email, name, role), password, "fr")


async def make_staff(name: str, role: str = "finance") -> Actor:
    """Add someone to the staff, and return them as an actor."""
    return Actor(name=name, person=await add_person(name, role=role), role=role)


def page_text(answer: httpx.Response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


class PostOffice:
    """What the server does with each letter; an answer set here is given in place of its own."""

    def __init__(self) -> None:
        """Accept everything."""
        self.letters: list[tuple[str, str, EmailMessage]] = []
        """Envelope sender, recipient, letter; without …"""
        self.confirmations: list[tuple[str, str, EmailMessage]] = []
        """… those that ask to confirm an address, which everybody gets who is added."""
        self.to_sender = self.to_recipient = self.to_letter = ""
        self.hangs = threading.Event()
        """Set: a letter is accepted, and its answer never comes."""
        self.port = 0

    async def handle_MAIL(self, _: Any, __: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802 (aiosmtpd's name)
        if self.to_sender:
            return self.to_sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        if self.to_recipient:
            return self.to_recipient
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: Any, _: Any, envelope: Any) -> str:  # noqa: N802
        if self.to_letter:
            return self.to_letter
        letter: Any = email.message_from_bytes(envelope.content, policy=email.policy.default)
        confirms = letter["Subject"] in {CONFIRM_ADDRESS.subject.fr, CONFIRM_ADDRESS.subject.en}
        (self.confirmations if confirms else self.letters).extend(
            (envelope.mail_from, to, letter) for to in envelope.rcpt_tos
        )
        if self.hangs.is_set():
            server.transport.abort()
        return "250 2.0.0 OK"

    def ids(self) -> list[str]:
        """Return the Message-IDs of the letters that were accepted, in their order."""
        return [letter["Message-ID"] for _, _, letter in self.letters]


async def make_known_partner(company: str = "Atelier", email: str = "claire@atelier.example") -> uuid.UUID:
    """Add a partner whose letter to confirm their address went out before."""
    partner = await make_partner(company, email)
    await execute("DELETE FROM message_to_mail")
    return partner


@contextlib.contextmanager
def open_post_office() -> Iterator[PostOffice]:
    """Serve, and let the settings name the server; a timeout is a second."""
    office = PostOffice()
    office.port = free_port()
    controller = Controller(office, hostname="127.0.0.1", port=office.port)
    controller.start()
    os.environ |= {
        "SMTP_URL": f"smtp://127.0.0.1:{office.port}",
        "MAIL_FROM": "Partage <partage@operator.example>",
        "MAIL_BOUNCES": "bounces@operator.example",
        "MAIL_TIMEOUT_SECONDS": "20",
    }
    settings.cache_clear()
    try:
        yield office
    finally:
        controller.stop()


PRESENT_AND_VERIFIED, WITH_KEY = 0x05, 0x40


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def code_at(secret: str, seconds: float) -> str:
    """Return what an app shows at an instant since 1970."""
    return pyotp.TOTP(secret).at(int(seconds))


class Device:
    """One key pair, of one site."""

    def __init__(self, host: str, origin: str) -> None:
        self.host, self.origin = host, origin
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id, self.count = os.urandom(32), 0

    def make(self, options: dict[str, Any], *, without: int | None = None) -> str:
        """Return the answer to being asked for a new passkey; `without` leaves a member of its public key out."""
        point = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        cose.pop(without, None)  # type: ignore[arg-type]
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(cose)
        data = self._data(WITH_KEY) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options)
        return self._answer({"clientDataJSON": base64url(client), "attestationObject": base64url(attestation)})

    def sign(self, options: dict[str, Any]) -> str:
        """Return the answer to being asked for a signature."""
        self.count += 1
        data, client = self._data(0), self._client("webauthn.get", options)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {"clientDataJSON": client, "authenticatorData": data, "signature": signature}
        return self._answer({name: base64url(part) for name, part in response.items()})

    def _data(self, flags: int) -> bytes:
        flags |= PRESENT_AND_VERIFIED
        return hashlib.sha256(self.host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, options: dict[str, Any]) -> bytes:
        return json.dumps({"type": kind, "challenge": options["challenge"], "origin": self.origin}).encode()

    def _answer(self, response: dict[str, str]) -> str:
        shape = {"id": base64url(self.id), "rawId": base64url(self.id), "type": "public-key", "response": response}
        return json.dumps(shape | {"clientExtensionResults": {}})


ALL_BUT_FIRST_LETTERS = "SELECT kind FROM message WHERE kind <> 'confirm_address' ORDER BY kind"
"""Everybody who is added gets that one."""


async def kinds_written() -> list[str]:
    """Return the kinds of all messages, each as often as it was written, in order of the alphabet."""
    return [row["kind"] for row in await fetch(ALL_BUT_FIRST_LETTERS)]


CLAIRE, NEW_PASSWORD = "claire@atelier.example", "eleven purple lanterns"


async def person_of(email: str) -> uuid.UUID:
    found = await fetch_scalar(uuid.UUID, "SELECT id FROM person WHERE email = $1", email)
    assert found
    return found


async def link_in_letter(kind: str = "password_reset") -> str:
    """Return the link of the latest letter of a kind, as the letter has it."""
    source = await fetch_value("SELECT source_id FROM message WHERE kind = $1 ORDER BY created_at DESC LIMIT 1", kind)
    return f"{source}.{link_token(kind, source)}"


OLD_ADDRESS, NEW_ADDRESS = "claire@atelier.example", "claire@new.example"


async def path_in_letter(office: PostOffice, address: str) -> str:
    """Send what waits, and return the path of the link in the latest letter to this address."""
    await send_mail()
    text = [letter.get_body(("plain",)).get_content() for _, to, letter in office.letters if to == address][-1]
    found = re.search(r"https?://[^/]+(/\w\w/address-change/\S+)", text)
    assert found, text
    return found[1].replace("/fr/", "/en/")


async def make_confirmed_person(email: str = OLD_ADDRESS) -> uuid.UUID:
    """Return somebody whose address is known to be theirs."""
    await make_partner("Atelier", email)
    person = await person_of(email)
    await credentials.confirm_email(person)
    return person


async def email_of(person: uuid.UUID) -> str:
    found = await credentials.find_identity(person)
    assert found
    return found.email


def code_of(secret: str) -> str:
    return code_at(secret, clock.now().timestamp())


@contextlib.contextmanager
def serving_vies() -> Iterator[dict[str, Any]]:
    """ViesHandler as the European service does, on this machine."""
    vies: dict[str, Any] = {"status": 200, "body": {"isValid": True, "userError": "VALID"}, "asked": []}

    class ViesHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            vies["asked"].append(self.path)
            body = vies["body"] if isinstance(vies["body"], bytes) else json.dumps(vies["body"]).encode()
            self.send_response(vies["status"])
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with HTTPServer(("127.0.0.1", 0), ViesHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        vies["url"] = f"http://127.0.0.1:{server.server_port}/rest-api"
        yield vies
        server.shutdown()
        thread.join()


async def machine_of(partner: uuid.UUID, app: Any) -> httpx.AsyncClient:
    key_id = uuid.uuid4()
    key = await create_key(partner, "robot", key_id=key_id, session="a session's secret")
    await allow(partner, key_id)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://testserver.example",
        headers={"authorization": f"Bearer {key}", "accept-language": "en"},
    )


def browser_at(address: str, app: Any = None) -> Browser:
    """Open a browser at an address."""
    browser = Browser(app or the_site())
    site: Any = browser.app
    transport = httpx.ASGITransport(site, raise_app_exceptions=False, client=(address, 4000))
    browser.client = httpx.AsyncClient(transport=transport, base_url="http://testserver.example")
    return browser


@asynccontextmanager
async def visiting(
    line: int | None = None, role: str | None = None, *, partner: uuid.UUID | None = None, name: str = "Ada"
) -> AsyncIterator[httpx.AsyncClient]:
    """Open a browser of the holder of `line`, of staff, of somebody of a partner's, or of nobody."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(the_site()), base_url="http://site", headers={"accept-language": "en"}
    ) as client:
        if line is not None or role or partner:
            cookie = await begin_session(await add_person(name, line=line, role=role, partner=partner))
            assert cookie.value
            client.cookies.set(cookie.key, cookie.value)
        yield client


def words(answer: httpx.Response) -> str:
    """Return a page's text, without runs of spaces; refuse markup that a strict parser refuses."""
    html5lib.HTMLParser(strict=True).parse(answer.text)
    return re.sub(r"[\s\u00a0\u202f]+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def token(answer: httpx.Response) -> dict[str, str]:
    """Return the field of a page's form token."""
    return {"_csrf_token": re.findall(r'name="_csrf_token" value="([^"]+)"', answer.text)[0]}


async def press(
    browser: httpx.AsyncClient, page: str, action: str, *, files: Any = None, status: int = 303, **fields: str
) -> httpx.Response:
    """Send the form of a page whose action ends with `action`."""
    html = (await browser.get(f"/en{page}")).text
    for form in re.findall(r'<form method="post".*?</form>', html, re.DOTALL):
        target = re.search(r'action="([^"]+)"', form)
        if target and target[1].endswith(action):
            hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))
            answer = await browser.post(target[1], data=hidden | fields, files=files)
            assert answer.status_code == status, (answer.status_code, words(answer))
            return answer
    raise AssertionError(f"{page} has no form for {action}")


def form_of(answer: httpx.Response, action: str) -> Any:
    html5lib.HTMLParser(strict=True).parse(answer.text)
    [form] = lxml.html.fromstring(answer.text).xpath(f"//form[@action='{action}']")
    return form


async def browser_of(person: uuid.UUID | None) -> Browser:
    """Return a browser in which this person is signed in."""
    assert person
    browser = Browser()
    browser.client.cookies.set(COOKIE, (await begin_session(person)).value or "")
    return browser

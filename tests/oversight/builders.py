"""Somebody with everything that may be known of them, and a public log with facts in it."""

import contextlib
import io
import json
import uuid
import zipfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import obstore
from msgspec import Struct

from marketplace.consent.purposes import actions as consent
from marketplace.core import object_store
from marketplace.core.database import copy_in, execute, transaction
from marketplace.core.facts.actions import state_fact
from marketplace.core.settings import settings
from marketplace.oversight.public_log import rules
from marketplace.oversight.public_log.queries import current_origin, find_head
from marketplace.oversight.rights.declarations import list_tables, name_of
from marketplace.people.identity import actions as identity
from marketplace.people.identity import vault
from marketplace.people.identity.rules import digest
from marketplace.people.mail import actions as mail
from marketplace.people.sign_in.factor_actions import start_authenticator
from marketplace.subscribers.earnings.movements import find_mine
from marketplace.subscribers.legal.actions import ask
from marketplace.subscribers.payouts import bank_details
from pricing.__main__ import main
from tests.people.builders import PASSWORD, Browser, PostOffice, open_post_office
from tests.subscribers.builders import payees, sales
from tests.support.reads import fetch, fetch_value

LINE = 1
EMAIL, NAME = "zoe.lefevre@nulle-part.example", "Zoé Lefèvre-Dumontier"
IBAN = payees.iban_of(LINE)
DEVICE = "Netscape Navigator on OS/2"


class Somebody(Struct, frozen=True):
    """A person, the browser they are signed in with, and where their letters go."""

    id: uuid.UUID
    browser: Browser
    office: PostOffice


@contextlib.asynccontextmanager
async def somebody() -> AsyncIterator[Somebody]:
    """Let Zoé's line earn 33.33 euros with two others, and let her have done what people do."""
    with payees.paying(), open_post_office() as office:
        await sales.write_lines(unclaimed={LINE})
        await payees.earn({1: 1, 2: 1, 3: 1})
        [(_, code)] = await identity.issue_activation_codes([LINE])
        person = await identity.claim_line(LINE, code, email=EMAIL, name=NAME, password=PASSWORD)
        await execute("UPDATE person SET email_confirmed_at = created_at WHERE id = $1", person)
        await consent.give(LINE, sales.PURPOSE)
        await bank_details.write_details(LINE, holder=NAME, iban=IBAN, details=uuid.uuid4())
        await ask(uuid.uuid4(), email=EMAIL, about="1", text=f"I am {NAME}.", person=person)
        await ask(uuid.uuid4(), email=EMAIL, about=NAME, text="I forgot my password.", person=None)
        await start_authenticator(person)
        async with Browser() as browser:
            await browser.sign_in(EMAIL)
            await execute("UPDATE session SET device = $1, network = '192.0.2.0/24'", DEVICE)
            await mail.send_mail()
            assert (await find_mine(LINE)).contributions.weight_in(1)
            yield Somebody(person, browser, office)


PURPOSE = "presence.statistics"


async def state_facts(first: int, end: int) -> None:
    async with transaction():
        for number in range(first, end):
            statement = {"root": f"{number:064x}", "bids": number}
            await state_fact("auction_closed", f"auction {number}", statement)


async def agree(*people: int) -> list[str]:
    """Let new lines consent; return their receipts."""
    if not await fetch_value("SELECT count(*) FROM purpose"):
        await consent.define_purpose("presence", "statistics", title_fr="Présence", title_en="Presence")
        await consent.publish_notice(PURPOSE, text_fr="On compte.", text_en="We count.")
    await copy_in("subscriber", ["reference"], [(who,) for who in people])
    return [str(await consent.give(who, PURPOSE)) for who in people]


async def log_folder() -> Path:
    """Return the folder of the log's files in the store."""
    return settings().state / "objects" / "log" / rules.name_of(await current_origin())


async def log_key() -> str:
    head = await find_head()
    assert head
    return head.key


def verify(*arguments: object) -> tuple[int, str]:
    """Run `python -m pricing verify`; return its exit status and what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = main(["verify", *map(str, arguments)])
    return status, printed.getvalue()


async def names_in_store() -> set[str]:
    folder = await log_folder()
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


async def overwrite(path: str, data: bytes) -> None:
    await object_store.put(f"log/{rules.name_of(await current_origin())}/{path}", data)


LOG_PAGE = "/en/transparency"


async def upload_proof(browser: Browser, data: bytes) -> str:
    """Upload a file as a browser without scripts does; return the page."""
    await browser.get("/en/sign-out")
    token = browser.client.cookies.get("csrftoken") or ""
    files = {"proof": ("x.tlog-proof", data)}
    answer = await browser.client.post(LOG_PAGE, data={"_csrf_token": token}, files=files)
    assert answer.status_code == 200, answer.text[-1500:]
    return answer.text


def open_copy(data: bytes) -> tuple[dict[str, Any], zipfile.ZipFile]:
    """Return a copy's lists, checked against its own schema, and the zip."""
    whole = zipfile.ZipFile(io.BytesIO(data))
    document = json.loads(whole.read("data.json"))
    jsonschema.validate(document, json.loads(whole.read("schema.json")))
    return document["lists"], whole


async def identifiers(zoe: Somebody) -> list[str]:
    """Return everything that leads to Zoé: what she gave, and what is stored in place of it, as a database would show it."""
    sealed = await fetch(
        """SELECT encode(sealed, 'hex') AS text FROM person UNION ALL SELECT encode(sealed, 'hex') FROM bank_details
           UNION ALL SELECT encode(sealed, 'hex') FROM authenticator UNION ALL SELECT password_hash FROM person
           UNION ALL SELECT token_hash FROM session"""
    )
    session = digest(zoe.browser.session())
    marks = [*vault.fingerprints(EMAIL), *vault.fingerprints(IBAN), digest(f"email:{EMAIL}"), session]
    endings = [f'{before}{IBAN[-4:]}"' for before in '" …•*']  # and no id that happens to end so
    return [EMAIL, NAME, IBAN, *endings, DEVICE, "192.0.2.0", *marks, *(row["text"] for row in sealed)]


async def places_of(searched: Sequence[str]) -> set[str]:
    """Return the tables and objects in which one of these texts is."""
    found = set()
    for table in list_tables():
        rows = await fetch(f'SELECT to_jsonb(one)::text AS text FROM "{name_of(table)}" AS one')
        text = "\n".join(row["text"] for row in rows)
        found |= {f"{name_of(table)}: {one[:20]}" for one in searched if one in text}
    store = object_store.store()
    for batch in obstore.list(store):
        for listed in batch:
            data = bytes(obstore.get(store, str(listed["path"])).bytes())
            found |= {f"{listed['path']}: {one[:20]}" for one in searched if one.encode() in data}
    return found

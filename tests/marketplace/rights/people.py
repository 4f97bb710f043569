"""Somebody with a past: a line that earned money, consents, bank details, letters, a question, sessions and factors."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.consent import actions as consent
from marketplace.database import execute
from marketplace.earnings.movements import find_mine
from marketplace.identity import actions as identity
from marketplace.legal.actions import ask
from marketplace.mail import actions as mail
from marketplace.payouts import bank_details
from marketplace.second_factors.actions import start_authenticator
from tests.marketplace.earnings import sales
from tests.marketplace.identity.site import PASSWORD, Browser
from tests.marketplace.mail.post_office import PostOffice, open_post_office
from tests.marketplace.payouts import payees

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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
        await sales.open_shop(unclaimed={LINE})
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

"""Passkeys in Chromium, with a virtual device: made, signed in with, asked for again, and removed."""

import os
import uuid

from marketplace.core.settings import settings
from marketplace.people.identity import actions as identity
from tests.support.browsing import Guest, open_visit
from tests.support.market import PASSWORD, running
from tests.support.reads import fetch_value

CAMILLE = "camille@atelier.example"
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
"""A phone that its owner unlocks at once."""


async def use(guest: Guest, name: str) -> None:
    """Press a button whose form the script sends once the device has answered."""
    async with guest.page.expect_navigation():
        await guest.page.get_by_role("button", name=name, exact=True).click()


async def test_a_passkey_is_made_signs_in_and_is_removed(pool: None, chromium: str) -> None:  # noqa: ARG001 (a database)
    await identity.create_partner(
        company="Atelier",
        country="FR",
        vat_number="FR14987654324",
        name="Camille",
        email=CAMILLE,
        password=PASSWORD,
        partner_id=uuid.uuid4(),
    )
    async with running() as market:
        os.environ["PARTAGE_URL"] = (
            f"http://localhost:{settings().port}"  # passkeys are bound to a name, not to an address
        )
        settings.cache_clear()
        market.base = settings().url
        async with open_visit(chromium, market) as visit:
            guest = await visit.guest()
            guest.looks = False  # looking at a page again replaces the challenge that the first one shows
            device = await guest.desk.new_cdp_session(guest.page)
            await device.send("WebAuthn.enable")
            added = await device.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
            await guest.sign_in(CAMILLE)
            await guest.go("/profile/factors")
            await guest.page.get_by_label("Name of the device").fill("my phone")
            await use(guest, "Add a passkey")
            assert await guest.page.locator(".secret").count() == 10
            credentials = await device.send("WebAuthn.getCredentials", added)
            assert len(credentials["credentials"]) == 1
            await guest.go("/profile/factors")
            await guest.read("my phone")
            await guest.go("/sign-out")
            await guest.press("Sign out")
            await guest.sign_in(CAMILLE)
            assert "/en/sign-in/second" in guest.page.url
            await use(guest, "Use a passkey")
            await guest.go("/profile/factors")
            assert await fetch_value("SELECT sign_count FROM passkey") > 0
            await device.send("WebAuthn.setUserVerified", added | {"isUserVerified": False})
            await guest.go("/confirm?next=/keys")
            await guest.page.get_by_role("button", name="Use a passkey").click()
            await guest.page.wait_for_timeout(300)
            assert "/confirm" in guest.page.url, "a device that does not know its owner proves nothing"
            await device.send("WebAuthn.setUserVerified", added | {"isUserVerified": True})
            await use(guest, "Use a passkey")
            assert guest.page.url.endswith("/en/keys")
            await guest.go("/profile/factors")
            await guest.press("Remove my phone")
            assert await fetch_value("SELECT count(*) FROM passkey") == 0
            assert not await guest.page.get_by_text("my phone", exact=True).count()

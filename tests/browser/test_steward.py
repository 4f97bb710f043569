"""A steward in Chromium: defines a dataset, has it built, reads the dossier, publishes, calls it back; a partner looks on."""

from pathlib import Path

import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.datasets.releases.build_requests import run_requests
from marketplace.people.identity import actions as identity
from tests.datasets.builders import BANDS, DAYS_ASKED, RESOLUTION, ZONES, declare, ingest_crowd
from tests.people.builders import VAT, add_staff
from tests.support.browsing import Guest, open_visit
from tests.support.market import PASSWORD, running


async def defines_and_builds(sam: Guest) -> None:
    await sam.click("Datasets")
    await sam.click("Define a dataset")
    await sam.press(
        "Define it",
        Code="lyon-day",
        Title_in_French="Jour",
        Title_in_English="A day in Lyon",
        Description_in_French="Qui.",
        Description_in_English="Who.",
        Area="Lyon",
        Zones_of_the_area="\n".join(ZONES),
        Age_bands=", ".join(BANDS),
        **{
            "How fine zones are": str(RESOLUTION),
            "Counted by": "day",
            "ε of one release": "2",
            "ε of the whole budget": "10",
            "Coarser editions": "4",
        },
    )
    await sam.read("A day in Lyon")
    await sam.press("Build", again_by_address=False, First_day=DAYS_ASKED["first_day"], Last_day=DAYS_ASKED["last_day"])
    await sam.page.get_by_label("Build it without the days that were not ingested").check()
    await sam.press("Build")
    await sam.read("waiting for a worker")
    await run_requests()
    await sam.read("Passed the gate")
    await sam.click_in_table()
    await sam.read("singling out")
    await sam.click("Publish this release")
    await sam.press("Publish it")
    await sam.read("Sealed")


async def prices_its_market(sam: Guest) -> None:
    """Define the dataset's market, state its sheet from constants to begin from, and the law of volume; then sell."""
    await sam.click("Offers")
    await sam.click("A day in Lyon")
    await sam.read("No market counts what this dataset counts yet")
    await sam.click("Define its market")
    await sam.press("Define this market", Code="lyon-market")
    await sam.read("nothing on this sheet has a price")
    constants = await sam.download("Download constants to begin from")
    file = sam.page.get_by_label("Constants of zones (CSV)")
    await file.set_input_files({"name": "constants.csv", "mimeType": "text/csv", "buffer": constants})
    await sam.press("Preview the prices", again_by_address=False, Worth_of_a_point="much")
    await sam.read("Write a number above zero")
    await sam.press("Preview the prices", again_by_address=False, Worth_of_a_point="0.02")
    await sam.read("Published, not on sale")
    await sam.press("State this version")
    await sam.read("In force")
    await sam.click("See it as buyers do")
    await sam.read("How a price is computed")
    await sam.go("/steward/sheets")
    await sam.click("State a law of volume")
    await sam.press("State this law", Steps="0; 100\n2000; 85", Least_charge_of_an_order="150")
    await sam.read("It covers promises of")
    await sam.click("Offers")
    await sam.click("A day in Lyon")
    await sam.press("Put it on sale", Licence_terms="standard-1", Price_sheet_of_the_market="lyon-market")
    await sam.read("Withdraw the offer")


async def asks_for_its_zones(claire: Guest) -> None:
    await claire.go("/datasets/lyon-day")
    await claire.read("Coarser for less")
    await claire.click("See what is in it for your own zones")
    await claire.press("Look", again_by_address=False, **{"Zones, one a line": "\n".join(ZONES)})
    await claire.read("Questions left today")


@pytest.mark.deep
async def test_a_release_from_definition_to_revocation_is_clicked(chromium: str, tmp_path: Path) -> None:
    async with running() as market:
        await declare()
        await ingest_crowd(tmp_path)
        await add_staff("sam@people.example", "Sam", "steward", PASSWORD)
        partner = await identity.create_partner(
            company="Atelier",
            country="FR",
            vat_number=VAT,
            name="Claire",
            email="claire@people.example",
            password=PASSWORD,
        )
        await identity.vet_partner(partner, "Sam")
        await catalogue.define_terms("standard-1", months=12, lines_fr="a\nb\nc\nd\ne", lines_en="v\nw\nx\ny\nz")
        async with open_visit(chromium, market) as visit:
            sam, claire = await visit.guest(), await visit.guest()
            await sam.sign_in("sam@people.example")
            await defines_and_builds(sam)
            release = sam.page.url
            await prices_its_market(sam)
            await claire.sign_in("claire@people.example")
            await asks_for_its_zones(claire)
            await sam.page.goto(release)
            await sam.click("Call it back")
            await sam.press("Revoke this release", Reason_in_French="Une erreur.", Reason_in_English="A fault.")
            await sam.read("Called back on")

"""People at a real browser: signed in, their pages accessible and pictured."""

import datetime as dt
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from axe_playwright_python.sync_playwright import Axe

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.stated import count_published
from marketplace.consent.purposes import actions as consent
from marketplace.core import clock
from marketplace.datasets.releases import actions as datasets
from marketplace.datasets.releases.rules import DatasetTerms
from marketplace.demo import synthetic_city
from marketplace.people.identity import actions as identity
from tests.catalogue.builders import put_on_sale
from tests.people.builders import PASSWORD

Run = Callable[[Callable[[], Any]], Any]


SCRIPT_ERRORS: list[str] = []
"""Of a test's pages: what their scripts threw."""


def someone(chromium: Any, url: str, email: str, *, language: str = "en", **more: Any) -> Any:
    """Open a browser of one's own, sign in, and return the page; what its scripts throw fails the test."""
    context = chromium.new_context(locale="fr-FR" if language == "fr" else "en-GB", timezone_id="Europe/Paris", **more)
    shown = context.new_page()
    # Raised here, it would end Playwright's own loop, and say no more than that the browser is gone.
    shown.on("pageerror", lambda error: SCRIPT_ERRORS.append(f"{shown.url}: {error.stack or error}"))
    shown.goto(f"{url}/{language}/sign-in")
    shown.fill("input[name=email]", email)
    shown.fill("input[name=password]", PASSWORD)
    shown.click("main button")
    shown.wait_for_url(lambda there: "sign-in" not in there)
    return shown


def is_accessible(shown: Any) -> None:
    found = Axe().run(shown).response["violations"]
    assert not found, json.dumps(
        [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found], indent=1
    )


def shoot(shown: Any, name: str) -> None:
    """Keep a picture where PICTURES says, for people who look."""
    if folder := os.environ.get("PICTURES"):
        shown.screenshot(path=f"{folder}/{name}.png", full_page=True)


DATASET = "presence-day"


PURPOSE = "presence.statistics"


FORTNIGHT = dt.timedelta(days=14)


async def list_small_city(folder: Path) -> uuid.UUID:
    """Make a small city whose people consent, and list a release of it."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    made = synthetic_city.generate_city(
        folder, seed=3, people=2_000, start=(end - FORTNIGHT).date(), days=FORTNIGHT.days
    )
    await identity.add_subscribers(made.references.tolist())
    before = end - 2 * FORTNIGHT
    await consent.define_purpose(
        "presence", "statistics", title_fr="Statistiques de présence", title_en="Presence statistics"
    )
    await consent.publish_notice(
        PURPOSE,
        text_fr="Nous comptons combien de personnes se trouvent dans chaque quartier.",
        text_en="We count how many people are in each district.",
        at=before - dt.timedelta(days=1),
    )
    yes = np.random.default_rng(3).random(len(made.references)) < 0.8
    await consent.give_many(PURPOSE, made.references[yes].tolist(), before)
    terms = DatasetTerms(
        code=DATASET,
        purpose=PURPOSE,
        area=synthetic_city.LYON.name,
        zones=list(made.zones),
        age_bands=list(synthetic_city.AGE_BANDS),
        title_fr="Présence par quartier et par jour — Lyon",
        title_en="Presence by district and day — Lyon",
        description_fr="Combien de personnes distinctes sont vues dans chaque quartier, chaque jour.",
        description_en="How many distinct people are seen in each district, each day.",
        h3_resolution=synthetic_city.RESOLUTION,
        grain="day",
        max_cells=14,
        max_events=3,
        epsilon_micro=2_000_000,
        budget_micro=10_000_000,
    )
    await datasets.define(terms)
    line = "Vous citez Partage ; vous ne cherchez à reconnaître personne."
    await catalogue.define_terms(
        "standard-1", months=12, lines_fr="\n".join([line] * 5), lines_en="\n".join(["You name Partage."] * 5)
    )
    await put_on_sale(DATASET)
    return await datasets.build(
        DATASET,
        events=str(made.events),
        subscribers=str(made.subscribers),
        period_from=end - FORTNIGHT,
        period_to=end,
        allow=count_published,
    )

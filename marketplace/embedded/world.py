"""The demo world: a seeded city, its people, two datasets with releases, partners and first sales. Always the same one.

Every step goes through the same actions as anyone's click and can be repeated, so a first start that was killed goes on
where it stopped. Only the dates follow the calendar: the world's last week is always last week.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marketplace import clock
from marketplace.catalogue import actions as catalogue
from marketplace.consent import actions as consent
from marketplace.database import fetch, fetch_value
from marketplace.datasets import actions as datasets
from marketplace.datasets.ingestion import ingest_events
from marketplace.datasets.queries import manifest
from marketplace.earnings import actions as earnings
from marketplace.embedded.bidding import finish_auctions, open_auctions
from marketplace.embedded.city import AGE_BANDS, NAME, RESOLUTION, City, make_city
from marketplace.embedded.payday import make_paydays
from marketplace.embedded.sales import sell
from marketplace.identity import actions as identity
from marketplace.identity.names import stored_as
from marketplace.purchases.invoices import change_billing
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from marketplace.progress import ReportProgress


SEED = 2013
INHABITANTS = 120_000
DAYS = 28
CONSENTING = 0.62
PASSWORD = "partage-demo-2026"  # noqa: S105 (printed at every start of the demo, and worth nothing elsewhere)
NAMESPACE = uuid.UUID("6f0d4b8e-2c51-4f0a-9d5e-5d1a2a0c7e11")


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody to sign in as."""

    role: str
    name: str
    email: str
    password: str = PASSWORD


PARTNER = DemoPerson("partner", "Camille Roche", "camille@demo.partage.example")
ABROAD = DemoPerson("partner (DE)", "Jonas Weber", "jonas@demo.partage.example")
NEWCOMER = DemoPerson("not yet vetted", "Inès Moreau", "ines@demo.partage.example")
SUBSCRIBER = DemoPerson("subscriber", "Lucie Martin", "lucie@demo.partage.example")
STEWARD = DemoPerson("steward", "Samir Haddad", "samir@demo.partage.example")
FINANCE = DemoPerson("finance", "Nora Lefèvre", "nora@demo.partage.example")
FINANCE_TOO = DemoPerson("finance", "Hugo Blanc", "hugo@demo.partage.example")
AUDITOR = DemoPerson("auditor", "Paul Girard", "paul@demo.partage.example")
PEOPLE = (PARTNER, SUBSCRIBER, STEWARD, FINANCE, AUDITOR, ABROAD, NEWCOMER, FINANCE_TOO)

FIRST_SALES = ((ABROAD, "lyon-presence-day"), (PARTNER, "lyon-presence-hour"))
PURPOSES = (
    (
        "presence", "statistics",
        "Statistiques de présence", "Presence statistics",
        ("Nous comptons combien de personnes se trouvent dans chaque quartier, heure par heure. Les chiffres sont rendus "
        "imprécis exprès et les petits nombres ne sont jamais montrés : personne ne peut y reconnaître qui que ce soit. "
        "Des partenaires achètent ces chiffres pour planifier des transports, des commerces ou des secours ; une part "
        "du prix vous revient."),
        ("We count how many people are in each district, hour by hour. The figures are blurred on purpose and small "
        "numbers are never shown: nobody can be recognised in them. Partners buy these figures to plan transport, shops "
        "or emergency services; a part of the price is yours."),
    ),
    (
        "presence", "research",
        "Recherche publique", "Public research",
        ("Des universités utilisent les mêmes chiffres pour étudier la ville : bruit, chaleur, épidémies. Elles ne "
        "paient rien, et vous ne touchez rien pour cet usage."),
        ("Universities use the same figures to study the city: noise, heat, epidemics. They pay nothing, and this use "
        "earns you nothing."),
    ),
)  # fmt: skip

ADDRESSES = {"FR": ("12 rue des Capucins", "69001", "Lyon"), "DE": ("Torstraße 7", "10119", "Berlin")}
"""Where the demo's partners want their invoices, by country."""


async def make_world(state: Path, report: ReportProgress) -> None:
    """Make what is missing of the world; `report` receives each step and the share done."""
    if await fetch_value("SELECT count(*) FROM person WHERE email = $1", PARTNER.email) and await _is_whole():
        return
    report("making the city of " + NAME, 0.05)
    end = last_monday(clock.now())
    city = make_city(
        state / "city", seed=SEED, people=INHABITANTS, start=(end - dt.timedelta(days=DAYS)).date(), days=DAYS
    )
    report("adding its mobile lines", 0.25)
    await identity.add_subscribers(city.references.tolist())
    report("asking for consent", 0.3)
    await _consent(city, end - dt.timedelta(days=DAYS + 30))
    await _datasets(city)
    await _releases(city, end, report)
    report("letting people in", 0.8)
    await _people()
    await _offers()
    report("opening auctions", 0.86)
    await open_auctions([(await _partner_of(who), who.email) for who in (PARTNER, ABROAD)], by=STEWARD.name)
    report("making the first sales", 0.88)
    long_ago, fresh = FIRST_SALES
    with _hold_of(0):
        await _sell(long_ago)
        await earnings.release_shares()
    await _sell(fresh)
    await finish_auctions()
    report("paying people", 0.96)
    await make_paydays(await _line_of(SUBSCRIBER), FINANCE.email, FINANCE_TOO.email)


async def _is_whole() -> bool:
    return bool(await fetch_value("SELECT count(*) > 0 FROM payout_run WHERE state = 'settled'"))


async def _sell(sale: tuple[DemoPerson, str]) -> None:
    buyer, dataset = sale
    await sell([(await _partner_of(buyer), buyer.email, dataset)])


@contextlib.contextmanager
def _hold_of(days: int) -> Iterator[None]:
    """Hold shares of what is sold in the block for so many days, so that the world has some to pay out."""
    before = os.environ.get("HOLD_DAYS")
    os.environ["HOLD_DAYS"] = str(days)
    settings.cache_clear()
    try:
        yield
    finally:
        os.environ.pop("HOLD_DAYS") if before is None else os.environ.update(HOLD_DAYS=before)
        settings.cache_clear()


async def _line_of(person: DemoPerson) -> int:
    return int(await fetch_value("SELECT subscriber FROM person WHERE email = ANY ($1)", stored_as(person.email)))


def last_monday(now: dt.datetime) -> dt.datetime:
    """Return midnight UTC of the present week's Monday: where last week ends."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - dt.timedelta(days=midnight.weekday())


async def _consent(city: City, at: dt.datetime) -> None:
    for number, (category, use, title_fr, title_en, text_fr, text_en) in enumerate(PURPOSES):
        purpose = await consent.define_purpose(category, use, title_fr=title_fr, title_en=title_en)
        if not await fetch_value("SELECT count(*) FROM notice WHERE purpose = $1", purpose):
            await consent.publish_notice(purpose, text_fr=text_fr, text_en=text_en, at=at - dt.timedelta(days=1))
        if not await fetch_value("SELECT count(*) FROM consent_record WHERE purpose = $1", purpose):
            says_yes = np.random.default_rng(SEED + number).random(len(city.references)) < CONSENTING / (number + 1)
            await consent.give_many(purpose, city.references[says_yes].tolist(), at)


async def _datasets(city: City) -> None:
    await datasets.define(
        "lyon-presence-day", purpose="presence.statistics", area=NAME, zones=city.zones, age_bands=AGE_BANDS,
        title_fr="Présence par quartier et par jour — Lyon", title_en="Presence by district and day — Lyon",
        description_fr="Combien de personnes distinctes sont vues dans chaque quartier de Lyon, chaque jour, par tranche d’âge.",
        description_en="How many distinct people are seen in each district of Lyon, each day, by age band.",
        h3_resolution=RESOLUTION, grain="day", max_cells=14, max_events=3, epsilon_micro=2_000_000,
        budget_micro=52_000_000, half_life_days=60,
    )  # fmt: skip
    await datasets.define(
        "lyon-presence-hour", purpose="presence.statistics", area=NAME, zones=city.zones, age_bands=AGE_BANDS,
        title_fr="Présence par quartier et par heure — Lyon", title_en="Presence by district and hour — Lyon",
        description_fr="Le pouls de Lyon : combien de personnes distinctes sont vues dans chaque quartier, heure par heure.",
        description_en="The pulse of Lyon: how many distinct people are seen in each district, hour by hour.",
        h3_resolution=RESOLUTION, grain="hour", max_cells=6, max_events=3, epsilon_micro=2_000_000,
        budget_micro=104_000_000, half_life_days=21,
    )  # fmt: skip


async def _releases(city: City, end: dt.datetime, report: ReportProgress) -> None:
    week = dt.timedelta(days=7)
    wanted = (
        ("lyon-presence-day", end - 4 * week, end),
        ("lyon-presence-hour", end - 2 * week, end - week),
        ("lyon-presence-hour", end - week, end),
    )
    report("reading its events", 0.33)
    await ingest_events(str(city.events), str(city.subscribers))
    for number, (dataset, start, stop) in enumerate(wanted):
        done = 0.35 + 0.15 * number
        if await fetch_value(
            "SELECT count(*) FROM release WHERE dataset = $1 AND period_to = $2 AND state = 'sealed'", dataset, stop
        ):
            continue
        await datasets.build(
            dataset, period_from=start, period_to=stop,
            progress=lambda step, share, done=done: report(f"building a private release: {step}", done + 0.15 * share),  # type: ignore[misc]
        )  # fmt: skip


async def _people() -> None:
    for person in (STEWARD, FINANCE, FINANCE_TOO, AUDITOR):
        await identity.add_staff(person.email, person.name, person.role, person.password)
    companies = (
        (PARTNER, "Atelier Urbain", "FR", "FR14987654324", True),
        (ABROAD, "Stadtblick GmbH", "DE", "DE123456788", True),
        (NEWCOMER, "Mobilité & Cie", "FR", "FR43112233440", False),
    )
    for person, company, country, vat_number, vetted in companies:
        partner = uuid.uuid5(NAMESPACE, person.email)
        if not await fetch_value("SELECT count(*) FROM person WHERE email = $1", person.email):
            await identity.create_partner(
                company=company, country=country, vat_number=vat_number, name=person.name, email=person.email,
                password=person.password, language="en" if country != "FR" else "fr", partner_id=partner,
            )  # fmt: skip
        if vetted:
            await identity.vet_partner(partner, STEWARD.name)
            street, postcode, city = ADDRESSES[country]
            await change_billing(partner, street=street, postcode=postcode, city=city, reference="")
    if not await fetch_value("SELECT count(*) FROM person WHERE email = ANY ($1)", stored_as(SUBSCRIBER.email)):
        line = await _a_busy_line()
        [(reference, code)] = await identity.issue_activation_codes([line])
        await identity.claim_line(
            reference, code, email=SUBSCRIBER.email, name=SUBSCRIBER.name, password=SUBSCRIBER.password
        )


async def _a_busy_line() -> int:
    """Return a line that is in every release, among those whose shares are worth looking at."""
    common: np.ndarray | None = None
    for row in await fetch("SELECT id FROM release WHERE state = 'sealed' ORDER BY period_to, dataset"):
        found = await manifest(row["id"])
        heavy = found.references[found.weights >= np.quantile(found.weights, 0.75)]
        common = heavy if common is None else np.intersect1d(common, heavy)
    assert common is not None
    return int(common[0])


async def _partner_of(person: DemoPerson) -> uuid.UUID:
    return uuid.UUID(str(await fetch_value("SELECT partner FROM person WHERE email = $1", person.email)))


async def _offers() -> None:
    await catalogue.define_terms(
        "standard-1", months=12,
        lines_fr="Vous pouvez analyser, publier et afficher les chiffres, en citant Partage.\n"
        "Vous pouvez les utiliser dans vos produits ; vous ne pouvez pas les revendre tels quels.\n"
        "Vous ne cherchez pas à reconnaître qui que ce soit, ni à retirer le bruit.\n"
        "L’accès dure douze mois ; ce que vous avez produit reste à vous.\n"
        "Si une publication est rappelée, nous vous le disons et vous cessez de l’utiliser.",
        lines_en="You may analyse, publish and display the figures, naming Partage.\n"
        "You may use them in your products; you may not resell them as they are.\n"
        "You do not try to recognise anyone, nor to remove the noise.\n"
        "Access lasts twelve months; what you made stays yours.\n"
        "Should a release be recalled, we tell you and you stop using it.",
    )  # fmt: skip
    await catalogue.list_offer(
        "lyon-presence-day", terms="standard-1", full_worth_minor=240_000, floor_minor=15_000, cap_minor=400_000
    )
    await catalogue.list_offer(
        "lyon-presence-hour", terms="standard-1", full_worth_minor=360_000, floor_minor=20_000, cap_minor=600_000
    )

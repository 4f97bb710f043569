"""First pages: for staff the missing steps and waiting work, for a partner the way to its first dataset."""

from __future__ import annotations

from typing import Final

from litestar import get
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import NotFound
from marketplace.core.settings import DEMO_SIREN, LOCAL_STRIPE_KEY, settings
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import page, see
from marketplace.finance.task_kinds import list_work
from marketplace.people.identity.guards import ActorRequest, expect, partner, staff
from marketplace.people.tasks.rules import by_weight
from marketplace.site.first_steps import queries

COMMANDS: Final = "/docs/reference/commands"
SETTINGS: Final = "/docs/reference/settings"
TWO_PEOPLE: Final = 2


class Step(Struct, frozen=True):
    """A step before the first sale: what, why, on which page, and whether it is done."""

    what: str
    why: str
    path: str
    is_done: bool
    command: str = ""
    """The operator's command, if the step is done on a terminal."""
    waits_for: str = ""
    """Who does it, if it is somebody else."""


@get("/first-steps", guards=[partner], opt=expect("partner"))
async def partner_start(request: ActorRequest) -> Template:
    """Show a partner's people the finished and open steps from signing up to their first dataset."""
    if request.user.partner is None or request.user.person is None:
        raise NotFound("There is nothing here.")
    progress = await queries.get_partner_progress(request.user.partner, request.user.person)
    return page("first_steps/partner.html", steps=_of_a_partner(progress), refusal=progress.refused_reason)


@get("/start", guards=[staff("steward", "finance", "auditor")], opt=expect("steward", "finance", "auditor"))
async def start(request: ActorRequest) -> Redirect | Template:
    """Show staff the missing steps and waiting work; finance and auditors go to the books if no step is missing."""
    progress = await queries.get_progress()
    if request.user.role == "steward":
        steps = _of_a_steward(progress, has_events=await queries.has_events())
    else:
        steps = (_of_finance if request.user.role == "finance" else _of_an_auditor)(progress)
        if all(step.is_done for step in steps):
            return see("/finance")
    waiting = await list_work(request.user)
    rows = by_weight(((of_kind.kind, task) for of_kind in waiting for task in of_kind.mine), clock.now())
    count = sum(of_kind.count for of_kind in waiting)
    return page("first_steps/start.html", steps=steps, waiting=rows, count=count)


def _of_a_steward(progress: queries.Progress, *, has_events: bool) -> list[Step]:
    """Return a steward's steps from an empty database to the first sale, in order."""
    purpose = f"/steward/purposes/{progress.unexplained}" if progress.unexplained else "/steward/purposes"
    dataset = f"/steward/datasets/{progress.dataset}" if progress.dataset else "/steward/datasets"
    offer = f"/steward/offers/{progress.dataset}" if progress.dataset else "/steward/offers"
    new_market = f"/steward/sheets/new?dataset={progress.dataset}" if progress.dataset else "/steward/sheets"
    sheet = f"/steward/sheets/{progress.unstated}" if progress.unstated else new_market
    _ = gettext
    return [
        Step(_("Define a purpose"), _("What subscribers say yes or no to."), "/steward/purposes", progress.has_purpose),
        Step(_("Publish its notice"), _("The text they read before they consent."), purpose, progress.has_notice),
        Step(
            _("Define a dataset"),
            _("What is counted, where, and under which privacy promise; by H3’s cells or by your own zones."),
            "/steward/datasets/new",
            progress.has_dataset,
        ),
        Step(
            _("Bring in the lines"),
            _("The operator’s table of subscribers makes the lines that can consent and be counted."),
            COMMANDS,
            progress.has_lines,
            "marketplace ingest --subscribers subscribers.parquet",
        ),
        Step(
            _("Bring in consent"),
            _("What people agreed to in shops, by phone or in your app; or they say it on their own page."),
            COMMANDS,
            progress.has_consent,
        ),
        Step(
            _("Bring in events"),
            _("Daily files of the network’s events."),
            COMMANDS,
            has_events,
            "marketplace ingest --events events.parquet",
        ),
        Step(_("Build a release"), _("Counted, noised and put before the release gate."), dataset, progress.has_build),
        Step(_("Publish it"), _("Sealed for ever, once you have read its dossier."), dataset, progress.has_release),
        Step(_("State licence terms"), _("What a buyer may do, in five lines."), "/steward/terms", progress.has_terms),
        Step(
            _("State the market’s price sheet"),
            _("What each figure is worth, in every dataset that counts the same."),
            sheet,
            progress.has_sheet,
        ),
        Step(
            _("State the law of volume"),
            _("What an order costs of what it is worth, and the least charge."),
            "/steward/volume",
            progress.has_law,
        ),
        Step(
            _("Put it on sale"), _("An offer: licence terms, and the market’s price sheet."), offer, progress.has_offer
        ),
        Step(_("Vet a partner"), _("Only a company that you vetted may buy."), "/partners", progress.has_partner),
    ]


def _of_a_partner(progress: queries.PartnerProgress) -> list[Step]:
    """Return a partner's steps from signing up to its first dataset, in order."""
    _ = gettext
    letter = Step(
        _("Confirm your address"),
        _("A letter with a link is on its way to you; messages reach you there."),
        "/profile/address",
        progress.is_confirmed,
    )
    vetting = Step(
        _("A steward vets your company"),
        _("Within two working days; a message tells you. You can look around meanwhile."),
        "/company",
        progress.is_vetted,
        waits_for=_("a steward"),
    )
    return [
        letter,
        vetting,
        Step(
            _("Say where invoices go"),
            _("Your company’s address, as the law wants it on an invoice."),
            "/billing",
            progress.has_address,
        ),
        Step(
            _("Find a dataset and ask for its price"),
            _("Each page shows what you would get, how exact it is, and why it costs what it costs."),
            "/catalogue",
            progress.has_quote,
        ),
        Step(
            _("Buy your first licence"),
            _("By card or direct debit; the invoice is ready within seconds."),
            "/catalogue",
            progress.has_licence,
        ),
        Step(_("Download the data"), _("Parquet or CSV, or with a key by API."), "/orders", progress.has_download),
    ]


def _of_finance(progress: queries.Progress) -> list[Step]:
    """Return finance's steps before money moves, in order; the demo, which has one-click sign-in, needs no seller."""
    _, chosen = gettext, settings()
    return [
        Step(
            _("Name the seller"),
            _("Who sells, as invoices must say: the settings SELLER_NAME to SELLER_LEGAL."),
            SETTINGS,
            chosen.seller_siren != DEMO_SIREN or chosen.one_click,
        ),
        Step(
            _("Connect Stripe"),
            _("The secret key and the secret of its webhooks: STRIPE_API_KEY and STRIPE_WEBHOOK_SECRET."),
            SETTINGS,
            (chosen.stripe_key not in ("", LOCAL_STRIPE_KEY) and bool(chosen.stripe_webhook_secret))
            or chosen.one_click,
        ),
        Step(
            _("Receive a first event of Stripe’s"),
            _("It shows that webhooks arrive; Stripe’s dashboard can send a test event."),
            "/finance/reconciliation",
            progress.has_event,
        ),
        Step(
            _("Name the account that pays subscribers"),
            _("PAYOUT_IBAN and PAYOUT_NAME; without them no payout run can be sent."),
            SETTINGS,
            bool(chosen.payout_iban),
        ),
        Step(
            _("Import a bank statement"),
            _("The bank account is known from its first statement on (camt.053)."),
            "/finance/bank",
            progress.has_statement,
        ),
        Step(
            _("Be two"),
            _("One prepares a payout run or a write-off, another person approves it."),
            COMMANDS,
            progress.clerks >= TWO_PEOPLE,
            "marketplace staff add",
        ),
    ]


def _of_an_auditor(progress: queries.Progress) -> list[Step]:
    """Return the steps before an auditor has something to read, in order."""
    _ = gettext
    return [
        Step(
            _("A steward"),
            _("Who defines what is counted and sold."),
            COMMANDS,
            progress.stewards > 0,
            "marketplace staff add",
        ),
        Step(
            _("Two people in finance"),
            _("So that nobody approves what they prepared themselves."),
            COMMANDS,
            progress.clerks >= TWO_PEOPLE,
            "marketplace staff add",
        ),
        Step(
            _("A published release"),
            _("Its signed dossier says what it reveals; stewards publish it."),
            "/steward/datasets",
            progress.has_release,
        ),
        Step(
            _("A bank statement"),
            _("From then on the books are compared with the bank; finance imports it."),
            "/finance/bank",
            progress.has_statement,
        ),
    ]


ROUTES = [start, partner_start]

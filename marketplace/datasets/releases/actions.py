"""What can be done with datasets: define one, and build a private release of it.

**Spend, store, assess, seal.** A build commits its spend before it reads any data. It stores the noisy cells, the cells
to publish and the manifest privately (`noised`), asks the release gate (`assessed`, or `blocked` with its reasons),
then publishes the stored bytes (`sealed`). Killed at any point, a second run of the same build ends the same way:

- before the spend, nothing happened;
- after the spend and before `noised`, no draw has been shown to anyone, so the spend still covers one draw. The second
  run counts and draws again with another key, under the same row. Its start is a new instant, so that later
  withdrawals are honoured, and it replaces the private files of the first;
- after `noised`, the second run reads no event: it checks the stored bytes' SHA-256, assesses and publishes them;
- after `sealed`, `refused`, `blocked` or `lapsed`, it returns the release.

A spend is charged to the dataset and to every year of its subscribers, in one transaction. Budget is never given back,
even if nothing could be published, since that too reveals something about the data. Two builds of the same release at
once wait for each other; the second returns the first one's release.

A build never starts before anything recorded: a clock that was put back would otherwise use consent that was withdrawn
since.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs
from piccolo.columns.combination import WhereRaw

from marketplace.consent.purposes.in_force import consent_in_force
from marketplace.consent.purposes.queries import RECORDS, get_last_record, list_narrowed
from marketplace.consent.purposes.tables import Notice, Purpose
from marketplace.consent.switches.compiling import by_place_and_time, scopes_of, usable
from marketplace.core import clock, object_store
from marketplace.core.database import Values, fetch_column, fetch_row, fetch_scalar, select, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.freed_memory import release_freed_memory
from marketplace.core.local_time import UTC
from marketplace.core.locks import exclusive, lock
from marketplace.core.progress import WAITING, no_progress
from marketplace.core.settings import settings
from marketplace.datasets.builds.aggregation import Aggregation, Outcome
from marketplace.datasets.geography.queries import get_geography, list_geographies
from marketplace.datasets.message_kinds import BUDGET_NEAR_END
from marketplace.datasets.releases import publishing, queries, rules
from marketplace.datasets.releases.tables import (
    Coverage,
    Dataset,
    DatasetChange,
    PrivacySpend,
    PrivacyYear,
    Release,
    ReleaseNotice,
)
from marketplace.datasets.releases.year_budget import LossRow, check_rolling_year
from marketplace.datasets.retractions.actions import apply_retractions
from marketplace.datasets.retractions.queries import list_retracted_lines, without_erased
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.privacy import budget
from marketplace.privacy.product_registry import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.core.progress import ReportProgress
    from marketplace.datasets.releases.publishing import AllowSale
    from marketplace.datasets.releases.rules import DatasetTerms
    from marketplace.privacy.specification import Specification


CLOCKS_DIFFER = dt.timedelta(minutes=1)
"""How far apart the clocks of two machines may be."""


async def define(terms: DatasetTerms) -> str:
    """Declare a dataset and return its code: what is counted where, for which segments, under which bounds and budget.

    Zones are H3 cells of the resolution or coarser, or zones of the operator's own table, whose levels replace
    resolutions. With the age bands and a period they make the public key set. A dataset of that code with the same
    terms changes nothing; other terms for the code are refused, and so are contradictory terms.
    """
    rules.check_terms(terms, await get_geography(terms.zone_table))
    async with transaction():
        if terms.variant_of:
            base = await queries.get_dataset(terms.variant_of)
            others = Dataset.count().where(Dataset.variant_of == terms.variant_of, Dataset.code != terms.code)
            rules.check_variant(terms, base, await others)
        if not await Purpose.exists().where(Purpose.code == terms.purpose):
            raise NotFound("There is no purpose {purpose}.", purpose=terms.purpose)
        dataset = Dataset(**structs.asdict(terms), created_at=clock.now())
        await Dataset.insert(dataset).on_conflict(action="DO NOTHING", target=Dataset.code)
        defined = await queries.get_dataset(terms.code)
        if any(getattr(defined, name) != value for name, value in structs.asdict(terms).items()):
            raise Conflict("The dataset {dataset} is already defined, and otherwise.", dataset=terms.code)
    return terms.code


async def build(
    dataset: str,
    *,
    period_from: dt.datetime,
    period_to: dt.datetime,
    events: str | None = None,
    subscribers: str | None = None,
    revision: int = 1,
    note_fr: str = "",
    note_en: str = "",
    publish: bool = True,
    progress: ReportProgress | None = None,
    allow: AllowSale | None = None,
) -> uuid.UUID:
    """Build one private release of `dataset` over the half-open period and return it: sealed, refused, blocked or lapsed.

    `events` and `subscribers` are paths or bucket addresses; None means the event store and the last ingested table.
    The same build again returns the same release. The next `revision` is another release, with a note in both languages
    on the changes, and another spend. Without `publish` it stays assessed, for a person to publish, as it does if
    `allow` refuses its sale. `progress` gets each step and the share done; it may be called from another thread.
    Refusals: an unknown dataset, a period that is empty, unaligned or not over, a revision whose predecessor is
    missing, malformed inputs (before anything is spent), a clock that was put back, and a spent budget, the dataset's
    or a year's.
    """
    report = progress or no_progress
    now = clock.now()
    terms = await queries.get_dataset(dataset)
    specification = await queries.get_specification(terms, period_from, period_to, revision=revision)
    if specification.period_to > now:
        raise Invalid("The period is not over yet.")
    async with exclusive(f"build {specification.digest}", on_wait=lambda: report(WAITING, 0.0)):
        row = await queries.find_build(specification)
        is_new = row is None or row.state == "spent"
        if is_new:
            if row is None:
                await _check_revision(specification, note_fr, note_en)
            interrupted = row.id if row else None
            own = settings().state / "builds" / specification.digest
            spend = Spend(specification, interrupted, note_fr, note_en, tuple(terms.sectors), terms.variant_of)
            await _count_and_save(
                Aggregation(specification, own), spend, events=events, subscribers=subscribers, report=report
            )
            row = await queries.find_build(specification)
        assert row
        if row.state == "noised":
            await publishing.assess(specification, row, report)
            row = await queries.find_build(specification)
            assert row
        if row.state == "assessed" and publish:
            await publishing.seal(row, by="", report=report, allow=allow, waited=not is_new)
        report("done", 1.0)
    release_freed_memory()
    return row.id


async def _check_revision(specification: Specification, note_fr: str, note_en: str) -> None:
    """Refuse a revision that does not follow the last one of its period, or has no note on its changes."""
    if specification.revision == 1:
        return
    last = await queries.get_last_revision(specification)
    if specification.revision != last + 1:
        raise Conflict("The next revision of that period is number {number}.", number=last + 1)
    if not note_fr.strip() or not note_en.strip():
        raise Invalid("A revision says what changed, in both languages.")


@dataclass(frozen=True, slots=True)
class Spend:
    """What a build commits before it reads data: its specification, or the row of an interrupted one."""

    specification: Specification
    interrupted: uuid.UUID | None
    note_fr: str
    note_en: str
    sectors: tuple[str, ...] = ()
    """The sectors to which the dataset may be sold; empty: all."""
    variant_of: str | None = None


async def _count_and_save(
    aggregation: Aggregation, spend: Spend, *, events: str | None, subscribers: str | None, report: ReportProgress
) -> None:
    """Check, spend (unless an interrupted build has), count, draw, and store the outcome."""
    specification = aggregation.specification

    await apply_retractions(report)
    retracted = await list_retracted_lines()

    def check() -> None:
        aggregation.check(events, subscribers, retracted)
        if not aggregation.population():
            raise Invalid(
                "Nobody in {subscribers} lives in the dataset's area.", subscribers=subscribers or "the event store"
            )

    with aggregation:
        report("checking the inputs", 0.05)
        await asyncio.to_thread(check)
        report("committing the privacy budget", 0.2)
        started_at = await _starting_at(specification.purpose)
        release = await _spend(spend, started_at)
        report("asking who consents", 0.25)
        consent = await without_erased(await consent_in_force(specification.purpose, started_at))
        narrowed = scopes_of(await list_narrowed(specification.purpose, started_at))
        consent = usable(consent, narrowed, PRODUCTS[specification.product].source, spend.sectors)
        aggregation.sectors, aggregation.switched = spend.sectors, by_place_and_time(narrowed)
        if aggregation.switched is not None:
            aggregation.geographies = await list_geographies()
        report("counting", 0.3)
        await asyncio.to_thread(aggregation.count, consent, started_at)
        report("drawing noise", 0.55)
        outcome = await asyncio.to_thread(aggregation.release, report)
        report("keeping the noisy cells", 0.9)
        await _save(release, outcome, await _notices_in_force(specification.purpose, started_at), report)


async def _notices_in_force(purpose: str, at: dt.datetime) -> set[uuid.UUID]:
    """Return the notices of a purpose published by then: the same regardless of the people who consented."""
    query = Notice.select(Notice.id).where(Notice.purpose == purpose, Notice.published_at <= at)
    return set(await fetch_column(uuid.UUID, query))


async def _starting_at(purpose: str) -> dt.datetime:
    """Return the instant a build starts at: now, or the last one recorded if another machine's clock is ahead.

    Refuses a clock that is further behind.
    """
    recorded = await fetch_scalar(dt.datetime, queries.SQL["last_recorded_at"], purpose)
    now = clock.now()
    if recorded is None or recorded <= now:
        return now
    if recorded - now > CLOCKS_DIFFER:
        raise Conflict(
            "The clock says {now}, but {then} was recorded already: set the clock right, then build again.",
            now=now.isoformat(timespec="seconds"),
            then=recorded.isoformat(timespec="seconds"),
        )
    return recorded


async def _spend(spend: Spend, started_at: dt.datetime) -> uuid.UUID:
    """Commit the spend and the release's row together, or move an interrupted one's start; return the release."""
    s = spend.specification
    async with transaction():
        await lock(RECORDS)
        last_record = await get_last_record()
        if spend.interrupted is not None:
            is_interrupted = (Release.id == spend.interrupted) & (Release.state == "spent")
            again: Values = {Release.started_at: started_at, Release.last_consent_record: last_record}
            await Release.update(again).where(is_interrupted)
            return spend.interrupted
        for code in sorted({s.dataset, spend.variant_of or s.dataset}):  # in one order, for their locks
            if (
                not await Dataset.update({Dataset.spent_micro: Dataset.spent_micro + s.epsilon_micro})
                .where(Dataset.code == code, WhereRaw("spent_micro + {} <= budget_micro", s.epsilon_micro))
                .returning(Dataset.code)
            ):
                raise Conflict(
                    "The privacy budget of {dataset} is spent: no release of it can be built any more.", dataset=code
                )
        loss = LossRow(s.period_from, s.period_to, s.time_zone, s.unit, s.mechanism, s.unit_rho_nano, s.epsilon_micro)
        await check_rolling_year(loss)
        await _warn_of_budget(s.dataset)
        made = uuid.uuid4()
        await Release.insert(
            Release(
                id=made,
                dataset=s.dataset,
                period_from=s.period_from,
                period_to=s.period_to,
                specification=s.digest,
                started_at=started_at,
                last_consent_record=last_record,
                epsilon_micro=s.epsilon_micro,
                delta_exponent=s.delta_exponent,
                rho_nano=s.unit_rho_nano,
                revision=s.revision,
                note_fr=spend.note_fr.strip(),
                note_en=spend.note_en.strip(),
            )
        )
        for year, units in s.years.items():
            await _charge(loss, year, units, release=made)
    return made


async def note_changes(datasets: Sequence[str]) -> None:
    """Note, in the caller's transaction, that datasets changed in what no trigger sees: what they cost."""
    if datasets:
        await DatasetChange.insert(*[DatasetChange(dataset=dataset) for dataset in datasets])


async def _warn_of_budget(dataset: str) -> None:
    """Send the stewards a message, once a dataset, when less than a tenth of its budget is left."""
    near = (Dataset.code == dataset) & WhereRaw("spent_micro * 10 > budget_micro * 9")
    if await Dataset.exists().where(near):
        await send(BUDGET_NEAR_END, dataset, [Recipient("role", "steward")], dataset=dataset)


class Losses(Struct, frozen=True):
    """A year's cost to one subscriber so far: nano-rho of all and of Gaussian releases, epsilons of the others."""

    rho_nano: int
    gaussian_rho_nano: int
    pure_micro: int


async def charge_call(call: uuid.UUID, closes_at: dt.datetime, epsilon_micro: int) -> None:
    """Charge a call for contributors, whose counts are drawn when it closes, before anybody answers it.

    In the caller's transaction, once a call. Refuses a call that costs a year of subscribers more than allowed.
    """
    rho = -(
        -(epsilon_micro**2) // 2_000
    )  # pure epsilon is epsilon² / 2 concentrated; here in nano of squared millionths
    a_moment = dt.timedelta(microseconds=1)
    loss = LossRow(closes_at, closes_at + a_moment, UTC, "release", "laplace", rho, epsilon_micro)
    await check_rolling_year(loss)
    await _charge(loss, closes_at.year, 1, call=call, called_at=closes_at)


async def _charge(loss: LossRow, year: int, units: int, **of: Any) -> None:  # noqa: ANN401 (columns of its row)
    """Charge a release or a call, named by columns of its row, to one year of its subscribers; inside the spend's transaction."""
    most = settings().subscriber_year_epsilon_micro
    rho, epsilon, is_pure = units * loss.rho_nano, units * loss.epsilon_micro, loss.mechanism == "laplace"
    this_year = PrivacyYear(year=year, budget_micro=most)
    await PrivacyYear.insert(this_year).on_conflict(action="DO NOTHING")
    so_far = await fetch_row(Losses, select(Losses, PrivacyYear).where(PrivacyYear.year == year).lock_rows())
    assert so_far
    sums = Losses(
        so_far.rho_nano + rho, so_far.gaussian_rho_nano + rho * (not is_pure), so_far.pure_micro + epsilon * is_pure
    )
    spent = budget.year_epsilon_micro(sums.rho_nano, sums.gaussian_rho_nano, sums.pure_micro)
    if spent > most:
        raise Conflict(
            "All datasets together would cost a subscriber ε = {spent} in {year}; no more than {most} is allowed.",
            spent=f"{spent / 1_000_000:.2f}",
            year=year,
            most=f"{most / 1_000_000:g}",
        )
    charged: Values = {PrivacyYear.spent_micro: spent, PrivacyYear.budget_micro: most}
    charged.update(structs.asdict(sums).items())
    await PrivacyYear.update(charged).where(PrivacyYear.year == year)
    await PrivacySpend.insert(
        PrivacySpend(year=year, units=units, rho_nano=rho, epsilon_micro=epsilon, is_pure=is_pure, **of)
    )


async def _save(release: uuid.UUID, outcome: Outcome, notices: set[uuid.UUID], report: ReportProgress) -> None:
    """Store the outcome privately, then in the release's row; a refused release keeps its figures and no weight."""
    for name, path in outcome.files.items():
        await object_store.put(object_store.private_key(release, name), path)
    report("recording the noisy cells", 0.94)
    state = "refused" if outcome.refusal else "noised"
    figures: Values = {Release.refusal: outcome.refusal, Release.state: state}
    figures.update(outcome.figures.items())
    async with transaction():
        await Release.update(figures).where(Release.id == release, Release.state == "spent")
        if notices:
            await ReleaseNotice.insert(*(ReleaseNotice(release=release, notice=one) for one in sorted(notices)))
        if outcome.coverage:
            await Coverage.insert(
                *(
                    Coverage(release=release, kind=kind, name=name, population=population, consenting=consenting)
                    for kind, name, population, consenting in outcome.coverage
                )
            )

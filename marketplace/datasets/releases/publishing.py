"""What is done with stored cells: assess them at the release gate, seal and publish them, call a release back.

Releases are assessed one at a time, each once, against every release that is published or may be: of two that wait for
a person, the later knows the earlier. Its dossier is signed and never changed.
A release that passed may be published at once or by a person; one that failed is `blocked` for good, with its reasons.
A build that waited is published with the consents of that day: after a week, or once somebody in it has withdrawn, it
has `lapsed`. Withdrawals wait for the transaction that decides so. A build that is published in the run that counted it
has the consents of its start, like everything it counted.
Publishing is safe to repeat: the same bytes, the same editions, drawn with a key that is stored with the cells. A
revocation is a new row. The release stays sealed and its sales stay valid, but nobody may buy or fetch it any more.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from marketplace.consent.purposes.queries import RECORDS, list_asked_anew_since, list_ended_since
from marketplace.core import clock, object_store
from marketplace.core.database import Values, copy_in, execute, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.facts.actions import state_fact
from marketplace.core.locks import exclusive, lock
from marketplace.core.progress import WAITING, no_progress
from marketplace.core.settings import settings
from marketplace.core.working_folders import working_folder
from marketplace.datasets.builds import canary_counts
from marketplace.datasets.builds.cells_file import read_file, spread, within, write_cells
from marketplace.datasets.builds.manifest_file import people_in
from marketplace.datasets.releases import dossier, queries, rules
from marketplace.datasets.releases.queries import SQL
from marketplace.datasets.releases.tables import Dossier, Release, Revocation
from marketplace.privacy import editions, finishing, noise
from marketplace.privacy.dictionary import columns_of
from marketplace.privacy.gate import findings as gate

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import pyarrow as pa

    from marketplace.core.progress import ReportProgress
    from marketplace.datasets.releases.queries import ReleaseRow
    from marketplace.privacy.specification import Specification


AllowSale: TypeAlias = "Callable[[str, dt.datetime], Awaitable[None]]"
"""Refuses a dataset's menu at an instant: the catalogue's audit, passed in by callers because prices are in a district
above."""


async def assess(specification: Specification, row: ReleaseRow, report: ReportProgress) -> None:
    """Put a noised release (its row) before the gate; write its signed dossier, and `assessed` or `blocked`."""
    async with exclusive("assess", on_wait=lambda: report(WAITING, 0.95)):
        await _assess(specification, row, report)


async def _assess(specification: Specification, row: ReleaseRow, report: ReportProgress) -> None:
    report("assessing the release", 0.95)
    release = row.id
    cells = read_file(await _private_cells(row))
    manifest = await object_store.get(object_store.private_key(release, "manifest.parquet"))
    weights = read_file(manifest, ["weight"])["weight"].to_numpy()
    candidate = gate.Candidate(specification, cells, int(weights.max(initial=0)), await queries.get_charges(release))
    prior = await _list_prior(specification, release)
    year_budget_micro, keys = settings().subscriber_year_epsilon_micro, (os.urandom(32), os.urandom(32))
    counted = await asyncio.to_thread(canary_counts.count, specification)
    found = await asyncio.to_thread(gate.findings, candidate, prior, year_budget_micro, counted, keys)
    now = max(clock.now(), row.started_at)
    inputs = dossier.with_key(row.inputs)
    document = dossier.document(
        specification,
        found,
        now,
        release=release,
        cells_sha256=row.cells_sha256,
        sampler=row.sampler,
        inputs=inputs,
    )
    why, days = gate.reasons(found), await asyncio.to_thread(spread, specification, cells)
    report("recording the dossier", 0.96)
    async with transaction():
        state, refusal = ("blocked", " ".join(why)) if why else ("assessed", None)
        if await execute(SQL["assess_release"], release, state, refusal, inputs, *days.values()):
            signature = dossier.signed(document, settings().signing_key)
            await Dossier.insert(
                Dossier(
                    release=release,
                    document=document,
                    signature=signature,
                    passed=not why,
                    reasons=why,
                    assessed_at=now,
                )
            )


async def publish(
    release: uuid.UUID, *, by: str, progress: ReportProgress | None = None, allow: AllowSale | None = None
) -> None:
    """Publish an assessed release; one that is already sealed stays as it is.

    Refuses a release that did not pass the gate, or that `allow` refuses.
    """
    report = progress or no_progress
    row = await queries.get_release(release)
    async with exclusive(f"build {row.specification}", on_wait=lambda: report(WAITING, 0.0)):
        row = await queries.get_release(release)
        if row.state == "sealed":
            return
        if row.state == "blocked":
            raise Conflict("The release gate blocked this release: {reasons}", reasons=row.refusal)
        if row.state == "lapsed":
            raise Conflict(str(row.refusal))
        if row.state != "assessed":
            raise Conflict("This release is not ready to be published.")
        await seal(row, by=by, report=report, allow=allow)


async def seal(
    row: ReleaseRow, *, by: str, report: ReportProgress, allow: AllowSale | None = None, waited: bool = True
) -> None:
    """Publish the stored cells, byte for byte, and the editions made of them, and seal the release.

    allow: examines the resulting offers, in the transaction that seals; a release it refuses stays `assessed`. waited:
    whether the build's consents may have ended since it read them; it lapses then, with a refusal.
    """
    release = row.id
    report("sealing", 0.97)
    data = await _private_cells(row)
    dataset = await queries.get_dataset(row.dataset)
    specification = await queries.get_specification(dataset, row.period_from, row.period_to, revision=row.revision)
    if specification.digest != row.specification:
        raise Conflict(
            "This release was made by another method than today's: build the period's next revision instead."
        )
    if waited:
        async with transaction():
            why = await _lapse(row, dataset.purpose)
        if why:
            raise Conflict(why)
    made, key = list[dict[str, Any]](), await _editions_key(release)
    base = specification.law("people").half_width(_outside(specification, read_file(data)))
    scaled = max(1.0, row.error_people / max(base, 1))
    finer, finer_laws = data, (specification.law("people"), specification.law("events"))
    for level, multiple in enumerate(dataset.edition_multiples, 1):
        report("making editions", 0.975)
        finer, finer_laws, figures = await asyncio.to_thread(
            _coarser, specification, finer, finer_laws, multiple, scaled=scaled, key=key
        )
        await object_store.put(object_store.edition_key(release, level), finer)
        figures |= await asyncio.to_thread(spread, specification, read_file(finer))
        made.append({"release": release, "level": level, "variance_multiple": multiple} | figures)
    await object_store.put(object_store.cells_key(release), data)
    report("recording the seal", 0.98)
    async with transaction():
        why = await _lapse(row, dataset.purpose) if waited else None
        if why is None:
            await _record_seal(row, made, by, allow)
    if why:
        raise Conflict(why)


async def _record_seal(row: ReleaseRow, made: list[dict[str, Any]], by: str, allow: AllowSale | None) -> None:
    """Record that a release and its editions are published, in the caller's transaction."""
    now = max(clock.now(), row.started_at)
    sealed: Values = {Release.state: "sealed", Release.sealed_at: now, Release.sealed_by: by}
    is_assessed = (Release.id == row.id) & (Release.state == "assessed")
    if not await Release.update(sealed).where(is_assessed).returning(Release.id):
        return
    if made:
        await copy_in("edition", [*made[0]], [list(edition.values()) for edition in made])
    if allow:
        await allow(row.dataset, now)
    dossier_sha256 = hashlib.sha256((await queries.get_dossier(row.id)).document).hexdigest()
    await state_fact("release_sealed", row.id, _sealed_statement(row, made) | {"dossier_sha256": dossier_sha256})


async def _lapse(row: ReleaseRow, purpose: str) -> str | None:
    """Let a build lapse that may not be published any more, in the caller's transaction, and return why; None: it may.

    A withdrawal made now waits until the transaction ends, and an earlier one is seen.
    """
    await lock(RECORDS)
    why = None
    if clock.now() >= row.started_at + rules.PUBLISHED_WITHIN:
        why = rules.TOO_LATE
    elif purpose in await list_asked_anew_since(row.started_at) or await _has_withdrawn(row, purpose):
        why = rules.WITHDRAWN
    if why:
        lapsed: Values = {Release.state: "lapsed", Release.refusal: why}
        await Release.update(lapsed).where(Release.id == row.id, Release.state == "assessed")
    return why


async def _has_withdrawn(row: ReleaseRow, purpose: str) -> bool:
    """Return whether somebody in a build's manifest ended or changed their consent since it read consents."""
    ended = await list_ended_since(purpose, row.last_consent_record)
    if not ended:
        return False
    manifest = read_file(await object_store.get(object_store.private_key(row.id, "manifest.parquet")))
    return bool(np.isin(ended, people_in(manifest)[0]).any())


async def lapse_builds() -> None:
    """Let every build lapse that was not published within its week; a job."""
    lapsed: Values = {Release.state: "lapsed", Release.refusal: rules.TOO_LATE}
    is_unpublished = Release.state.is_in(["noised", "assessed"])
    await Release.update(lapsed).where(is_unpublished, Release.started_at <= clock.now() - rules.PUBLISHED_WITHIN)


def _sealed_statement(row: ReleaseRow, editions_made: Sequence[Mapping[str, Any]]) -> dict[str, str | int | list[str]]:
    """Return the public log's statement of a sealed release: its subject, its cost, and the digests of its files."""
    return {
        "dataset": row.dataset,
        "period_from": row.period_from.isoformat(),
        "period_to": row.period_to.isoformat(),
        "revision": row.revision,
        "specification": row.specification,
        "epsilon_micro": row.epsilon_micro,
        "delta_exponent": row.delta_exponent,
        "cells_sha256": row.cells_sha256,
        "editions_sha256": [edition["cells_sha256"] for edition in editions_made],
    }


async def revoke(release: uuid.UUID, *, reason_fr: str, reason_en: str, by: str) -> None:
    """Call a sealed release back, with the reason in both languages; repeating it keeps the first reason."""
    if not reason_fr.strip() or not reason_en.strip():
        raise Invalid("A revocation says why, in both languages.")
    row = await queries.get_release(release)
    if row.state != "sealed":
        raise Conflict("Only a sealed release can be revoked.")
    revocation = Revocation(
        release=release,
        reason_fr=reason_fr.strip(),
        reason_en=reason_en.strip(),
        revoked_by=by,
        revoked_at=clock.now(),
    )
    inserted = Revocation.insert(revocation).on_conflict(action="DO NOTHING", target=Revocation.release)
    async with transaction():
        if await inserted.returning(Revocation.release):
            reasons = {"reason_fr": revocation.reason_fr, "reason_en": revocation.reason_en}
            await state_fact("release_recalled", release, {"cells_sha256": row.cells_sha256} | reasons)


def _coarser(
    specification: Specification,
    finer: bytes,
    laws: tuple[noise.Law, noise.Law],
    multiple: int,
    *,
    scaled: float,
    key: bytes,
) -> tuple[bytes, tuple[noise.Law, noise.Law], dict[str, Any]]:
    """Return the next edition's bytes, its laws of people and events, and its figures; from the finer one's bytes.

    scaled: at least the factor by which the release's counts and their noise were multiplied to correct truncation. The
    noise added here was not, so an interval for all of the noise, times the factor, covers the sum. key: of the
    release's editions.
    """
    s = specification
    wanted = (editions.coarser(s.law("people"), multiple), editions.coarser(s.law("events"), multiple))
    people, events = (editions.step(law, coarse) for law, coarse in zip(laws, wanted, strict=True))
    own = editions.edition_key(key, multiple, hashlib.sha256(finer).hexdigest())
    table = editions.coarsen(read_file(finer), people, events, s.threshold, own)
    error_people = math.ceil(scaled * wanted[0].half_width(_outside(s, table))) + 1
    data = _parquet(s, table, error_people)
    figures = {
        "noise_variance_micro": round(people.variance * noise.MICRO),
        "threshold": s.threshold,
        "row_count": len(table),
        "error_people": error_people,
        "cells_sha256": hashlib.sha256(data).hexdigest(),
    }
    return data, wanted, figures


def _outside(specification: Specification, cells: pa.Table) -> float:
    """Return the share of all noises that may lie outside the interval stated for these cells."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    rolled = 0
    if specification.parent_resolution:
        rolled = int((~pc.is_in(cells["zone"], pa.array(specification.zones)).to_numpy()).sum())
    return finishing.outside(specification, len(cells) - rolled, rolled)


async def _private_cells(row: ReleaseRow) -> bytes:
    """Return the stored cells, after comparing them with the recorded digest."""
    data = await object_store.get(object_store.private_key(row.id, "cells.parquet"))
    if hashlib.sha256(data).hexdigest() != row.cells_sha256:
        raise Conflict(
            "The kept cells of release {release} are not the ones recorded; restore the object store.",
            release=row.id,
        )
    return data


async def _editions_key(release: uuid.UUID) -> bytes:
    """Return the key of a release's editions; editions drawn with two keys would together reveal too much.

    It lies next to the stored cells, which reveal more than it does, and stays as long: a restored database seals
    again.
    """
    try:
        return await object_store.get(object_store.private_key(release, object_store.EDITIONS_KEY))
    except NotFound:
        raise Conflict(
            "The key of release {release}’s editions is lost: restore the object store.", release=release
        ) from None


async def _list_prior(specification: Specification, release: uuid.UUID) -> list[gate.PriorRelease]:
    """Return every other release that overlaps with this one and is published, or may be at any time."""
    prior = []
    for row in await queries.list_overlapping(specification.period_from, specification.period_to):
        if row.id == release:
            continue
        dataset = await queries.get_dataset(row.dataset)
        other = await queries.get_specification(dataset, row.period_from, row.period_to, revision=row.revision)
        is_public = row.state == "sealed"
        file = await (object_store.get(object_store.cells_key(row.id)) if is_public else _private_cells(row))
        cells = read_file(file)
        prior.append(gate.PriorRelease(str(row.id), other, cells, await queries.get_charges(row.id)))
    return prior


def _parquet(specification: Specification, table: pa.Table, error_people: int) -> bytes:
    """Return a coarser edition's file, with the release's metadata except for its own error."""
    about = {name.decode(): value.decode() for name, value in (table.schema.metadata or {}).items()}
    about.pop("partage.error_events", None)  # the release's; an edition states none
    about["partage.error_people"] = within(error_people, "people")
    with working_folder() as folder:
        path = folder / "edition.parquet"
        return write_cells(table, path, columns=columns_of(specification), about=about).read_bytes()

"""The attack: try both files. A digest of the exact events is an exact statistic of them.

The attacker knows every event of everybody but one person, and so two files: one of them is the operator's. Who is
shown the SHA-256 of what was counted, of the store's version of a day or of a private object, knows which. So nothing that
anybody but an auditor sees has such a digest, nor what is under the public log's root unless a secret is hashed with it.
"""

import hashlib
import hmac
import json
import uuid
from pathlib import Path
from typing import Any

from marketplace.core.settings import settings
from marketplace.datasets.releases import actions, dossier, queries
from marketplace.datasets.releases.ingestion import ingest_events
from tests.datasets.builders import PERIOD, crowd, declare, make_subscribers, write
from tests.people.builders import PASSWORD, Browser, add_staff
from tests.support.reads import fetch

PEOPLE = range(1, 301)
SHOWN = 16
"""Hex digits of a digest that a page shows."""


async def exact_digests(tmp_path: Path) -> tuple[uuid.UUID, set[str]]:
    """Build and publish a release from the store; return it and the digests of all that is exact."""
    await declare()
    await make_subscribers(PEOPLE)
    files = write(tmp_path, crowd(300), PEOPLE)
    await ingest_events(**files)
    release = await actions.build("lyon", **PERIOD)
    row = await queries.get_release(release)
    assert row.state == "sealed"
    digests = digests_of(tmp_path / "subscribers.parquet", settings().state / "objects") - {row.cells_sha256}
    digests |= {digest for _, digest in all_digests(json.loads(row.inputs))}
    assert row.manifest_sha256 in digests
    return release, digests


def digests_of(*paths: Path) -> set[str]:
    """Return the SHA-256 of files and of all that is in folders."""
    files = {file for path in paths for file in (path, *path.rglob("*")) if file.is_file()}
    return {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def all_digests(part: Any, name: str = "") -> list[tuple[str, str]]:
    """Return every digest of kept inputs, with what it is of."""
    if isinstance(part, dict):
        return [one for key, value in part.items() if key != dossier.KEY for one in all_digests(value, key)]
    if isinstance(part, list):
        return [one for value in part for one in all_digests(value, name)]
    return [(name, part)] if isinstance(part, str) and len(part) == 64 else []


async def shown_to_role(role: str, release: uuid.UUID) -> str:
    """Return all that somebody of this role is shown of a release."""
    await add_staff(f"{role}@partage.example", role, role, PASSWORD)
    shown = []
    async with Browser() as browser:
        await browser.sign_in(f"{role}@partage.example")
        for path in (f"/en/steward/releases/{release}", f"/en/steward/releases/{release}/dossier.json"):
            answer = await browser.get(path)
            assert answer.status_code == 200
            shown.append(answer.text)
    return "".join(shown)


async def test_nobody_but_an_auditor_is_shown_a_digest_of_what_is_exact(tmp_path: Path) -> None:
    release, digests = await exact_digests(tmp_path)
    logged = "".join(row["statement"] for row in await fetch("SELECT statement FROM log_fact"))
    steward = await shown_to_role("steward", release)
    document = (await queries.get_dossier(release)).document
    for digest in digests:
        assert digest[:SHOWN] not in steward
        assert digest not in document.decode() + logged
    # What is under the log's root has a secret in it, and who may know what is exact can check it.
    assert hashlib.sha256(document).hexdigest() in logged
    kept = json.loads((await queries.get_release(release)).inputs)
    key = kept[dossier.KEY]
    assert len(key) == 64
    assert key not in steward + document.decode() + logged
    auditor = await shown_to_role("auditor", release)
    assert key in auditor
    exact, marks = all_digests(kept), all_digests(dossier.read(document)["inputs"])
    assert len(exact) == len(marks) > 2
    for (name, digest), (named, mark) in zip(exact, marks, strict=True):
        assert (named, mark) == (name, hmac.digest(bytes.fromhex(key), bytes.fromhex(digest), "sha256").hex())
    file = hashlib.sha256((tmp_path / "events.parquet").read_bytes()).hexdigest()
    assert file[:SHOWN] in auditor
    assert (await queries.get_dossier(await actions.build("lyon", **PERIOD))).document == document, "built once"

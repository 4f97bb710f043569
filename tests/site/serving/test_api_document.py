"""Schemathesis asks the whole API as its own document says, and against what it says: nothing contradicts the document."""

import asyncio
import contextlib
import datetime as dt
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from marketplace.core import clock
from marketplace.core.settings import settings
from marketplace.people.identity import actions as identity
from marketplace.people.identity import key_actions
from marketplace.subscribers.operators import actions as operators
from tests.people.builders import make_partner
from tests.sales.builders.shop import open_shop

EXAMPLES = 40
EXCLUDED_CHECKS: dict[str, str] = {}
"""Checks that are left out → why."""
EXCLUDED_PATHS = {"/stream$": "a live page never ends, and Schemathesis waits for an answer's end"}
"""Operations that are left out, by the pattern of their path → why."""
OPERATORS, DENSITY = "/api/v1/operator/", "/api/camara/"


async def checked(address: str, key: str, folder: Path, *which: str) -> tuple[int, str]:
    """Let Schemathesis ask some operations with a key, in a process of its own; return its exit code and its report."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"{address}/schema/openapi.json",
        "--checks",
        "all",
        *(word for check in EXCLUDED_CHECKS for word in ("--exclude-checks", check)),
        *(word for path in EXCLUDED_PATHS for word in ("--exclude-path-regex", path)),
        *which,
        "--max-examples",
        str(EXAMPLES),
        "--seed",
        "1",
        "--header",
        f"Authorization: Bearer {key}",
        "--continue-on-failure",
        "--generation-database",
        "none",
        "--no-color",
        "--warnings",
        "off",
        cwd=folder,  # it keeps what it found where it runs
        env=os.environ | {"COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await running.communicate()
    return running.returncode or 0, printed.decode()


@pytest.mark.deep
async def test_schemathesis_finds_no_contradiction(
    site: Callable[[], contextlib.AbstractAsyncContextManager[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for limit in ("PARTAGE_ADDRESS_LIMIT", "PARTAGE_KEY_LIMIT"):
        monkeypatch.setenv(limit, "0")
    settings.cache_clear()
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    await open_shop(period=(hour - dt.timedelta(days=31), hour - dt.timedelta(days=3)))  # a card asks for whole hours
    partner = await make_partner()
    await identity.vet_partner(partner, "a steward")
    partners = await key_actions.create_key(partner, "robot", key_id=uuid.uuid4(), session="a session's secret")
    assert partners
    ours = await operators.add_key("shops")
    async with site() as address:
        for key, which in (
            (partners, ("--exclude-path-regex", OPERATORS, "--exclude-path-regex", DENSITY)),
            # CAMARA refuses with 400 what its schema allows, such as a polygon without an inside.
            (partners, ("--include-path-regex", DENSITY, "--exclude-checks", "positive_data_acceptance")),
            (ours, ("--include-path-regex", OPERATORS)),
        ):
            code, report = await checked(address, key, tmp_path, *which)
            assert code == 0, report[-6000:]
            assert "No issues found" in report

"""The object store on a real S3 server: from a sale to its download, backups, moving; and what is wrong is one sentence."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from moto.core.authorization import disable_iam_authentication

from marketplace.core import object_store
from marketplace.core.backup.actions import back_up, move_objects, new_key, restore
from marketplace.core.errors import Conflict, NotFound, Unavailable
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.settings import settings
from tests.core.backup.machines import empty_machine
from tests.people.builders import Browser
from tests.sales.builders.shop import make_buyer, make_sale, open_shop, some_cells
from tests.support.ports import free_port
from tests.support.reads import fetch_value
from tests.support.s3_server import S3Server, serving_s3

ROOT = Path(__file__).resolve().parents[3]
WHY = {
    "bucket": "this access key may not do that there",
    "key": "it does not know AWS_ACCESS_KEY_ID",
    "secret": "AWS_SECRET_ACCESS_KEY is not the secret of AWS_ACCESS_KEY_ID",
    "scheme": "its address has no TLS, and AWS_ALLOW_HTTP is not true",
    "endpoint": "nobody answers at http://127.0.0.1:",
}
FAULTS = {
    "bucket": {"PARTAGE_OBJECTS": "s3://another"},
    "key": {"AWS_ACCESS_KEY_ID": "AKIAANOTHER"},
    "secret": {"AWS_SECRET_ACCESS_KEY": "another"},
    "scheme": {"AWS_ALLOW_HTTP": "false"},
}


@pytest.fixture
def s3(database_url: str) -> Iterator[S3Server]:
    """Serve an empty bucket, and lead the site there."""
    del database_url  # its settings come first
    with serving_s3() as server:
        server.choose()
        yield server
        object_store.open_at.cache_clear()


@pytest.mark.long
async def test_what_is_sold_is_downloaded_from_the_bucket(stripe: Any, s3: S3Server) -> None:
    release = await open_shop()
    partner = await make_buyer()
    sealed = await object_store.get(object_store.cells_key(release))
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        await make_sale(browser, partner, release)
        path = f"/en/entitlements/{await fetch_value('SELECT id FROM entitlement')}/download?format="
        whole = await browser.get(f"{path}parquet")
        assert (whole.status_code, whole.content) == (200, sealed)
        part = await browser.get(f"{path}parquet", headers={"range": "bytes=100-299"})
        assert (part.status_code, part.content) == (206, sealed[100:300])
        assert (await browser.get(f"{path}csv")).text.count("\n") == some_cells().num_rows + 1
        with object_store.ObjectFile(object_store.cells_key(release)) as file:
            assert pq.read_table(file).equals(some_cells())
        s3.choose(AWS_SECRET_ACCESS_KEY="another")
        answer = await browser.get(f"{path}parquet")
        assert answer.status_code == 503
        assert "The object store does not answer as it should" in answer.text
        assert s3.url not in answer.text
        s3.choose()
        await object_store.delete(object_store.cells_key(release))
        await object_store.delete(object_store.cells_key(release))
        assert (await browser.get(f"{path}parquet")).status_code == 404
    assert stripe


@pytest.mark.long
@pytest.mark.parametrize("fault", [*FAULTS, "endpoint"])
async def test_a_wrong_setting_is_one_sentence_of_every_verb(s3: S3Server, tmp_path: Path, fault: str) -> None:
    await object_store.put("releases/a", b"cells")
    s3.choose(**FAULTS.get(fault, {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}))
    verbs = [
        lambda: object_store.get("releases/a"),
        lambda: object_store.put("releases/a", b"more"),
        lambda: object_store.get_range("releases/a", 0, 2),
        lambda: object_store.size("releases/a"),
        lambda: object_store.download("releases/a", tmp_path / "file"),
        lambda: object_store.delete("releases/a"),
        lambda: asyncio.to_thread(object_store.read_range, "releases/a", 0, 2),
        lambda: asyncio.to_thread(object_store.ObjectFile, "releases/a"),
    ]
    for verb in verbs[:1] if fault == "endpoint" else verbs:  # each asks an absent server five times again
        with pytest.raises(Unavailable, match="does not answer as it should") as refused:
            await verb()
        asked = f"The object store {settings().objects} did not do what was asked: "
        known = (f"{asked}{WHY[fault]}", f"{asked}it answered 403 Forbidden. ")  # the latter where S3 sends no body
        assert refused.value.cause.startswith(known), refused.value.cause
        assert "\n" not in refused.value.cause
    s3.choose()
    assert await object_store.get("releases/a") == b"cells"
    with pytest.raises(NotFound):
        await object_store.get("releases/b")


async def test_a_bucket_that_is_not_there_is_no_absent_object(s3: S3Server) -> None:
    """An account that may do everything hears that there is no such bucket, with the status of an absent object."""
    del s3
    os.environ["PARTAGE_OBJECTS"] = "s3://another"
    settings.cache_clear()
    with disable_iam_authentication():
        for verb in (lambda: object_store.get("releases/a"), lambda: object_store.put("releases/a", b"")):
            with pytest.raises(Unavailable) as refused:
                await verb()
            assert "there is no such bucket" in refused.value.cause


@pytest.mark.long
async def test_a_backup_is_written_to_the_bucket_and_restored_from_it(
    s3: S3Server, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    del s3
    await open_shop()
    await object_store.put("private/large", os.urandom(9_000_000))
    large = await object_store.get("private/large")
    there = tmp_path.joinpath("there").as_uri()
    assert await move_objects(there) == 3
    place, manifest = await back_up("s3://partage/backups", [new_key(tmp_path / "key")])
    assert place.startswith("s3://partage/backups/partage-")
    with pytest.raises(Conflict, match="There is no backup"):
        await restore_into(postgres, tmp_path / "a", f"{place}x", tmp_path / "key")
    assert await restore_into(postgres, tmp_path / "b", place, tmp_path / "key") == (manifest, large)
    for verb in (back_up("s3://another/backups", [new_key(tmp_path / "other")]), move_objects("s3://another")):
        with pytest.raises(Unavailable) as refused:
            await verb
        assert refused.value.cause.startswith("The object store s3://another")


async def restore_into(postgres: EmbeddedPostgres, folder: Path, place: str, key: Path) -> tuple[Any, bytes]:
    """Restore onto a machine whose store is a folder; return the manifest and the large object."""
    async with empty_machine(postgres, folder):
        os.environ["PARTAGE_OBJECTS"] = ""
        settings.cache_clear()
        try:
            return await restore(place, key), await object_store.get("private/large")
        finally:
            os.environ["PARTAGE_OBJECTS"] = "s3://partage"
            settings.cache_clear()


@pytest.mark.long
def test_a_command_ends_with_the_sentence(s3: S3Server) -> None:
    s3.choose(AWS_ACCESS_KEY_ID="AKIAANOTHER")
    ended = subprocess.run(
        [sys.executable, "-m", "marketplace", "objects", "move", "s3://partage"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    (sentence,) = ended.stderr.splitlines()
    assert sentence.startswith("The object store s3://partage did not do what was asked: ")

"""A store with a wrong bucket, address or key ends a command in one sentence that names what to compare."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.builders import OF_JOBS
from tests.support.ports import free_port
from tests.support.production import OPERATORS_OWN
from tests.support.s3_server import serving_s3
from tests.support.source import ROOT
from tests.support.waiting import wait_until

pytestmark = pytest.mark.deep


def start_command(words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "marketplace", *words.split()],
        cwd=ROOT,
        env=os.environ | OPERATORS_OWN | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("http", "why"),
    [
        ("", "its address has no TLS, and AWS_ALLOW_HTTP is not true. "),
        ("true", "nobody answers at http://127.0.0.1:"),
    ],
)
def test_a_store_that_does_not_answer_ends_a_command_in_one_sentence(
    database_url: str, tmp_path: Path, http: str, why: str
) -> None:
    (tmp_path / "subscribers.csv").write_text("subscriber_id,age_band,home_zone\n1,18-34,Z1\n")
    wrong = {
        "DATABASE_URL": database_url,
        "PARTAGE_OBJECTS": "s3://nobodys",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
        **({"AWS_ALLOW_HTTP": http} if http else {}),
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "anything",
        "AWS_REGION": "eu-west-3",
    }
    done = start_command(f"ingest --subscribers {tmp_path}/subscribers.csv", wrong)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"The object store s3://nobodys did not do what was asked: {why}")
    assert "AWS_ENDPOINT_URL" in last
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"PARTAGE_OBJECTS": "s3://nobodys"}, "this access key may not do that there"),
        ({"AWS_SECRET_ACCESS_KEY": "anything"}, "AWS_SECRET_ACCESS_KEY is not the secret of AWS_ACCESS_KEY_ID"),
        ({}, ""),
    ],
)
def test_the_sweep_says_that_the_store_is_another(database_url: str, changed: dict[str, str], why: str) -> None:
    with serving_s3() as there:
        done = start_command("check", {"DATABASE_URL": database_url} | there.environment | changed)
    *_, sentence, last = ["", *done.stdout.splitlines()]
    assert last.endswith(" invariants swept, 0 offenders.")
    assert done.returncode == (1 if why else 0), done.stderr
    if why:
        store = changed.get("PARTAGE_OBJECTS", "s3://partage")
        assert sentence.startswith(
            f"The object store {store} did not do what was asked: {why}. Compare PARTAGE_OBJECTS"
        )
    assert not done.stderr


@pytest.mark.parametrize("words", ["jobs --rehearsal", "serve --rehearsal"])
def test_what_runs_on_says_why_nothing_can_be_stored_and_goes_on(database_url: str, tmp_path: Path, words: str) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    sentence = f"The object store s3://partage did not do what was asked: nobody answers at {nobody}. Compare PARTAGE_"
    printed = printed_until_up(words, nobody, database_url, tmp_path / "log")
    assert printed.startswith(sentence), "before anything else"
    after = printed.partition("job=keep-log")
    line, following = after[0].splitlines()[-1], after[2].splitlines()[1:2]
    assert words.startswith("serve") or f"cause='{sentence}" in line
    assert following != ["Traceback (most recent call last):"]


def test_a_store_that_keeps_silent_is_not_waited_for(database_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        printed = printed_until_up("serve --rehearsal", address, database_url, tmp_path / "log")
    assert printed.startswith(
        "The object store s3://partage did not do what was asked: it did not answer in time. Compare PARTAGE_"
    )


def printed_until_up(words: str, address: str, database_url: str, log: Path) -> str:
    """Start what runs on beside a store at `address`; return what it had printed when it was up and was ended."""
    there = {
        "PARTAGE_OBJECTS": "s3://partage",
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "anything",
    }
    more = OF_JOBS if words.startswith("jobs") else {}
    with (
        log.open("wb") as file,
        subprocess.Popen(
            [sys.executable, "-m", "marketplace", *words.split()],
            cwd=ROOT,
            env=os.environ | OPERATORS_OWN | more | there | {"DATABASE_URL": database_url, "PORT": str(free_port())},
            stdout=file,
            stderr=file,
        ) as running,
    ):
        goes_on = "job=keep-log" if more else "Application startup complete."
        try:
            wait_until(lambda: goes_on in log.read_text() or running.poll() is not None)
            assert running.poll() is None, log.read_text()
        finally:
            running.terminate()
    return log.read_text()

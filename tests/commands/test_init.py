"""`init`: keys are made once, in files of their owner's alone, each role with those that it needs; every setting is checked."""

import argparse
import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from marketplace.commands import init
from marketplace.core.environment_files import complete, read_file
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.sealing import public_key
from marketplace.core.setting_checks import check
from tests.support.production import OPERATORS_OWN, key
from tests.support.source import ROOT

OPERATORS = {
    "PARTAGE_NOTES": "/var/lib/partage-notes",
    "DATABASE_URL": "postgresql://partage@postgres/partage",
    "PARTAGE_URL": "https://partage.example",
    "STRIPE_API_KEY": "sk_test_of_an_operator",
    "STRIPE_WEBHOOK_SECRET": "whsec_of_an_operator",
    "PAYOUT_IBAN": "FR7630006000011234567890189",
    "SELLER_NAME": "L'Opérateur",
    "SELLER_STREET": "2 rue de l'Été",
    "SELLER_POSTCODE": "69002",
    "SELLER_CITY": "Lyon",
    "SELLER_SIREN": "732829320",
    "SELLER_LEGAL": "SA au capital de 10 000 €, RCS Lyon 732 829 320",
}
"""What only an operator knows."""


def files_in(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


def run_init(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in an environment that has no settings but these."""
    return subprocess.run(
        [sys.executable, "-m", "marketplace", "init", str(folder)],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_role_gets_the_keys_that_it_needs_alone(tmp_path: Path) -> None:
    folder = tmp_path / "environment"
    complete(folder, OPERATORS)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        f"{role}.env": 0o600 for role in ("web", "jobs", "migrate")
    }
    web, jobs, migrate = (read_file(folder / f"{role}.env") for role in ("web", "jobs", "migrate"))
    assert public_key(jobs["PARTAGE_BID_KEY"]) == jobs["PARTAGE_BID_PUBLIC_KEY"] == web["PARTAGE_BID_PUBLIC_KEY"]
    assert jobs["PARTAGE_BID_KEY"] not in (folder / "web.env").read_text()
    assert migrate == {"DATABASE_URL": OPERATORS["DATABASE_URL"]}
    assert "METRICS_TOKEN" not in jobs
    for name in ("PARTAGE_SECRET", "PARTAGE_SIGNING_KEY", "PARTAGE_IDENTITY_KEYS"):
        assert web[name] == jobs[name]
    assert [check(environment, role) for role, environment in (("web", web), ("jobs", jobs), ("migrate", migrate))] == [
        [],
        [],
        [],
    ]
    assert [check(jobs, "web"), check(web, "jobs")] != [[], []]


def test_again_changes_nothing_and_what_was_written_by_hand_stays(tmp_path: Path) -> None:
    complete(tmp_path, {})
    first = files_in(tmp_path)
    complete(tmp_path, {})
    assert files_in(tmp_path) == first
    by_hand = first["web.env"].replace("STRIPE_API_KEY=\n", "# ours\nSTRIPE_API_KEY='sk by hand'\n")
    (tmp_path / "web.env").write_text(by_hand)
    complete(tmp_path, OPERATORS | {"PARTAGE_SECRET": "another secret of another operator"})
    after = read_file(tmp_path / "web.env")
    assert after["STRIPE_API_KEY"] == "sk by hand"
    assert "# ours\n" in (tmp_path / "web.env").read_text()
    assert after["PARTAGE_SECRET"] == read_file(tmp_path / "jobs.env")["PARTAGE_SECRET"]
    assert after["PARTAGE_SECRET"] in first["web.env"]
    assert after["SELLER_NAME"] == "L'Opérateur"


@pytest.mark.long
def test_keys_that_a_newer_version_needs_are_named_with_the_command_that_adds_them_alone(tmp_path: Path) -> None:
    complete(tmp_path, OPERATORS)
    for role in ("web", "jobs"):  # as the version left them that had no public log and no such limit
        file = tmp_path / f"{role}.env"
        lines = file.read_text("utf-8").splitlines(keepends=True)
        file.write_text("".join(line for line in lines if "PARTAGE_LOG_KEY" not in line), "utf-8")
    before = files_in(tmp_path)
    (sentence,) = check(read_file(tmp_path / "jobs.env"), "jobs")
    assert "PARTAGE_LOG_KEY" in sentence
    assert "`marketplace init` adds the keys that are missing" in sentence
    environment = read_file(tmp_path / "jobs.env") | {"PATH": os.environ["PATH"]}
    refused = subprocess.run(
        [sys.executable, "-m", "marketplace", "jobs"], env=environment, capture_output=True, text=True, check=False
    )
    assert refused.returncode
    assert sentence in refused.stderr
    assert run_init(tmp_path).returncode == 0
    after = files_in(tmp_path)
    assert [check(read_file(tmp_path / f"{role}.env"), role) for role in ("web", "jobs")] == [[], []]
    assert {name: after[name].startswith(before[name]) for name in after} == dict.fromkeys(after, True), (
        "added, no more"
    )
    assert "PARTAGE_LOG_KEY" not in read_file(tmp_path / "web.env"), "the site gets no key of `jobs`"


def test_keys_that_a_process_has_already_are_used(tmp_path: Path) -> None:
    own = {"PARTAGE_SECRET": OPERATORS_OWN["PARTAGE_SECRET"], "PARTAGE_BID_KEY": key("bids")}
    complete(tmp_path, own)
    assert read_file(tmp_path / "web.env")["PARTAGE_SECRET"] == own["PARTAGE_SECRET"]
    assert read_file(tmp_path / "web.env")["PARTAGE_BID_PUBLIC_KEY"] == public_key(key("bids"))


def test_one_that_ended_between_two_files_is_completed_with_the_same_keys(tmp_path: Path) -> None:
    complete(tmp_path, {})
    whole = files_in(tmp_path)
    for name in ("web.env", "migrate.env"):
        (tmp_path / name).unlink()
    complete(tmp_path, {})
    again = read_file(tmp_path / "web.env")
    assert again.pop("METRICS_TOKEN")
    assert all(value in whole["web.env"] for value in again.values())
    assert files_in(tmp_path)["jobs.env"] == whole["jobs.env"]


def test_many_at_once_make_one_set_of_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: complete(tmp_path, {}), range(4)))
    web, jobs = (read_file(tmp_path / f"{role}.env") for role in ("web", "jobs"))
    assert web["PARTAGE_SECRET"] == jobs["PARTAGE_SECRET"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jobs.env", "migrate.env", "web.env"]


def test_files_that_others_could_read_or_place_are_mended_or_refused(tmp_path: Path) -> None:
    complete(tmp_path, {})
    before = files_in(tmp_path)
    (tmp_path / "web.env").chmod(0o644)
    complete(tmp_path, {})
    assert stat.S_IMODE((tmp_path / "web.env").stat().st_mode) == 0o600
    tmp_path.chmod(0o777)
    with pytest.raises(Invalid, match="Other accounts may write"):
        complete(tmp_path, {})
    tmp_path.chmod(0o700)
    (tmp_path / "web.env").rename(tmp_path / "elsewhere")
    (tmp_path / "web.env").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Invalid, match="not a file"):
        complete(tmp_path, OPERATORS)
    (tmp_path / "web.env").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "web.env")
    assert files_in(tmp_path) == before, "refused before anything was written"


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("PARTAGE_SECRET=another-secret-of-another-operator", "differs"),
        (f"PARTAGE_BID_PUBLIC_KEY={key('others')}", "differs"),
        ("PARTAGE_SECRET=two words", "not NAME=VALUE"),
        ("some words", "not NAME=VALUE"),
        ("PARTAGE_SECRET='open", "not NAME=VALUE"),
    ],
)
def test_files_that_contradict_each_other_or_cannot_be_read_are_refused(
    tmp_path: Path, line: str, refusal: str
) -> None:
    complete(tmp_path, {})
    (tmp_path / "web.env").write_text((tmp_path / "web.env").read_text() + f"{line}\n")
    before = files_in(tmp_path)
    with pytest.raises((Conflict, Invalid), match=refusal):
        complete(tmp_path, OPERATORS)
    assert files_in(tmp_path) == before


def test_the_key_that_opens_bids_is_never_replaced_while_its_public_half_is_in_use(tmp_path: Path) -> None:
    complete(tmp_path, {})
    (tmp_path / "jobs.env").unlink()
    with pytest.raises(Conflict, match="put the key that opens bids back"):
        complete(tmp_path, {})


def test_the_command_names_what_is_missing_a_line_each_and_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in OPERATORS | OPERATORS_OWN:
        monkeypatch.delenv(name, raising=False)
    assert init.run(argparse.Namespace(folder=tmp_path)) == 1
    printed = capsys.readouterr().out
    for name in OPERATORS:
        assert name in printed
    assert printed.splitlines()[-1].endswith("to be set before `serve` and `jobs` start.")
    web = read_file(tmp_path / "web.env")
    assert not [name for name, value in web.items() if value and value in printed]
    (tmp_path / "web.env").write_text((tmp_path / "web.env").read_text() + "PARTAGE_SINGING_KEY=1\nHOLD_DAYS=soon\n")
    init.run(argparse.Namespace(folder=tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert "web: PARTAGE_SINGING_KEY is not a setting: check its spelling." in lines
    assert any("HOLD_DAYS" in line and line.startswith("web: ") for line in lines)


def test_a_shell_reads_the_files_and_serve_would_start_with_them(tmp_path: Path) -> None:
    ended = run_init(tmp_path / "environment", **OPERATORS)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-1].endswith("nothing is missing.")
    shown = subprocess.run(
        ["/bin/sh", "-c", 'set -a; . ./web.env; printf "%s|" "$SELLER_NAME" "$SELLER_STREET" "$SELLER_LEGAL"'],
        cwd=tmp_path / "environment",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown == "|".join(OPERATORS[name] for name in ("SELLER_NAME", "SELLER_STREET", "SELLER_LEGAL")) + "|"


def test_keys_that_a_killed_run_wrote_under_no_name_yet_are_deleted(tmp_path: Path) -> None:
    complete(tmp_path, {})
    left = tmp_path / ".jobs.env.x7d2"
    left.write_text((tmp_path / "jobs.env").read_text())
    other = tmp_path / ".env"
    other.write_text("SITE_NAME=data.operator.example\n")
    complete(tmp_path, {})
    assert not left.exists()
    assert other.exists()


@pytest.mark.parametrize("folder", ["a-file", "a-file/environment"])
def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, folder: str) -> None:
    (tmp_path / "a-file").touch()
    words = [sys.executable, "-m", "marketplace", "init", str(tmp_path / folder)]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert re.fullmatch(rf"{tmp_path}/a-file\S*: (File exists|Not a directory)\.\n", ran.stderr), ran.stderr

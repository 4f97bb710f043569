"""What can be checked of docker-compose.yml without an engine: its shape, its names, and that it says what we serve."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from marketplace.__main__ import parser
from marketplace.setting_checks import refuse_demo_settings
from marketplace.settings import Settings, read
from tests.support.production import OPERATORS_OWN

ROOT = Path(__file__).resolve().parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service.get("image") == "partage"}


def test_every_part_of_production_is_there() -> None:
    assert set(COMPOSE["services"]) == {"postgres", "objects", "bucket", "migrate", "web", "jobs"}
    assert set(OURS) == {"migrate", "web", "jobs"}
    assert int(COMPOSE["services"]["postgres"]["image"].rpartition(":")[2]) >= 17


def test_our_services_run_commands_that_exist() -> None:
    for service in OURS.values():
        assert parser().parse_args(service["command"]).command == service["command"][0]


def test_every_variable_is_a_setting_or_the_stores_own() -> None:
    settings = {f.metadata["variable"] for f in fields(Settings)}
    named = {name for name in OURS["web"]["environment"] if not name.startswith("AWS_")}
    assert named <= settings


def test_the_environment_is_one_that_serve_accepts() -> None:
    given = {
        name: re.sub(
            r"\$\{STRIPE_API_KEY:.*?\}",
            "sk_live_x",
            re.sub(r"\$\{PARTAGE_URL:.*?\}", "https://partage.example", str(value)),
        )
        for name, value in OURS["web"]["environment"].items()
    }
    given |= {
        name: OPERATORS_OWN[name]
        for name in (
            "PARTAGE_SECRET",
            "PARTAGE_SIGNING_KEY",
            "PARTAGE_BID_PUBLIC_KEY",
            "PARTAGE_IDENTITY_KEYS",
            "SELLER_SIREN",
            "STRIPE_WEBHOOK_SECRET",
        )
    }
    refuse_demo_settings(read(given))


def test_services_wait_for_what_they_name() -> None:
    for service in COMPOSE["services"].values():
        for awaited, how in service.get("depends_on", {}).items():
            assert awaited in COMPOSE["services"]
            assert how["condition"] != "service_healthy" or "healthcheck" in COMPOSE["services"][awaited]


def test_the_dockerfile_copies_what_exists_and_pins_with_hashes() -> None:
    dockerfile = OURS["web"]["build"]["dockerfile_inline"]
    for line in dockerfile.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["COPY"]:
            assert all((ROOT / source).exists() for source in words[1:-1]), line
    assert "--require-hashes -r requirements.lock" in dockerfile
    assert "USER partage" in dockerfile

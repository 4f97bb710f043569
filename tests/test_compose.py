"""What can be checked of docker-compose.yml without an engine: its shape, its names, who holds which secret, and that it says what we serve."""

import ipaddress
import json
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from marketplace.__main__ import parser
from marketplace.core.environment_files import complete
from marketplace.core.setting_checks import refuse_demo_settings
from marketplace.core.settings import JOBS, ROLES, WEB, Settings, read
from tests.support.production import OPERATORS_OWN

ROOT = Path(__file__).resolve().parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service.get("image") == "partage"}


def secrets_of(service: dict[str, Any]) -> set[str]:
    """Return the variables that Compose puts into a service's environment."""
    return set(re.findall(r"\$\{(\w+_PASSWORD)", json.dumps(service.get("environment", {}))))


def test_every_part_of_production_is_there() -> None:
    assert set(SERVICES) == {"proxy", "postgres", "objects", "bucket", "migrate", "web", "jobs"}
    assert set(OURS) == {"migrate", "web", "jobs"}
    assert int(SERVICES["postgres"]["image"].rpartition(":")[2].split(".")[0]) >= 17


def test_our_services_run_commands_that_exist() -> None:
    for service in OURS.values():
        assert parser().parse_args(service["command"]).command == service["command"][0]


def test_every_variable_is_a_setting_or_the_stores_own() -> None:
    settings = {f.metadata["variable"] for f in fields(Settings)}
    for service in OURS.values():
        assert {name for name in service["environment"] if not name.startswith("AWS_")} <= settings


def test_the_environment_is_one_that_serve_accepts() -> None:
    given = {
        name: re.sub(r"\$\{SITE_NAME:.*?\}", "partage.example", str(value))
        for name, value in OURS["web"]["environment"].items()
    }
    refuse_demo_settings(read(OPERATORS_OWN | given))


def test_jobs_make_backups_into_a_volume_of_their_own() -> None:
    place = re.fullmatch(r"\$\{BACKUPS:-(.+)\}", OURS["jobs"]["environment"]["PARTAGE_BACKUPS"])
    assert place
    assert f"backups:{place[1]}" in OURS["jobs"]["volumes"]
    owned = re.search(r"cd (\S+) && mkdir (.+?) && chown partage (.+)", OURS["jobs"]["build"]["dockerfile_inline"])
    assert owned
    assert {f"{owned[1]}/{name}" for name in owned[3].split()} >= {place[1]}
    assert owned[2] == owned[3]


def test_services_wait_for_what_they_name() -> None:
    for service in SERVICES.values():
        for awaited, how in service.get("depends_on", {}).items():
            assert awaited in SERVICES
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[awaited]


def test_a_health_check_runs_what_its_image_has_and_writes_nowhere_but_into_tmp() -> None:
    """PostgreSQL is asked by TCP: on its socket it answers while its roles are still to be made, and `migrate` runs once."""
    checked = {name: service["healthcheck"]["test"] for name, service in SERVICES.items() if "healthcheck" in service}
    assert {name: test[:2] for name, test in checked.items()} == {
        "postgres": ["CMD", "pg_isready"],
        "objects": ["CMD", "mc"],
        "web": ["CMD", "python"],
    }
    assert checked["postgres"][2:4] == ["-h", "127.0.0.1"]
    assert all("/tmp" in SERVICES[name]["tmpfs"] for name in checked)  # noqa: S108 (a container's own)
    for name in ("objects", "bucket"):
        assert SERVICES[name]["environment"]["MC_CONFIG_DIR"].startswith("/tmp/"), "mc writes its settings"  # noqa: S108
    compile(checked["web"][3], "web", "exec")
    assert f":{OURS['web']['environment']['PORT']}/healthz" in checked["web"][3]


def test_the_dockerfile_copies_what_exists_and_pins_with_hashes() -> None:
    dockerfile = OURS["web"]["build"]["dockerfile_inline"]
    for line in dockerfile.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["COPY"]:
            assert all((ROOT / source).exists() for source in words[1:-1]), line
    assert "--require-hashes -r requirements.lock" in dockerfile
    assert "USER partage" in dockerfile


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_bounded_and_has_no_power_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    image = service["build"]["dockerfile_inline"].split()[1] if "build" in service else service["image"]
    assert re.search(r":(RELEASE\.)?\d[\w.-]*[.T-]\d", image), f"{image} is not pinned to a version"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert "privileged" not in service
    assert ("ports" in service) == (name == "proxy"), "TLS ends at the proxy, and nothing else is reached from outside"
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))


def test_each_service_holds_the_secrets_of_its_role_alone() -> None:
    assert {name: secrets_of(service) for name, service in SERVICES.items()} == {
        "proxy": set(),
        "postgres": {"POSTGRES_PASSWORD", "OWNER_PASSWORD", "SERVING_PASSWORD"},
        "objects": {"OBJECTS_ROOT_PASSWORD"},
        "bucket": {"OBJECTS_ROOT_PASSWORD", "OBJECTS_PASSWORD"},
        "migrate": {"OWNER_PASSWORD"},
        "web": {"SERVING_PASSWORD", "OBJECTS_PASSWORD"},
        "jobs": {"SERVING_PASSWORD", "OBJECTS_PASSWORD"},
    }
    assert {name: service["env_file"] for name, service in OURS.items()} == {
        role: f"environment/{role}.env" for role in ROLES
    }


def test_the_site_serves_as_the_role_that_migrate_grants_to() -> None:
    role = OURS["migrate"]["environment"]["PARTAGE_SERVING_ROLE"]
    roles = COMPOSE["configs"]["roles"]["content"]
    for name in ("web", "jobs"):
        assert OURS[name]["environment"]["DATABASE_URL"].startswith(f"postgresql://{role}:")
    assert f"CREATE ROLE {role} LOGIN PASSWORD" in roles
    assert "SUPERUSER" not in roles
    assert OURS["migrate"]["environment"]["DATABASE_URL"].startswith("postgresql://partage:")
    assert "CREATE DATABASE partage OWNER partage;" in roles


def test_the_site_believes_the_proxys_network_alone() -> None:
    network = ipaddress.ip_network(COMPOSE["networks"]["front"]["ipam"]["config"][0]["subnet"])
    assert OURS["web"]["environment"]["PARTAGE_PROXIES"] == str(network)
    assert [name for name, service in SERVICES.items() if "front" in service["networks"]] == ["proxy", "web"]
    assert "reverse_proxy web:8000" in COMPOSE["configs"]["proxy"]["content"]


def test_the_stores_account_may_use_its_bucket_alone() -> None:
    policy = json.loads(COMPOSE["configs"]["policy"]["content"])
    bucket = OURS["web"]["environment"]["PARTAGE_OBJECTS"].removeprefix("s3://")
    for statement in policy["Statement"]:
        assert statement["Resource"].startswith(f"arn:aws:s3:::{bucket}")
        assert not any("*" in action for action in statement["Action"])
    assert OURS["web"]["environment"]["AWS_ACCESS_KEY_ID"] != SERVICES["objects"]["environment"]["MINIO_ROOT_USER"]


def test_every_configuration_is_used_and_volume_declared() -> None:
    used = {config["source"] for service in SERVICES.values() for config in service.get("configs", [])}
    assert used == set(COMPOSE["configs"])
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert {name for name in mounted if not name.startswith("./")} == set(COMPOSE["volumes"])


@pytest.mark.parametrize("role", [WEB, JOBS])
def test_what_compose_does_not_set_has_a_line_in_the_file_of_its_role(role: str, tmp_path: Path) -> None:
    complete(tmp_path, {})
    text = (tmp_path / f"{role}.env").read_text()
    for f in fields(Settings):
        variable = f.metadata["variable"]
        if role in f.metadata["roles"] and variable not in OURS[role]["environment"]:
            assert re.search(rf"^(# )?{variable}=", text, re.MULTILINE), variable
    own = {"SMTP_URL", "MAIL_FROM", "CONTACT_EMAIL", "LEGAL_DIRECTOR", "LEGAL_HOST", "DPO_CONTACT"}
    assert not own & set(OURS[role]["environment"]), "what the files say would be replaced"


def test_programs_are_refused_over_http_and_pages_led_to_https() -> None:
    plain = COMPOSE["configs"]["proxy"]["content"].partition("http://{$$SITE_NAME} {")[2].partition("\n}\n")[0]
    assert "@programs path /api/* /delta-sharing/* /files/* /webhooks/* /metrics" in plain, "with keys or signatures"
    assert plain.index("respond") < plain.index("redir https://{host}{uri} permanent"), "programs are not redirected"

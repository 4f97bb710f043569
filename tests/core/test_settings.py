"""Settings: read once, refused by name, and never the demo's in production."""

import os
import re
import subprocess
import sys

import pytest

from marketplace.core.errors import Invalid
from marketplace.core.sealing import public_key
from marketplace.core.setting_checks import problems, refuse_demo_settings, refuse_role
from marketplace.core.settings import (
    DEMO_BID_KEY,
    DEMO_IDENTITY_KEYS,
    DEMO_LOG_KEY,
    DEMO_SECRET,
    DEMO_SIGNING_KEY,
    DEMO_SIREN,
    LOCAL_STRIPE_KEY,
    read,
)
from tests.support.production import OPERATORS_OWN, key

ALL_ZERO = "00" * 32
PRODUCTION = OPERATORS_OWN | {"DATABASE_URL": "postgresql://partage@postgres/partage"}
JOBS = PRODUCTION | {"PARTAGE_LOG_KEY": key("log")}


def test_production_settings_are_accepted() -> None:
    refuse_demo_settings(read(PRODUCTION))


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("STRIPE_API_KEY", LOCAL_STRIPE_KEY, "moves no real money"),
        ("STRIPE_API_BASE", "http://127.0.0.1:8700", "moves no real money"),
        ("PARTAGE_ONE_CLICK", "1", "one-click"),
        ("STAFF_SECOND_FACTOR", "0", "second factor"),
        ("PARTAGE_SIGNING_KEY", DEMO_SIGNING_KEY, "known to everyone"),
        ("PARTAGE_SECRET", DEMO_SECRET, "known to everyone"),
        ("PARTAGE_SECRET", "short", "easy to guess"),
        ("PARTAGE_SECRET", "s" * 32, "easy to guess"),
        ("PARTAGE_SECRET", "abcdefghijklmnopqrstuvwxyz0123456789", "easy to guess"),
        ("PARTAGE_SECRET", OPERATORS_OWN["PARTAGE_SIGNING_KEY"], "the same key"),
        ("PARTAGE_SIGNING_KEY", ALL_ZERO, "known to everyone"),
        ("PARTAGE_SIGNING_KEY", "ab" * 32, "easy to guess"),
        ("PARTAGE_SIGNING_KEY", bytes(range(32)).hex(), "easy to guess"),
        ("PARTAGE_BID_PUBLIC_KEY", public_key(DEMO_BID_KEY), "known to everyone"),
        ("PARTAGE_BID_PUBLIC_KEY", public_key(DEMO_SIGNING_KEY), "known to everyone"),
        ("PARTAGE_BID_PUBLIC_KEY", ALL_ZERO, "anyone opens"),
        ("PARTAGE_BID_PUBLIC_KEY", OPERATORS_OWN["PARTAGE_SIGNING_KEY"], "the same key"),
        ("PARTAGE_IDENTITY_KEYS", f"own:{ALL_ZERO}", "known to everyone"),
        ("PARTAGE_IDENTITY_KEYS", f"own:{OPERATORS_OWN['PARTAGE_SIGNING_KEY']}", "the same key"),
        ("PARTAGE_IDENTITY_KEYS", f"own:{key('identity')},own:{key('older')}", "an id of its own"),
        ("PARTAGE_URL", "", "https"),
        ("PARTAGE_URL", "http://partage.example", "https"),
        ("PARTAGE_URL", "https://", "https"),
        ("STRIPE_API_KEY", "", "is empty"),
        ("STRIPE_API_KEY", " ", "is empty"),
        ("STRIPE_WEBHOOK_SECRET", " ", "webhooks"),
        ("METRICS_TOKEN", "a", "easy to guess"),
        ("METRICS_TOKEN", OPERATORS_OWN["PARTAGE_SECRET"], "the same key"),
        ("PARTAGE_BID_PUBLIC_KEY", "", "known to everyone"),
        ("PARTAGE_IDENTITY_KEYS", DEMO_IDENTITY_KEYS, "known to everyone"),
        ("PARTAGE_IDENTITY_KEYS", "2026:" + "ef" * 32 + "," + DEMO_IDENTITY_KEYS, "known to everyone"),
        ("SELLER_SIREN", DEMO_SIREN, "invoices"),
        ("STRIPE_WEBHOOK_SECRET", "", "webhooks"),
    ],
)
def test_serve_refuses_what_only_the_demo_may_use(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        refuse_demo_settings(read(PRODUCTION | {variable: value}))
    assert all(re.search("[A-Z]+_[A-Z_]+", line) for line in problems(read(PRODUCTION | {variable: value})))


def test_the_key_that_opens_bids_is_for_jobs_alone() -> None:
    private = key("bids")
    public = public_key(private)
    site = PRODUCTION | {"PARTAGE_BID_PUBLIC_KEY": public}
    refuse_role(read(site), serving=True)
    with pytest.raises(Invalid, match="for `jobs` alone"):
        refuse_role(read(site | {"PARTAGE_BID_KEY": private}), serving=True)
    site |= {"PARTAGE_LOG_KEY": key("log")}
    refuse_role(read(site | {"PARTAGE_BID_KEY": private}), serving=False)
    for wrong in ({}, {"PARTAGE_BID_KEY": key("others")}, {"PARTAGE_BID_KEY": private, "PARTAGE_BID_PUBLIC_KEY": ""}):
        with pytest.raises(Invalid, match="no sealed auction ends"):
            refuse_role(read(site | wrong), serving=False)


def test_site_and_jobs_need_notes_apart_from_what_a_restore_replaces() -> None:
    own = JOBS | {"PARTAGE_BID_PUBLIC_KEY": public_key(key("bids")), "PARTAGE_BID_KEY": key("bids")}
    own |= {"PARTAGE_STATE": "/var/lib/partage", "PARTAGE_OBJECTS": "s3://objects"}
    for place in ("/var/lib/partage-notes", "s3://erasures", "file:///mnt/erasures"):
        refuse_role(read(own | {"PARTAGE_NOTES": place}), serving=False)
    for place in ("", "/var/lib/partage/erasures", "s3://objects/"):
        with pytest.raises(Invalid, match="PARTAGE_NOTES"):
            refuse_role(read(own | {"PARTAGE_NOTES": place}), serving=False)
        site = own | {"PARTAGE_BID_KEY": DEMO_BID_KEY, "PARTAGE_LOG_KEY": DEMO_LOG_KEY}
        with pytest.raises(Invalid, match="PARTAGE_NOTES"):
            refuse_role(read(site | {"PARTAGE_NOTES": place}), serving=True)


def test_the_key_that_signs_the_log_is_for_jobs_alone() -> None:
    with pytest.raises(Invalid, match="signs the public log is for `jobs` alone"):
        refuse_role(read(JOBS), serving=True)
    bids = {"PARTAGE_BID_PUBLIC_KEY": public_key(key("bids")), "PARTAGE_BID_KEY": key("bids")}
    with pytest.raises(Invalid, match="PARTAGE_LOG_KEY for `jobs`"):
        refuse_role(read(PRODUCTION | bids), serving=False)
    for name, wrong in (("PARTAGE_LOG_KEY", "ab"), ("PARTAGE_LOG_ORIGIN", "partage.example")):
        with pytest.raises(Invalid, match=name):
            read(JOBS | {name: wrong})


@pytest.mark.long
def test_serve_does_not_start_with_the_key_that_opens_bids() -> None:
    private = key("bids")
    given = PRODUCTION | {"PARTAGE_BID_PUBLIC_KEY": public_key(private), "PARTAGE_BID_KEY": private}
    output = subprocess.run(
        [sys.executable, "-m", "marketplace", "serve"],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert output.returncode == 1
    assert "PARTAGE_BID_KEY" in output.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "eight"),
        ("HOLD_DAYS", "-1"),
        ("SUBSCRIBERS_BASIS_POINTS", "9000"),
        ("PARTAGE_ONE_CLICK", "yes"),
        ("PARTAGE_SIGNING_KEY", "not hex"),
        ("PORT", "70000"),
        ("PARTAGE_IDENTITY_KEYS", "ab"),
        ("PAYOUT_THRESHOLD_MINOR", "0"),
    ],
)
def test_a_malformed_setting_is_refused(variable: str, value: str) -> None:
    with pytest.raises(Invalid):
        read({variable: value})


def test_the_rates_add_up_to_the_whole() -> None:
    chosen = read({"SUBSCRIBERS_BASIS_POINTS": "4000", "OPERATOR_BASIS_POINTS": "2500"})
    assert chosen.subscribers_basis_points + chosen.operator_basis_points + chosen.platform_basis_points == 10_000

"""Settings: every one from the environment, read once, with a sentence each; README's table is checked against this."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from stdnum.fr import siren

from marketplace.errors import Invalid

LOCAL_STRIPE_KEY = "sk_test_local_counterpart"
DEMO_SIGNING_KEY = "00" * 31 + "01"
DEMO_BID_KEY = "00" * 31 + "02"
DEMO_IDENTITY_KEYS = "demo:" + "00" * 31 + "03"
DEMO_SECRET = "demo-secret-never-for-production"  # noqa: S105 (named as what `serve` refuses)
DEMO_SIREN = "123456782"
SHORTEST_SECRET = 32
LARGEST_PORT = 65_535
HUNDRED_PERCENT_BASIS_POINTS = 10_000


def _setting(variable: str, default: str, description: str) -> Any:  # noqa: ANN401 (dataclasses.field is untyped by nature)
    return field(metadata={"variable": variable, "default": default, "description": description})


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may choose; see README's table of settings."""

    database_url: str = _setting("DATABASE_URL", "", "PostgreSQL 17 or newer; empty: the embedded one")
    state: Path = _setting("PARTAGE_STATE", "./.data", "folder of the embedded database, objects and demo")
    objects_url: str = _setting("PARTAGE_OBJECTS", "", "object store (file:///…, s3://…); empty: a folder of the state")
    shared: Path = _setting("PARTAGE_SHARED", "../shared", "real inputs for the demo and tests")
    host: str = _setting("HOST", "127.0.0.1", "address the site listens on")
    port: int = _setting("PORT", "8000", "port the site listens on; `demo` takes the next free one when busy")
    public_url: str = _setting("PARTAGE_URL", "", "the site's public address; empty: http://HOST:PORT")
    secret: str = _setting(
        "PARTAGE_SECRET", DEMO_SECRET, "key of form tokens and download links; 32 characters or more"
    )
    signing_key: str = _setting(
        "PARTAGE_SIGNING_KEY", DEMO_SIGNING_KEY, "Ed25519 private key of quotes and receipts, 64 hex digits"
    )
    bid_key: str = _setting(
        "PARTAGE_BID_KEY",
        DEMO_BID_KEY,
        "X25519 private key that opens sealed bids, 64 hex digits; `jobs` alone may hold it",
    )
    bid_public_key: str = _setting(
        "PARTAGE_BID_PUBLIC_KEY", "", "the key that seals bids; empty: the private key's own"
    )
    stripe_key: str = _setting("STRIPE_API_KEY", LOCAL_STRIPE_KEY, "Stripe's secret key")
    stripe_url: str = _setting(
        "STRIPE_API_BASE", "", "Stripe's address; empty: the real one, in `demo` the local counterpart"
    )
    stripe_webhook_secret: str = _setting("STRIPE_WEBHOOK_SECRET", "", "secret that signs Stripe's webhooks")
    metrics_token: str = _setting(
        "METRICS_TOKEN", "", "bearer token that reads /metrics; empty: this machine alone may"
    )
    vies_url: str = _setting(
        "VIES_URL",
        "https://ec.europa.eu/taxation_customs/vies/rest-api",
        "service that confirms EU VAT numbers; empty: none",
    )
    subscribers_basis_points: int = _setting(
        "SUBSCRIBERS_BASIS_POINTS", "5000", "subscribers' rate of a sale after its fee"
    )
    operator_basis_points: int = _setting(
        "OPERATOR_BASIS_POINTS", "3500", "the operator's rate; the platform keeps the rest"
    )
    hold_days: int = _setting("HOLD_DAYS", "14", "days a share is held before it is the subscriber's")
    shares_every_seconds: int = _setting("SHARES_EVERY_SECONDS", "86400", "seconds between runs of the revenue share")
    identity_keys: str = _setting(
        "PARTAGE_IDENTITY_KEYS",
        DEMO_IDENTITY_KEYS,
        "AES-256 keys of subscribers' names, emails and IBANs, `id:64 hex digits` with commas between; the first seals, all open",
    )
    payout_threshold_minor: int = _setting("PAYOUT_THRESHOLD_MINOR", "500", "cents from which a subscriber is paid out")
    payouts_every_seconds: int = _setting("PAYOUTS_EVERY_SECONDS", "2592000", "seconds between drafts of a payout run")
    payout_name: str = _setting("PAYOUT_NAME", "Partage", "who pays subscribers, as banks show it")
    payout_iban: str = _setting("PAYOUT_IBAN", "", "the account subscribers are paid from; empty: no run can be sent")
    iban_hold_days: int = _setting("IBAN_HOLD_DAYS", "7", "days before a payout goes to an IBAN that replaced another")
    one_click: bool = _setting(
        "PARTAGE_ONE_CLICK", "0", "1: one-click sign-in as the demo's people; `serve` refuses it"
    )
    subscriber_year_epsilon_micro: int = _setting(
        "SUBSCRIBER_YEAR_EPSILON_MICRO",
        "20000000",
        "privacy loss that all datasets together may cost one subscriber in any 365 days, in millionths of epsilon",
    )
    seller_name: str = _setting("SELLER_NAME", "Partage (demo) SAS", "who sells, as invoices name it")
    seller_street: str = _setting("SELLER_STREET", "1 rue de la Démonstration", "the seller's street, on invoices")
    seller_postcode: str = _setting("SELLER_POSTCODE", "75001", "the seller's postcode")
    seller_city: str = _setting("SELLER_CITY", "Paris", "the seller's city")
    seller_siren: str = _setting("SELLER_SIREN", DEMO_SIREN, "the seller's SIREN; its VAT number follows from it")
    seller_legal: str = _setting(
        "SELLER_LEGAL",
        "SAS au capital de 10 000 €, RCS Paris 123 456 782",
        "legal form, capital and register, as French law wants them on invoices",
    )
    events: str = _setting("PARTAGE_EVENTS", "", "daily files of events to ingest: a file, folder or bucket")
    subscribers: str = _setting("PARTAGE_SUBSCRIBERS", "", "the operator's table of subscribers: a file or folder")
    sites: str = _setting(
        "PARTAGE_SITES", "", "the operator's table of sites, and the zone each lies in: a file or folder"
    )
    engine: str = _setting(
        "BUILD_ENGINE", "kernel", "what counts in a build: kernel, duckdb or spark; all answer the same"
    )
    memory_mb: int = _setting(
        "BUILD_MEMORY_MB", "2048", "memory that DuckDB, or Spark's driver, may use in a build before it spills to disk"
    )
    spark_master: str = _setting(
        "SPARK_MASTER",
        "local[2]",
        "where Spark counts: local[2] here, spark://… or yarn on a cluster that sees PARTAGE_STATE",
    )

    def __post_init__(self) -> None:
        """Refuse rates beyond the whole, a malformed key and an impossible port."""
        if min(self.subscribers_basis_points, self.operator_basis_points, self.hold_days) < 0 or (
            self.subscribers_basis_points + self.operator_basis_points > HUNDRED_PERCENT_BASIS_POINTS
        ):
            raise Invalid("The rates of subscribers and operator must lie between 0 and 10000 basis points together.")
        if not re.fullmatch("[0-9a-f]{64}", self.signing_key):
            raise Invalid("PARTAGE_SIGNING_KEY must be 64 hex digits: an Ed25519 private key.")
        if not re.fullmatch("[0-9a-f]{64}", self.bid_key) or not re.fullmatch("([0-9a-f]{64})?", self.bid_public_key):
            raise Invalid("PARTAGE_BID_KEY and PARTAGE_BID_PUBLIC_KEY must be 64 hex digits: an X25519 key pair.")
        if not re.fullmatch(r"\w{1,40}:[0-9a-f]{64}(,\w{1,40}:[0-9a-f]{64})*", self.identity_keys, re.ASCII):
            raise Invalid("PARTAGE_IDENTITY_KEYS must be `id:64 hex digits`, several with commas between.")
        if self.payout_threshold_minor < 1 or self.iban_hold_days < 0 or self.payouts_every_seconds < 1:
            raise Invalid("PAYOUT_THRESHOLD_MINOR and PAYOUTS_EVERY_SECONDS must be above 0, IBAN_HOLD_DAYS not below.")
        if not siren.is_valid(self.seller_siren):
            raise Invalid("SELLER_SIREN must be the nine digits of a SIREN, its check digit included.")
        if not 0 <= self.port <= LARGEST_PORT:
            raise Invalid("PORT must lie between 0 and 65535.")

    @property
    def seller_vat_number(self) -> str:
        """Return the VAT number that every French company has by its SIREN."""
        return f"FR{siren.to_tva(self.seller_siren)}"

    @property
    def platform_basis_points(self) -> int:
        """Return what is left of a sale for the platform, in basis points."""
        return HUNDRED_PERCENT_BASIS_POINTS - self.subscribers_basis_points - self.operator_basis_points

    @property
    def url(self) -> str:
        """Return the site's public address without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def objects(self) -> str:
        """Return the object store's address."""
        return self.objects_url or (self.state / "objects").resolve().as_uri()


def read(environment: dict[str, str]) -> Settings:
    """Read the settings from `environment`; a malformed one is refused by name."""
    values: dict[str, object] = {}
    for f in fields(Settings):
        variable = f.metadata["variable"]
        text = environment.get(variable, f.metadata["default"])
        try:
            values[f.name] = _PARSERS[str(f.type)](text)
        except ValueError:
            raise Invalid(
                "The setting {variable} is not {kind}: {text!r}.", variable=variable, kind=f.type, text=text
            ) from None
    return Settings(**values)  # type: ignore[arg-type]


_PARSERS: dict[str, Any] = {
    "str": str,
    "int": int,
    "Path": lambda text: Path(text).absolute(),  # of the folder that the command was started in, wherever we go later
    "bool": lambda text: bool(int(text or 0)),
}


def refuse_demo_settings(chosen: Settings) -> None:
    """Refuse to serve real people with what only the demo may use."""
    if chosen.stripe_key == LOCAL_STRIPE_KEY or chosen.stripe_url:
        raise Invalid(
            "Set STRIPE_API_KEY and leave STRIPE_API_BASE empty: the local Stripe counterpart moves no real money."
        )
    if chosen.one_click:
        raise Invalid("Unset PARTAGE_ONE_CLICK: one-click sign-in is for the demo alone.")
    if chosen.signing_key == DEMO_SIGNING_KEY or chosen.secret == DEMO_SECRET or len(chosen.secret) < SHORTEST_SECRET:
        raise Invalid(
            "Set PARTAGE_SIGNING_KEY and PARTAGE_SECRET to keys of your own: the demo's are known to everyone."
        )
    if chosen.bid_key == DEMO_BID_KEY and not chosen.bid_public_key:
        raise Invalid(
            "Set PARTAGE_BID_PUBLIC_KEY, and PARTAGE_BID_KEY for `jobs` alone: the demo's are known to everyone."
        )
    if DEMO_IDENTITY_KEYS.partition(":")[2] in chosen.identity_keys:
        raise Invalid("Set PARTAGE_IDENTITY_KEYS to keys of your own: the demo's is known to everyone.")
    if chosen.seller_siren == DEMO_SIREN:
        raise Invalid("Set SELLER_NAME, SELLER_SIREN and the other SELLER_ settings: invoices bear them for ever.")
    if not chosen.stripe_webhook_secret:
        raise Invalid("Set STRIPE_WEBHOOK_SECRET: without it forged webhooks cannot be told apart from Stripe's.")


def refuse_bid_key(chosen: Settings, *, serving: bool) -> None:
    """Keep the key that opens sealed bids with `jobs` alone: the site must not hold it, and `jobs` needs the right one."""
    if serving:
        if chosen.bid_key != DEMO_BID_KEY:
            raise Invalid(
                "Unset PARTAGE_BID_KEY where the site is served: the key that opens sealed bids is for `jobs` alone."
            )
        return
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415 (only `jobs` needs it)

    opens = X25519PrivateKey.from_private_bytes(bytes.fromhex(chosen.bid_key)).public_key().public_bytes_raw().hex()
    if chosen.bid_key == DEMO_BID_KEY or opens != chosen.bid_public_key:
        raise Invalid(
            "Set PARTAGE_BID_KEY for `jobs` to the private key of PARTAGE_BID_PUBLIC_KEY: without it no sealed auction ends."
        )


@functools.cache
def settings() -> Settings:
    """Return the process's settings, read once."""
    return read(dict(os.environ))

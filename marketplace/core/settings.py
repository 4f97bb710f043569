"""Settings: every one from the environment, read once, with a sentence each; README's table is checked against this."""

from __future__ import annotations

import functools
import ipaddress
import os
import re
from dataclasses import dataclass, field, fields
from email.utils import parseaddr
from enum import Enum
from pathlib import Path
from typing import Any, Final

from stdnum.fr import siren

from marketplace.core.errors import Invalid

LOCAL_STRIPE_KEY = "sk_test_local_counterpart"
DEMO_SIGNING_KEY = "00" * 31 + "01"
DEMO_BID_KEY = "00" * 31 + "02"
DEMO_LOG_KEY = "00" * 31 + "04"
DEMO_IDENTITY_KEYS = "demo:" + "00" * 31 + "03"
DEMO_SECRET = "demo-secret-never-for-production"  # noqa: S105 (named as what `serve` refuses)
DEMO_SIREN = "123456782"
LARGEST_PORT = 65_535
HUNDRED_PERCENT_BASIS_POINTS = 10_000
SMALLEST_FILE_BYTES = 1000


WEB, JOBS, MIGRATE = "web", "jobs", "migrate"
ROLES: Final = (JOBS, WEB, MIGRATE)
"""The roles of production processes; each has its own environment file with only the keys that it needs."""


class Make(Enum):
    """How `init` makes a key."""

    HEX = "32 random bytes, as hex digits"
    TEXT = "32 random bytes, as letters and digits"
    NAMED = "an id, a colon and 32 random bytes as hex digits"
    PUBLIC = "the public half of the key that opens bids"


def _setting(
    variable: str,
    default: str,
    description: str,
    *,
    make: Make | None = None,
    roles: tuple[str, ...] = (WEB, JOBS),
    needed: bool = False,
) -> Any:  # noqa: ANN401 (dataclasses.field is untyped by nature)
    """Return a setting's field.

    make: how `init` makes it, None if an operator writes it. roles: the processes that need it. needed: whether `init`
    leaves a line to fill in, instead of the default.
    """
    stated = {"variable": variable, "default": default, "description": description}
    return field(metadata=stated | {"make": make, "roles": roles, "needed": needed})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of an operator; see README's table of settings."""

    database_url: str = _setting(
        "DATABASE_URL", "", "PostgreSQL 17 or newer; empty: the embedded one", roles=ROLES, needed=True
    )
    database_connections: int = _setting("PARTAGE_DATABASE_CONNECTIONS", "10", "most database connections of a process")
    state: Path = _setting("PARTAGE_STATE", "./.data", "folder of the embedded database, objects and demo", roles=ROLES)
    objects_url: str = _setting("PARTAGE_OBJECTS", "", "object store (file:///…, s3://…); empty: a folder of the state")
    shared: Path = _setting("PARTAGE_SHARED", "../shared", "real inputs for the demo and tests", roles=())
    host: str = _setting("HOST", "127.0.0.1", "address the site listens on", roles=(WEB,))
    port: int = _setting(
        "PORT", "8000", "port the site listens on; `demo` takes the next free one when busy", roles=(WEB,)
    )
    public_url: str = _setting("PARTAGE_URL", "", "the site's public address; empty: http://HOST:PORT", needed=True)
    secret: str = _setting(
        "PARTAGE_SECRET",
        DEMO_SECRET,
        "what form tokens, new API keys and invitations, known browsers, previews and public maps are signed or drawn with; 32 characters or more",
        make=Make.TEXT,
    )
    signing_key: str = _setting(
        "PARTAGE_SIGNING_KEY",
        DEMO_SIGNING_KEY,
        "Ed25519 private key of quotes and receipts, 64 hex digits",
        make=Make.HEX,
    )
    bid_key: str = _setting(
        "PARTAGE_BID_KEY",
        DEMO_BID_KEY,
        "X25519 private key that opens sealed bids, 64 hex digits; `jobs` alone may hold it",
        make=Make.HEX,
        roles=(JOBS,),
    )
    bid_public_key: str = _setting(
        "PARTAGE_BID_PUBLIC_KEY", "", "the key that seals bids; empty: the private key's own", make=Make.PUBLIC
    )
    log_key: str = _setting(
        "PARTAGE_LOG_KEY",
        DEMO_LOG_KEY,
        "Ed25519 private key that signs the public log's heads, 64 hex digits; `jobs` alone may hold it",
        make=Make.HEX,
        roles=(JOBS,),
    )
    log_origin: str = _setting(
        "PARTAGE_LOG_ORIGIN",
        "",
        "name of the public log, HOST/log/1; empty: as it was begun; another one begins a new log",
        roles=(JOBS,),
    )
    log_witnesses: str = _setting(
        "PARTAGE_LOG_WITNESSES",
        "",
        "witnesses of the public log, each its key, a blank and its address, with commas between; empty: none",
    )
    stripe_key: str = _setting("STRIPE_API_KEY", LOCAL_STRIPE_KEY, "Stripe's secret key", needed=True)
    stripe_url: str = _setting(
        "STRIPE_API_BASE", "", "Stripe's address; empty: the real one, in `demo` the local counterpart", roles=()
    )
    stripe_webhook_secret: str = _setting(
        "STRIPE_WEBHOOK_SECRET", "", "secret that signs Stripe's webhooks", needed=True
    )
    metrics_token: str = _setting(
        "METRICS_TOKEN",
        "",
        "bearer token that reads /metrics; empty: this machine alone may",
        make=Make.TEXT,
        roles=(WEB,),
    )
    vies_url: str = _setting(
        "VIES_URL",
        "https://ec.europa.eu/taxation_customs/vies/rest-api",
        "service that confirms EU VAT numbers; empty: none",
    )
    einvoicing_flow_url: str = _setting(
        "EINVOICING_FLOW_URL",
        "",
        "flow service of the approved platform (XP Z12-013) that invoices travel through; empty: none does",
        roles=(JOBS,),
    )
    einvoicing_directory_url: str = _setting(
        "EINVOICING_DIRECTORY_URL", "", "directory service of the platform: the annuaire of addresses", roles=(JOBS,)
    )
    einvoicing_token_url: str = _setting(
        "EINVOICING_TOKEN_URL", "", "where the platform gives tokens (OAuth 2); empty: it wants none", roles=(JOBS,)
    )
    einvoicing_client: str = _setting(
        "EINVOICING_CLIENT", "", "our id and secret at the platform, a colon between", roles=(JOBS,)
    )
    einvoicing_platform: str = _setting(
        "EINVOICING_PLATFORM", "", "the platform's four characters at the tax authority, for reports", roles=(JOBS,)
    )
    einvoicing_from: str = _setting(
        "EINVOICING_FROM", "2026-09-01", "day from which documents travel; later changes are not read", roles=(JOBS,)
    )
    subscribers_basis_points: int = _setting(
        "SUBSCRIBERS_BASIS_POINTS", "5000", "subscribers' rate of a sale's posted price"
    )
    operator_basis_points: int = _setting(
        "OPERATOR_BASIS_POINTS", "3500", "the operator's rate of it; the platform keeps the rest and bears Stripe's fee"
    )
    hold_days: int = _setting("HOLD_DAYS", "14", "days a share is held before it is the subscriber's")
    shares_every_seconds: int = _setting("SHARES_EVERY_SECONDS", "86400", "seconds between runs of the revenue share")
    identity_keys: str = _setting(
        "PARTAGE_IDENTITY_KEYS",
        DEMO_IDENTITY_KEYS,
        "AES-256 keys of subscribers' names, emails and IBANs, `id:64 hex digits` with commas between; the first seals, all open",
        make=Make.NAMED,
    )
    payout_threshold_minor: int = _setting("PAYOUT_THRESHOLD_MINOR", "500", "cents from which a subscriber is paid out")
    payouts_every_seconds: int = _setting("PAYOUTS_EVERY_SECONDS", "2592000", "seconds between drafts of a payout run")
    export_accounts: str = _setting(
        "EXPORT_ACCOUNTS",
        "",
        "the accountant’s own accounts in a FEC and CSV, as `ours:theirs` with spaces between; empty: ours",
        roles=(JOBS,),
    )
    export_columns: str = _setting(
        "EXPORT_COLUMNS",
        "EcritureDate JournalCode CompteNum CompteLib PieceRef EcritureLib Debit Credit",
        "columns of the CSV export in their order, by the names that a FEC gives them",
        roles=(JOBS,),
    )
    vop_url: str = _setting(
        "VOP_URL",
        "",
        "our bank’s interface that verifies payees’ names before a run is sent; empty: its reports on files say it",
        roles=(WEB,),
    )
    vop_token: str = _setting("VOP_TOKEN", "", "bearer token of that interface; empty: it wants none", roles=(WEB,))
    payout_name: str = _setting("PAYOUT_NAME", "Partage", "who pays subscribers, as banks show it")
    payout_iban: str = _setting(
        "PAYOUT_IBAN", "", "the account subscribers are paid from; empty: no run can be sent", needed=True
    )
    payout_instant: bool = _setting(
        "PAYOUT_INSTANT", "0", "1: the bank of PAYOUT_IBAN takes files of SEPA Instant; change it between runs only"
    )
    payout_file_payees: int = _setting("PAYOUT_FILE_PAYEES", "50000", "payees of one payout file at most")
    payout_file_bytes: int = _setting("PAYOUT_FILE_BYTES", "30000000", "bytes of one payout file at most")
    iban_hold_days: int = _setting("IBAN_HOLD_DAYS", "7", "days before a payout goes to an IBAN that replaced another")
    backup_key: str = _setting(
        "PARTAGE_BACKUP_KEY", "", "public key (age1…) that backups are encrypted to; several with commas between"
    )
    backups: str = _setting(
        "PARTAGE_BACKUPS", "", "folder or bucket (s3://…) that `jobs` writes backups into; empty: none", roles=(JOBS,)
    )
    backup_hours: int = _setting(
        "PARTAGE_BACKUP_HOURS", "24", "hours between two backups of `jobs`; after twice as many the last one is too old"
    )
    backup_days: int = _setting(
        "PARTAGE_BACKUP_DAYS", "30", "days until a backup of `jobs` is deleted, after a newer one", roles=(JOBS,)
    )
    notes: str = _setting(
        "PARTAGE_NOTES",
        "",
        "folder or bucket (s3://…), apart from database and objects, that consents, withdrawals and erasures are noted in before they are acknowledged; `restore` repeats them; in a demo or rehearsal: a folder of the state unless set",
        needed=True,
    )
    trail_copy: str = _setting(
        "PARTAGE_TRAIL_COPY",
        "",
        "folder or bucket (s3://…), apart and best write-once, that `jobs` copies the audit trail to as it grows; empty: the object store",
        roles=(JOBS,),
    )
    one_click: bool = _setting(
        "PARTAGE_ONE_CLICK", "0", "1: one-click sign-in as the demo's people; `serve` refuses it", roles=()
    )
    rehearsal: bool = _setting(
        "PARTAGE_REHEARSAL",
        "0",
        "1: a rehearsal with a test Stripe, said on every page, as `serve --rehearsal` is; never with a live key",
        roles=(),
    )
    rehearsal_days: int = _setting(
        "PARTAGE_REHEARSAL_DAYS", "0", "days that a rehearsal's clock is ahead, to see months close", roles=()
    )
    sandbox_url: str = _setting("PARTAGE_SANDBOX_URL", "", "address of the sandbox that partners may enter")
    sandbox_of: str = _setting("PARTAGE_SANDBOX_OF", "", "public key of the site that this is a sandbox of", roles=())
    staff_second_factor: bool = _setting(
        "STAFF_SECOND_FACTOR", "1", "0: staff sign in by password alone, in tests; `serve` refuses it", roles=()
    )
    subscriber_year_epsilon_micro: int = _setting(
        "SUBSCRIBER_YEAR_EPSILON_MICRO",
        "20000000",
        "privacy loss that all datasets together may cost one subscriber in any 365 days, in millionths of epsilon",
    )
    seller_name: str = _setting("SELLER_NAME", "Partage (demo) SAS", "who sells, as invoices name it", needed=True)
    seller_street: str = _setting(
        "SELLER_STREET", "1 rue de la Démonstration", "the seller's street, on invoices", needed=True
    )
    seller_postcode: str = _setting("SELLER_POSTCODE", "75001", "the seller's postcode", needed=True)
    seller_city: str = _setting("SELLER_CITY", "Paris", "the seller's city", needed=True)
    seller_siren: str = _setting(
        "SELLER_SIREN", DEMO_SIREN, "the seller's SIREN; its VAT number follows from it", needed=True
    )
    seller_legal: str = _setting(
        "SELLER_LEGAL",
        "SAS au capital de 10 000 €, RCS Paris 123 456 782",
        "legal form, capital and register, as French law wants them on invoices",
        needed=True,
    )
    events: str = _setting(
        "PARTAGE_EVENTS", "", "daily files of events to ingest: a file, folder or bucket", roles=(JOBS,)
    )
    subscribers: str = _setting(
        "PARTAGE_SUBSCRIBERS", "", "the operator's table of subscribers: a file or folder", roles=(JOBS,)
    )
    sites: str = _setting(
        "PARTAGE_SITES", "", "the operator's table of sites, and the zone each lies in: a file or folder", roles=(JOBS,)
    )
    engine: str = _setting(
        "BUILD_ENGINE", "kernel", "what counts in a build: kernel, duckdb or spark; all answer the same", roles=(JOBS,)
    )
    memory_mb: int = _setting(
        "BUILD_MEMORY_MB",
        "2048",
        "memory that DuckDB, or Spark's driver, may use in a build before it spills to disk",
        roles=(JOBS,),
    )
    spark_master: str = _setting(
        "SPARK_MASTER",
        "local[2]",
        "where Spark counts: local[2] here, spark://… or yarn on a cluster that sees PARTAGE_STATE",
        roles=(JOBS,),
    )
    smtp_url: str = _setting(
        "SMTP_URL",
        "",
        "server of mail: smtp://user:password@host:587 or smtps://…; file:///folder writes letters there; empty: no mail",
        roles=(JOBS,),
    )
    mail_from: str = _setting("MAIL_FROM", "Partage <partage@localhost>", "who letters are from, as people see it")
    mail_bounces: str = _setting(
        "MAIL_BOUNCES",
        "",
        "address that undeliverable letters come back to; empty: the one of MAIL_FROM",
        roles=(JOBS,),
    )
    mail_timeout_seconds: int = _setting(
        "MAIL_TIMEOUT_SECONDS", "120", "seconds to wait for an answer of the server of mail", roles=(JOBS,)
    )
    least_free_mb: int = _setting(
        "PARTAGE_LEAST_FREE_MB",
        "512",
        "free space of the disk of PARTAGE_STATE below which the site is not ready, in MB",
    )

    proxies: str = _setting(
        "PARTAGE_PROXIES",
        "127.0.0.1,::1",
        "addresses or networks of the reverse proxies in front of the site, commas between: they say who asks",
        roles=(WEB,),
    )
    address_limit: int = _setting(
        "PARTAGE_ADDRESS_LIMIT",
        "1200",
        "requests a minute that one address may make of one process; 0: any number",
        roles=(WEB,),
    )
    key_limit: int = _setting(
        "PARTAGE_KEY_LIMIT",
        "1200",
        "requests a minute that one API key may make of one process; 0: any number",
        roles=(WEB,),
    )
    webhook_networks: str = _setting(
        "PARTAGE_WEBHOOK_NETWORKS",
        "",
        "networks besides public ones that webhooks may be posted to, commas between; empty: none",
    )
    streams_an_address: int = _setting(
        "PARTAGE_STREAMS_AN_ADDRESS",
        "100",
        "live pages that one address may have open at once; 0: any number",
        roles=(WEB,),
    )
    connections_an_address: int = _setting(
        "PARTAGE_CONNECTIONS_AN_ADDRESS",
        "300",
        "connections that one address may have open at once; 0: any number",
        roles=(WEB,),
    )
    request_seconds: int = _setting(
        "PARTAGE_REQUEST_SECONDS",
        "30",
        "seconds within which the site begins its answer, once a request has come whole; later it answers 503; 0: any time",
        roles=(WEB,),
    )
    identity_providers: str = _setting(
        "PARTAGE_IDENTITY_PROVIDERS",
        "",
        "identity providers that people may sign in with, as a JSON list (manual: identity providers); empty: none",
        roles=(WEB,),
    )
    operator_app: str = _setting(
        "PARTAGE_OPERATOR_APP",
        "",
        "the operator's own app, as a JSON object (manual: lines and consents): whose tokens say who a person is; empty: none",
        roles=(WEB,),
    )
    trace_endpoint: str = _setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "OpenTelemetry collector that traces are sent to (http://host:4318); empty: none",
        roles=(WEB, JOBS),
    )
    access_log: bool = _setting(
        "PARTAGE_ACCESS_LOG",
        "1",
        "1: `serve` writes a line of JSON a request to standard output; 0: none",
        roles=(WEB,),
    )
    serving_role: str = _setting(
        "PARTAGE_SERVING_ROLE",
        "",
        "role of the database that `serve` and `jobs` connect as: `migrate` lets it write, but own nothing; empty: none",
        roles=(MIGRATE,),
    )
    contact_email: str = _setting("CONTACT_EMAIL", "", "the operator's mailbox, which people's questions reach")
    contact_phone: str = _setting("CONTACT_PHONE", "", "the operator's telephone, on the legal notice", roles=(WEB,))
    legal_director: str = _setting(
        "LEGAL_DIRECTOR", "", "person responsible for what the site publishes, on the legal notice", roles=(WEB,)
    )
    legal_host: str = _setting(
        "LEGAL_HOST",
        "",
        "name, address and telephone of the company that hosts the site, on the legal notice",
        roles=(WEB,),
    )
    dpo_contact: str = _setting(
        "DPO_CONTACT", "", "how to reach the data-protection officer, on the privacy notice", roles=(WEB,)
    )
    legal_texts: str = _setting(
        "LEGAL_TEXTS",
        "",
        "folder of the operator's own notice, terms, privacy and cookies: `terms.fr.md`, `terms.en.md` …; empty: ours",
        roles=(WEB,),
    )

    def __post_init__(self) -> None:
        """Refuse rates above the whole, a malformed key and an impossible port."""
        if min(self.subscribers_basis_points, self.operator_basis_points, self.hold_days) < 0 or (
            self.subscribers_basis_points + self.operator_basis_points > HUNDRED_PERCENT_BASIS_POINTS
        ):
            raise Invalid("The rates of subscribers and operator must lie between 0 and 10000 basis points together.")
        self._refuse_malformed_keys()
        if self.payout_threshold_minor < 1 or self.iban_hold_days < 0 or self.payouts_every_seconds < 1:
            raise Invalid("PAYOUT_THRESHOLD_MINOR and PAYOUTS_EVERY_SECONDS must be above 0, IBAN_HOLD_DAYS not below.")
        if self.payout_file_payees < 1 or self.payout_file_bytes < SMALLEST_FILE_BYTES:
            raise Invalid("PAYOUT_FILE_PAYEES must be above 0, PAYOUT_FILE_BYTES at least 1000.")
        if self.backup_hours < 1 or self.backup_days < 1:
            raise Invalid("PARTAGE_BACKUP_HOURS and PARTAGE_BACKUP_DAYS must be above 0.")
        if not siren.is_valid(self.seller_siren):
            raise Invalid("SELLER_SIREN must be the nine digits of a SIREN, its check digit included.")
        if not re.match(r"(smtps?://[^/\s]+/?|file:///\S+)?$", self.smtp_url):
            raise Invalid("SMTP_URL must be smtp://host:port, smtps://host:port or file:///folder.")
        if "@" not in parseaddr(self.mail_from)[1] or self.mail_timeout_seconds < 1:
            raise Invalid("MAIL_FROM must be `Name <address>`, and MAIL_TIMEOUT_SECONDS above 0.")
        if not 0 <= self.port <= LARGEST_PORT:
            raise Invalid("PORT must lie between 0 and 65535.")
        self._refuse_malformed_limits()

    def _refuse_malformed_keys(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.signing_key):
            raise Invalid("PARTAGE_SIGNING_KEY must be 64 hex digits: an Ed25519 private key.")
        if not re.fullmatch("[0-9a-f]{64}", self.log_key):
            raise Invalid("PARTAGE_LOG_KEY must be 64 hex digits: an Ed25519 private key.")
        if not re.fullmatch(r"([^\s/+]+/log/[a-z0-9-]{1,40})?", self.log_origin):
            raise Invalid(
                "PARTAGE_LOG_ORIGIN must be the site's host, /log/ and a name, such as `partage.example/log/2`."
            )
        if not re.fullmatch("[0-9a-f]{64}", self.bid_key) or not re.fullmatch("([0-9a-f]{64})?", self.bid_public_key):
            raise Invalid("PARTAGE_BID_KEY and PARTAGE_BID_PUBLIC_KEY must be 64 hex digits: an X25519 key pair.")
        if not re.fullmatch(r"\w{1,40}:[0-9a-f]{64}(,\w{1,40}:[0-9a-f]{64})*", self.identity_keys, re.ASCII):
            raise Invalid("PARTAGE_IDENTITY_KEYS must be `id:64 hex digits`, several with commas between.")

    def _refuse_malformed_limits(self) -> None:
        if not re.match(r"(https?://\S+)?$", self.trace_endpoint):
            raise Invalid("OTEL_EXPORTER_OTLP_ENDPOINT must be the http address of a collector.")
        of_requests = self.request_seconds, self.address_limit, self.key_limit
        if min(*of_requests, self.streams_an_address, self.connections_an_address) < 0:
            raise Invalid("The limits of requests, addresses and keys must not be below 0.")
        try:
            [ipaddress.ip_network(part.strip()) for part in self.proxies.split(",") if part.strip()]
        except ValueError:
            raise Invalid("PARTAGE_PROXIES must be addresses or networks with commas between.") from None

    @property
    def seller_vat_number(self) -> str:
        """Return the VAT number, which for every French company follows from its SIREN."""
        return f"FR{siren.to_tva(self.seller_siren)}"

    @property
    def platform_basis_points(self) -> int:
        """Return the platform's part of a sale, in basis points."""
        return HUNDRED_PERCENT_BASIS_POINTS - self.subscribers_basis_points - self.operator_basis_points

    @property
    def url(self) -> str:
        """Return the site's public address without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    @functools.cache  # noqa: B019 (of settings, there is one)
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
    "Path": lambda text: Path(text).absolute(),  # relative to the folder in which the command was started
    "bool": lambda text: bool(int(text or 0)),
}


@functools.cache
def settings() -> Settings:
    """Return the process's settings, read once."""
    return read(dict(os.environ))

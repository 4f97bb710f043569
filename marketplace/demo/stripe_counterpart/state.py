"""The counterpart's state: objects, saved answers, webhook deliveries and scheduled actions, in one SQLite file.

Every call is one transaction. A process killed at any instant leaves either the whole effect of a call or nothing of
it. Objects are JSON as Stripe shows them; fields whose names begin with an underscore are ours and are never shown.
"""

import hashlib
import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from marketplace.demo.stripe_counterpart.errors import no_such_object
from marketplace.demo.stripe_counterpart.responses import blank, resource_named
from marketplace.demo.stripe_counterpart.stripe_types import Json

MINUTE, DAY = 60, 86_400
Row = TypeVar("Row")
_ID_LENGTH = 24
_PREFIXES = {
    "account": "acct",
    "balance_transaction": "txn",
    "charge": "ch",
    "checkout.session": "cs_test",
    "customer": "cus",
    "customer_cash_balance_transaction": "ccsbtxn",
    "dispute": "du",
    "event": "evt",
    "item": "li",
    "mandate": "mandate",
    "payment_intent": "pi",
    "payment_method": "pm",
    "payout": "po",
    "price": "price",
    "refund": "re",
    "setup_intent": "seti",
    "tax_id": "txi",
    "transfer": "tr",
    "transfer_reversal": "trr",
    "webhook_endpoint": "we",
}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    account TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS object_by_kind ON object (kind, account, sequence);
CREATE INDEX IF NOT EXISTS object_by_payment_intent ON object (kind, json_extract(body, '$.payment_intent'));
CREATE TABLE IF NOT EXISTS answer (
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    request TEXT NOT NULL,
    request_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    saved_at INTEGER NOT NULL,
    PRIMARY KEY (account, key)
) STRICT;
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY,
    event TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL,
    outcome TEXT,
    result TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (due_at) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS scheduled_action (
    id INTEGER PRIMARY KEY,
    due_at INTEGER NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS scheduled_action_due ON scheduled_action (due_at);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""
_POP_DUE_ACTION = """
DELETE FROM scheduled_action
WHERE id = (SELECT id FROM scheduled_action WHERE due_at <= ? ORDER BY due_at, id LIMIT 1)
RETURNING action, subject
"""
_TABLES = ("object", "answer", "delivery", "scheduled_action", "setting")


class Origin(Struct, frozen=True):
    """The cause of a change: an API call, or none (a scheduled action, a hosted page).

    base: the address at which the caller reached the counterpart; links to hosted pages start with it.
    """

    base: str = ""
    request_id: str | None = None
    idempotency_key: str | None = None


NO_ORIGIN = Origin()


class ScheduledAction(Struct, frozen=True):
    """An action of `scheduled_actions` on one object, due at a time."""

    action: str
    subject: str


class SavedAnswer(Struct, frozen=True):
    """The answer saved under an idempotency key. request: the call's fingerprint; body: JSON."""

    request: str
    request_id: str
    status: int
    body: str


class Delivery(Struct, frozen=True):
    """An event queued for a webhook endpoint, and how its delivery went. outcome: None while it is pending."""

    id: int
    event: str
    endpoint: str
    attempts: int
    outcome: str | None
    result: str | None


class StripeState:
    """The state of one Stripe account and its connected accounts. Used by one event loop, never by two threads at once.

    path: the SQLite file, or None for a state in memory. seed: makes ids and secrets the same in every run. read_time: the
    machine's time in Unix seconds, or a clock that the caller shifts.
    """

    def __init__(self, path: Path | None, seed: str | None = None, read_time: Callable[[], float] = time.time) -> None:
        """Open the file, or create it."""
        self._database = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        # NORMAL survives the death of the process at any instant; only a power cut may lose the last calls.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_SCHEMA)
        self._seed = seed
        self._read_time = read_time
        self._loaded: dict[str, tuple[Json, str]] = {}
        self._instant: int | None = None
        self.origin = NO_ORIGIN

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # -------------------------------------------------------------- transactions
    @contextmanager
    def transaction(self, origin: Origin = NO_ORIGIN) -> Iterator[None]:
        """Commit everything inside or nothing of it; objects changed inside are written at its end."""
        self._database.execute("BEGIN IMMEDIATE")
        self.origin = origin
        self._instant = self._read_clock()
        try:
            yield
            self.flush()
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        else:
            self._database.execute("COMMIT")
        finally:
            self._loaded.clear()
            self._instant = None
            self.origin = NO_ORIGIN

    @contextmanager
    def savepoint(self, *, keep: bool = True) -> Iterator[None]:
        """Undo what happens inside, and only that, when it raises or `keep` is false; within a transaction."""
        self.flush()
        self._database.execute("SAVEPOINT attempt")
        done = False
        try:
            yield
            self.flush()
            done = keep
        finally:
            if not done:
                self._loaded.clear()
                self._database.execute("ROLLBACK TO attempt")
            self._database.execute("RELEASE attempt")

    def flush(self) -> None:
        """Write every loaded object that has changed since it was read."""
        for identifier, (body, as_read) in self._loaded.items():
            text = json.dumps(body)
            if text != as_read:
                self._database.execute("UPDATE object SET body = ? WHERE id = ?", (text, identifier))
                self._loaded[identifier] = (body, text)

    def reset(self) -> None:
        """Delete everything."""
        self._loaded.clear()
        for table in _TABLES:
            self._database.execute(f"DELETE FROM {table}")

    # -------------------------------------------------------------- clock, tokens, settings
    def now(self) -> int:
        """Return the counterpart's time in Unix seconds; it is constant within a transaction."""
        return self._read_clock() if self._instant is None else self._instant

    def _read_clock(self) -> int:
        """Return the given time plus the clock's offset."""
        return int(self._read_time()) + int(self.setting("clock_offset", "0"))

    def advance_clock(self, seconds: int) -> int:
        """Move the clock forward and return the new time; within a transaction."""
        return self.set_clock_offset(int(self.setting("clock_offset", "0")) + seconds)

    def set_clock_offset(self, seconds: int) -> int:
        """Set how far the clock is ahead of the machine's (negative: behind) and return the new time."""
        self.set_setting("clock_offset", str(seconds))
        self._instant = self._read_clock()
        return self._instant

    def new_token(self, length: int = _ID_LENGTH) -> str:
        """Return a random token, or the next one of the seed."""
        if self._seed is None:
            return secrets.token_hex(length)[:length]
        made = int(self.setting("tokens_made", "0")) + 1
        self.set_setting("tokens_made", str(made))
        return hashlib.sha256(f"{self._seed}:{made}".encode()).hexdigest()[:length]

    def setting(self, name: str, default: str) -> str:
        """Return a setting's value."""
        row = self._database.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return default if row is None else str(row[0])

    def set_setting(self, name: str, value: str) -> None:
        """Save a setting."""
        self._database.execute(
            "INSERT INTO setting VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
        )

    # -------------------------------------------------------------- objects
    def add(self, kind: str, *, account: str = "", prefix: str | None = None, **fields: Any) -> Json:  # noqa: ANN401
        """Create an object: its documented skeleton, an id, the creation time, and these fields."""
        body = blank(resource_named(kind))
        body["id"] = f"{prefix or _PREFIXES[kind]}_{self.new_token()}"
        body["object"] = kind
        if "created" in body:
            body["created"] = self.now()
        if "metadata" in body:
            body["metadata"] = {}
        body.update(fields)
        text = json.dumps(body)
        self._database.execute(
            "INSERT INTO object (id, kind, account, body) VALUES (?, ?, ?, ?)", (body["id"], kind, account, text)
        )
        self._loaded[body["id"]] = (body, text)
        return body

    def find(self, identifier: str) -> Json | None:
        """Return an object by its id; changes made to it are written at the end of the transaction."""
        if identifier in self._loaded:
            return self._loaded[identifier][0]
        row = self._database.execute("SELECT body FROM object WHERE id = ?", (identifier,)).fetchone()
        return None if row is None else self._load(identifier, row[0])

    def get(self, kind: str, identifier: str, param: str = "id") -> Json:
        """Return an object of one kind, or refuse as Stripe does if it does not exist."""
        body = self.find(identifier)
        if body is None or body["object"] != kind:
            raise no_such_object(kind, identifier, param)
        return body

    def account_of(self, identifier: str) -> str | None:
        """Return the connected account of an object ("" for our own), or None if the object does not exist."""
        row = self._database.execute("SELECT account FROM object WHERE id = ?", (identifier,)).fetchone()
        return None if row is None else str(row[0])

    def sequence_of(self, identifier: str) -> int | None:
        """Return an object's sequence number: the order of creation."""
        row = self._database.execute("SELECT sequence FROM object WHERE id = ?", (identifier,)).fetchone()
        return None if row is None else int(row[0])

    def remove(self, identifier: str) -> None:
        """Delete an object permanently."""
        self._loaded.pop(identifier, None)
        self._database.execute("DELETE FROM object WHERE id = ?", (identifier,))

    def select(self, kind: str, where: str = "TRUE", values: tuple[Any, ...] = (), limit: int = -1) -> list[Json]:
        """Return objects of a kind in the order of creation; where: SQL over the columns of `object`."""
        self.flush()
        rows = self._database.execute(
            f"SELECT id, body FROM object WHERE kind = ? AND {where} LIMIT ?",
            (kind, *values, limit),
        )
        return [self._load(identifier, text) for identifier, text in rows.fetchall()]

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> None:
        """Run a statement on the tables."""
        self.flush()
        self._database.execute(sql, values)

    def fetch_rows(self, row: Callable[..., Row], sql: str, values: tuple[Any, ...] = ()) -> list[Row]:
        """Return a query's rows; `row` is called with the columns, in order."""
        self.flush()
        return [row(*columns) for columns in self._database.execute(sql, values).fetchall()]

    def _load(self, identifier: str, text: str) -> Json:
        if identifier not in self._loaded:
            self._loaded[identifier] = (json.loads(text), text)
        return self._loaded[identifier][0]

    # -------------------------------------------------------------- scheduled actions
    def schedule(self, due_at: int, action: str, subject: str) -> None:
        """Schedule an action of `scheduled_actions` on an object."""
        self._database.execute(
            "INSERT INTO scheduled_action (due_at, action, subject) VALUES (?, ?, ?)", (due_at, action, subject)
        )

    def pop_due_action(self) -> ScheduledAction | None:
        """Delete and return the earliest scheduled action that is due, or None."""
        row = self._database.execute(_POP_DUE_ACTION, (self.now(),)).fetchone()
        return None if row is None else ScheduledAction(*row)

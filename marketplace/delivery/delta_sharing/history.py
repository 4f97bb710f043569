"""The versions of a shared table: one for each change of what a partner may read of a dataset, with its instant.

A table has one file for each period: the bought release in its latest revision. A version is a purchase, a later
revision, or the end of a licence. Versions are derived from recorded facts, so a number always means the same.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core.errors import Conflict, Expired, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Period = tuple[dt.datetime, dt.datetime]


class SharedFile(Struct, frozen=True):
    """An entitlement and the file that it opens."""

    id: uuid.UUID
    dataset: str
    level: int
    release: uuid.UUID
    revision: int
    period_from: dt.datetime
    period_to: dt.datetime
    starts_at: dt.datetime
    ends_at: dt.datetime
    revoked_at: dt.datetime | None
    recalled_at: dt.datetime | None
    suspended_at: dt.datetime | None
    cells_sha256: str
    row_count: int

    @property
    def over_at(self) -> dt.datetime:
        """Return when it ended or will end: by refund, recall or its own end."""
        return min(at for at in (self.ends_at, self.revoked_at, self.recalled_at) if at)

    @property
    def table(self) -> str:
        """Return the name of the file's table."""
        return f"{self.dataset}_edition_{self.level}" if self.level else self.dataset


class Version(Struct, frozen=True):
    """One change of a table."""

    number: int
    at: dt.datetime
    added: tuple[SharedFile, ...]
    removed: tuple[SharedFile, ...]


class History(Struct, frozen=True):
    """A table with all its versions, at one instant."""

    table: str
    rows: tuple[SharedFile, ...]
    versions: tuple[Version, ...]
    now: dt.datetime

    @property
    def latest(self) -> int:
        """Return the number of the last version."""
        return len(self.versions) - 1

    def files(self, version: int) -> list[SharedFile]:
        """Return the files of a version by period; refuses a version with a file that may not be read now."""
        live: dict[uuid.UUID, SharedFile] = {}
        for one in self.versions[: version + 1]:
            for gone in one.removed:
                del live[gone.release]
            live |= {row.release: row for row in one.added}
        return [self.readable(row, version) for row in sorted(live.values(), key=lambda row: row.period_from)]

    def readable(self, row: SharedFile, version: int) -> SharedFile:
        """Return an entitlement that opens this row's file now; refuses if none does, so that no file is missing."""
        is_open = [each for each in self.rows if each.release == row.release and each.over_at > self.now]
        if not is_open:
            raise Expired("Version {version} has a release that can no longer be read.", version=version)
        if all(each.suspended_at for each in is_open):
            raise Conflict(
                "The payment of a release in version {version} is disputed or overdue; "
                "the table can be read again once that is settled.",
                version=version,
            )
        return next(each for each in is_open if not each.suspended_at)

    def number(self, version: int) -> int:
        """Return the number of an existing version; refuses others."""
        if not 0 <= version <= self.latest:
            raise NotFound(
                "There is no version {version}; there are 0 to {latest}.", version=version, latest=self.latest
            )
        return version

    def at(self, instant: dt.datetime) -> int:
        """Return the version as of an instant; refuses one before the first."""
        found = [version.number for version in self.versions if version.at <= instant]
        if not found:
            raise NotFound("There was no version yet at {instant}.", instant=instant.isoformat())
        return found[-1]

    def since(self, instant: dt.datetime) -> int:
        """Return the first version at an instant or after; refuses one after the last."""
        found = [version.number for version in self.versions if version.at >= instant]
        if not found:
            raise NotFound("There is no version since {instant}.", instant=instant.isoformat())
        return found[0]


def histories(rows: Iterable[SharedFile], now: dt.datetime) -> dict[str, History]:
    """Return a partner's tables that have a file now, by name."""
    tables: dict[str, list[SharedFile]] = {}
    for row in rows:
        tables.setdefault(row.table, []).append(row)
    found = {name: History(name, tuple(of), _versions(of, now), now) for name, of in sorted(tables.items())}
    return {name: history for name, history in found.items() if any(row.over_at > now for row in history.rows)}


def _versions(rows: Sequence[SharedFile], now: dt.datetime) -> tuple[Version, ...]:
    """Return the changes of one table, with their instants."""
    changes = [(row.starts_at, 0, str(row.id), row) for row in rows if row.over_at > row.starts_at]
    changes += [(row.over_at, 1, str(row.id), row) for row in rows if row.starts_at < row.over_at <= now]
    open_rows: dict[Period, list[SharedFile]] = {}
    versions: list[Version] = []
    for at, is_end, _, row in sorted(changes, key=lambda change: change[:3]):
        of_period = open_rows.setdefault((row.period_from, row.period_to), [])
        before = _shown(of_period)
        if is_end:
            of_period.remove(row)
        else:
            of_period.append(row)
        after = _shown(of_period)
        if (before and before.release) != (after and after.release):
            removed, added = ((one,) if one else () for one in (before, after))
            versions.append(Version(len(versions), at, added, removed))
    return tuple(versions)


def _shown(rows: Sequence[SharedFile]) -> SharedFile | None:
    """Return the latest revision among the open entitlements to a period."""
    return max(rows, key=lambda row: row.revision, default=None)

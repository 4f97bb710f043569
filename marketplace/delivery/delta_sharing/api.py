"""Delta Sharing over HTTP, for the protocol's own clients.

Source: delta-io/delta-sharing, PROTOCOL.md, of August 2026. Hints in a request are ignored: an answer has every file,
or an action that says there are more.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import TYPE_CHECKING, Annotated, Any, Final

from litestar import Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, QueryParameter

from marketplace.core import clock
from marketplace.core.errors import Invalid, NotFound, Refusal, existing
from marketplace.core.settings import settings
from marketplace.core.web.pages import filled
from marketplace.delivery.delta_sharing import actions, answers, rules
from marketplace.delivery.delta_sharing.history import History, SharedFile, histories
from marketplace.delivery.delta_sharing.queries import Credential, list_shared
from marketplace.delivery.downloads import actions as delivery
from marketplace.delivery.downloads.pages import deliver
from marketplace.people.identity.guards import expect

if TYPE_CHECKING:
    from collections.abc import Sequence

Asked = Request[Any, Any, Any]
LINES: Final = "application/x-ndjson; charset=utf-8"
CODES: Final = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "RESOURCE_DOES_NOT_EXIST",
}
REALM: Final = {"WWW-Authenticate": 'Bearer realm="delta-sharing"'}
TABLE: Final = f"{rules.PATH}/shares/{{share:str}}/schemas/{{schema:str}}/tables/{{table:str}}"
Most = Annotated[int | None, QueryParameter(name="maxResults", ge=0)]
After = Annotated[str, QueryParameter(name="pageToken", max_length=200)]
Starting = Annotated[str, QueryParameter(name="startingTimestamp", max_length=60)]
Ending = Annotated[str, QueryParameter(name="endingTimestamp", max_length=60)]
First = Annotated[int | None, QueryParameter(name="startingVersion", ge=0)]
Last = Annotated[int | None, QueryParameter(name="endingVersion", ge=0)]


def refused(_: Asked, error: Exception) -> Response[Any]:
    """Answer a refusal in the protocol's form: a code and a sentence."""
    if isinstance(error, Refusal):
        status, sentence = error.status, filled(error)
    else:
        assert isinstance(error, HTTPException)
        status, sentence = error.status_code, error.detail
    if status == 422 or isinstance(error, Invalid):  # noqa: PLR2004 (what we call malformed)
        status = 400
    body = {"errorCode": CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "FORBIDDEN"), "message": sentence}  # noqa: PLR2004
    return Response(body, status_code=status, headers=REALM if status == 401 else {})  # noqa: PLR2004


SPOKEN: Final[dict[str, Any]] = {
    "exception_handlers": {Refusal: refused, HTTPException: refused},
    "opt": expect("a recipient"),
}
NAMED: Final = SPOKEN | {"opt": expect("a recipient", stranger=200)}
"""Names are the same for every partner, and lead to its own tables; a file's address is signed."""


async def _partner(request: Asked) -> Credential:
    return await actions.credential_of(request.headers.get("authorization", ""))


async def _tables(partner: uuid.UUID) -> dict[str, History]:
    now = clock.now()
    return histories(await list_shared(partner, now), now)


async def _table(request: Asked) -> tuple[Credential, History]:
    """Return the request's credential and table; names ignore case."""
    credential = await _partner(request)
    _check_names(request)
    history = existing(
        (await _tables(credential.partner)).get(request.path_params["table"].lower()),
        NotFound("There is no such table."),
    )
    return credential, history


def _check_names(request: Asked) -> None:
    """Refuse any other share or schema."""
    if request.path_params.get("share", rules.SHARE).lower() != rules.SHARE:
        raise NotFound("There is no such share.")
    if request.path_params.get("schema", rules.SCHEMA).lower() != rules.SCHEMA:
        raise NotFound("There is no such schema.")


@post(f"{rules.PATH}/oauth/token", status_code=200, **SPOKEN)
async def give_token(request: Asked) -> Response[Any]:
    """Give a token for an hour to anyone who shows a credential."""
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    token = await actions.issue_token(form, request.headers.get("authorization", ""))
    body = {"access_token": token, "token_type": "Bearer", "expires_in": int(rules.TOKEN_LASTS.total_seconds())}
    return Response(body, headers={"Cache-Control": "no-store"})


@get(f"{rules.PATH}/shares", **SPOKEN)
async def list_shares(request: Asked) -> dict[str, Any]:
    """List the one share that every partner has."""
    await _partner(request)
    return {"items": [{"name": rules.SHARE}]}


@get(f"{rules.PATH}/shares/{{share:str}}", **NAMED)
async def show_share(request: Asked) -> dict[str, Any]:
    """Show the share."""
    await _partner(request)
    _check_names(request)
    return {"share": {"name": rules.SHARE}}


@get(f"{rules.PATH}/shares/{{share:str}}/schemas", **NAMED)
async def list_schemas(request: Asked) -> dict[str, Any]:
    """List the one schema of the share."""
    await _partner(request)
    _check_names(request)
    return {"items": [{"name": rules.SCHEMA, "share": rules.SHARE}]}


@get(f"{rules.PATH}/shares/{{share:str}}/schemas/{{schema:str}}/tables", **NAMED)
async def list_tables(request: Asked, most: Most = None, after: After = "") -> dict[str, Any]:
    """List a dataset's table, and one for each of its coarser editions, that the partner may read now."""
    credential = await _partner(request)
    _check_names(request)
    return await _page_of_tables(credential, most, after)


@get(f"{rules.PATH}/shares/{{share:str}}/all-tables", **NAMED)
async def list_all_tables(request: Asked, most: Most = None, after: After = "") -> dict[str, Any]:
    """List every table that the partner may read now."""
    credential = await _partner(request)
    _check_names(request)
    return await _page_of_tables(credential, most, after)


async def _page_of_tables(credential: Credential, most: int | None, after: str) -> dict[str, Any]:
    """Return at most so many tables after one, by name; the last one's name leads to the next page."""
    names = [name for name in await _tables(credential.partner) if name > after]
    shown = names if most is None else names[:most]
    items = [
        {
            "name": name,
            "schema": rules.SCHEMA,
            "share": rules.SHARE,
            "id": answers.table_id(credential.partner, name),
            "accessModes": ["url"],
        }
        for name in shown
    ]
    return {"items": items} | ({"nextPageToken": shown[-1]} if shown and len(shown) < len(names) else {})


@get(f"{TABLE}/version", **NAMED)
async def show_version(request: Asked, since: Starting = "") -> Response[bytes]:
    """Say a table's latest version, or the first since an instant."""
    _, history = await _table(request)
    version = history.since(_instant(since)) if since else history.latest
    return Response(b"", headers={"Delta-Table-Version": str(version)})


@get(f"{TABLE}/metadata", **NAMED)
async def show_metadata(request: Asked) -> Response[bytes]:
    """Say a table's columns, what they mean and how large it is."""
    credential, history = await _table(request)
    asked = rules.capabilities(request.headers.get(rules.CAPABILITIES, ""))
    files = history.files(history.latest)
    lines = answers.head(credential.partner, history, files, history.latest, is_delta=asked.is_delta)
    return _answer(lines, history.latest, asked)


@post(f"{TABLE}/query", status_code=200, **NAMED)
async def query(request: Asked) -> Response[bytes]:
    """Give the addresses of a table's files, as of a version or an instant."""
    credential, history = await _table(request)
    asked = rules.capabilities(request.headers.get(rules.CAPABILITIES, ""))
    wanted = rules.read_query(await request.body())
    if wanted.starting_version is not None:
        last = wanted.ending_version
        first = wanted.starting_version
        return _changes(credential, history, asked, first, history.latest if last is None else last)
    version = _version_of(wanted, history)
    files = history.files(version)
    start = rules.read_page(wanted.page_token)[1]
    if start and start >= len(files):
        raise Invalid("This request is malformed.")
    shown = _limited(files[start:], wanted.limit_hint)
    if asked.wants_end and 0 < (most := wanted.max_files or 0) < len(shown):
        shown = shown[:most]
    until = clock.now() + rules.SIGNED_FOR
    lines = answers.head(credential.partner, history, files, version, is_delta=asked.is_delta)
    for row in shown:
        added = next(each for each in reversed(history.versions[: version + 1]) if _has(each.added, row))
        url, end = _address(credential, row, until), answers.milliseconds(until)
        lines.append(answers.file_line(row, url, end, version=added.number, at=added.at, is_delta=asked.is_delta))
    end_action: dict[str, Any] = {
        "minUrlExpirationTimestamp": answers.milliseconds(until),
        "refreshToken": str(version),
    }
    if start + len(shown) < len(files) and wanted.limit_hint is None:
        end_action["nextPageToken"] = f"{version}.{start + len(shown)}"
    return _answer(lines, version, asked, end_action)


@get(f"{TABLE}/changes", **NAMED)
async def list_changes(
    request: Asked,
    first: First = None,
    last: Last = None,
    since: Starting = "",
    until: Ending = "",
) -> Response[bytes]:
    """Give the rows that versions added and removed."""
    credential, history = await _table(request)
    asked = rules.capabilities(request.headers.get(rules.CAPABILITIES, ""))
    if first is None:
        if not since:
            raise Invalid("Say from which version or instant.")
        first = history.since(_instant(since))
    if last is None:
        last = history.at(_instant(until)) if until else history.latest
    return _changes(credential, history, asked, first, last)


def _changes(
    credential: Credential, history: History, asked: rules.Capabilities, first: int, last: int
) -> Response[bytes]:
    """Answer with every file that versions added or removed; refuses if one of them may no longer be read."""
    history.number(first)
    if last < first:
        raise Invalid("The last version comes before the first.")
    last = min(last, history.latest)
    until = clock.now() + rules.SIGNED_FOR
    lines = answers.head(credential.partner, history, [], first, is_delta=asked.is_delta)
    for version in history.versions[first : last + 1]:
        for rows, is_added in ((version.added, True), (version.removed, False)):
            for row in rows:
                found = history.readable(row, version.number)
                url = _address(credential, found, until)
                end = answers.milliseconds(until)
                lines.append(
                    answers.change_line(
                        row, url, end, version=version.number, at=version.at, is_added=is_added, is_delta=asked.is_delta
                    )
                )
    return _answer(lines, first, asked, {"minUrlExpirationTimestamp": answers.milliseconds(until)})


@get(f"{rules.PATH}/files/{{credential:uuid}}/{{entitlement:uuid}}", **NAMED)
async def read_file(
    request: Asked,
    credential: FromPath[uuid.UUID],
    entitlement: FromPath[uuid.UUID],
    until: Annotated[int, QueryParameter(name="se", ge=0)] = 0,
    sig: Annotated[str, QueryParameter(max_length=100)] = "",
) -> Response[Any]:
    """Give a file of a table to anyone who brings its signed address."""
    stated = rules.file_statement(credential, entitlement, until)
    if not rules.is_signed(settings().secret, stated, sig):
        raise NotFound("There is no such file.")
    if until <= clock.now().timestamp():
        raise actions.Unauthenticated("This address has ended: ask for the table's files again.")
    row = await actions.check_credential(credential)
    file = await delivery.open_download(row.partner, entitlement, "parquet")
    answer = await deliver(request, file, lambda: actions.check_credential(credential))
    answer.headers.update({"Referrer-Policy": "no-referrer", "Cache-Control": "private, no-store"})
    return answer


def _address(credential: Credential, row: SharedFile, until: dt.datetime) -> str:
    """Return the address of a file; `sp=r` marks it as signed for delta-kernel."""
    end = int(until.timestamp())
    signed = rules.signature(settings().secret, rules.file_statement(credential.id, row.id, end))
    return f"{settings().url}{rules.PATH}/files/{credential.id}/{row.id}?sp=r&se={end}&sig={signed}"


def _answer(
    lines: Sequence[Any], version: int, asked: rules.Capabilities, end: dict[str, Any] | None = None
) -> Response[bytes]:
    """Answer with lines of JSON; the length is stated, so that the client notices a truncated answer."""
    whole = [*lines, {"endStreamAction": end or {}}] if asked.wants_end else lines
    body = "".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in whole).encode()
    headers = {"Delta-Table-Version": str(version), rules.CAPABILITIES: asked.header()}
    return Response(body, media_type=LINES, headers=headers)


def _version_of(wanted: rules.Query, history: History) -> int:
    """Return the version of a query; by default the last one."""
    version, instant = wanted.version, wanted.timestamp
    for token in (wanted.page_token, wanted.refresh_token):
        if token:
            version = rules.read_page(token)[0]
    if version is not None and instant:
        raise Invalid("Say a version or an instant, not both.")
    if instant:
        return history.at(_instant(instant))
    return history.number(version) if version is not None else history.latest


def _limited(files: list[SharedFile], limit: int | None) -> list[SharedFile]:
    """Return the fewest files that have so many rows, at least one; the client drops the surplus rows."""
    if limit is None:
        return files
    shown: list[SharedFile] = []
    rows = 0
    for row in files:
        if shown and rows >= limit:
            break
        shown.append(row)
        rows += row.row_count
    return shown


def _has(rows: Sequence[SharedFile], row: SharedFile) -> bool:
    return any(each.release == row.release for each in rows)


def _instant(text: str) -> dt.datetime:
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("{text} is no instant: write it as 2026-03-01T00:00:00Z.", text=text) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)


ROUTES = [
    give_token,
    list_shares,
    show_share,
    list_schemas,
    list_tables,
    list_all_tables,
    show_version,
    show_metadata,
    query,
    list_changes,
    read_file,
]

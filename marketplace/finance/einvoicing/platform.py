"""The interface to the approved platform: the verbs of AFNOR XP Z12-013 that we use, over HTTP, and its answers.

A platform has a flow service (files out, statuses in) and a directory service (the annuaire). The rest of Partage does
not know of it; a platform with another API is another file with these functions.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from marketplace.core.errors import Invalid
from marketplace.core.settings import settings

if TYPE_CHECKING:
    import uuid

    import httpx

SYNTAXES: Final = {"invoice": "Factur-X", "receipt": "CDAR", "transactions": "FRR", "payments": "FRR"}
"""Kind of file → its syntax, as the flow service names them."""
RULES: Final = {"invoice": "B2B", "receipt": "B2B", "transactions": "B2BInt", "payments": "B2BInt"}
MOST: Final = 100
"""How many results a platform must be able to return at once."""
TIMEOUT_SECONDS: Final = 30


class SilentPlatformError(Exception):
    """The platform gave no answer, or one against its API: its decision is unknown, so ask again later."""


class RefusedFileError(Exception):
    """The platform read the file and refused it, in its own words: asking again would change nothing."""


class Change(Struct, frozen=True):
    """A changed file at the platform: one of ours with its decision, or a status that it has for us."""

    id: str
    updated_at: dt.datetime
    is_ours: bool
    answer: str
    """State of a file of ours: Pending, Ok or Error."""
    reason_code: str
    reason: str


async def list_lines(client: httpx.AsyncClient, siren: str) -> list[str]:
    """Return the lines of the annuaire at which a company receives invoices, in their order."""
    question = {
        "filters": {"siren": {"op": "strict", "value": siren}},
        "sorting": [{"field": "addressingIdentifier", "sortingOrder": "ascending"}],
        "limit": MOST,
        "ignore": 0,
    }
    answer = await _ask(
        client, "POST", f"{settings().einvoicing_directory_url}/v1/directory-line/search", json=question
    )
    return [str(line["addressingIdentifier"]) for line in answer.get("results", []) if line.get("addressingIdentifier")]


async def find_flow(client: httpx.AsyncClient, tracking: uuid.UUID) -> str | None:
    """Return the platform's id of the file that we sent under a tracking id, if it has the file."""
    question = {"where": {"trackingId": str(tracking), "flowDirection": ["Out"]}, "limit": MOST}
    answer = await _ask(client, "POST", f"{settings().einvoicing_flow_url}/v1/flows/search", json=question)
    return next(
        (str(one["flowId"]) for one in answer.get("results", []) if one.get("trackingId") == str(tracking)), None
    )


async def submit_flow(client: httpx.AsyncClient, tracking: uuid.UUID, kind: str, name: str, body: bytes) -> str:
    """Submit a file under a tracking id; return the platform's id of it."""
    info = {
        "trackingId": str(tracking),
        "name": name,
        "flowSyntax": SYNTAXES[kind],
        "processingRule": RULES[kind],
    }
    files = {"flowInfo": (None, json.dumps(info), "application/json"), "file": (name, body)}
    answer = await _ask(client, "POST", f"{settings().einvoicing_flow_url}/v1/flows", files=files)
    return str(answer["flowId"])


async def list_changes(client: httpx.AsyncClient, after: dt.datetime) -> list[Change]:
    """Return at most `MOST` changes after an instant, the earliest first."""
    question = {
        "where": {"updatedAfter": after.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")},
        "limit": MOST,
    }
    answer = await _ask(client, "POST", f"{settings().einvoicing_flow_url}/v1/flows/search", json=question)
    found = [_change(one) for one in answer.get("results", [])]
    return sorted(found, key=lambda change: (change.updated_at, change.id))


async def fetch_file(client: httpx.AsyncClient, flow: str) -> bytes:
    """Return the file of a flow as its sender wrote it."""
    answer = await _send(
        client, "GET", f"{settings().einvoicing_flow_url}/v1/flows/{flow}", params={"docType": "Original"}
    )
    return answer.content


async def sign_in(client: httpx.AsyncClient) -> None:
    """Add a token of the platform's to the client, if the platform requires one (OAuth 2 client credentials)."""
    if not settings().einvoicing_token_url:
        return
    identifier, _, secret = settings().einvoicing_client.partition(":")
    answer = await _ask(
        client,
        "POST",
        settings().einvoicing_token_url,
        data={"grant_type": "client_credentials"},
        auth=(identifier, secret),
    )
    client.headers["authorization"] = f"Bearer {answer['access_token']}"


def _change(one: dict[str, Any]) -> Change:
    acknowledgement = one.get("acknowledgement") or {}
    details = acknowledgement.get("details") or []
    try:
        return Change(
            str(one["flowId"]),
            dt.datetime.fromisoformat(one["updatedAt"]),
            one.get("flowDirection") == "Out",
            str(acknowledgement.get("status") or ""),
            ", ".join(str(detail.get("reasonCode") or "") for detail in details)[:200],
            " ".join(str(detail.get("reasonMessage") or "") for detail in details)[:1000],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SilentPlatformError(f"a flow without {error}") from None


async def _ask(client: httpx.AsyncClient, verb: str, url: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    answer = await _send(client, verb, url, **more)
    if answer.status_code == 204:  # noqa: PLR2004 (HTTP: nothing found)
        return {}
    try:
        read = answer.json()
    except ValueError:
        raise SilentPlatformError("an answer that is not JSON") from None
    if not isinstance(read, dict):
        raise SilentPlatformError("an answer that is no object")
    return read


async def _send(client: httpx.AsyncClient, verb: str, url: str, **more: Any) -> httpx.Response:  # noqa: ANN401
    import httpx  # noqa: PLC0415 (start-up time)

    try:
        answer = await client.request(verb, url, **more)
    except httpx.HTTPError as error:
        raise SilentPlatformError(type(error).__name__) from None
    if answer.status_code in (400, 413, 422):
        raise RefusedFileError(_reason(answer))
    if not answer.is_success:
        raise SilentPlatformError(f"HTTP {answer.status_code}")
    return answer


def _reason(answer: httpx.Response) -> str:
    try:
        fault = answer.json()
        return f"{fault['errorCode']}: {fault['errorMessage']}"[:1000]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"


def choose_line(siren: str, lines: list[str]) -> str | None:
    """Return the destination: the company's chosen line, or its only one.

    None if somebody must choose, or it has none.
    """
    if siren in lines:
        return siren
    return lines[0] if len(lines) == 1 else None


def check_line(line: str, lines: str) -> str:
    """Return a line of the annuaire; refuse any other, which would be a guess."""
    if line not in lines.split():
        raise Invalid("The annuaire has no such line: {line}.", line=line[:60])
    return line

"""A local approved platform: a small HTTP server with the verbs of AFNOR XP Z12-013 that Partage uses, and an annuaire.

It checks files as a platform would: a file that is not an invoice, a known number and an unknown address are rejected
with the published code; others are deposited, received, made available and approved at once, each as a life-cycle
message (CDAR). Its state is in memory. Nothing leaves this machine.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import email.parser
import email.policy
import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from facturx import get_xml_from_pdf
from lxml import etree

from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.finance.einvoicing.cdar import RAM, RSM, UDT, read_statuses
from marketplace.finance.einvoicing.codes import REJECTED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]

FLOW, DIRECTORY = "/flow-service", "/directory-service"
LARGEST_BYTES: Final = 20_000_000
CII: Final = {
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
}
LIFE: Final = (200, 202, 203, 205)
"""The statuses that an accepted invoice goes through automatically."""


@dataclass(slots=True)
class StoredFlow:
    """A received file, or a message that waits to be fetched."""

    id: str
    direction: str
    """Out: the company sent it; In: it is for the company."""
    tracking: str
    kind: str
    name: str
    body: bytes
    updated_at: dt.datetime
    answer: str = "Ok"
    details: list[tuple[str, str]] = field(default_factory=list)
    """Reason codes and sentences."""


@dataclass
class Platform:
    """The platform's state, and the faults that a test plants in it."""

    lines: dict[str, list[str]] = field(default_factory=dict)
    """SIREN → lines of the annuaire; by default a SIREN has one line, itself."""
    unknown: set[str] = field(default_factory=set)
    """SIREN numbers without any line."""
    refuses: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    """Invoice number → the status, reason code and sentence that end its life."""
    flows: list[StoredFlow] = field(default_factory=list)
    is_silent: bool = False
    """Whether every request is answered with 503."""
    dies_after: str = ""
    """A verb whose connection breaks once after its effect: the caller gets no answer."""

    def invoices(self) -> list[str]:
        """Return the numbers of the deposited invoices, in order."""
        return [flow.name for flow in self.flows if flow.kind == "Factur-X" and flow.answer == "Ok"]

    def submit(self, info: dict[str, Any], name: str, body: bytes) -> StoredFlow:
        """Receive a file and decide about it."""
        syntax = str(info.get("flowSyntax"))
        flow = StoredFlow(str(uuid.uuid4()), "Out", str(info.get("trackingId")), syntax, name, body, self._now())
        self.flows.append(flow)
        if syntax == "Factur-X":
            self._judge(flow)
        elif syntax == "CDAR":
            try:
                read_statuses(body)
            except Invalid:
                flow.answer, flow.details = "Error", [("REJ_SEMAN", "Message illisible")]
        return flow

    def _judge(self, flow: StoredFlow) -> None:
        """Deposit an invoice or reject it, and write the messages of its life."""
        try:
            _, xml = get_xml_from_pdf(flow.body, check_xsd=True)
            root = etree.fromstring(xml)
        except Exception:  # noqa: BLE001 (a platform names any fault of a file and goes on)
            flow.answer, flow.details = "Error", [("REJ_SEMAN", "Le fichier n’est pas une facture Factur-X valide")]
            return
        number = root.findtext("rsm:ExchangedDocument/ram:ID", "", CII)
        address = root.findtext(".//ram:BuyerTradeParty/ram:URIUniversalCommunication/ram:URIID", "", CII)
        known = {other.name for other in self.flows if other is not flow and other.kind == "Factur-X"}
        if flow.name in known:
            flow.answer, flow.details = "Error", [("DOUBLON", f"{number} a déjà été déposée")]
        elif address[:9] in self.unknown or address not in self.lines.get(address[:9], [address[:9]]):
            flow.answer, flow.details = (
                "Error",
                [("DEST_INC", f"{address or 'aucune adresse'} : inconnue de l’annuaire")],
            )
        elif number in self.refuses:
            end = self.refuses[number]
            for code in (LIFE[0], LIFE[1]) if end[0] != REJECTED else ():
                self.report(number, code)
            self.report(number, *end)
        else:
            for code in LIFE:
                self.report(number, code)

    def report(self, number: str, code: int, reason_code: str = "", reason: str = "") -> None:
        """Queue a life-cycle message of a document for the company."""
        self.flows.append(
            StoredFlow(
                str(uuid.uuid4()),
                "In",
                "",
                "CDAR",
                f"{number}-{code}",
                _status(number, code, reason_code, reason, clock.now()),
                self._now(),
            )
        )

    def _now(self) -> dt.datetime:
        """Return the present instant, later than every earlier change."""
        after = (
            self.flows[-1].updated_at + dt.timedelta(microseconds=1)
            if self.flows
            else dt.datetime.min.replace(tzinfo=dt.UTC)
        )
        return max(clock.now(), after)

    # ------------------------------------------------------------------ HTTP
    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return
        body = b""
        while True:
            part = await receive()
            if part["type"] == "http.disconnect":
                return  # a sender who left before the end of the request made none
            body += part.get("body", b"")
            if not part.get("more_body") or len(body) > LARGEST_BYTES:
                break
        status, answer = (503, b"") if self.is_silent else self._answer(scope, body)
        if self.dies_after and scope["path"].endswith(self.dies_after):
            self.dies_after = ""
            await asyncio.sleep(0)
            raise ConnectionResetError
        kind = b"application/json" if answer[:1] in (b"{", b"") else b"application/xml"
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": answer})

    def _answer(self, scope: Message, body: bytes) -> tuple[int, bytes]:
        verb, path = scope["method"], scope["path"]
        if (verb, path) == ("POST", f"{DIRECTORY}/v1/directory-line/search"):
            return self._find_lines(json.loads(body)["filters"]["siren"]["value"])
        if (verb, path) == ("POST", f"{FLOW}/v1/flows/search"):
            return _json(200, {"results": self._search(json.loads(body))})
        if (verb, path) == ("POST", f"{FLOW}/v1/flows"):
            return self._receive(dict(scope["headers"]).get(b"content-type", b"").decode(), body)
        flow = next((one for one in self.flows if path == f"{FLOW}/v1/flows/{one.id}"), None)
        if verb == "GET" and flow:
            return 200, flow.body
        return _json(404, {"errorCode": "NOT_FOUND", "errorMessage": path})

    def _find_lines(self, siren: str) -> tuple[int, bytes]:
        lines = [] if siren in self.unknown else self.lines.get(siren, [siren])
        if not lines:
            return 204, b""
        found = [{"addressingIdentifier": line, "siren": siren} for line in sorted(lines)]
        return _json(200, {"results": found, "totalNumberOfResults": len(found)})

    def _search(self, question: dict[str, Any]) -> list[dict[str, Any]]:
        where, most = question["where"], question["limit"]
        after = dt.datetime.fromisoformat(where["updatedAfter"]) if "updatedAfter" in where else None
        found = [
            flow
            for flow in self.flows
            if (after is None or flow.updated_at > after)
            and ("trackingId" not in where or flow.tracking == where["trackingId"])
            and ("flowDirection" not in where or flow.direction in where["flowDirection"])
        ]
        return [_described(flow) for flow in found[:most]]

    def _receive(self, content_type: str, body: bytes) -> tuple[int, bytes]:
        """Read a multipart request: `flowInfo` and `file`."""
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        parts = {part.get_param("name", header="content-disposition"): part for part in message.iter_parts()}
        if not {"flowInfo", "file"} <= parts.keys():
            return _json(400, {"errorCode": "MISSING", "errorMessage": "flowInfo and file are needed"})
        info, file = parts["flowInfo"].get_payload(decode=True), parts["file"].get_payload(decode=True)
        assert isinstance(info, bytes)
        assert isinstance(file, bytes)
        flow = self.submit(json.loads(info), parts["file"].get_filename() or "", file)
        return _json(202, _described(flow))


def _described(flow: StoredFlow) -> dict[str, Any]:
    details = [
        {"item": "file", "level": "Error", "reasonCode": code, "reasonMessage": words} for code, words in flow.details
    ]
    return {
        "flowId": flow.id,
        "trackingId": flow.tracking,
        "name": flow.name,
        "flowSyntax": flow.kind,
        "flowDirection": flow.direction,
        "updatedAt": flow.updated_at.isoformat().replace("+00:00", "Z"),
        "acknowledgement": {"status": flow.answer, "details": details},
    }


def _json(status: int, answer: dict[str, Any]) -> tuple[int, bytes]:
    return status, json.dumps(answer).encode()


def _status(number: str, code: int, reason_code: str, reason: str, now: dt.datetime) -> bytes:
    """Return a life-cycle message about a document, as a platform sends it."""
    details = [RAM.ReasonCode(reason_code), RAM.Reason(reason)] if reason_code else []
    written: bytes = etree.tostring(
        RSM.CrossDomainAcknowledgementAndResponse(
            RSM.AcknowledgementDocument(
                RAM.IssueDateTime(UDT.DateTimeString(now.strftime("%Y%m%d%H%M%S"), format="204")),
                RAM.ReferenceReferencedDocument(
                    RAM.IssuerAssignedID(number),
                    RAM.ProcessConditionCode(str(code)),
                    *([RAM.SpecifiedDocumentStatus(*details)] if details else []),
                ),
            ),
        )
    )
    return written

"""A bank's answer to a file that asks it to pay (pain.002), and whether a payment is refused by it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lxml import etree

from marketplace.core.errors import Invalid, existing

if TYPE_CHECKING:
    from collections.abc import Iterable

_ABOUT_THE_ACCOUNT: Final = "AC01 AC03 AC04 AC06 AC13 AC14 AG01 AG03 BE01 CNOR MD07 RC01 RC07 RR01 RR02 RR03 RVNM RVMC"
REFUSES_THE_ACCOUNT: Final = frozenset(_ABOUT_THE_ACCOUNT.split())
"""Reasons that would refuse another try too: the account, its holder or its bank cannot be paid."""
REPEATED: Final = frozenset({"AM05", "DU01", "DUPL"})
"""Reasons that mean: this message is a duplicate. The first one counts, so none of its payments has failed."""
REJECTED: Final = "RJCT"


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The answer of one pain.002 about one file of ours."""

    message: str
    about: str
    """The message id it answers."""
    group_status: str
    group_reason: str
    batches: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Batch id → status and reason, if batches are judged as a whole."""
    transfers: dict[str, tuple[str, str]] = field(default_factory=dict)
    """End-to-end id → status and reason."""


PAIN_002 = "urn:iso:std:iso:20022:tech:xsd:pain.002."
"""The beginning of the namespace in every version of the bank's report."""


def read_report(data: bytes) -> StatusReport:
    """Read a pain.002 of any version; refuse any other text, in one sentence."""
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise Invalid("That is not an XML file of the bank's.") from None
    report = root.find("{*}CstmrPmtStsRpt")
    if report is None or not (etree.QName(root).namespace or "").startswith(PAIN_002):
        raise Invalid("That is not a payment status report (pain.002).")
    group = existing(report.find("{*}OrgnlGrpInfAndSts"), Invalid("The report does not say which file it answers."))
    batches: dict[str, tuple[str, str]] = {}
    transfers: dict[str, tuple[str, str]] = {}
    for part in report.iterfind("{*}OrgnlPmtInfAndSts"):
        status = part.findtext("{*}PmtInfSts") or ""
        if status:
            batches[part.findtext("{*}OrgnlPmtInfId") or ""] = status, _reason(part)
        for one in part.iterfind("{*}TxInfAndSts"):
            transfers[one.findtext("{*}OrgnlEndToEndId") or ""] = one.findtext("{*}TxSts") or "", _reason(one)
    return StatusReport(
        message=report.findtext("{*}GrpHdr/{*}MsgId") or "",
        about=group.findtext("{*}OrgnlMsgId") or "",
        group_status=group.findtext("{*}GrpSts") or "",
        group_reason=_reason(group),
        batches=batches,
        transfers=transfers,
    )


def _reason(part: etree._Element) -> str:
    return (part.findtext("{*}StsRsnInf/{*}Rsn/{*}Cd") or part.findtext("{*}StsRsnInf/{*}Rsn/{*}Prtry") or "")[:35]


def refusal(judgements: Iterable[tuple[str, str] | None]) -> str:
    """Return why a payout is refused, by the narrowest judgement; empty if it is not refused.

    judgements: status and reason of the transfer, of its batch, of the whole file; None for a missing one.
    """
    for judgement in judgements:
        if judgement and judgement[0]:
            status, reason = judgement
            if status == REJECTED:
                return "" if reason in REPEATED else reason or "RJCT"
            if status not in ("PART", "RCVD"):
                return ""
    return ""


def digest(data: bytes) -> str:
    """Return the SHA-256 of a file, hex."""
    return hashlib.sha256(data).hexdigest()

"""A kind of decision: the document that is proposed, its check, and what is done once a second person approves it."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from marketplace.core.words import Words
from marketplace.people.identity.actors import Actor

Document = TypeVar("Document", bound=Struct)
NO_FACTS: Final[list[tuple[str, str]]] = []


class Decision(Struct, frozen=True):
    """An approval: the proposal's id, who approved it and when, and who proposed it, by id and name, and why.

    noted: what the audit trail says of the two people.
    """

    proposal: uuid.UUID
    actor: Actor
    at: dt.datetime
    proposed_by: uuid.UUID
    proposer: str
    reason: str
    noted: dict[str, str]


class ProposalKind(Struct, Generic[Document], frozen=True):
    """A kind of decision: its code, its document, and its words on lists, the desk and in the message.

    path: the page that shows what it is about, filled in like a subject. check: refuses the document as the world is now, when it is proposed and
    again when it is approved; it takes the locks that `apply` needs. apply: does it, in the transaction of the approval.
    subject, reference and about are filled in with the document's fields: one proposal of a subject waits at a time, the
    reference is shown, and `about` is what the audit trail says, the reference where it is empty. refusal: what is
    answered to a second proposal while one waits. facts: what the document says, for people, apart from amount and reason. noted: what
    the audit trail keeps, by name, of the document's fields. verbs: the trail's own for proposed, approved and refused,
    filled in likewise, and empty where `apply` writes it. afterwards: work that follows once the approval is committed.
    """

    code: str
    document: type[Document]
    words: Words
    path: str
    refusal: str
    check: Callable[[Document], Awaitable[object]]
    apply: Callable[[Document, Decision], Awaitable[object]]
    subject: str
    reference: str
    about: str = ""
    facts: Callable[[Document], list[tuple[str, str]]] = lambda _: NO_FACTS
    noted: Mapping[str, str] = {}
    verbs: Mapping[str, str] = {}
    afterwards: Callable[[], Awaitable[object]] | None = None

    def read(self, document: str) -> Document:
        """Return a stored document."""
        return msgspec.json.decode(document, type=self.document)

    def filled(self, template: str, document: Document) -> str:
        """Return one of the kind's templates with the document's fields."""
        return template.format_map(msgspec.to_builtins(document))

    def named(self, document: Document) -> str:
        """Return what a proposal is about, as lists show it."""
        return self.filled(self.reference, document)

    def place(self, document: Document) -> str:
        """Return the page that shows what a proposal is about."""
        return self.filled(self.path, document)

    def details(self, document: Document) -> dict[str, Any]:
        """Return what the audit trail keeps of a document."""
        fields = msgspec.to_builtins(document)
        return {name: fields[field] for name, field in self.noted.items()}

    def verb(self, what: str, document: Document) -> str:
        """Return the audit trail's verb of what was done: proposed, approved or refused."""
        return self.filled(self.verbs.get(what, f"{self.code}_{what}"), document)


def written(document: Struct) -> bytes:
    """Return a document as JSON, always the same for the same document."""
    return msgspec.json.encode(document, order="sorted")


def fingerprint(document: Struct) -> str:
    """Return the hash of a document, which the second person's form says."""
    return hashlib.sha256(written(document)).hexdigest()


def by_code(*kinds: ProposalKind[Any]) -> dict[str, ProposalKind[Any]]:
    """Return kinds of decisions by their codes; two of one code are a mistake of ours."""
    found = {kind.code: kind for kind in kinds}
    assert len(found) == len(kinds), "two kinds of decisions have one code"
    return found

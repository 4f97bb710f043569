"""Refusals: the answers of the marketplace when it will not do what was asked.

    Refusal
    ├── Invalid      what came in is malformed, out of range or contradicts itself   422
    ├── NotAllowed   the actor may not do this                                       403
    ├── NotFound     there is nothing there, or nothing this actor may know of       404
    ├── Conflict     it contradicts what is already recorded                         409
    ├── Expired      it was true, and its time has passed                            410
    ├── Unavailable  something that is needed does not answer                        503
    └── Busy         too much is asked at once; in some seconds it may be asked again 503

A refusal has one sentence that a person can act on. Fields named in braces are filled in at the edge, so that the
sentence can be translated first. A programmer's error is an assertion, never a refusal.
"""

from __future__ import annotations

from typing import TypeVar

Value = TypeVar("Value")


class Cents(int):
    """An amount in cents as a field of a refusal: pages write it in their language, everything else with a point."""

    def __format__(self, spec: str) -> str:
        """Write it for English readers: 12345 → 123.45 EUR."""
        del spec
        sign, size = "-" if self < 0 else "", abs(self)
        return f"{sign}{size // 100}.{size % 100:02d} EUR"


class Refusal(Exception):  # noqa: N818 (the code base's word)
    """One sentence on why not, with the fields it names."""

    status = 400

    def __init__(self, sentence: str, /, **fields: object) -> None:
        """Store the untranslated sentence and its fields separately."""
        super().__init__(sentence.format(**fields) if fields else sentence)
        self.sentence = sentence
        self.fields = fields

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers for programs: after how many seconds to ask again."""
        return {"retry-after": str(self.fields["seconds"])} if "seconds" in self.fields else {}


def existing(value: Value | None, otherwise: Refusal) -> Value:
    """Return a value that was looked for; raises `otherwise` where there is none."""
    if value is None:
        raise otherwise
    return value


class Invalid(Refusal):
    """What came in is malformed, out of range or contradicts itself."""

    status = 422


class NotAllowed(Refusal):
    """The actor may not do this."""

    status = 403


class NotFound(Refusal):
    """There is nothing there, or nothing this actor may know of."""

    status = 404


class Conflict(Refusal):
    """It contradicts what is already recorded."""

    status = 409


class Expired(Refusal):
    """It was true, and its time has passed."""

    status = 410


class Unavailable(Refusal):
    """Something that is needed does not answer; `cause` says what and why, for the operator alone."""

    status = 503

    def __init__(self, sentence: str, /, *, cause: str, **fields: object) -> None:
        """Store the cause separately from the sentence for visitors."""
        super().__init__(sentence, **fields)
        self.cause = cause


class Busy(Refusal):
    """Too much is asked at once: the same may be asked again in some seconds, its field `seconds`."""

    status = 503

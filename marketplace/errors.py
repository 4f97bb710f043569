"""Refusals: what the marketplace answers when it will not do what was asked.

    Refusal
    ├── Invalid      what came in is malformed, out of range or contradicts itself   422
    ├── NotAllowed   who asks may not do this                                        403
    ├── NotFound     there is nothing there, or nothing this actor may know of       404
    ├── Conflict     it contradicts what is already recorded                         409
    ├── Expired      it was true, and its time has passed                            410
    └── Unavailable  something that is needed does not answer                        503

A refusal carries one sentence a person can act on; fields named in braces are filled in at the edge, so that the
sentence can be translated first. A programmer's error is an assertion, never a refusal.
"""

from __future__ import annotations


class Cents(int):
    """An amount in cents as a field of a refusal: a page writes it as its language does, all else with a point."""

    def __format__(self, spec: str) -> str:
        """Write it for who reads English: 12345 → 123.45 EUR."""
        del spec
        sign, size = "-" if self < 0 else "", abs(self)
        return f"{sign}{size // 100}.{size % 100:02d} EUR"


class Refusal(Exception):  # noqa: N818 (the code base's word)
    """One sentence why not, with the fields it names."""

    status = 400

    def __init__(self, sentence: str, /, **fields: object) -> None:
        """Keep the untranslated sentence and its fields apart."""
        super().__init__(sentence.format(**fields) if fields else sentence)
        self.sentence = sentence
        self.fields = fields

    @property
    def headers(self) -> dict[str, str]:
        """Return what programs read of it: after how many seconds to ask again."""
        return {"retry-after": str(self.fields["seconds"])} if "seconds" in self.fields else {}


class Invalid(Refusal):
    """What came in is malformed, out of range or contradicts itself."""

    status = 422


class NotAllowed(Refusal):
    """Who asks may not do this."""

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
    """Something that is needed does not answer; `cause` says to the operator, who alone may read it, what and why."""

    status = 503

    def __init__(self, sentence: str, /, *, cause: str, **fields: object) -> None:
        """Keep the cause apart from what visitors read."""
        super().__init__(sentence, **fields)
        self.cause = cause

"""What a steward types of a price sheet and of a law of volume, read and written: pure.

Amounts are in units of the currency, rates in percent, and both may have a decimal comma.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from marketplace.catalogue.offers.rules import RIGHTS
from marketplace.catalogue.sheets import rules
from marketplace.catalogue.sheets.rules import Document
from marketplace.consent.vocabulary import PURPOSES
from marketplace.core.errors import Invalid
from marketplace.core.web.formats import PARIS, read_cents, typed_amount
from marketplace.core.web.i18n import language
from marketplace.privacy.product_registry import PRODUCTS
from pricing.refusals import PricingRefusal
from pricing.sheet import FULL_RATE, MICRO, Law

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marketplace.privacy.geography import Geography

RIGHT_FIELDS: Final = {right: f"right_{right}" for right in RIGHTS}
PURPOSE_FIELDS: Final = {purpose: f"purpose_{purpose}" for purpose in PURPOSES}
FIELDS: Final = (
    *("constants", "segments", "worth", "half_life_days", "starts_at"),
    *RIGHT_FIELDS.values(),
    *PURPOSE_FIELDS.values(),
)
WORTH_UNITS: Final = 100 * MICRO
"""Millionths of a cent in a unit of the currency."""
USUAL_HALF_LIFE_DAYS: Final = 30
USUAL_PURPOSE_RATE: Final = 4_000
"""The rate of a licence for one purpose alone, in basis points, where nobody says otherwise."""
MOST_SEGMENTS: Final = 100
LONGEST_SEGMENT: Final = 60
DAY_HOURS: Final = 24
MOST: Final = 10**15
"""Beyond every number of a form."""


def typed_of(document: Document) -> dict[str, str]:
    """Return the form of a sheet's next version: as the document states it; its constants stay where none are sent."""
    rates = {RIGHT_FIELDS[name]: _written(rate, 100) for name, rate in document.rights.items() if name in RIGHT_FIELDS}
    rates |= {
        PURPOSE_FIELDS[name]: _written(rate, 100) for name, rate in document.purposes.items() if name in PURPOSE_FIELDS
    }
    return (
        dict.fromkeys(FIELDS, "")
        | rates
        | {
            "segments": _segments_written(document.segments),
            "worth": _written(document.worth_micro, WORTH_UNITS),
            "half_life_days": _written(document.half_life_hours, DAY_HOURS),
        }
    )


def first_typed(product: str, age_bands: Sequence[str]) -> dict[str, str]:
    """Return the form of a sheet's first version: usual rates, and segments that are alike."""
    segments = PRODUCTS[product].segments or tuple(age_bands)
    rates = {RIGHT_FIELDS[name]: _written(rate, 100) for name, rate in RIGHTS.items()}
    rates |= {field: _written(USUAL_PURPOSE_RATE, 100) for field in PURPOSE_FIELDS.values()}
    return (
        dict.fromkeys(FIELDS, "")
        | rates
        | {
            "segments": _segments_written({name: (1, MICRO // len(segments)) for name in segments}),
            "half_life_days": str(USUAL_HALF_LIFE_DAYS),
        }
    )


def read_document(
    typed: Mapping[str, str], file: bytes, *, geography: Geography, level: int, before: Document | None
) -> Document:
    """Return the sheet that a form states.

    file: constants that replace those typed. Where neither is there, the constants of the version before stay, as all
    that the form does not ask does.
    """
    constants = file or typed["constants"].encode()
    if constants.strip():
        zones = rules.read_constants(constants, geography, level)
    elif before is not None:
        zones = before.zones
    else:
        raise Invalid("Send a file of constants first: a row for each zone.", field="constants")
    stated = Document(
        zones=zones,
        segments=_read_segments(typed["segments"]),
        worth_micro=_scaled(typed["worth"], "worth", WORTH_UNITS),
        half_life_hours=_scaled(typed["half_life_days"], "half_life_days", DAY_HOURS),
        rights={name: _read_rate(typed[field], field) for name, field in RIGHT_FIELDS.items()},
        purposes={
            name: _read_rate(typed[field], field) for name, field in PURPOSE_FIELDS.items() if typed[field].strip()
        },
    )
    if before is not None:
        stated = replace(
            stated,
            prior_observations=before.prior_observations,
            survey_people=before.survey_people,
            variance_micro=before.variance_micro,
            association_squared_micro=before.association_squared_micro,
            unseen_squared_micro=before.unseen_squared_micro,
        )
    rules.write(stated)
    return stated


def read_start(text: str) -> dt.datetime | None:
    """Return an instant typed on the clock of Paris, or None for now."""
    if not text.strip():
        return None
    try:
        return dt.datetime.fromisoformat(text.strip()).replace(tzinfo=PARIS).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise Invalid("Write a day and an hour, such as 2026-11-24T18:00.", field="starts_at") from None


def law_typed(steps: Sequence[tuple[int, int]], least_minor: int) -> dict[str, str]:
    """Return the form of a law of volume."""
    lines = [f"{typed_amount(start)}; {_written(rate, 100)}" for start, rate in steps]
    return {"steps": "\n".join(lines), "least": typed_amount(least_minor)}


def read_law(currency: str, steps: str, least: str) -> Law:
    """Return a law of volume from lines `from; percent` and the least charge; refuses one that is none."""
    volume = []
    for number, line in enumerate(_lines(steps), 1):
        start, separator, rate = line.partition(";")
        if not separator:
            raise Invalid(
                "Line {line}: write an amount and a percentage, such as 2000; 85.", line=number, field="steps"
            )
        volume.append((read_cents(start, field="steps"), _scaled(rate, "steps", 100, least=0)))
    if not volume:
        raise Invalid("A law of volume has a first line, from 0 on.", field="steps")
    least_minor = read_cents(least, field="least")
    if least_minor < 1:
        raise Invalid("An order costs at least a cent.", field="least")
    try:
        return Law(currency=currency, volume=tuple(volume), least_minor=least_minor)
    except PricingRefusal:
        raise Invalid(
            "The first line is from 0, amounts rise from line to line, and percentages, 100 at most, never do.",
            field="steps",
        ) from None


def _read_segments(text: str) -> dict[str, tuple[int, int]]:
    """Return weight and share of each segment from lines `name; weight; share in percent`."""
    segments: dict[str, tuple[int, int]] = {}
    for number, line in enumerate(_lines(text), 1):
        name, *rest = (part.strip() for part in line.split(";"))
        if len(rest) != 2 or not 0 < len(name) <= LONGEST_SEGMENT or not name.isprintable():  # noqa: PLR2004 (weight and share)
            raise Invalid(
                "Line {line}: write a segment, its weight and its share of people in percent, such as 18-24; 1; 25.",
                line=number,
                field="segments",
            )
        if name in segments:
            raise Invalid(
                "Line {line}: the segment {segment} is there twice.", line=number, segment=name, field="segments"
            )
        segments[name] = _scaled(rest[0], "segments", 1), _scaled(rest[1], "segments", MICRO // 100)
    if len(segments) > MOST_SEGMENTS:
        raise Invalid("A sheet has {most} segments at most.", most=MOST_SEGMENTS, field="segments")
    if any(share > MICRO for _, share in segments.values()):
        raise Invalid("A share of people is 100 percent at most.", field="segments")
    return segments


def _read_rate(text: str, field: str) -> int:
    """Return a percentage above 0 as basis points."""
    rate = _scaled(text, field, 100)
    if rate > FULL_RATE:
        raise Invalid("A rate is 100 percent at most.", field=field)
    return rate


def _scaled(text: str, field: str, scale: int, *, least: int = 1) -> int:
    """Return a number times `scale` as a whole number, at least `least`; refuses one with more decimals than that."""
    try:
        value = Decimal(text.strip().replace(",", ".")) * scale
        if value.is_finite() and least <= value < MOST and value == value.to_integral_value():
            return int(value)
    except InvalidOperation:
        pass
    raise Invalid("Write a number above zero, such as 12.5, with fewer decimals.", field=field)


def _segments_written(segments: Mapping[str, tuple[int, int]]) -> str:
    return "\n".join(f"{name}; {weight}; {_written(share, MICRO // 100)}" for name, (weight, share) in segments.items())


def _written(value: int, scale: int) -> str:
    """Return a whole number of parts of `scale` as a person types it."""
    text = f"{Decimal(value) / scale:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace(".", ",") if language.get() == "fr" else text


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]

"""Formats: how amounts, counts, shares and instants read in the page's language."""

from __future__ import annotations

import datetime as dt
import functools
import re
import unicodedata
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers, units

from marketplace.core.errors import Invalid
from marketplace.core.local_time import instant_at, local_days
from marketplace.core.web.i18n import LOCALES, gettext, language
from pricing.money import EUR

PARIS = ZoneInfo("Europe/Paris")
_AMOUNT = re.compile(
    r"(?P<sign>[+\-\N{MINUS SIGN}]?)€?\s*"
    r"(?P<whole>[0-9]{1,9}|[0-9]{1,3}(?:[ \u00a0\u202f][0-9]{3}){1,2})(?:[.,](?P<part>[0-9]{0,2}))?\s*€?"
)
"""Euros: spaces only between thousands, and the sign of euros at either end."""
MICRO_PER_UNIT = 1_000_000
MICRO_PER_CENT = 10_000


def _locale() -> Locale:
    return _locale_of(language.get())


@functools.cache
def _locale_of(in_language: str) -> Locale:
    """Return a language's locale, parsed once: Babel would parse a code again for each figure of a page."""
    return Locale.parse(LOCALES[in_language])


def money(amount_minor: int, currency: str = EUR) -> str:
    """Write cents as an amount: 12345 → 123,45 €."""
    return _signed(numbers.format_currency(Decimal(amount_minor) / 100, currency, locale=_locale()))


def months(count: int) -> str:
    """Write a length: 36 → 36 months."""
    return units.format_unit(count, "duration-month", locale=_locale())


def typed_amount(amount_minor: int) -> str:
    """Write cents as a person types them in a form: 12345 → 123,45."""
    text = f"{amount_minor // 100}.{amount_minor % 100:02d}"
    return text.replace(".", ",") if language.get() == "fr" else text


def read_cents(text: str, *, signed: bool = False, field: str = "amount") -> int:
    """Return an amount in euros as people write it, in cents: 1 234,50, 12.5 €; if `signed`, −3,07 too.

    Refuses everything else, and names the form's field.
    """
    read = _AMOUNT.fullmatch(text.strip())
    if not read or (read["sign"] and not signed):
        raise Invalid("Write an amount in euros, such as 1250.00.", field=field)
    cents = int(re.sub(r"\s", "", read["whole"])) * 100 + int((read["part"] or "").ljust(2, "0"))
    return cents if read["sign"] in ("", "+") else -cents


def read_instant(text: str, time_zone: str = "UTC") -> dt.datetime:
    """Return an instant in UTC, typed on a time zone's local clock, such as 2026-11-24T18:00; refuses all else."""
    try:
        return instant_at(dt.datetime.fromisoformat(text).replace(tzinfo=None), time_zone)
    except ValueError:
        raise Invalid("Write a day and an hour, such as 2026-11-24T18:00.") from None


def money_micro(amount_micro: int, currency: str = EUR) -> str:
    """Write millionths of a unit to six decimals: 1234 → 0,001234 €."""
    value = Decimal(amount_micro) / 1_000_000
    pattern = "#,##0.000000\u00a0¤" if language.get() == "fr" else "¤#,##0.000000"
    return _signed(numbers.format_currency(value, currency, format=pattern, currency_digits=False, locale=_locale()))


def cents(amount_micro: int, currency: str = EUR) -> str:
    """Write millionths of a euro as a small sum: 14246 → 1,4 centime; from one euro on, euros and cents.

    Rounded towards zero, but never to nothing.
    """
    size = abs(amount_micro)
    if currency != EUR:
        return money_micro(amount_micro, currency)
    if not size or size >= MICRO_PER_UNIT:
        return money(int(amount_micro / MICRO_PER_CENT))
    is_french = language.get() == "fr"
    if size < MICRO_PER_CENT // 10:
        return gettext("less than a tenth of a cent")
    tenths = Decimal(size * 10 // MICRO_PER_CENT) / 10
    is_one = tenths < 2 if is_french else tenths == 1  # noqa: PLR2004 (French counts from two on as several)
    unit = ("centime" if is_french else "cent") + ("" if is_one else "s")
    sign = "\N{MINUS SIGN}" if amount_micro < 0 else ""
    return f"{sign}{numbers.format_decimal(tenths, locale=_locale())}\u00a0{unit}"


def _signed(amount: str) -> str:
    """Write a minus sign that is as wide as a plus and not separated from its figures."""
    return amount.replace("-", "\N{MINUS SIGN}")


def number(value: float) -> str:
    """Write a count with the language's separators."""
    return str(numbers.format_decimal(value, locale=_locale()))


def percent(share: float, decimals: int = 0) -> str:
    """Write a share of one as a percentage."""
    return _percent(share, decimals, _locale())


def _percent(share: float, decimals: int, locale: Locale) -> str:
    pattern = locale.percent_formats[None].pattern
    exact = pattern.replace("#,##0", f"#,##0.{'0' * decimals}") if decimals else pattern
    return str(numbers.format_percent(share, format=exact, locale=locale))


def percent_in_words(share_micro: int, in_language: str) -> str:
    """Write millionths for a letter in `in_language`, to a tenth of a percent."""
    return _percent(share_micro / MICRO_PER_UNIT, 1, _locale_of(in_language))


def percent_micro(share_micro: int, decimals: int = 1) -> str:
    """Write millionths as a percentage."""
    return percent(share_micro / 1_000_000, decimals)


def percent_basis_points(share: int) -> str:
    """Write basis points as a percentage, with decimals only where there are any."""
    return percent(share / 10_000, 2 if share % 100 else 0)


def paris_day(instant: dt.datetime) -> dt.date:
    """Return the day of an instant in Paris, the time zone of the books and the tax office."""
    return instant.astimezone(PARIS).date()


def date(instant: dt.datetime | dt.date, style: str = "medium") -> str:
    """Write the day of an instant in Paris."""
    day = paris_day(instant) if isinstance(instant, dt.datetime) else instant
    return _day(day, style, _locale())


@functools.lru_cache(4096)
def _day(day: dt.date, style: str, locale: Locale) -> str:
    """Write a day by Babel, cached: it takes longer than the rest of a table's row, and pages repeat days."""
    return str(dates.format_date(day, style, locale=locale))


def countries() -> list[tuple[str, str]]:
    """Return every country's ISO code and name in the page's language, in its alphabet's order."""
    return _countries(_locale())


@functools.cache
def _countries(locale: Locale) -> list[tuple[str, str]]:
    not_countries = {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}
    territories = locale.territories
    named = [(code, str(name)) for code, name in territories.items() if len(code) == 2 and code.isalpha()]  # noqa: PLR2004 (ISO's two letters)
    plain = {code: unicodedata.normalize("NFKD", name).encode("ascii", "ignore").lower() for code, name in named}
    return sorted(((code, name) for code, name in named if code not in not_countries), key=lambda item: plain[item[0]])


def country(code: str) -> str:
    """Write a country's name."""
    return dict(countries()).get(code, code)


def short_date(day: dt.date) -> str:
    """Write a day of a chart's axis, without its year."""
    return str(dates.format_skeleton("MMMd", day, locale=_locale()))


def month(day: dt.date) -> str:
    """Write a month of a chart's axis, without its year."""
    return _day(day, "LLL", _locale())


def month_and_year(day: dt.date) -> str:
    """Write a month in words: novembre 2026."""
    return _day(day, "LLLL y", _locale())


def day_in_words(text: str) -> str:
    """Write a day or a month given as text, `2026-11-28` or `2026-11`; return anything else unchanged."""
    try:
        is_month = len(text) == len("2026-11")
        return month_and_year(dt.date.fromisoformat(f"{text}-01")) if is_month else date(dt.date.fromisoformat(text))
    except ValueError:
        return text


def moment(instant: dt.datetime) -> str:
    """Write an instant to the minute, in Paris."""
    return to_the_second(instant).rsplit(":", 1)[0]


def moment_in_words(instant: dt.datetime, in_language: str) -> str:
    """Write an instant to the minute for a letter in `in_language`: 27 novembre 2026 à 21:55, heure de Paris."""
    local, locale = instant.astimezone(PARIS), _locale_of(in_language)
    day, time = dates.format_date(local, "long", locale=locale), dates.format_time(local, "HH:mm", locale=locale)
    return f"{day} à {time}, heure de Paris" if in_language == "fr" else f"{day} at {time}, Paris time"


def to_the_second(instant: dt.datetime) -> str:
    """Write an instant to the second, in Paris; live.js writes the same."""
    return _medium(instant.astimezone(PARIS).replace(tzinfo=None, microsecond=0), _locale())


@functools.lru_cache(4096)
def _medium(local: dt.datetime, locale: Locale) -> str:
    """Write a local time by Babel, cached as days are."""
    return str(dates.format_datetime(local, "medium", locale=locale))


def period(start: dt.datetime, end: dt.datetime, time_zone: str = "UTC") -> str:
    """Write a half-open period by its first and last day, or its one day, in the dataset's time zone."""
    first, last = local_days(start, end, time_zone)
    return date(first) if first == last else f"{date(first)} – {date(last)}"


def clock(time_zone: str) -> str:
    """Write the name of the clock for a dataset's hours and days."""
    return "UTC" if time_zone == "UTC" else gettext("local time of {time_zone}").format(time_zone=time_zone)


def epsilon(micro: int) -> str:
    """Write a privacy loss given in millionths."""
    return number(float(Decimal(micro) / 1_000_000))

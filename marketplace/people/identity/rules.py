"""Rules of identity, without database or clock: emails, passwords, VAT numbers, own paths, how long guessing waits."""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib
import re
import unicodedata
from typing import TYPE_CHECKING

from marketplace.core.errors import Invalid, NotAllowed
from marketplace.core.web import formats

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_EMAIL, LONGEST_NAME, LONGEST_PASSWORD = 254, 120, 200
SHORTEST_PASSWORD = 10
JUDGED_CHARACTERS = 72
"""Only this many characters of a password are judged: more make it no weaker, and the time grows with the square."""
FEWEST_GUESSES_LOG10 = 8
_YEARS_AROUND = re.compile(r"^[\W_]*(?:(?:19|20)?\d\d)?[\W_]*|[\W_]*(?:(?:19|20)?\d\d)?[\W_]*$")
FREE_ATTEMPTS = 5
FREE_FROM_AN_ADDRESS = 20
"""Free failures of one address over all accounts; one password sprayed over many emails is slowed down from here on."""
AT_ONCE_FROM_AN_ADDRESS = 200
"""Most attempts of one address that are not judged yet, or failed."""
FREE_ON_AN_ACCOUNT = 100
"""Free failures on one account from all addresses together: NIST SP 800-63B's limit."""
FREE_ON_A_DEVICE = 50
"""Free failures of a browser that proved it knows the secret; after them it counts as an unknown one."""
LETTERS_OF_ONE, LETTERS_TO_ONE = 5, 20
"""Letters to one email in that time that one sender may cause, and that all senders may."""
ATTEMPTS_COUNT_FOR = dt.timedelta(minutes=15)
FIRST_WAIT = dt.timedelta(seconds=15)
LONGEST_WAIT = dt.timedelta(seconds=60)
VIES_RETRY = dt.timedelta(hours=1)
EU = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905 (reads as a list)
)
FRENCH_NUMBERS = frozenset({"FR", "MC", "GP", "MQ", "RE", "GF", "YT"})
"""Countries and territories whose companies have French VAT numbers; only France requires one."""
ONE_CLICK_DOMAIN = "@demo.partage.example"
ROLES = ("steward", "finance", "auditor")
ADMINISTRATOR, BUYER, APPROVER, ACCOUNTANT, READER = "administrator", "buyer", "approver", "accountant", "reader"
COMPANY_ROLES = (ADMINISTRATOR, BUYER, APPROVER, ACCOUNTANT, READER)
"""What a company's people are: who administers it, orders, approves orders, sees what is spent, or reads only."""
APPROVE = (ADMINISTRATOR, APPROVER)
"""The roles that approve a colleague's order."""
SEE_SPENDING = (ADMINISTRATOR, ACCOUNTANT)
"""The roles that see what every colleague and key spent."""
ORDER = (ADMINISTRATOR, BUYER, APPROVER)
"""The roles that order and bid: an administrator freely, the others within a spending limit."""
SCOPES = ("quotes", "orders", "bids", "downloads")
"""What an API key may be allowed: prices and previews, buying, bidding, and bought data."""
KEY_DAYS = (30, 90, 365)
KEY_PREFIX, SANDBOX_KEY_PREFIX = "pk_", "pk_test_"
"""How long a key may work, to choose from."""
ROTATION = dt.timedelta(days=7)
"""How long a replaced key still works."""
SESSION_LASTS, STAFF_SESSION_LASTS = dt.timedelta(days=7), dt.timedelta(hours=12)
"""How long after the sign-in a session ends, even if it is in use."""
IDLE_FOR, STAFF_IDLE_FOR = dt.timedelta(days=2), dt.timedelta(hours=2)
"""How long after the last request a session ends."""
SEEN_EVERY = dt.timedelta(minutes=1)
"""How precisely the last request is recorded."""
_EMAIL = re.compile(r"[^@\s\x00-\x1f\"(),:;<>\[\\\]]+@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.[a-z0-9-]{2,}")


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret, hex, the only form in which it is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


class TooManyAttempts(NotAllowed):
    """Guessing is slowed down: the wait doubles with every failure after the fifth, up to a minute."""

    status = 429


class WrongSecret(NotAllowed):
    """Raised for a wrong email or password, or a wrong line or code; never says which of the two is wrong."""

    status = 401


def clean_email(text: str) -> str:
    """Return an email address as it is stored: trimmed, lower case. Refuses an invalid one."""
    email = unicodedata.normalize("NFC", text).strip().lower()
    if len(email) > LONGEST_EMAIL or not _EMAIL.fullmatch(email) or ".." in email:
        raise Invalid("Write an email address such as name@example.org.", field="email")
    return email


def clean_text(text: str, longest: int = LONGEST_NAME, *, field: str = "") -> str:
    """Return one line of text, trimmed; refuses emptiness, control characters, invalid XML and a longer text."""
    line = " ".join(unicodedata.normalize("NFC", text).split())
    if any(map(_is_odd, line)) or not 0 < len(line) <= longest:
        raise Invalid(
            "Names, labels and reasons have 1 to {longest} ordinary characters.", longest=longest, field=field
        )
    return line


def _is_odd(sign: str) -> bool:
    """Return whether a sign is none of a name: control, direction and private signs, and those that Unicode never assigns."""
    is_joiner = sign in "\u200c\u200d"  # Persian and Indic names have them
    if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co"):
        return not is_joiner
    return ord(sign) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(sign) <= 0xFDEF  # noqa: PLR2004 (Unicode, 23.7)


def clean_reference(text: str) -> int:
    """Return a line's reference as a number. Refuses anything else."""
    digits = re.sub(r"[\s.\-]", "", text)
    if not re.fullmatch(r"[0-9]{1,18}", digits):
        raise Invalid("A line's reference is a number; you find it in your operator's letter.", field="reference")
    return int(digits)


def check_password(password: str, email: str, *words: str) -> None:
    """Refuse a new password that is too short, too long or among the first hundred million that a guesser would try.

    words: the person's own, such as name and company, which a guesser tries first. Source: Wheeler, zxcvbn: low-budget
    password strength estimation, USENIX Security 2016.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Invalid(
            "A password has {shortest} to {longest} characters.",
            shortest=SHORTEST_PASSWORD,
            longest=LONGEST_PASSWORD,
            field="password",
        )
    from zxcvbn_rs_py import zxcvbn  # noqa: PLC0415 (start-up time)

    own = [word for text in (email, "partage", *words) for word in (text, *re.split(r"[\W_]+", text)) if word]
    judged = password[:JUDGED_CHARACTERS]
    bare = _YEARS_AROUND.sub("", judged)  # of Winter2026!! only the season is chosen
    if min(zxcvbn(text, own).guesses_log10 for text in (judged, bare)) < FEWEST_GUESSES_LOG10:
        raise Invalid("That password is too easy to guess; choose a longer sentence.", field="password")


def check_company_role(role: str) -> None:
    """Refuse what is none of the roles in a company."""
    if role not in COMPANY_ROLES:
        raise Invalid("Choose a role.", field="role")


def clean_scopes(text: str) -> str:
    """Return scopes separated by blanks, each once, in their order. Refuses an empty list and unknown scopes."""
    asked = set(text.split())
    if not asked or asked - set(SCOPES):
        raise Invalid("A key may do one or more of {scopes}.", scopes=", ".join(SCOPES), field="scopes")
    return " ".join(scope for scope in SCOPES if scope in asked)


def clean_country(code: str) -> str:
    """Return an ISO 3166-1 alpha-2 code in capitals; refuses unknown ones, so no typo puts anybody outside the EU."""
    country = code.strip().upper()
    if country not in dict(formats.countries()):
        raise Invalid("Choose a country.", field="country")
    return country


def clean_vat(country: str, number: str) -> str:
    """Return a VAT number compact, with its prefix, checked by its own country's digits; empty if none is given.

    Outside the Union it is empty too. A French number's last nine digits are the company's SIREN, whose check digit must
    hold as well. Only VIES knows whether the number is in force. Monaco and France's overseas departments use French
    numbers too. A company without a number signs up all the same, and pays VAT as one whose number is not confirmed.
    """
    if not number.strip() or (country not in EU and country not in FRENCH_NUMBERS):
        return ""
    prefix = {"GR": "EL"}.get(country, "FR" if country in FRENCH_NUMBERS else country)
    compact = re.sub(r"[\s.\-/]", "", number).upper()
    if not compact.startswith(prefix):
        compact = prefix + compact
    module = importlib.import_module("stdnum.fr.tva" if prefix == "FR" else "stdnum.eu.vat")
    valid = re.fullmatch(r"[A-Z]{2}[A-Z0-9+*]{2,13}", compact) and module.is_valid(compact)
    if prefix == "FR" and country != "MC" and valid:
        valid = importlib.import_module("stdnum.fr.siren").is_valid(compact[4:])
    if not valid:
        raise Invalid(
            "{number} is not a VAT number of {country}; it looks like FR40303265045.",
            number=number.strip(),
            country=country,
            field="vat_number",
        )
    return compact


def vies_path(vat_number: str) -> str:
    """Return the path of a VIES request about a compact VAT number."""
    return f"/ms/{vat_number[:2]}/vat/{vat_number[2:]}"


def wait_left(failures: Sequence[dt.datetime], now: dt.datetime, free: int = FREE_ATTEMPTS) -> dt.timedelta:
    """Return how long the next attempt must wait; zero when it may be made.

    failures: instants of the attempts that count, ascending. The first `free` ones cause no wait. Then the wait after
    the last one doubles from 15 seconds up to one minute, so nobody is locked out for longer than that.
    """
    counted = [at for at in failures if now - at < ATTEMPTS_COUNT_FOR]
    if len(counted) < free:
        return dt.timedelta(0)
    wait = min(FIRST_WAIT * 2 ** min(len(counted) - free, 10), LONGEST_WAIT)
    left: dt.timedelta = max(counted[-1] + wait - now, dt.timedelta(0))
    return left


def wait_for_room(letters: Sequence[dt.datetime], now: dt.datetime, most: int) -> dt.timedelta:
    """Return how long until fewer than `most` of these instants, ascending, still count."""
    return letters[-most] + ATTEMPTS_COUNT_FOR - now if len(letters) >= most else dt.timedelta(0)


def own_path(text: str, languages: Sequence[str] = ("fr", "en")) -> str | None:
    r"""Return `text` when it is a path of this site, without its language; None when it could lead elsewhere.

    Browsers read `//host`, `/\host` and control characters within as another site's address, and resolve `/..`.
    """
    if not re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", text) or len(text) > 2000 or "/.." in text:  # noqa: PLR2004 (longer than any of ours)
        return None
    first, slash, rest = text[1:].partition("/")
    if first in languages:
        return own_path(f"/{rest}", ()) if slash else "/"
    return text

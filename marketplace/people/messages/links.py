"""Links that prove who follows them: the token is derived from the site's secret and never stored."""

from __future__ import annotations

import base64
import hashlib
import hmac

from marketplace.core.settings import settings


def link_token(use: str, subject: object) -> str:
    """Return the token of a link, 43 characters, for one use (a message kind's code) and one subject (an id).

    Compare with `hmac.compare_digest`. The page that reads it decides how long it is valid. Source: RFC 2104 (HMAC).
    """
    made = hmac.new(settings().secret.encode(), f"link {use} {subject}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def mark_of(email: str) -> str:
    """Return a code for an address in a link; without the site's secret it reveals nothing about the address."""
    return link_token("address", email)[:16].replace("~", "-")

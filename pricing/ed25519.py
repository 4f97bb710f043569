"""Verification of Ed25519 signatures, so that a receipt can be checked offline with nothing but this package.

The rule this file keeps: it only verifies, so it has no secret and its timing may vary. The equation is the one without
cofactor, and encodings must be canonical, so nobody can derive a second signature from the first.

Source: RFC 8032, Edwards-Curve Digital Signature Algorithm, sections 5.1.3 (decoding) and 5.1.7 (verifying); H. Hisil et
al., Twisted Edwards curves revisited, 2008, section 3.1 (addition in extended coordinates).
"""

import hashlib
from typing import Final, TypeAlias

_P: Final = 2**255 - 19
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE: Final = pow(2, (_P - 1) // 4, _P)
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_Point: TypeAlias = tuple[int, int, int, int]
"""(X, Y, Z, T) with x = X/Z, y = Y/Z and x·y = T/Z."""
_NEUTRAL: Final[_Point] = (0, 1, 1, 0)


def verifies(message: bytes, signature: bytes, public_key: bytes) -> bool:
    """Return whether `signature`, 64 bytes, is of `message` under `public_key`, 32 bytes; never raises."""
    if len(signature) != _SIGNATURE_BYTES or len(public_key) != _KEY_BYTES:
        return False
    key = _decoded(public_key)
    scalar = int.from_bytes(signature[_KEY_BYTES:], "little")
    if key is None or scalar >= _ORDER:
        return False
    hashed = hashlib.sha512(signature[:_KEY_BYTES] + public_key + message).digest()
    challenge = int.from_bytes(hashed, "little") % _ORDER
    x, y, z, t = key
    commitment = _sum(_times(scalar, _BASE), _times(challenge, (-x % _P, y, z, -t % _P)))
    return _encoded(commitment) == signature[:_KEY_BYTES]


def _sum(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: _Point) -> _Point:
    reached = _NEUTRAL
    while scalar:
        if scalar & 1:
            reached = _sum(reached, point)
        point = _sum(point, point)
        scalar >>= 1
    return reached


def _encoded(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(_KEY_BYTES, "little")


def _decoded(encoded: bytes) -> _Point | None:
    """Return the point of these 32 bytes, or None if they encode no point."""
    whole = int.from_bytes(encoded, "little")
    y, odd = whole & ((1 << 255) - 1), whole >> 255
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if x * x % _P != square or (x == 0 and odd):
        return None
    if x & 1 != odd:
        x = _P - x
    return x, y, 1, x * y % _P


def _base() -> _Point:
    point = _decoded((4 * pow(5, -1, _P) % _P).to_bytes(_KEY_BYTES, "little"))
    assert point, "the base point is on the curve"
    return point


_BASE: Final = _base()

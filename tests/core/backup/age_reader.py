"""The format of age read without the library that writes ours: one X25519 recipient, every chunk, the mark of the last.

Source: https://age-encryption.org/v1; BIP 173 (private keys as text).
"""

import base64
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
CHUNK = (64 << 10) + 16


def derived(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(key)


def from_base64(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4))


def private_key(text: str) -> X25519PrivateKey:
    """Return the key of `AGE-SECRET-KEY-1…`: five bits a letter, six letters of a checksum at the end."""
    bits = 0
    letters = text.lower().removeprefix("age-secret-key-1")[:-6]
    for letter in letters:
        bits = bits << 5 | LETTERS.index(letter)
    return X25519PrivateKey.from_private_bytes((bits >> (5 * len(letters) - 256)).to_bytes(32, "big"))


def decrypt(data: bytes, identity: str) -> bytes:
    """Return what a file says; all that is not as the format has it is an error."""
    end = data.index(b"\n--- ")
    proof, _, rest = data[end + 5 :].partition(b"\n")
    version, *stanzas = data[:end].split(b"\n-> ")
    assert version == b"age-encryption.org/v1"
    key = private_key(identity)
    own = key.public_key().public_bytes_raw()
    file_key = b""
    for stanza in stanzas:
        words, *body = stanza.split(b"\n")
        kind, *arguments = words.split(b" ")
        if kind != b"X25519":
            continue  # writers add stanzas that nobody reads, so that readers pass over what they do not know
        theirs = from_base64(arguments[0])
        secret = key.exchange(X25519PublicKey.from_public_bytes(theirs))
        wrapping = derived(secret, theirs + own, b"age-encryption.org/v1/X25519")
        file_key = ChaCha20Poly1305(wrapping).decrypt(bytes(12), from_base64(b"".join(body)), None)
    stated = data[: end + 4]
    assert hmac.compare_digest(hmac.digest(derived(file_key, b"", b"header"), stated, "sha256"), from_base64(proof))
    nonce, payload = rest[:16], rest[16:]
    cipher, plain = ChaCha20Poly1305(derived(file_key, nonce, b"payload")), b""
    for number, start in enumerate(range(0, len(payload), CHUNK)):
        is_last = start + CHUNK >= len(payload)
        plain += cipher.decrypt(number.to_bytes(11, "big") + bytes([is_last]), payload[start : start + CHUNK], None)
    return plain

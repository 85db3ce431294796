"""Secrets: one key per purpose derived from the data key, AES-GCM for what must be read back, hashes for the rest.

The data key stands in the database, wrapped with the master key from the environment or a file. So the master key can
be replaced without touching anything that was made or sealed with the data key: links, partners' secrets, second factors.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tracker.clock import token_bytes

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NONCE: Final = 12
_DATA_KEY: Final = "data_key|wrapped"
KEY_BYTES: Final = 32


class SecretUnreadable(Exception):
    """A stored secret does not open with this key: the key was changed, or the row was."""


class MasterKey:
    """What the data key is wrapped with, and nothing else (32 bytes or more, from the environment or a file)."""

    def __init__(self, secret: bytes) -> None:
        _refuse_short(secret)
        self._secret = secret

    @property
    def id(self) -> str:
        """Tells one master key from another, and nothing of either: 8 characters."""
        return base62(_derived(self._secret, "key id")[:6], 8)

    def wrap(self, data_key: bytes) -> bytes:
        """The data key as it is kept."""
        return _seal(_derived(self._secret, "data key"), data_key, _DATA_KEY)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Raises SecretUnreadable."""
        return _open(_derived(self._secret, "data key"), wrapped, _DATA_KEY)


class Vault:
    """Everything that needs the data key (32 bytes)."""

    def __init__(self, data_key: bytes) -> None:
        _refuse_short(data_key)
        self._data_key = data_key

    def seal(self, secret: bytes, place: str) -> bytes:
        """Encrypt for one place (`table|column|row`): it opens nowhere else."""
        return _seal(self._key("secrets"), secret, place)

    def open(self, sealed: bytes, place: str) -> bytes:
        """Raises SecretUnreadable."""
        return _open(self._key("secrets"), sealed, place)

    def link_token(self, shipment_id: int, version: int) -> str:
        """The customer's capability for one shipment: 128 bits, 22 characters, the same every time."""
        message = f"view|{shipment_id}|{version}".encode()
        return base62(hmac.digest(self._key("capability"), message, "sha256")[:16], 22)

    def mac(self, purpose: str, message: str) -> str:
        """Proof that we wrote this message for this purpose: 128 bits, 22 characters."""
        return base62(hmac.digest(self._key(purpose), message.encode(), "sha256")[:16], 22)

    def _key(self, purpose: str) -> bytes:
        return _derived(self._data_key, purpose)


def new_data_key() -> bytes:
    """A data key for a database that has none yet."""
    return token_bytes(KEY_BYTES)


def _refuse_short(key: bytes) -> None:
    if len(key) < KEY_BYTES:
        raise ValueError(f"a key needs at least {KEY_BYTES} bytes, this one has {len(key)}")


def _derived(key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(key)


def _seal(key: bytes, secret: bytes, place: str) -> bytes:
    nonce = token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, secret, place.encode())


def _open(key: bytes, sealed: bytes, place: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], place.encode())
    except (InvalidTag, ValueError) as mistake:
        raise SecretUnreadable(f"{place} does not open with this key") from mistake


def base62(data: bytes, width: int) -> str:
    """Bytes as exactly `width` letters and digits."""
    number = int.from_bytes(data)
    digits = []
    for _ in range(width):
        number, rest = divmod(number, 62)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))


def new_api_key() -> tuple[str, str, bytes]:
    """A fresh key: (the whole key, shown once; its public id; the hash to keep)."""
    key_id, secret = base62(token_bytes(6), 8), base62(token_bytes(24), 32)
    checksum = base62(zlib.crc32(f"{key_id}{secret}".encode()).to_bytes(4), 6)
    return f"trk_live_{key_id}_{secret}{checksum}", key_id, hash_token(secret)


def read_api_key(text: str) -> tuple[str, bytes] | None:
    """(public id, hash of the secret) of a key that is well formed, None otherwise."""
    parts = text.split("_")
    if len(parts) != 4 or parts[:2] != ["trk", "live"] or len(parts[2]) != 8 or len(parts[3]) != 38:
        return None
    secret, checksum = parts[3][:32], parts[3][32:]
    if not text.isascii() or base62(zlib.crc32(f"{parts[2]}{secret}".encode()).to_bytes(4), 6) != checksum:
        return None
    return parts[2], hash_token(secret)


def new_token() -> str:
    """An unguessable token of 128 bits."""
    return base62(token_bytes(16), 22)


def hash_token(token: str) -> bytes:
    """What is kept of a token; a fast hash is enough for one that cannot be guessed."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def same(one: bytes, other: bytes) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(one, other)

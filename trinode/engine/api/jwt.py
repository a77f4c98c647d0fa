"""The tokens that authenticate requests to an engine (Engine API: authentication; RFC 7519 and 7515, HS256 alone)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import TypeGuard

import msgspec

SECRET_SIZE = 32
MAX_DRIFT = 60
"""Seconds that `iat` may be off, either way."""

_HEADER = b'{"alg":"HS256","typ":"JWT"}'
_LONGEST_TOKEN = 8192


class JwtSecretError(Exception):
    """The file with the secret cannot be used: which, why, and what to do."""


class InvalidToken(Exception):
    """A request is not authenticated: why, and what to look at. It never says what the token should have been."""


def make_token(secret: bytes, now: float) -> str:
    """A token issued at `now` (Unix time in seconds)."""
    signed = _encode(_HEADER) + b"." + _encode(msgspec.json.encode({"iat": int(now)}))
    return (signed + b"." + _encode(_sign(secret, signed))).decode()


def check_token(token: str, secret: bytes, now: float) -> None:
    """Raises InvalidToken if it is not signed with `secret` by HS256, or was not issued within a minute of `now`."""
    header, claims, signature, signed = _split(token)
    if not hmac.compare_digest(_sign(secret, signed), signature):
        raise InvalidToken("the signature is not ours: both sides must read the same JWT secret file")
    if _object(header, "header").get("alg") != "HS256":
        raise InvalidToken("the algorithm is not HS256")
    times = _object(claims, "claims")
    issued, expires = times.get("iat"), times.get("exp")
    if not _is_time(issued):
        raise InvalidToken("iat (the time of issue) is missing or no number")
    if abs(now - issued) > MAX_DRIFT:
        raise InvalidToken(f"issued {now - issued:.0f} s ago by our clock, {MAX_DRIFT} are allowed: set the clocks of both machines")
    if expires is not None and not (_is_time(expires) and now <= expires):
        raise InvalidToken("expired")


def bearer_token(authorization: str | None) -> str:
    """The token in an Authorization header. Raises InvalidToken."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise InvalidToken("no token: a header 'Authorization: Bearer <JWT>' is needed")
    return token.strip()


def _split(token: str) -> tuple[bytes, bytes, bytes, bytes]:
    """Header, claims, signature, and what is signed."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _LONGEST_TOKEN or not token.isascii():
        raise InvalidToken("not a JWT")
    try:
        header, claims, signature = (base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True) for part in parts)
    except binascii.Error:
        raise InvalidToken("not a JWT: bad base64") from None
    return header, claims, signature, token.rpartition(".")[0].encode()


def _object(data: bytes, name: str) -> dict[str, object]:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidToken(f"its {name} is not JSON") from None
    if not isinstance(value, dict):
        raise InvalidToken(f"its {name} is not an object")
    return value


def _is_time(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sign(secret: bytes, signed: bytes) -> bytes:
    return hmac.new(secret, signed, hashlib.sha256).digest()


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


# ---- the file ----


def read_secret(path: Path) -> bytes:
    """The secret in a file: 64 hex digits, perhaps after 0x. Raises JwtSecretError."""
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        raise JwtSecretError(f"{path} does not exist. Copy the engine's JWT secret file there, or make one: openssl rand -hex 32 > {path}") from None
    except PermissionError:
        raise JwtSecretError(f"{path} may not be read. Give this user the right to: chown or chmod 640 with a shared group") from None
    except (OSError, UnicodeDecodeError) as error:
        raise JwtSecretError(f"{path} cannot be read: {error}. It must be a text file of 64 hex digits") from error
    try:
        secret = binascii.unhexlify(text.removeprefix("0x"))
    except ValueError:  # what was found stays out of the message: it may be a secret with a slip
        raise JwtSecretError(f"{path} does not hold hex. It must have 64 hex digits and nothing else; {_REMEDY}") from None
    if len(secret) != SECRET_SIZE:
        raise JwtSecretError(f"{path} holds {len(secret)} bytes, not {SECRET_SIZE}. It must have 64 hex digits; {_REMEDY}")
    return secret


_REMEDY = "copy it again from the other side, or remove it, and both sides will need the new one"


def read_or_create_secret(path: Path) -> bytes:
    """The secret in the file; a new one, in a file that only its owner can read, where there is none. Raises JwtSecretError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _create_secret(path)
    except OSError as error:
        raise JwtSecretError(f"{path} cannot be made: {error}. Give a path in a folder that this user may write to") from error


def _create_secret(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_secret(path)
    secret = secrets.token_bytes(SECRET_SIZE)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret.hex())
    return secret

"""What the values of options look like as text: each kind reads one, and shows one without its secrets.

Durations are written as Go's time.ParseDuration reads them, as operators know them from op-node and op-geth.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from trinode.rollup.chains import UnknownChainError, find_chain, known_chains

HIDDEN = "***"
_TRUE = ("true", "t", "1")  # what Go's strconv.ParseBool takes, in any case
_FALSE = ("false", "f", "0")
_DURATION_UNITS = {"ns": "1e-9", "us": "1e-6", "µs": "1e-6", "ms": "1e-3", "s": "1", "m": "60", "h": "3600"}
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", re.ASCII)
_BYTE_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}
_SIZE = re.compile(r"(\d{1,18}) ?([A-Za-z]*)", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9._:%\[\]-]+", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1
_DIGITS_AT_MOST = 20


class BadValue(ValueError):
    """A text that is no value of its kind. The message says what is wanted, and repeats nothing that may be secret."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value. `parse` raises BadValue; `show` hides secrets; `bare`: written in TOML without quotes."""

    name: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str
    bare: bool = False
    choices: tuple[str, ...] = ()


def _refuse(problem: str) -> NoReturn:
    raise BadValue(problem)


def _parse_boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    return False if text.lower() in _FALSE else _refuse(f"{text!r} is neither true nor false")


def _parse_digits(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS_AT_MOST else None


def whole(name: str, least: int, most: int = 2**63 - 1) -> Kind:
    """Whole numbers from `least` to `most`."""

    def parse(text: str) -> int:
        value = _parse_digits(text)
        if value is None or not least <= value <= most:
            limits = f"from {least} to {most}" if most < 2**63 - 1 else f"of at least {least}"
            raise BadValue(f"{text!r} is not a whole number {limits}")
        return value

    return Kind(name, parse, bare=True)


def _parse_rate(text: str) -> float:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
        raise BadValue(f"{text!r} is not a number such as 25 or 0.5")
    return float(text)


def parse_duration(text: str) -> float:
    """Seconds, more than 0, of a text such as `6m24s` or `1.5h`. Raises BadValue."""
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text or len(text) > 40:
        raise BadValue(f"{text!r} is not a duration with its unit, such as 12s, 6m24s or 500ms")
    seconds = float(sum(Decimal(number) * Decimal(_DURATION_UNITS[unit]) for number, unit in parts))
    return seconds if seconds > 0 else _refuse("a duration must be more than 0")


def format_duration(seconds: float) -> str:
    """The inverse of `parse_duration`, to the nanosecond."""
    nanoseconds = round(Decimal(repr(seconds)) * 10**9)
    text = ""
    for unit, size in (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1)):
        count, nanoseconds = divmod(nanoseconds, size)
        text += f"{count}{unit}" if count else ""
    return text


INSTANT = "instant"


def _parse_block_time(text: str) -> int:
    """Seconds; 0 for a block as soon as there is a transaction."""
    if text.lower() == INSTANT:
        return 0
    seconds = parse_duration(text)
    return int(seconds) if seconds >= 1 and seconds == int(seconds) else _refuse(f"{text!r}: blocks have whole seconds, such as 2s, or {INSTANT}")


def parse_size(text: str) -> int:
    """Bytes of a text such as `256MB`, `64MiB` or `1000` (bytes). Raises BadValue."""
    match = _SIZE.fullmatch(text)
    if match is None or match[2].lower() not in _BYTE_UNITS:
        raise BadValue(f"{text!r} is not a size in bytes, such as 256MB or 64MiB")
    return int(match[1]) * _BYTE_UNITS[match[2].lower()]


def format_size(size: int) -> str:
    """The inverse of `parse_size`: the largest unit that loses nothing."""
    for unit in ("TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "kB"):
        count, rest = divmod(size, _BYTE_UNITS[unit.lower()])
        if count and not rest:
            return f"{count}{unit}"
    return f"{size}B"


def hide_url(url: str) -> str:
    """The URL without what may be a key: user, path and query are hidden."""
    parts = urlsplit(url)
    user = f"{HIDDEN}@" if "@" in parts.netloc else ""
    path = parts.path if parts.path in ("", "/") else f"/{HIDDEN}"
    return f"{parts.scheme}://{user}{parts.netloc.rpartition('@')[2]}{path}" + (f"?{HIDDEN}" if parts.query else "")


def _parse_url(text: str) -> str:
    return _parse_url_of(text, "http", "https")


def _parse_websocket_url(text: str) -> str:
    return _parse_url_of(text, "ws", "wss")


def _parse_url_of(text: str, plain: str, secure: str) -> str:
    """A URL of one of two schemes. What is wrong is said without the URL, for there may be a key in it."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise BadValue(f"the URL is malformed; it should be like {secure}://host:port/path") from error
    if "://" not in text:
        raise BadValue(f"a URL begins with {plain}:// or {secure}://")
    if parts.scheme not in (plain, secure):
        raise BadValue(f"URLs of scheme {parts.scheme[:12]!r} are not supported: give the {plain}:// or {secure}:// address of the same endpoint")
    if not parts.hostname or not _HOST.fullmatch(parts.hostname) or port == 0:
        raise BadValue(f"the URL names no host, or port 0; it should be like {secure}://host:port/path")
    if parts.fragment or any(character.isspace() or not character.isprintable() for character in text):
        raise BadValue("a URL has no spaces and no #")
    return text


def _parse_path(text: str) -> Path:
    if not text or not text.isprintable():
        raise BadValue("a path is not empty, and has printable characters only")
    if text.startswith("~"):
        raise BadValue(f"{text!r}: nothing expands ~ here; write the home directory out")
    return Path(text)


def _parse_secret_file(text: str) -> Path:
    """A path; somebody who gives the secret itself is told so, and it is not repeated."""
    if re.fullmatch(r"(0x)?[0-9A-Fa-f]{64}", text):
        raise BadValue("this looks like the secret itself: write it to a file that only you can read, and give the file's path")
    return _parse_path(text)


def _parse_host(text: str) -> str:
    return text if _HOST.fullmatch(text) else _refuse(f"{text!r} is not a host name or IP address")


def _parse_word(text: str) -> str:
    return text if text and text.isprintable() and " " not in text else _refuse(f"{text!r} is not a host or origin, nor *")


def _parse_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    value = value.strip()
    if not colon or not _HEADER_NAME.fullmatch(name) or not value or not (value.isascii() and value.isprintable()):
        raise BadValue("a header is written 'Name: value'")
    return name, value


def _parse_key(text: str) -> bytes:
    digits = text.removeprefix("0x")
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", digits) or not 0 < int(digits, 16) < _CURVE_ORDER:
        raise BadValue("a private key is 64 hex digits, with or without 0x, and less than the order of secp256k1")
    return bytes.fromhex(digits)


FROM_L1 = "l1"
"""The output root that L1 vouches for."""


def _parse_output(text: str) -> tuple[int, bytes] | str:
    if text.lower() == FROM_L1:
        return FROM_L1
    match = re.fullmatch(r"(\d{1,19}):(?:0x)?([0-9A-Fa-f]{64})", text)
    if match is None:
        raise BadValue(f"{text[:100]!r} is neither {FROM_L1} nor NUMBER:ROOT, an L2 block's number and its output root of 64 hex digits")
    return int(match[1]), bytes.fromhex(match[2])


def _parse_network(text: str) -> str:
    try:
        return find_chain(text).name
    except UnknownChainError as error:
        similar = [chain.name for chain in known_chains() if text and chain.name.startswith(text.lower() + "-")]
        hint = f"; did you mean {' or '.join(similar)}?" if similar and not error.nearest else ""
        raise BadValue(f"{error}{hint} (`trinode networks` lists them)") from error


def one_of(*choices: str) -> Kind:
    """One of these words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise BadValue(f"{text!r} is none of {', '.join(choices)}")
        return text.lower()

    return Kind("WORD", parse, choices=choices)


BOOLEAN = Kind("BOOLEAN", _parse_boolean, lambda value: "true" if value else "false", bare=True)
NUMBER = whole("NUMBER", 0)
COUNT = whole("NUMBER", 1)
PORT = whole("PORT", 0, 65535)
UNIX_TIME = whole("TIME", 0)
RATE = Kind("NUMBER", _parse_rate, lambda value: f"{value:g}", bare=True)
DURATION = Kind("DURATION", parse_duration, format_duration)
BLOCK_TIME = Kind("DURATION", _parse_block_time, lambda value: format_duration(float(value)) if value else INSTANT)
SIZE = Kind("BYTES", parse_size, format_size)
URL = Kind("URL", _parse_url, hide_url)
WEBSOCKET_URL = Kind("URL", _parse_websocket_url, hide_url)
PATH = Kind("PATH", _parse_path)
SECRET_FILE = Kind("PATH", _parse_secret_file)
HOST = Kind("HOST", _parse_host)
ALLOWED = Kind("NAME", _parse_word)
HEADER = Kind("HEADER", _parse_header, lambda value: f"{value[0]}: {HIDDEN}")
KEY = Kind("KEY", _parse_key, lambda _: HIDDEN)
OUTPUT = Kind("OUTPUT", _parse_output, lambda value: value if value == FROM_L1 else f"{value[0]}:0x{value[1].hex()}")
NETWORK = Kind("NETWORK", _parse_network)

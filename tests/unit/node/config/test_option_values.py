"""Values of options: what is read, what is refused, what is shown, and what is hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trinode.node.config.values import (
    BLOCK_TIME,
    BOOLEAN,
    COUNT,
    DURATION,
    HEADER,
    HOST,
    KEY,
    NETWORK,
    PATH,
    PORT,
    RATE,
    SECRET_FILE,
    SIZE,
    URL,
    BadValue,
    Kind,
    format_duration,
    format_size,
    hide_url,
    one_of,
    parse_duration,
    parse_size,
)

SECRET = "ab" * 32


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (BOOLEAN, "true", True),
        (BOOLEAN, "F", False),
        (BOOLEAN, "1", True),
        (PORT, "65535", 65535),
        (RATE, "0.5", 0.5),
        (DURATION, "12s", 12.0),
        (DURATION, "6m24s", 384.0),
        (DURATION, "1h0m0s", 3600.0),
        (DURATION, "1.5h", 5400.0),
        (DURATION, "500ms", 0.5),
        (DURATION, "50us", 0.00005),
        (BLOCK_TIME, "2s", 2),
        (SIZE, "1000", 1000),
        (SIZE, "256MB", 256_000_000),
        (SIZE, "64MiB", 1 << 26),
        (URL, "https://user:password@host:1/path?key=1", "https://user:password@host:1/path?key=1"),
        (URL, "http://[::1]:8545", "http://[::1]:8545"),
        (PATH, "a/b", Path("a/b")),
        (HEADER, "Authorization: Bearer x:y", ("Authorization", "Bearer x:y")),
        (KEY, "0x" + SECRET, bytes.fromhex(SECRET)),
        (NETWORK, "10", "op-mainnet"),
        (NETWORK, "Optimism", "op-mainnet"),
        (one_of("full", "archive"), "Archive", "archive"),
    ],
)
def test_value(kind: Kind, text: str, value: Any) -> None:
    assert kind.parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        (BOOLEAN, "yes", "neither true nor false"),
        (PORT, "65536", "from 0 to 65535"),
        (PORT, "٣", "not a whole number"),
        (COUNT, "0", "of at least 1"),
        (COUNT, "-1", "not a whole number"),
        (COUNT, "9" * 5000, "not a whole number"),
        (RATE, "nan", "not a number"),
        (DURATION, "12", "with its unit"),
        (DURATION, "12 s", "with its unit"),
        (DURATION, "-12s", "with its unit"),
        (DURATION, "0s", "more than 0"),
        (DURATION, "9" * 50 + "s", "with its unit"),
        (BLOCK_TIME, "1500ms", "whole seconds"),
        (SIZE, "1.5GB", "size in bytes"),
        (SIZE, "1XB", "size in bytes"),
        (URL, "localhost:8545", "begins with http"),
        (URL, "wss://host/key", "'wss' are not supported"),
        (URL, "https://", "names no host"),
        (URL, "https://host:99999", "malformed"),
        (URL, "https://host:0", "port 0"),
        (URL, "https://[::1", "malformed"),
        (URL, "https://host/a b", "no spaces"),
        (PATH, "", "empty"),
        (PATH, "~/data", "write the home directory out"),
        (SECRET_FILE, SECRET, "looks like the secret itself"),
        (HOST, "a b", "host name"),
        (HEADER, "no colon", "'Name: value'"),
        (HEADER, "a: b\nc: d", "'Name: value'"),
        (KEY, "00" * 32, "64 hex digits"),
        (KEY, "ff" * 32, "less than the order"),
        (NETWORK, "op-mainet", "did you mean op-mainnet?"),
        (NETWORK, "mode", "did you mean mode-mainnet or mode-sepolia"),
        (one_of("full", "archive"), "fast", "none of full, archive"),
    ],
)
def test_a_bad_value_says_what_is_wanted(kind: Kind, text: str, problem: str) -> None:
    with pytest.raises(BadValue) as caught:
        kind.parse(text)
    message = str(caught.value)
    assert problem in message
    assert "\n" not in message
    assert SECRET not in message and "key" not in message.replace("a private key", "")


def test_secrets_are_hidden() -> None:
    assert hide_url("https://host:1") == "https://host:1"
    assert hide_url("https://user:password@host:1/v3/key?token=1") == "https://***@host:1/***?***"
    assert HEADER.show(("X-Key", "value")) == "X-Key: ***"
    assert KEY.show(bytes(32)) == "***"


@given(st.integers(1, 10**18))
def test_durations_are_written_as_they_are_read(nanoseconds: int) -> None:
    seconds = nanoseconds / 10**9
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=1e-9, rel=1e-15)


@given(st.integers(0, 10**17))
def test_sizes_are_written_as_they_are_read(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.sampled_from([BOOLEAN, PORT, RATE, DURATION, BLOCK_TIME, SIZE, URL, PATH, SECRET_FILE, HOST, HEADER, KEY, NETWORK]), st.text())
def test_any_text_is_a_value_or_a_bad_one(kind: Kind, text: str) -> None:
    try:
        value = kind.parse(text)
    except BadValue:
        return
    assert isinstance(kind.show(value), str)

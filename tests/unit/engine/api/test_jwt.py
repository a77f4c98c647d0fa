"""Tokens and the file with their secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trinode.engine.api.jwt import (
    InvalidToken,
    JwtSecretError,
    bearer_token,
    check_token,
    make_token,
    read_or_create_secret,
    read_secret,
)

SECRET = b"\x11" * 32
NOW = 1_700_000_000.0


def token(claims: object, header: object = None, secret: bytes = SECRET) -> str:
    """As RFC 7515 says, with another JSON writer."""
    parts = [json.dumps(part).encode() for part in (header or {"typ": "JWT", "alg": "HS256"}, claims)]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = hmac.new(secret, signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def test_a_token_of_ours_is_good_for_a_minute() -> None:
    made = make_token(SECRET, NOW)
    for now in (NOW - 60, NOW, NOW + 60):
        check_token(made, SECRET, now)
    for now in (NOW - 61, NOW + 61):
        with pytest.raises(InvalidToken, match="set the clocks"):
            check_token(made, SECRET, now)


def test_the_token_of_rfc_7515() -> None:
    """Its example A.1: a good signature, but no time of issue."""
    key = base64.urlsafe_b64decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow==")
    example = (
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )
    with pytest.raises(InvalidToken, match="iat"):
        check_token(example, key, NOW)
    with pytest.raises(InvalidToken, match="signature is not ours"):
        check_token(example, SECRET, NOW)


def test_other_claims_are_as_they_may_be() -> None:
    check_token(token({"iat": NOW + 0.5, "id": "op-node", "clv": "1", "exp": NOW + 1}), SECRET, NOW)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (token({"iat": NOW}, secret=bytes(32)), "same JWT secret file"),
        (token({"iat": NOW}, {"alg": "none"}), "not HS256"),
        (token({"iat": NOW}, {"alg": "HS512"}), "not HS256"),
        (token({"iat": NOW}, [1]), "header is not an object"),
        (token({}), "iat"),
        (token({"iat": "now"}), "iat"),
        (token({"iat": True}), "iat"),
        (token({"iat": NOW, "exp": NOW - 1}), "expired"),
        (token({"iat": NOW, "exp": "later"}), "expired"),
        (token([NOW]), "claims is not an object"),
        (token({"iat": NOW}).rpartition(".")[0] + ".", "same JWT secret file"),
        ("a.b", "not a JWT"),
        ("a.b.c.d", "not a JWT"),
        ("=.%.c", "not a JWT"),
        ("é.é.é", "not a JWT"),
        ("a." + "b" * 9000 + ".c", "not a JWT"),
    ],
)
def test_a_bad_token_is_refused(bad: str, reason: str) -> None:
    with pytest.raises(InvalidToken, match=reason):
        check_token(bad, SECRET, NOW)


@given(st.text(max_size=60))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidToken):
        check_token(text, SECRET, NOW)


def test_the_header_has_the_scheme() -> None:
    assert bearer_token("Bearer abc") == bearer_token(" bearer  abc ") == "abc"
    for bad in (None, "", "Bearer", "Basic abc", "abc"):
        with pytest.raises(InvalidToken, match="no token"):
            bearer_token(bad)


def test_the_secret_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "jwt.hex"
    secret = read_or_create_secret(path)
    assert (len(secret), path.stat().st_mode & 0o777) == (32, 0o600)
    assert read_or_create_secret(path) == read_secret(path) == secret


def test_the_secret_may_have_a_prefix_and_a_line_end(tmp_path: Path) -> None:
    path = tmp_path / "jwt.hex"
    path.write_text("0x" + "Ab" * 32 + "\n")
    assert read_secret(path) == b"\xab" * 32


@pytest.mark.parametrize(
    ("content", "problem"), [("", "0 bytes"), ("ab" * 31, "31 bytes"), ("no hex", "does not hold hex"), ("ab " * 32, "does not hold hex")]
)
def test_a_bad_secret_says_what_to_do_and_does_not_tell_it(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "jwt.hex"
    path.write_text(content)
    for read in (read_secret, read_or_create_secret):
        with pytest.raises(JwtSecretError, match=problem) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "64 hex digits" in str(caught.value)
        assert not content or content not in str(caught.value)


def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(JwtSecretError, match=r"does not exist.*openssl rand -hex 32"):
        read_secret(tmp_path / "none")
    with pytest.raises(JwtSecretError, match="cannot be read"):
        read_secret(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff" * 32)
    with pytest.raises(JwtSecretError, match="text file of 64 hex digits"):
        read_secret(tmp_path / "binary")
    with pytest.raises(JwtSecretError, match="cannot be made"):
        read_or_create_secret(tmp_path / "binary" / "jwt.hex")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "jwt.hex"
    path.write_text("ab" * 32)
    path.chmod(0)
    with pytest.raises(JwtSecretError, match="may not be read"):
        read_secret(path)

"""Durations as Go writes them, and the defaults of options."""

from __future__ import annotations

import pytest

from trinode.jsonrpc.requests import RpcError
from trinode.rpc.debug.trace_options import TraceOptions, parse_duration, parse_trace_call_options, parse_trace_options


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10),
        ("1m30s", 90),
        ("300ms", 0.3),
        ("1.5h", 5400),
        ("0", 0),
        ("-2s", -2),
        ("+1s", 1),
        (".5s", 0.5),
        ("1.s", 1),
        ("5us", 5e-6),
        ("5µs", 5e-6),
        ("7ns", 7e-9),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("abc", 'time: invalid duration "abc"'),
        ("10", 'time: missing unit in duration "10"'),
        ("10x", 'time: unknown unit "x" in duration "10x"'),
        ("-", 'time: invalid duration "-"'),
        ("." * 500, 'time: invalid duration "' + "." * 64 + '"'),
        ("9" * 500 + "h", "time: invalid duration"),
    ],
)
def test_texts_that_are_no_durations(text: str, message: str) -> None:
    with pytest.raises(RpcError) as raised:
        parse_duration(text)
    assert raised.value.message.startswith(message)


def test_nothing_is_asked_for() -> None:
    assert parse_trace_options({"somethingElse": 5, "tracer": None, "overrides": {}}, "params[1]") == TraceOptions()
    assert parse_trace_call_options({}, "params[2]").transaction_index is None

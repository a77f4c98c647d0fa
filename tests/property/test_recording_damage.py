"""Whatever bytes a recording consists of, reading it ends, or raises RecordingError in one line."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.recording import RecordingError, open_recording

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "devnet"


@cache
def recorded_lines() -> list[bytes]:
    """A head, some L1 blocks and labels, and the first L2 blocks of a recording."""
    with gzip.open(FIXTURES / "window-expiry-and-garbage-fjord.jsonl.gz") as file:
        whole = file.read().splitlines(keepends=True)
    return whole[:24] + [line for line in whole if b'"l2_block"' in line[:30]][:3]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage") / "r.jsonl.gz"


def read(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    message = None
    try:
        with open_recording(path, max_line_bytes=1 << 22) as reader:
            for _ in reader:
                pass
    except RecordingError as error:
        message = str(error)
    assert message is None or ("\n" not in message and message.startswith(str(path)))


damage = st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 255)), min_size=1, max_size=4)
reused = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@reused
@given(damage=damage)
def test_changed_bytes_of_the_file(path: Path, damage: list[tuple[int, int]]) -> None:
    content = bytearray(gzip.compress(b"".join(recorded_lines()), 1))
    for at, value in damage:
        content[at % len(content)] = value
    read(path, bytes(content))


@reused
@given(damage=damage, line=st.integers(0, 26), cut=st.integers(0, 200))
def test_changed_bytes_of_a_line(path: Path, damage: list[tuple[int, int]], line: int, cut: int) -> None:
    lines = recorded_lines()
    changed = bytearray(lines[line % len(lines)])
    for at, value in damage:
        changed[at % len(changed)] = value
    content = [*lines[:line], bytes(changed[: len(changed) - cut]), *lines[line + 1 :]]
    read(path, gzip.compress(b"".join(content), 1))


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20) | st.just("0x00") | st.just([]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@reused
@given(line=st.integers(0, 26), field=st.integers(0, 1 << 16), value=json_values)
def test_any_json_in_any_field(path: Path, line: int, field: int, value: Any) -> None:
    lines = recorded_lines()
    changed = json.loads(lines[line % len(lines)])
    inner = changed
    while True:
        key = sorted(inner)[field % len(inner)]
        if not isinstance(inner[key], dict) or not inner[key] or field % 3 == 0:
            break
        inner, field = inner[key], field // 2
    inner[key] = value
    content = [*lines[:line], json.dumps(changed).encode() + b"\n", *lines[line + 1 :]]
    read(path, gzip.compress(b"".join(content), 1))

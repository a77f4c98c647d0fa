"""Lines of the log: their forms, and that nothing is repeated without end."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from trinode.node import logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def written(level: str, format: str) -> str:
    out = io.StringIO()
    logs.configure(level, format, stream=out)
    log = structlog.get_logger()
    log.debug("tried", endpoint="a")
    log.info("derived", number=5)
    logging.getLogger("hypercorn").warning("odd %s", "thing")
    return out.getvalue()


def test_text_is_short_and_without_colours() -> None:
    first, second = written("info", "text").splitlines()
    assert first[8:] == " [info] derived number=5"
    assert second[8:] == " [warning] odd thing library=hypercorn"


def test_logfmt() -> None:
    assert "level=info event=derived number=5" in written("info", "logfmt")


def test_json_and_every_level() -> None:
    lines = [json.loads(line) for line in written("trace", "json").splitlines()]
    assert [line["event"] for line in lines] == ["tried", "derived", "odd thing"]


def test_the_level_can_be_changed_while_it_runs() -> None:
    out = io.StringIO()
    logs.configure("error", "text", stream=out)
    log = structlog.get_logger()
    log.info("one")
    logs.set_level("debug")
    log.debug("two")
    assert "two" in out.getvalue() and "one" not in out.getvalue()
    with pytest.raises(KeyError):
        logs.set_level("loud")


def test_a_warning_that_repeats_itself_is_counted() -> None:
    now = 0.0
    repeats = logs.Repeats(lambda: now)
    event = {"event": "L1 http://a: no answer"}
    assert repeats(None, "warning", event) == event
    for _ in range(3):
        with pytest.raises(structlog.DropEvent):
            repeats(None, "warning", event)
    assert repeats(None, "info", event) == event
    now = logs.QUIET
    assert repeats(None, "warning", event) == event | {"repeated": 3}


def test_the_memory_of_warnings_is_bounded() -> None:
    repeats = logs.Repeats(lambda: 0.0)
    for number in range(5000):
        repeats(None, "warning", {"event": str(number)})
    assert len(repeats._seen) <= 1000

"""What the node says of itself: lines on standard error, as text, logfmt or JSON.

Modules log with `structlog.get_logger()`; `configure` says once how lines look. What libraries log goes the same way.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

QUIET = 30.0
"""Seconds for which a warning that repeats itself is counted and not written."""

_MOST_REMEMBERED = 1000
_TRACE = logging.NOTSET
_LEVELS = {"trace": _TRACE, "debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


def configure(level: str, format: str, *, color: bool | None = None, stream: TextIO | None = None) -> None:
    """From now on, lines of `level` and above go to `stream` (None: standard error). `format`: text, logfmt or json. `color` None: on a
    terminal.
    """
    out = sys.stderr if stream is None else stream
    colors = out.isatty() if color is None else color
    processors: list[Processor] = [
        structlog.stdlib.add_log_level,
        Repeats(),
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if format == "text" else "iso", utc=format != "text"),
        structlog.processors.format_exc_info,
        *_renderers(format, colors),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _adopt_libraries(max(_LEVELS[level], logging.WARNING))


def set_level(level: str) -> None:
    """Changes the least level that is written. Raises KeyError where there is no such level."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]))


def _renderers(format: str, colors: bool) -> list[Processor]:
    if format == "json":
        return [structlog.processors.JSONRenderer()]
    if format == "logfmt":
        return [structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)]
    return [structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0, pad_level=False)]


class Repeats:
    """Drops a warning or an error that was written in the last `QUIET` seconds, and says with the next one how many were dropped."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}  # when it was written, and how many were dropped since

    def __call__(self, _logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if method not in ("warning", "error"):
            return event
        key, now = repr(sorted(event.items(), key=lambda item: item[0])), self._clock()
        written, dropped = self._seen.get(key, (float("-inf"), 0))
        if now - written < QUIET:
            self._seen[key] = (written, dropped + 1)
            raise structlog.DropEvent
        self._seen.pop(key, None)
        self._seen[key] = (now, 0)
        if len(self._seen) > _MOST_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return {**event, "repeated": dropped} if dropped else event


class _ToStructlog(logging.Handler):
    """Hands a library's record to our log."""

    def emit(self, record: logging.LogRecord) -> None:
        details: MutableMapping[str, Any] = {"library": record.name}
        if record.exc_info:
            details["exc_info"] = record.exc_info
        structlog.get_logger().log(record.levelno, record.getMessage(), **details)


def _adopt_libraries(level: int) -> None:
    root = logging.getLogger()
    root.handlers = [_ToStructlog()]
    root.setLevel(level)

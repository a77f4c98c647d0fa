"""Simulated networks say nothing in logs but what is wrong, and nothing may go wrong inside: hosts log what they did not foresee."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog


@pytest.fixture(autouse=True)
def _no_errors() -> Iterator[None]:
    errors: list[structlog.typing.EventDict] = []

    def keep(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        errors.append(event)
        raise structlog.DropEvent

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR), processors=[structlog.processors.format_exc_info, keep])
    yield
    structlog.reset_defaults()
    assert errors == []

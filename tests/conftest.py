"""Hypothesis budgets: `default` for every run, `long` for `tox -e property` (HYPOTHESIS_PROFILE=long)."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture.junkdrawer import gc_cumulative_time

import trinode.execution.pyevm  # noqa: F401 - puts back the recursion limit that py_ecc, an oracle of some tests, raises

settings.register_profile("default", max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Hypothesis times collections for its deadlines, and there are none here. Its callback runs wherever a collection begins, also in a thread that is
# about to be interrupted (trinode.rpc.eth.time_limit): what is raised there is lost, sent again, and a warning in whatever test comes next.
_callbacks = list(gc.callbacks)
gc_cumulative_time()
gc.callbacks[:] = _callbacks


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A node that a test runs in this process takes over all logs."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    if root.handlers != handlers:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()

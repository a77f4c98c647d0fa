"""The batcher's fixtures: no threads, which a clock that jumps would not wait for."""

from __future__ import annotations

import pytest
import trio

from tests.unit.batcher.batcher_network import Network, at_once


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)


@pytest.fixture
def network(no_threads: None) -> Network:
    """A network with the newest forks from genesis on."""
    return Network()

"""What the server's tests are run over."""

from __future__ import annotations

import selectors

import pytest

from trinode.jsonrpc.readiness import SelectorReadiness


@pytest.fixture(params=["epoll", "selectors"])
def readiness(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's sockets are watched by this system's best means, or as where there is no epoll: by what all selectors can do."""
    if request.param == "selectors":
        monkeypatch.setattr("trinode.jsonrpc.http1_server.new_readiness", lambda: SelectorReadiness(selectors.DefaultSelector()))

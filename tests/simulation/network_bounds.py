"""How large simulated networks are, and what no node in them may exceed."""

from __future__ import annotations

import pytest

from harness.network.world import World
from trinode.p2p.host.limits import HostLimits

COUNTS = (12, pytest.param(50, marks=pytest.mark.long))
"""A dozen nodes always, fifty with `-m long`."""


def check_bounds(world: World) -> None:
    """What any node keeps, and what is on the way, stays small."""
    count = len(world.nodes) + 100
    for node in world.nodes:
        kept = node.kept()
        assert kept["links"] <= 2 * HostLimits().most_peers, kept
        assert len(node.connected) <= HostLimits().most_peers, kept  # the high mark is for those whose time of grace is over
        assert kept["seen"] <= 65_536 and kept["messages"] <= 100, kept
        assert kept["unsafe_payloads"] <= 1024 and kept["sync_payloads"] <= 1024, kept
        assert kept["outbox_bytes"] <= 4 << 20 and kept["backoffs"] <= 8192, kept
    assert world.internet.in_flight < count * (1 << 20)

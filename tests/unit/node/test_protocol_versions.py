"""What L1 requires of nodes, and which of it stops this one."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from trinode.engine.api.protocol_version import SUPPORTED_VERSION, ProtocolVersion, SuperchainSignal
from trinode.node.protocol_versions import ProtocolVersions, VersionRequired

MAJOR, MINOR, PATCH = SUPPORTED_VERSION[:3]


@pytest.mark.parametrize(
    ("halt", "required", "stops"),
    [
        ("none", ProtocolVersion(MAJOR + 1), False),
        ("major", ProtocolVersion(MAJOR + 1), True),
        ("major", ProtocolVersion(MAJOR, MINOR + 1), False),
        ("minor", ProtocolVersion(MAJOR, MINOR + 1), True),
        ("minor", ProtocolVersion(MAJOR, MINOR, PATCH + 1), False),
        ("patch", ProtocolVersion(MAJOR, MINOR, PATCH + 1), True),
        ("patch", SUPPORTED_VERSION, False),
        ("patch", None, False),
    ],
)
async def test_a_required_version_stops_whom_it_should(halt: str, required: ProtocolVersion | None, stops: bool) -> None:
    versions = ProtocolVersions(halt)
    versions.signalled(SuperchainSignal(ProtocolVersion(MAJOR + 5), required))
    if stops:
        with pytest.raises(VersionRequired, match="update trinode"):
            await versions.run()
        return
    async with trio.open_nursery() as nursery:
        await nursery.start(versions.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

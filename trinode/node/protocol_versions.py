"""What becomes of the protocol versions that L1 recommends and requires (specification: superchain-upgrades, "`engine_signalSuperchainV1`")."""

from __future__ import annotations

import structlog
import trio

from trinode.engine.api.protocol_version import SUPPORTED_VERSION, ProtocolVersion, SuperchainSignal

_PARTS = {"none": 0, "major": 1, "minor": 2, "patch": 3}

_log = structlog.get_logger()


class VersionRequired(Exception):
    """L1 requires a version that this one does not have, and the operator wants to stop then."""


class ProtocolVersions:
    """Warns of newer versions. `halt`: none, major, minor or patch: the least part in which a required version must not be newer."""

    def __init__(self, halt: str) -> None:
        self._parts = _PARTS[halt]
        self._halted = trio.Event()
        self._reason = ""

    def signalled(self, signal: SuperchainSignal) -> None:
        """A rollup node passes on what L1 says."""
        for what, wanted in (("recommends", signal.recommended), ("requires", signal.required)):
            if wanted is not None and wanted.is_newer_than(SUPPORTED_VERSION):
                _log.warning(f"L1 {what} protocol version {wanted}, this is {SUPPORTED_VERSION}: update trinode")
        required = signal.required
        if required is not None and _first(required, self._parts) > _first(SUPPORTED_VERSION, self._parts):
            self._reason = f"L1 requires protocol version {required}, this is {SUPPORTED_VERSION}: update trinode, or leave rollup.halt out"
            self._halted.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Raises VersionRequired as soon as that is so."""
        task_status.started()
        await self._halted.wait()
        raise VersionRequired(self._reason)


def _first(version: ProtocolVersion, parts: int) -> tuple[int, ...]:
    return (version.major, version.minor, version.patch)[:parts]

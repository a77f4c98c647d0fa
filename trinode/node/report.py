"""Where the node is, said now and then: often while it catches up, seldom when it has."""

from __future__ import annotations

from typing import Any

import structlog
import trio

from trinode.l1.watch import L1Watcher
from trinode.node.driver import Driver
from trinode.node.health import Health

_WHILE_BEHIND = 10.0
_WHEN_SYNCED = 60.0
"""Seconds between two lines."""
_CLOSE = 3
"""L1 blocks behind the head that count as synced."""

_log = structlog.get_logger()


class Progress:
    """Turns where the node stands into a line; remembers the last one, for speed and remaining time."""

    def __init__(self, driver: Driver, watcher: L1Watcher) -> None:
        self._driver = driver
        self._watcher = watcher
        self._before: tuple[float, int, int] | None = None  # when, safe L2 block, L1 origin

    @property
    def is_synced(self) -> bool:
        """Whether derivation is at the end of L1."""
        latest, status = self._watcher.latest, self._driver.status
        return latest is not None and status is not None and latest.confirmed - status.origin.number <= _CLOSE

    def line(self, now: float) -> dict[str, Any] | None:
        """What there is to say; None: the heads are still sought."""
        heads, status, latest = self._driver.heads, self._driver.status, self._watcher.latest
        if heads.unsafe is None or heads.safe is None or status is None or latest is None:
            return None
        safe, origin = heads.safe.number, status.origin.number
        said: dict[str, Any] = {"unsafe": heads.unsafe.number, "safe": safe, "finalized": 0 if heads.finalized is None else heads.finalized.number}
        said |= {"l1": origin, "l1_head": latest.head.number}
        if self._before is not None and not self.is_synced:
            seconds, blocks, origins = now - self._before[0], safe - self._before[1], origin - self._before[2]
            if seconds > 0 and blocks >= 0:
                said["blocks_per_second"] = round(blocks / seconds, 1)
            if seconds > 0 and origins > 0:
                said["eta"] = _duration((latest.confirmed - origin) * seconds / origins)
        self._before = (now, safe, origin)
        return said


def _duration(seconds: float) -> str:
    """As people say it: 45s, 12m, 3h20m, 2d4h."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f}s"
    hours, rest = divmod(minutes, 60)
    if hours < 1:
        return f"{minutes}m"
    return f"{hours}h{rest}m" if hours < 48 else f"{hours // 24}d{hours % 24}h"


async def report_progress(driver: Driver, watcher: L1Watcher, health: Health, *, task_status: trio.TaskStatus[None]) -> None:
    """Says where the node is, and that it stalls and why, until it is cancelled."""
    task_status.started()
    progress = Progress(driver, watcher)
    while True:
        await trio.sleep(_WHEN_SYNCED if progress.is_synced else _WHILE_BEHIND)
        line = progress.line(trio.current_time())
        reason = health.not_ready()
        if line is not None:
            _log.info("synced" if reason is None else "progress", **line)
        stall = health.stall() if line is not None else reason
        if stall is not None:
            _log.warning(stall)

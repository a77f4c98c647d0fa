"""Whether the node does what it is there for, and if not, why: for `/readyz`, and for the line that says that it stalls."""

from __future__ import annotations

from collections.abc import Callable

from trinode.l1.watch import L1Watcher
from trinode.node.driver import Driver

STALLED_AFTER = 120.0
"""Seconds without any progress, while L1 has more, that count as a stall."""
_L1_BLOCKS_BEHIND = 3


class Health:
    """Judges a driver by its L1. `last_failure`: what L1 endpoints said last, None if nothing of late."""

    def __init__(self, driver: Driver, watcher: L1Watcher, last_failure: Callable[[], str | None]) -> None:
        self._driver = driver
        self._watcher = watcher
        self._last_failure = last_failure

    def not_ready(self) -> str | None:
        """Why the node's answers are not those of the network's newest blocks; None: they are."""
        latest, status = self._watcher.latest, self._driver.status
        if latest is None:
            return self._because("no L1 endpoint has said yet where L1 is")
        stall = self.stall()
        if stall is not None:
            return stall
        if self._watcher.silent_for > self._watcher.patience:
            return self._because(f"L1 has not answered for {self._watcher.silent_for:.0f} s")
        if status is None or self._driver.heads.unsafe is None:
            return f"looking for the place to begin: waits for {self._driver.waits_for}"
        behind = latest.confirmed - status.origin.number
        if behind > _L1_BLOCKS_BEHIND:
            return self._because(f"syncing: {behind} L1 blocks behind, at {status.origin.number} of {latest.confirmed}")
        return None

    def stall(self) -> str | None:
        """What derivation has waited for too long; None: it goes on, or has nothing to do."""
        quiet = self._driver.silent_for
        if quiet < STALLED_AFTER:
            return None
        return self._because(f"stalled: nothing new for {quiet:.0f} s, waits for {self._driver.waits_for}")

    def _because(self, text: str) -> str:
        failure = self._last_failure()
        return text if failure is None else f"{text} ({failure})"

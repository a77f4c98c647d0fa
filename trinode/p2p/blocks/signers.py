"""Whose signature counts (specification: rollup-node-p2p, "Block signatures"; system-config, "Unsafe Block Signer").

The page has one signer. L1 can name another one long before the sequencer changes its key, or after: so, as in op-node (v1.19.6; its pull request
20063), who was named before still counts for a while, until the new one is heard. There is one such signer, not more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from trinode.protocol.types import Address

GRACE = 3 * 3600.0
"""Seconds for which the signer before counts."""


class ExpectedSigners(NamedTuple):
    """Who may sign. `present`: None if L1 names nobody, or was not asked yet; then all messages are ignored. `previous`: None if nobody else may."""

    present: Address | None
    previous: Address | None = None


class BlockSigners:
    """The signers of one chain. `clock`: seconds, which only go on."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._present: Address | None = None
        self._previous: Address | None = None
        self._grace_ends = float("-inf")

    def name(self, signer: Address | None) -> None:
        """L1 names that one now, or nobody."""
        if self._present not in (None, signer):
            self._previous = self._present
            self._grace_ends = self._clock() + GRACE
        self._present = signer

    def expected(self) -> ExpectedSigners:
        """Who counts now."""
        in_grace = self._clock() < self._grace_ends
        return ExpectedSigners(self._present, self._previous if in_grace else None)

    def heard(self, signer: Address) -> None:
        """A signature of that one came, whatever it was under: once it is the present one's, the previous one is done."""
        if signer == self._present:
            self._previous = None

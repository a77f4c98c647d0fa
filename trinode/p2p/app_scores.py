"""What peers are worth to us by what they answered (op-node: application scores; libp2p: gossipsub v1.1, "P5 (Application-Specific Score)").

Three counts a peer, each with a cap, a weight and a decay once a block time: blocks that were asked for and are right, requests that failed, and
blocks that are wrong. Their weighted sum is the score.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from trinode.p2p.identity import PeerId

_DECAY_TO_ZERO = 0.01
"""A count below it is none, and what one is decayed to within its lifetime."""
_MOST_PEERS = 4096
"""Remembered. Of those that are too many the one goes that nothing was heard of for longest."""
_DEFAULT_BLOCK_TIME = 2


@dataclass(frozen=True, slots=True)
class CountParams:
    """How one count goes into the score: the most that is counted, the score of each, and what is left of it after one interval."""

    cap: float
    weight: float
    decay: float


@dataclass(frozen=True, slots=True)
class AppScoreParams:
    """`interval`: seconds between two decays."""

    valid: CountParams
    errors: CountParams
    rejected: CountParams
    interval: float


def light_app_scores(block_time: int) -> AppScoreParams:
    """op-node's `light`: counts live for 60 blocks; two errors are -10 (no gossip to who is below), five wrong blocks -100 (a ban).

    `block_time` in seconds.
    """
    lifetime = 60
    decay: float = _DECAY_TO_ZERO ** (1 / lifetime)
    return AppScoreParams(
        valid=CountParams(10, 0.5, decay),
        errors=CountParams(10, -5, decay),
        rejected=CountParams(20, -20, decay),
        interval=block_time or _DEFAULT_BLOCK_TIME,
    )


def no_app_scores(block_time: int) -> AppScoreParams:
    """op-node's `none`: what peers do is counted, and their score is always zero."""
    light = light_app_scores(block_time)
    return replace(
        light, valid=replace(light.valid, weight=0), errors=replace(light.errors, weight=0), rejected=replace(light.rejected, weight=0)
    )


@dataclass(frozen=True, slots=True)
class AppCounts:
    """What is counted of a peer, decayed (`opp2p_peers`: `reqResp`)."""

    valid: float = 0.0
    errors: float = 0.0
    rejected: float = 0.0


_NOTHING = AppCounts()


class AppScores:
    """The counts of all peers. `now`: seconds of a clock that does not go back."""

    def __init__(self, params: AppScoreParams, now: Callable[[], float]) -> None:
        self._params = params
        self._now = now
        self._known: OrderedDict[PeerId, tuple[AppCounts, float]] = OrderedDict()

    def valid(self, peer_id: PeerId) -> None:
        """A block that it sent is the one that was asked for."""
        counts, params = self.counts(peer_id), self._params.valid
        self._remember(peer_id, replace(counts, valid=min(params.cap, counts.valid + 1)))

    def error(self, peer_id: PeerId) -> None:
        """It did not answer, or not with a block."""
        counts, params = self.counts(peer_id), self._params.errors
        self._remember(peer_id, replace(counts, errors=min(params.cap, counts.errors + 1)))

    def rejected(self, peer_id: PeerId) -> None:
        """A block that it sent is not the one that was asked for."""
        counts, params = self.counts(peer_id), self._params.rejected
        self._remember(peer_id, replace(counts, rejected=min(params.cap, counts.rejected + 1)))

    def counts(self, peer_id: PeerId) -> AppCounts:
        """What is counted of a peer now."""
        known = self._known.get(peer_id)
        if known is None:
            return _NOTHING
        counts, since = known
        intervals = self._intervals(since)
        if not intervals:
            return counts
        params = self._params
        return AppCounts(
            _decayed(counts.valid, params.valid.decay**intervals),
            _decayed(counts.errors, params.errors.decay**intervals),
            _decayed(counts.rejected, params.rejected.decay**intervals),
        )

    def score(self, peer_id: PeerId) -> float:
        """P5 of a peer: 0 for one that nothing is known of."""
        counts, params = self.counts(peer_id), self._params
        return counts.valid * params.valid.weight + counts.errors * params.errors.weight + counts.rejected * params.rejected.weight

    def _intervals(self, since: float) -> int:
        return int(max(0.0, self._now() - since) // self._params.interval)

    def _remember(self, peer_id: PeerId, counts: AppCounts) -> None:
        known = self._known.pop(peer_id, None)
        # From the last decay on, not from now: else a peer that is counted often would never be forgiven anything.
        since = self._now() if known is None else known[1] + self._intervals(known[1]) * self._params.interval
        self._known[peer_id] = counts, since
        if len(self._known) > _MOST_PEERS:
            self._known.popitem(last=False)


def _decayed(count: float, factor: float) -> float:
    left = count * factor
    return left if left >= _DECAY_TO_ZERO else 0.0

"""Whom to ask next: peers that are there, each at the rate that servers grant, and those that failed after a pause."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from trinode.p2p.identity import PeerId
from trinode.p2p.peers import Connected
from trinode.p2p.sync.limits import ClientLimits
from trinode.p2p.token_bucket import TokenBucket


@dataclass(slots=True)
class _Peer:
    tokens: TokenBucket
    failures: int = 0  # in a row
    resumes: float = field(default=-math.inf)
    last_asked: int = 0


class AskedPeers:
    """A `PeerEvents`. `may_ask`: whether a peer may be asked at all (static ones only, say); `score`: of a peer. `now` everywhere: seconds of one
    clock that does not go back.
    """

    def __init__(
        self, limits: ClientLimits, may_ask: Callable[[PeerId], bool], score: Callable[[PeerId], float], changed: Callable[[], None]
    ) -> None:
        self._limits = limits
        self._may_ask = may_ask
        self._score = score
        self._changed = changed
        self._peers: dict[PeerId, _Peer] = {}
        self._requests: Counter[PeerId] = Counter()  # under way, to peers that have left too
        self._all = TokenBucket(limits.rate, limits.burst)
        self._asked = 0

    def joined(self, peer: Connected) -> None:
        """A peer is there."""
        self._peers[peer.peer_id] = _Peer(TokenBucket(self._limits.peer_rate, self._limits.peer_burst))
        self._changed()

    def left(self, peer_id: PeerId) -> None:
        """It is not there any more. One that comes again begins anew; its score stays."""
        self._peers.pop(peer_id, None)

    def choose(self, now: float, without: Collection[PeerId]) -> PeerId | None:
        """The peer to ask now, which counts as asked; None: nobody can be asked now.

        Those with the fewest failures in a row come first, then those with the fewest requests, then who was asked longest ago.
        """
        if self._all.wait(now):
            return None
        free = [peer_id for peer_id in self._peers if peer_id not in without and self._free_at(peer_id, now) <= now]
        if not free:
            return None
        chosen = min(free, key=self._rank)
        peer = self._peers[chosen]
        self._asked += 1
        peer.tokens.take(now)
        self._all.take(now)
        self._requests[chosen] += 1
        peer.last_asked = self._asked
        return chosen

    def next_free(self, now: float, without: Collection[PeerId]) -> float:
        """When somebody can be asked, as far as time alone decides; infinity: not before something happens."""
        times = [self._free_at(peer_id, now) for peer_id in self._peers if peer_id not in without]
        return max(min(times, default=math.inf), now + self._all.wait(now))

    def answered(self, peer_id: PeerId) -> None:
        """A request to it is over, well or not."""
        self._requests[peer_id] -= 1
        if not self._requests[peer_id]:
            del self._requests[peer_id]

    def was_right(self, peer_id: PeerId) -> None:
        """A block that it sent is the right one."""
        if peer_id in self._peers:
            self._peers[peer_id].failures = 0

    def failed(self, peer_id: PeerId, now: float) -> None:
        """It is not asked for a while, for longer with each time in a row."""
        peer, limits = self._peers.get(peer_id), self._limits
        if peer is not None:
            pause = limits.pause * 2 ** min(peer.failures, 16)
            peer.failures += 1
            peer.resumes = max(peer.resumes, now + min(pause, limits.longest_pause))

    def does_not_serve(self, peer_id: PeerId) -> None:
        """It does not speak the protocol: it is not asked while it stays."""
        if peer_id in self._peers:
            self._peers[peer_id].resumes = math.inf

    def _free_at(self, peer_id: PeerId, now: float) -> float:
        peer = self._peers[peer_id]
        if self._requests[peer_id] >= self._limits.per_peer or not self._may_ask(peer_id):
            return math.inf
        if self._score(peer_id) < self._limits.lowest_score:
            return max(peer.resumes, now + self._limits.longest_pause)  # scores decay
        return max(peer.resumes, now + peer.tokens.wait(now))

    def _rank(self, peer_id: PeerId) -> tuple[int, int, int]:
        peer = self._peers[peer_id]
        return peer.failures, self._requests[peer_id], peer.last_asked

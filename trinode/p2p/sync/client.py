"""Fills gaps of unsafe blocks from peers (specification: rollup-node-p2p, "payload_by_number").

One loop looks at the gap, offers the node the block that follows its head, and starts requests; it is woken by whatever changes. What is right
stands in `gap_fill`, whom to ask in `asked_peers`, one request in `request`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import structlog
import trio

from trinode.p2p.app_scores import AppScores
from trinode.p2p.errors import NegotiationFailed, NotConnected, P2PError
from trinode.p2p.identity import PeerId, show_peer_id
from trinode.p2p.peers import Host
from trinode.p2p.sync.asked_peers import AskedPeers
from trinode.p2p.sync.codec import PayloadCodec, Refused, Result, WrongBlock
from trinode.p2p.sync.gap_fill import Finding, Gap, GapFill, Stage
from trinode.p2p.sync.limits import ClientLimits, FillLimits
from trinode.p2p.sync.request import PayloadRequests
from trinode.protocol.payload import PayloadEnvelope
from trinode.rollup.config import RollupConfig

_LOOK_AGAIN = 10.0
"""Seconds after which the gap is looked at although nobody said that it changed."""

_log = structlog.get_logger()


class UnsafeChain(Protocol):
    """The node's unsafe blocks."""

    def gap(self) -> Gap | None:
        """The blocks that are missing between the unsafe head and trusted blocks above it; None: none are."""

    async def changed(self) -> None:
        """Returns when the unsafe head is another than at the call, or a trusted block came."""

    def take(self, envelope: PayloadEnvelope) -> None:
        """A block whose parent is the unsafe head and which a trusted block goes back to, to be made the head. Must not wait. While the head
        stays where it is, the block is offered again, after longer and longer pauses.
        """


class _Asked:
    """The requests for one block that are under way."""

    def __init__(self, now: float) -> None:
        self.last = now
        self.peers: set[PeerId] = set()


class PayloadSync:
    """`may_ask`: whether a peer may be asked (`p2p.sync.onlyreqtostatic`); `answered`: told of each request (number, result, seconds)."""

    def __init__(
        self,
        host: Host,
        config: RollupConfig,
        chain: UnsafeChain,
        scores: AppScores,
        *,
        may_ask: Callable[[PeerId], bool] = lambda _: True,
        answered: Callable[[int, int, float], None] = lambda *_: None,
        limits: ClientLimits | None = None,
        fill_limits: FillLimits | None = None,
    ) -> None:
        self._host = host
        self._chain = chain
        self._scores = scores
        self._answered = answered
        self._limits = limits = limits or ClientLimits()
        self._requests = PayloadRequests(host, PayloadCodec(config), limits)
        self._peers = AskedPeers(limits, may_ask, scores.score, self._wake)
        self._fill = GapFill(fill_limits)
        self._asked: dict[int, _Asked] = {}
        self._under_way = 0
        self._gap: Gap | None = None
        self._since = math.inf  # when a gap was seen first
        self._look_at = -math.inf  # when the chain is asked for its gap
        self._offer: tuple[bytes, float, float] = (b"", 0.0, 0.0)  # block, when it is offered again, the pause after that
        self._stage = Stage.NOTHING
        self._news = trio.Event()

    @property
    def held(self) -> tuple[int, int]:
        """Payloads that wait for their turn, and their bytes, roughly."""
        return self._fill.held

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Fills gaps until it is cancelled. Once."""
        self._host.watch(self._peers)
        async with trio.open_nursery() as nursery:
            await nursery.start(self._follow_chain)
            task_status.started()
            while True:
                news = self._news = trio.Event()
                until = self._step(nursery, trio.current_time())
                with trio.move_on_at(until):
                    await news.wait()

    async def _follow_chain(self, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        while True:
            await self._chain.changed()
            self._look_at = -math.inf
            self._wake()

    def _wake(self) -> None:
        self._news.set()

    def _step(self, nursery: trio.Nursery, now: float) -> float:
        """Does what can be done now. When to look again, if nothing happens until then."""
        if now >= self._look_at:
            self._look_at = now + _LOOK_AGAIN
            self._gap = self._chain.gap()
            self._since = math.inf if self._gap is None else min(self._since, now)
        if self._gap is not None and now < self._since + self._limits.patience:
            return self._since + self._limits.patience
        self._judge(self._fill.aim(self._gap), now)
        self._tell_stage(self._gap)
        return min(self._look_at, self._offer_next(now), self._ask(nursery, now))

    # ---- upwards: what the node gets ----

    def _offer_next(self, now: float) -> float:
        envelope = self._fill.next_on_head()
        if envelope is None:
            return math.inf
        block_hash, again, pause = self._offer
        if block_hash != envelope.payload.block_hash:
            again, pause = now, self._limits.offer_again
        if now >= again:
            again, pause = now + pause, min(2 * pause, self._limits.longest_offer)
            self._offer = envelope.payload.block_hash, again, pause
            self._chain.take(envelope)
        return again

    # ---- downwards: what peers are asked ----

    def _ask(self, nursery: trio.Nursery, now: float) -> float:
        until = math.inf
        for place, number in enumerate(self._fill.wanted()):
            asked = self._asked.get(number)
            if asked is not None:
                # The first one is what all others wait for: a slow peer must not hold them up.
                hedge = asked.last + self._limits.hedge_seconds if place == 0 and len(asked.peers) == 1 else math.inf
                if now < hedge:
                    until = min(until, hedge)
                    continue
            without = set() if asked is None else asked.peers
            if self._under_way >= self._limits.requests + (place == 0):
                break
            peer_id = self._peers.choose(now, without)
            if peer_id is None:
                until = min(until, self._peers.next_free(now, without))
                if not without:
                    break
                continue
            asked = self._asked.setdefault(number, _Asked(now))
            asked.last = now
            asked.peers.add(peer_id)
            self._under_way += 1
            nursery.start_soon(self._request, peer_id, number)
        return until

    async def _request(self, peer_id: PeerId, number: int) -> None:
        began, result = trio.current_time(), int(Result.OTHER_ERROR)
        try:
            envelope = await self._requests.payload(peer_id, number)
            result = Result.SUCCESS
            self._judge(self._fill.arrived(envelope, peer_id), trio.current_time())
        except NegotiationFailed:
            self._peers.does_not_serve(peer_id)
        except NotConnected:
            self._peers.failed(peer_id, trio.current_time())
        except WrongBlock as error:
            self._reject(peer_id, str(error))
        except Refused as error:
            result = error.result
            self._fail(peer_id, number, error, is_fault=result != Result.UNAVAILABLE)
        except (P2PError, trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._fail(peer_id, number, error)
        finally:
            self._under_way -= 1
            asked = self._asked[number]
            asked.peers.discard(peer_id)
            if not asked.peers:
                del self._asked[number]
            self._peers.answered(peer_id)
            self._wake()
        self._answered(number, result, trio.current_time() - began)

    # ---- what is held against peers ----

    def _judge(self, findings: list[Finding], now: float) -> None:
        for finding in findings:
            if finding.is_right:
                self._scores.valid(finding.source)
                self._peers.was_right(finding.source)
            else:
                self._reject(finding.source, f"block {finding.number} is of another chain", now)

    def _reject(self, peer_id: PeerId, why: str, now: float | None = None) -> None:
        self._scores.rejected(peer_id)
        self._peers.failed(peer_id, trio.current_time() if now is None else now)
        _log.info("a peer sent a wrong block", peer=show_peer_id(peer_id), why=why)

    def _fail(self, peer_id: PeerId, number: int, error: Exception, *, is_fault: bool = True) -> None:
        """That it does not have a block is no peer's fault, where op-node counts it: after an outage of the sequencer all but that one lack the same
        blocks and ask each other, and would end with nobody in their meshes.
        """
        if is_fault:
            self._scores.error(peer_id)
        self._peers.failed(peer_id, trio.current_time())
        _log.debug("a peer did not send a block", peer=show_peer_id(peer_id), number=number, why=str(error) or type(error).__name__)

    def _tell_stage(self, gap: Gap | None) -> None:
        if self._fill.stage is self._stage:
            return
        self._stage = self._fill.stage
        if gap is None:
            _log.info("no unsafe blocks are missing")
        elif self._stage is Stage.TOO_LONG:
            _log.info(f"unsafe blocks {gap.head.number + 1} to {gap.top.number} are missing: too many to ask peers for; derivation makes them")
        elif self._stage is Stage.OTHER_FORK:
            _log.warning(f"unsafe blocks up to {gap.top.number} are of another fork than the unsafe head {gap.head.number}: L1 has to tell")
        elif self._stage is Stage.PROVING:
            _log.info(f"unsafe blocks {gap.head.number + 1} to {gap.top.number} are missing: peers are asked")

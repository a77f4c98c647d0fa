"""The network of one chain's unsafe blocks, put together: peers, gossip, what is said of blocks, and requests for blocks that were missed.

Who signs (`signers`), who else is there (discovery), and what becomes of the blocks is said from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

import structlog
import trio

from trinode.p2p.app_scores import AppScoreParams, AppScores, light_app_scores, no_app_scores
from trinode.p2p.blocks.block_gossip import BlockGossip, BlockGossipSettings
from trinode.p2p.blocks.judgement import Judgement
from trinode.p2p.blocks.message_id import message_id
from trinode.p2p.blocks.signers import BlockSigners
from trinode.p2p.blocks.topics import VERSIONS
from trinode.p2p.blocks.topics import block_topic as topic_of_blocks
from trinode.p2p.gossip.events import GossipEvent
from trinode.p2p.gossip.params import GossipParams
from trinode.p2p.gossip.router import Router
from trinode.p2p.gossip.score_params import ScoreParams, block_topic, light, none
from trinode.p2p.gossip.scoring import PeerScores
from trinode.p2p.gossip.service import GossipService, Validate
from trinode.p2p.host.network import Network
from trinode.p2p.host.service import Peers, PeersSettings
from trinode.p2p.identity import Identity, PeerId, show_peer_id
from trinode.p2p.sync.client import PayloadSync, UnsafeChain
from trinode.p2p.sync.server import PayloadByNumber, PayloadServer
from trinode.protocol.payload import ExecutionPayload, PayloadEnvelope
from trinode.rollup.config import RollupConfig

_log = structlog.get_logger()


class Scoring(NamedTuple):
    """How peers are scored: by gossip, and by what they answered."""

    gossip: ScoreParams
    answers: AppScoreParams


def light_scoring(rollup: RollupConfig) -> Scoring:
    """`p2p.scoring=light`, with the topics of blocks."""
    topics = {topic_of_blocks(rollup.l2_chain_id, version): block_topic() for version in VERSIONS}
    return Scoring(light(rollup.block_time, topics), light_app_scores(rollup.block_time))


def no_scoring(rollup: RollupConfig) -> Scoring:
    """`p2p.scoring=none`."""
    return Scoring(none(rollup.block_time), no_app_scores(rollup.block_time))


@dataclass(frozen=True, slots=True)
class BlockNetworkSettings:
    """What an operator, or a test, may want otherwise."""

    scoring: Scoring
    peers: PeersSettings = field(default_factory=PeersSettings)
    gossip: GossipParams = field(default_factory=GossipParams)
    blocks: BlockGossipSettings = field(default_factory=BlockGossipSettings)


@dataclass(frozen=True, slots=True)
class Notes:
    """Who is told what happens. `accepted`: of valid blocks whose time is that of their number; `judged`: of what was said of each message;
    `noted`: of what gossip does. All on the trio thread, and none may wait.
    """

    accepted: Callable[[PeerId, PayloadEnvelope], None]
    judged: Callable[[PeerId, Judgement], None] = lambda peer, judgement: None
    noted: Callable[[GossipEvent, str], None] = lambda event, topic: None


class BlockNetwork:
    """`clock`: Unix time in seconds, by which blocks are judged; `wall`: the same, by which bans end. `validate`: what is said of messages, where
    it is not what `blocks` says (who behaves otherwise, in a test). `network`: instead of sockets.
    """

    def __init__(
        self,
        rollup: RollupConfig,
        identity: Identity,
        settings: BlockNetworkSettings,
        notes: Notes,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        random: Random,
        validate: Validate | None = None,
        network: Network | None = None,
    ) -> None:
        """Raises GateDamaged, OSError."""
        self._rollup = rollup
        self._clock = clock
        self._notes = notes
        self.app_scores = AppScores(settings.scoring.answers, trio.current_time)
        self.scores = PeerScores(settings.scoring.gossip, self.app_scores.score)
        self.signers = BlockSigners(trio.current_time)
        self.blocks = BlockGossip(rollup, self.signers, clock, accepted=self._accepted, judged=notes.judged, settings=settings.blocks)
        self.peers = Peers(identity, settings.peers, wall=wall, score_of=self.scores.score, random=random, network=network)
        router = Router(self.blocks.topics, self.scores, message_id, random, settings.gossip, note=notes.noted)
        self.gossip = GossipService(self.peers.host, router, validate or self.blocks.validate)
        self.sync: PayloadSync | None = None

    def answer_with(self, payload_by_number: PayloadByNumber) -> None:
        """Gives peers the blocks that they ask for. Before `run`."""
        PayloadServer(self._rollup, payload_by_number, self._clock).serve(self.peers.host)

    def fill(self, chain: UnsafeChain, *, may_ask: Callable[[PeerId], bool] = lambda peer: True) -> None:
        """Asks peers for the blocks that the chain misses. Before `run`."""
        self.sync = PayloadSync(self.peers.host, self._rollup, chain, self.app_scores, may_ask=may_ask)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until it is cancelled; started once all ports are open. Raises OSError: a port is taken."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.peers.run)
            await nursery.start(self.gossip.run)
            for topic in self.blocks.topics:
                self.gossip.subscribe(topic)
            if self.sync is not None:
                await nursery.start(self.sync.run)
            task_status.started()

    def _accepted(self, peer: PeerId, envelope: PayloadEnvelope) -> None:
        payload = envelope.payload
        if self._is_in_time(payload):
            self._notes.accepted(peer, envelope)
        else:
            _log.debug("a block's time is that of another number", number=payload.block_number, peer=show_peer_id(peer))

    def _is_in_time(self, payload: ExecutionPayload) -> bool:
        """Whether the chain has a block of that number at that time. Gossip bounds times and not numbers: a block far ahead would never connect,
        and while it is the highest that is known, hide which blocks are missing.
        """
        genesis = self._rollup.genesis
        return payload.timestamp - genesis.l2_time == (payload.block_number - genesis.l2.number) * self._rollup.block_time

"""One node of the simulated network, with the same network as a real one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import cast

import trio

from harness.network.chain import ROLLUP, SimHeads
from harness.network.wires import Internet
from trinode.node.heads import Heads
from trinode.node.unsafe_blocks import UnsafeBlocks
from trinode.node.unsafe_payloads import UnsafePayloads
from trinode.p2p.block_network import BlockNetwork, BlockNetworkSettings, Notes, light_scoring
from trinode.p2p.blocks.envelope import SequencerKey
from trinode.p2p.blocks.judgement import Judgement, Reason
from trinode.p2p.gossip.params import GossipParams
from trinode.p2p.gossip.service import Validate
from trinode.p2p.host.host import HostSettings
from trinode.p2p.host.keeper import KeeperSettings
from trinode.p2p.host.service import PeersSettings
from trinode.p2p.identity import Identity, PeerId
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.verdict import Verdict
from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import Address

PORT = 9222


@dataclass(frozen=True)
class NodeSettings:
    """How a node is. `low`, `high`: peers. `validate`: what it says of messages, where it is not honest. `ping`: of peers, every 15 seconds."""

    ip: str
    seed: int
    keeper: KeeperSettings = field(default_factory=lambda: KeeperSettings(low=8, high=14))
    gossip: GossipParams = field(default_factory=GossipParams)
    validate: Validate | None = None
    serves: bool = True
    ping: bool = False


class Clock:
    """Unix time in the simulated network: trio's, from an instant on."""

    def __init__(self, start: int) -> None:
        self.begin(start)

    def begin(self, now: int) -> None:
        """It is that time now."""
        self._start = now - trio.current_time()

    def __call__(self) -> float:
        return self._start + trio.current_time()


class SimNode:
    """A node. `judged`: what it said of messages; `heard`: when each block came first, by hash."""

    def __init__(self, internet: Internet, clock: Clock, signer: Address, settings: NodeSettings) -> None:
        self.settings = settings
        random = Random(settings.seed)
        self.identity = Identity(random.randbytes(31) + b"\x01")
        self.heads = SimHeads()
        self.unsafe = UnsafeBlocks(cast(Heads, self.heads), UnsafePayloads(), lambda: None)
        self.judged: Counter[Reason] = Counter()
        self.heard: dict[bytes, float] = {}
        self.network = BlockNetwork(
            ROLLUP,
            self.identity,
            BlockNetworkSettings(
                light_scoring(ROLLUP),
                PeersSettings(host=HostSettings(listen=[(settings.ip, PORT)]), keeper=settings.keeper, ping=settings.ping),
                settings.gossip,
            ),
            Notes(self._accepted, self._judged),
            clock=clock,
            wall=clock,
            random=random,
            validate=settings.validate,
            network=internet.machine(settings.ip),
        )
        self.network.signers.name(signer)
        self.network.fill(self.unsafe)
        if settings.serves:
            self.network.answer_with(self.heads.payload_by_number)
        self.blocks, self.gossip, self.peers, self.scores = self.network.blocks, self.network.gossip, self.network.peers, self.network.scores

    @property
    def peer_id(self) -> PeerId:
        """Who it is."""
        return self.identity.peer_id

    @property
    def address(self) -> Multiaddr:
        """Where it is."""
        return Multiaddr.of_ip(self.settings.ip, PORT)

    @property
    def connected(self) -> Sequence[PeerId]:
        """Its peers."""
        return [each.peer_id for each in self.peers.host.connected()]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until it is cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.unsafe.run)
            await nursery.start(self.network.run)
            task_status.started()

    async def publish(self, envelope: PayloadEnvelope, key: SequencerKey) -> int:
        """Makes a block the head, and sends it to peers; to how many."""
        await self.heads.adopt(envelope)
        return self.gossip.publish(*self.blocks.encode(envelope, key.sign))

    def kept(self) -> dict[str, int]:
        """How much it keeps, by what: all of it has to be bounded."""
        frames, frame_bytes = self.gossip.waiting()
        payloads, payload_bytes = self.unsafe.buffered
        assert self.network.sync is not None
        asked, asked_bytes = self.network.sync.held
        return {
            **self.gossip.router.sizes(),
            "outbox_frames": frames,
            "outbox_bytes": frame_bytes,
            "unsafe_payloads": payloads,
            "unsafe_bytes": payload_bytes,
            "sync_payloads": asked,
            "sync_bytes": asked_bytes,
            "links": len(self.peers.host.links),
        }

    def _accepted(self, _peer: PeerId, envelope: PayloadEnvelope) -> None:
        self.heard.setdefault(envelope.payload.block_hash, trio.current_time())
        self.unsafe.post(envelope)

    def _judged(self, _peer: PeerId, judgement: Judgement) -> None:
        self.judged[judgement.reason] += 1


async def swallow(_peer: PeerId, _topic: str, _data: bytes) -> Verdict:
    """What a node says of messages that passes nothing on and seems honest."""
    return Verdict.IGNORE

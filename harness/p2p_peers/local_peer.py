"""Our host and our gossip in this process, without a node: for what a test sends itself, and looks at closely."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import NamedTuple

import trio

from trinode.p2p.gossip.params import GossipParams
from trinode.p2p.gossip.router import Router
from trinode.p2p.gossip.score_params import block_topic, light
from trinode.p2p.gossip.scoring import PeerScores
from trinode.p2p.gossip.service import GossipService
from trinode.p2p.host.host import HostSettings, PeerHost
from trinode.p2p.host.service import Peers, PeersSettings
from trinode.p2p.identity import Identity, PeerId, show_peer_id
from trinode.p2p.transport.yamux import YAMUX
from trinode.p2p.verdict import Verdict

AGENT = "trinode, for a test"
Validate = Callable[[PeerId, str, bytes], Awaitable[Verdict]]


class Heard(NamedTuple):
    """A message that came."""

    sender: PeerId
    topic: str
    data: bytes


class LocalPeer:
    """On loopback, at a free port. `heard`: what came; all of it is accepted where nobody else judges it."""

    def __init__(
        self,
        topics: Sequence[str],
        message_id: Callable[[str, bytes], bytes],
        *,
        muxers: Sequence[str] = (YAMUX,),
        params: GossipParams | None = None,
        validate: Validate | None = None,
        private_key: bytes = b"\x05" * 32,
    ) -> None:
        self.topics = topics
        self.heard: list[Heard] = []
        self._validate = validate
        settings = PeersSettings(host=HostSettings(listen=[("127.0.0.1", 0)], muxers=muxers), agent=AGENT)
        self.peers = Peers(Identity(private_key), settings, wall=time.time, score_of=lambda _: 0.0, random=Random(1))
        scores = PeerScores(light(2, dict.fromkeys(topics, block_topic())), lambda _: 0.0)
        self.router = Router(topics, scores, message_id, Random(1), params or GossipParams())
        self.gossip = GossipService(self.peers.host, self.router, self._judge)

    async def _judge(self, sender: PeerId, topic: str, data: bytes) -> Verdict:
        await trio.lowlevel.checkpoint()
        verdict = Verdict.ACCEPT if self._validate is None else await self._validate(sender, topic, data)
        self.heard.append(Heard(sender, topic, data))
        return verdict

    @property
    def host(self) -> PeerHost:
        """Its connections."""
        return self.peers.host

    @property
    def address(self) -> str:
        """Where others dial it."""
        return f"/ip4/127.0.0.1/tcp/{self.host.ports[0][1]}/p2p/{show_peer_id(self.host.peer_id)}"


@asynccontextmanager
async def running(local: LocalPeer) -> AsyncIterator[LocalPeer]:
    """The peer on its topics, until the end of the block."""
    async with trio.open_nursery() as nursery:
        await nursery.start(local.peers.run)
        await nursery.start(lambda task_status: local.gossip.run(task_status=task_status))
        for topic in local.topics:
            local.gossip.subscribe(topic)
        yield local
        nursery.cancel_scope.cancel()

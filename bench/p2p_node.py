"""A node's part in the P2P network, without the rest of it: host, identify, ping, gossip of blocks, blocks by number.

`python -m bench.p2p_node` is one as a process: its peer id and port come on standard output, and at the end of its standard input, how many blocks
it has accepted.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

import structlog
import trio

from bench.p2p_blocks import CHAIN, FIRST, KEY, time_of
from trinode.p2p.app_scores import AppScores, light_app_scores
from trinode.p2p.blocks.block_gossip import BlockGossip
from trinode.p2p.blocks.message_id import message_id
from trinode.p2p.blocks.signers import BlockSigners
from trinode.p2p.gossip.router import Router
from trinode.p2p.gossip.score_params import block_topic, light
from trinode.p2p.gossip.scoring import PeerScores
from trinode.p2p.gossip.service import GossipService
from trinode.p2p.host.host import HostSettings
from trinode.p2p.host.keeper import KeeperSettings
from trinode.p2p.host.limits import HostLimits
from trinode.p2p.host.service import Peers, PeersSettings
from trinode.p2p.identity import Identity, PeerId, show_peer_id
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.verdict import Verdict
from trinode.protocol.payload import PayloadEnvelope

# All peers have one IP here, which nobody's have: neither how many of them there are nor how fast they come may count against them.
_LIMITS = HostLimits(upgrading=200, upgrading_per_neighbourhood=200, arrivals_per_second=1e6, arrivals_per_second_of_neighbourhood=1e6)
_ANY_NUMBER = 1 << 20


async def _believe(_peer: PeerId, _topic: str, _data: bytes) -> Verdict:
    await trio.lowlevel.checkpoint()
    return Verdict.ACCEPT


class Node:
    """Scored as with `p2p.scoring=light`, but for peers with one IP. `judges`: whether it validates blocks, or takes all (a peer of the one that is
    measured). `accepted`: told of each valid block.
    """

    def __init__(self, secret: bytes, accepted: Callable[[PayloadEnvelope], None], *, judges: bool = True) -> None:
        self.signers = BlockSigners(trio.current_time)
        self.signers.name(KEY.address)
        self.blocks = BlockGossip(
            CHAIN, self.signers, lambda: time_of(FIRST), accepted=lambda _, envelope: accepted(envelope), judged=lambda *_: None
        )
        app_scores = AppScores(light_app_scores(CHAIN.block_time), trio.current_time)
        params = light(CHAIN.block_time, dict.fromkeys(self.blocks.topics, block_topic()))
        scores = PeerScores(replace(params, ip_colocation_threshold=_ANY_NUMBER), app_scores.score)
        random = Random(secret)
        self.peers = Peers(
            Identity(secret),
            PeersSettings(
                host=HostSettings(listen=[("127.0.0.1", 0)], limits=_LIMITS),
                keeper=KeeperSettings(low=0, high=_ANY_NUMBER),
            ),
            wall=time.time,
            score_of=scores.score,
            random=random,
        )
        self.host = self.peers.host
        self.gossip = GossipService(self.host, Router(self.blocks.topics, scores, message_id, random), self.blocks.validate if judges else _believe)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until it is cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.peers.run)
            await nursery.start(self.gossip.run)
            for topic in self.blocks.topics:
                self.gossip.subscribe(topic)
            task_status.started()

    async def meet(self, peer_id: PeerId, port: int) -> None:
        """Dials another one."""
        await self.host.connect(peer_id, [Multiaddr.of_ip("127.0.0.1", port)])

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.host.ports[0][1]

    @property
    def mesh(self) -> int:
        """Peers in the mesh of the topic of blocks."""
        return max(len(self.gossip.router.mesh(topic)) for topic in self.blocks.topics)


async def _until_input_ends() -> None:
    accepted = 0

    def count(_envelope: PayloadEnvelope) -> None:
        nonlocal accepted
        accepted += 1

    node = Node(os.urandom(32), count)
    async with trio.open_nursery() as nursery:
        await nursery.start(node.run)
        print(show_peer_id(node.host.peer_id), node.port, flush=True)
        gc.freeze()  # as `trinode` does
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        print(accepted, flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    trio.run(_until_input_ends)

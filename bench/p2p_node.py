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
from trinode.p2p.block_network import BlockNetwork, BlockNetworkSettings, Notes, light_scoring
from trinode.p2p.blocks.judgement import Judgement, Reason
from trinode.p2p.host.host import HostSettings
from trinode.p2p.host.keeper import KeeperSettings
from trinode.p2p.host.limits import HostLimits
from trinode.p2p.host.service import PeersSettings
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
        def judged(_peer: PeerId, judgement: Judgement) -> None:
            # All blocks here have one time, so that the chain of their numbers does not take them.
            if judgement.reason is Reason.VALID and judgement.envelope is not None:
                accepted(judgement.envelope)

        scoring = light_scoring(CHAIN)
        self.network = BlockNetwork(
            CHAIN,
            Identity(secret),
            BlockNetworkSettings(
                scoring._replace(gossip=replace(scoring.gossip, ip_colocation_threshold=_ANY_NUMBER)),
                PeersSettings(
                    host=HostSettings(listen=[("127.0.0.1", 0)], limits=_LIMITS),
                    keeper=KeeperSettings(low=0, high=_ANY_NUMBER),
                ),
            ),
            Notes(lambda *_: None, judged),
            clock=lambda: time_of(FIRST),
            wall=time.time,
            random=Random(secret),
            validate=None if judges else _believe,
        )
        self.network.signers.name(KEY.address)
        self.run = self.network.run
        self.blocks, self.gossip, self.host = self.network.blocks, self.network.gossip, self.network.peers.host

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

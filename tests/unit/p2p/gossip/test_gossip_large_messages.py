"""Large messages are identified in worker threads, by the real clock: the clock of other tests jumps on while a thread works."""

from __future__ import annotations

import hashlib
import threading
from random import Random

import trio

from tests.unit.p2p.gossip.memory_host import MemoryHost, MemoryNetwork
from tests.unit.p2p.gossip.routers import TOPIC
from trinode.p2p.gossip.params import GossipLimits
from trinode.p2p.gossip.router import Router
from trinode.p2p.gossip.score_params import light
from trinode.p2p.gossip.scoring import PeerScores
from trinode.p2p.gossip.service import GossipService
from trinode.p2p.identity import PeerId
from trinode.p2p.verdict import Verdict

LARGE = GossipLimits().identified_in_thread


class Node:
    """`in_thread`: of each message that it identified, by size, whether a worker thread did."""

    def __init__(self, host: MemoryHost) -> None:
        self.host = host
        self.heard: list[bytes] = []
        self.in_thread: dict[int, bool] = {}
        scores = PeerScores(light(2.0), lambda _peer: 0.0)
        self.service = GossipService(host, Router([TOPIC], scores, self.message_id, Random(1)), self.validate)

    def message_id(self, _topic: str, data: bytes) -> bytes:
        self.in_thread[len(data)] = threading.current_thread() is not threading.main_thread()
        return hashlib.sha256(data).digest()[:20]

    async def validate(self, _peer: PeerId, _topic: str, data: bytes) -> Verdict:
        await trio.lowlevel.checkpoint()
        self.heard.append(data)
        return Verdict.ACCEPT


async def test_large_messages_are_identified_in_a_thread() -> None:
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            network = MemoryNetwork(nursery)
            sender, receiver = (Node(network.host(name)) for name in ("sender", "receiver"))
            for node in (sender, receiver):
                await nursery.start(lambda task_status, node=node: node.service.run(task_status=task_status))
                node.service.subscribe(TOPIC)
            network.connect(sender.host, receiver.host)
            while not sender.service.router.peers(TOPIC):
                await trio.sleep(0.01)
            messages = [bytes(size) for size in (LARGE, LARGE - 1, 2 * LARGE, 1)]
            for message in messages:
                assert sender.service.publish(TOPIC, message) == 1
            while len(receiver.heard) < len(messages):
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    assert receiver.heard == messages, "in their order"
    assert receiver.in_thread == {LARGE: True, LARGE - 1: False, 2 * LARGE: True, 1: False}
    assert not any(sender.in_thread.values()), "our own are ours to wait for"

"""Who attacks the simulated network: nodes that speak the protocols well, and do with them what honest nodes do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import trio
from trio.abc import HalfCloseableStream

from harness.network.chain import block_on
from harness.network.node import SimNode, swallow
from harness.network.world import World
from trinode.p2p.blocks.envelope import SequencerKey
from trinode.p2p.errors import DialFailed, NegotiationFailed, NotConnected
from trinode.p2p.gossip.frames import Frame, frame_of, write_frame
from trinode.p2p.gossip.params import V1_1
from trinode.p2p.gossip.rpc import Message, Rpc
from trinode.p2p.identity import PeerId
from trinode.protocol.payload import PayloadEnvelope

_GONE = (trio.BrokenResourceError, trio.ClosedResourceError, NotConnected, NegotiationFailed, trio.TooSlowError)
_SEND_SECONDS = 5.0


@dataclass
class Attacker:
    """A node that writes gossip to its peers by itself, beside its own service, which passes nothing on. `sent`: messages."""

    node: SimNode
    sent: int = 0
    _streams: dict[PeerId, HalfCloseableStream] = field(default_factory=dict)

    @classmethod
    async def join(cls, world: World) -> Attacker:
        """A new node for it, which others find like any."""
        return cls(await world.add(honest=False, validate=swallow, serves=False))

    async def dial(self, victims: Iterable[SimNode]) -> None:
        """Connects with them, where they let it."""
        for victim in victims:
            with suppress(DialFailed):  # it is banned, or there is no place for it
                await self.node.peers.host.connect(victim.peer_id, [victim.address])

    async def send(self, messages: Sequence[Message]) -> None:
        """Sends messages to all peers that it has now."""
        async with trio.open_nursery() as nursery:
            for peer in self.node.connected:
                nursery.start_soon(self._send_to, peer, frame_of(Rpc(messages=list(messages))), len(messages))

    async def _send_to(self, peer: PeerId, frame: Frame, count: int) -> None:
        try:
            with trio.fail_after(_SEND_SECONDS):
                if peer not in self._streams:
                    _, self._streams[peer] = await self.node.peers.host.open_stream(peer, (V1_1,))
                await write_frame(self._streams[peer], frame)
        except _GONE:
            self._streams.pop(peer, None)
        else:
            self.sent += count


def unsigned_blocks(world: World, count: int) -> list[Message]:
    """Blocks that look well, and that somebody else has signed. No two are the same."""
    stranger = SequencerKey(world.random.randbytes(31) + b"\x01")
    return [message_of(world.sequencer, block_on(world.sequencer.heads.head, world.random.randbytes(8)), stranger) for _ in range(count)]


def message_of(node: SimNode, envelope: PayloadEnvelope, key: SequencerKey) -> Message:
    """A signed block as it travels."""
    return Message(*node.blocks.encode(envelope, key.sign))


async def keep_on(attack: Callable[[], object], each: float) -> None:
    """Attacks again and again, until it is cancelled."""
    while True:
        await attack()  # type: ignore[misc]
        await trio.sleep(each)

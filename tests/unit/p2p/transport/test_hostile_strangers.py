"""Malformed handshakes and streams on real sockets: whatever strangers send, nothing of them is left behind."""

from __future__ import annotations

import gc
import os
import random
import struct
from collections import Counter

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from trinode.p2p.errors import P2PError
from trinode.p2p.identity import Identity
from trinode.p2p.transport.limits import TransportLimits
from trinode.p2p.transport.mplex import MPLEX
from trinode.p2p.transport.multistream import encode_line, select
from trinode.p2p.transport.muxed_stream import MuxedStream
from trinode.p2p.transport.noise import NOISE, handshake
from trinode.p2p.transport.receiving import receive_exactly
from trinode.p2p.transport.secure_channel import SecureChannel
from trinode.p2p.transport.upgrade import upgrade
from trinode.p2p.transport.yamux import YAMUX

OURS, STRANGER = Identity(b"\x01" * 32), Identity(b"\x02" * 32)
LIMITS = TransportLimits(upgrade_seconds=2)
GREETING, PROPOSAL = encode_line("/multistream/1.0.0"), encode_line(NOISE)
KINDS = 8
AT_ONCE = 8


class Listener:
    """Upgrades all who come, and serves their streams; `ends`: how many ended how."""

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()

    async def serve(self, raw: trio.SocketStream) -> None:
        try:
            connection = await upgrade(raw, OURS, outbound=False, limits=LIMITS)
            await connection.run(self.echo)
            self.ends["ended by the peer"] += 1
        except (P2PError, trio.TooSlowError, trio.BrokenResourceError) as error:
            self.ends[type(error).__name__] += 1

    async def echo(self, stream: MuxedStream) -> None:
        while data := await stream.receive_some():
            await stream.send_all(data)


async def misbehave(raw: trio.SocketStream, number: int, chance: random.Random) -> None:
    """Goes a few steps of the way, and then says something else than is due."""
    noise = chance.randbytes(chance.randrange(1, 300))
    match number % KINDS:
        case 0:
            await raw.send_all(noise)
        case 1:
            await raw.send_all(GREETING + noise)
        case 2:
            await raw.send_all(GREETING + PROPOSAL + noise)
        case 3:
            await raw.send_all((GREETING + PROPOSAL)[: chance.randrange(28)])
        case 4:
            await raw.send_all(GREETING + PROPOSAL + ephemeral_key() + noise)
        case 5:
            await select(raw, [NOISE])
            await raw.send_all(ephemeral_key())
            await receive_exactly(raw, 100)
            await raw.send_all(b"\x00\x80" + chance.randbytes(128))
        case 6:
            channel = await shake_hands(raw, chance)
            bounds = (5, 16, 6, 2000)  # of type, flags, stream and length
            frames = (struct.pack(">BBHII", 0, *map(chance.randrange, bounds)) for _ in range(9))
            await channel.send_all(b"".join(frame + noise for frame in frames))
        case _:
            await (await shake_hands(raw, chance)).send_all(noise)
            await raw.send_all(noise)
    if chance.random() < 0.5:
        await raw.send_eof()
    if chance.random() < 0.3:
        await trio.sleep(0.01)


def ephemeral_key() -> bytes:
    return b"\x00\x20" + X25519PrivateKey.generate().public_key().public_bytes_raw()


async def shake_hands(raw: trio.SocketStream, chance: random.Random) -> SecureChannel:
    await select(raw, [NOISE])
    channel, _ = await handshake(raw, STRANGER, initiator=True, muxers=[chance.choice([YAMUX, MPLEX])])
    return channel


def held() -> tuple[int, int]:
    """Open files and tasks."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), trio.lowlevel.current_statistics().tasks_living


def resident_kib() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4


@pytest.mark.parametrize("count", [240, pytest.param(10_000, marks=pytest.mark.long)])
async def test_nothing_is_left_behind(count: int, nursery: trio.Nursery) -> None:
    listener = Listener()
    (listening,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, listener.serve, [listening])
    port = listening.socket.getsockname()[1]

    async def come(first: int, until: int) -> None:
        chance = random.Random(first)
        for number in range(first, until, AT_ONCE + 1):
            raw = await trio.open_tcp_stream("127.0.0.1", port)
            try:
                await misbehave(raw, number, chance)
            except (P2PError, trio.BrokenResourceError):
                pass  # it was shown the door
            finally:
                await trio.aclose_forcefully(raw)

    async def all_come(until: int) -> None:
        """And are gone again."""
        to_end = listener.ends.total() + until
        async with trio.open_nursery() as strangers:
            for first in range(AT_ONCE + 1):
                strangers.start_soon(come, first, until)
        while listener.ends.total() < to_end:
            await trio.sleep(0.01)
        await trio.testing.wait_all_tasks_blocked()

    await all_come(2 * KINDS)
    before, memory = held(), resident_kib()
    await all_come(count)
    assert held() == before
    assert resident_kib() - memory < 30_000
    assert set(listener.ends) <= {"ended by the peer", "BrokenResourceError", "ProtocolViolation", "NegotiationFailed"}
    nursery.cancel_scope.cancel()

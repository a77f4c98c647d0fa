"""Gossip's decoder: any bytes give a value or ProtocolViolation, and what was written is read again."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import trio
from hypothesis import given
from hypothesis import strategies as st

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.gossip.frames import FrameReader, frame_of
from trinode.p2p.gossip.params import GossipLimits
from trinode.p2p.gossip.rpc import IHave, Message, Prune, Rpc, Subscription, decode_rpc, encode_in_parts, encode_rpc
from trinode.p2p.protobuf import bytes_field, int_field

topics = st.text(max_size=40)
ids = st.lists(st.binary(max_size=64), max_size=20)
rpcs = st.builds(
    Rpc,
    st.lists(st.builds(Subscription, topics, st.booleans()), max_size=5),
    st.lists(st.builds(Message, topics, st.binary(max_size=300)), max_size=5),
    st.lists(st.builds(IHave, topics, ids.map(tuple)), max_size=5),
    ids,
    st.lists(topics, max_size=5),
    st.lists(st.builds(Prune, topics, st.none() | st.integers(0, 2**64 - 1)), max_size=5),
    ids,
)
scraps = st.recursive(
    st.binary(max_size=20),
    lambda inner: st.lists(
        st.builds(bytes_field, st.integers(1, 7), inner) | st.builds(int_field, st.integers(1, 7), st.integers(0, 2**64 - 1)), max_size=6
    ).map(b"".join),
)


@given(rpcs)
def test_round_trip(rpc: Rpc) -> None:
    assert decode_rpc(encode_rpc(rpc)) == rpc
    for each in (rpc, Rpc(messages=rpc.messages[:1])):
        assert b"".join(encode_in_parts(each)) == encode_rpc(each)


@given(scraps | st.binary(max_size=400))
def test_any_bytes(encoded: bytes) -> None:
    with suppress(ProtocolViolation):
        rpc = decode_rpc(encoded)
        assert decode_rpc(encode_rpc(rpc)) == Rpc(
            rpc.subscriptions, [Message(each.topic, each.data) for each in rpc.messages], rpc.ihave, rpc.iwant, rpc.graft, rpc.prune, rpc.idontwant
        )


class _Pieces(trio.abc.ReceiveStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        return self._pieces.pop(0) if self._pieces else b""

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def _frames(pieces: list[bytes]) -> list[bytes]:
    reader = FrameReader(_Pieces([each for each in pieces if each]), GossipLimits(large_frame=100), trio.CapacityLimiter(1))
    frames = []
    while (frame := await reader.next()) is not None:
        frames.append(frame)
    return frames


@given(st.lists(rpcs, max_size=4), st.lists(st.integers(0, 2000), max_size=8))
def test_frames_come_as_they_were_sent_however_they_are_cut(sent: list[Rpc], cuts: list[int]) -> None:
    wire = b"".join(part for each in sent for part in frame_of(each).parts)
    at = [0, *sorted(cuts), len(wire)]
    pieces = [wire[start:end] for start, end in pairwise(at)]
    assert [decode_rpc(each) for each in trio.run(_frames, pieces)] == sent


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_any_stream(pieces: list[bytes]) -> None:
    with suppress(ProtocolViolation):
        trio.run(_frames, pieces)

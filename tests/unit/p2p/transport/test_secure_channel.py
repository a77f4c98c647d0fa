"""Frames after the handshake: nothing is lost, nothing forged is taken, and no frame is larger than it may be."""

from __future__ import annotations

import pytest
import trio
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MemoryReceiveStream, MemorySendStream, memory_stream_pair

from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.transport.secure_channel import LARGEST_PLAINTEXT, SecureChannel, nonce

KEY, OTHER_KEY = b"\x01" * 32, b"\x02" * 32
MemoryStream = trio.StapledStream[MemorySendStream, MemoryReceiveStream]


def cipher(key: bytes = KEY) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(key)


def pair() -> tuple[SecureChannel, SecureChannel]:
    one, other = memory_stream_pair()
    return SecureChannel(one, cipher(), cipher(OTHER_KEY)), SecureChannel(other, cipher(OTHER_KEY), cipher())


def lone() -> tuple[MemoryStream, SecureChannel]:
    """What a peer may write to, and the channel that reads it."""
    one, other = memory_stream_pair()
    return one, SecureChannel(other, cipher(OTHER_KEY), cipher())


def frame(number: int, text: bytes) -> bytes:
    sealed = cipher().encrypt(nonce(number), text, None)
    return len(sealed).to_bytes(2, "big") + sealed


async def read_all(channel: SecureChannel, most: int | None = None) -> bytes:
    received = b""
    while part := await channel.receive_some(most):
        received += part
    return received


@pytest.mark.parametrize("size", [0, 1, LARGEST_PLAINTEXT, LARGEST_PLAINTEXT + 1, 3_000_000])
@pytest.mark.parametrize("most", [None, 65_536])
async def test_all_of_it_arrives(size: int, most: int | None) -> None:
    ours, theirs = pair()
    text = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    await ours.send_all(text)
    await ours.aclose()
    assert await read_all(theirs, most) == text
    frames = -(-size // LARGEST_PLAINTEXT)
    assert ours.bytes_sent == theirs.bytes_received == size + 18 * frames
    assert theirs.frames_received == frames


async def test_frames_are_cut_anywhere() -> None:
    peer, ours = lone()
    sealed = frame(0, b"abc") + frame(1, b"") + frame(2, b"d" * 1000)

    async def send() -> None:
        for n in range(len(sealed)):
            await peer.send_all(sealed[n : n + 1])
            await trio.testing.wait_all_tasks_blocked()
        await peer.send_eof()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        assert await ours.receive_some(2) == b"ab"
        assert await ours.receive_some(2) == b"c"
        assert await read_all(ours) == b"d" * 1000


@pytest.mark.parametrize(
    "sealed",
    [
        frame(1, b"not the first"),
        frame(0, b"abc")[:-1] + b"\x00",
        frame(0, b"abc") + frame(0, b"again"),
        b"\x00\x0f" + b"a" * 15,
        b"\x00\x00",
        b"".join(frame(n, b"") for n in range(65)),
    ],
)
async def test_forged_frames(sealed: bytes) -> None:
    peer, ours = lone()
    await peer.send_all(sealed)
    with pytest.raises(ProtocolViolation):
        await ours.receive_some()


async def test_the_end_within_a_frame() -> None:
    peer, ours = lone()
    await peer.send_all(frame(0, b"abc") + frame(1, b"def")[:-1])
    await peer.send_eof()
    assert await ours.receive_some() == b"abc"
    with pytest.raises(trio.BrokenResourceError, match="within a frame"):
        await ours.receive_some()


async def test_not_even_one_byte_is_asked_for() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        await pair()[0].receive_some(0)


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes(data: bytes) -> None:
    async def read() -> None:
        peer, ours = lone()
        await peer.send_all(data)
        await peer.send_eof()
        with pytest.raises((ProtocolViolation, trio.BrokenResourceError)):
            await read_all(ours)

    trio.run(read)

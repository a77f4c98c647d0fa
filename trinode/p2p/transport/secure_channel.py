"""What flows after a Noise handshake (libp2p specification: noise, "Wire Format"): frames of 65,535 bytes at most, each sealed for itself."""

from __future__ import annotations

import trio
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from trio.abc import Stream

from trinode.p2p.errors import ProtocolViolation

_TAG_SIZE = 16
_LENGTH_SIZE = 2
_LARGEST_FRAME = 65_535
LARGEST_PLAINTEXT = _LARGEST_FRAME - _TAG_SIZE
_SENT_AT_ONCE = 4 * LARGEST_PLAINTEXT
"""Bytes that are sealed before the socket takes the first of them: so much is held, whatever is sent."""
_RECEIVED_AT_ONCE = 4 * (_LENGTH_SIZE + _LARGEST_FRAME)
_MOST_EMPTY_FRAMES = 64
"""In a row. Nobody needs them."""


class SecureChannel(Stream):
    """An encrypted stream over another one, which it owns.

    Raises ProtocolViolation for what does not decrypt, and what the other stream raises. `bytes_sent`, `bytes_received`: as they go over the
    other one; `frames_received`: how many of the peer's frames have been opened.
    """

    def __init__(self, raw: Stream, sending: ChaCha20Poly1305, receiving: ChaCha20Poly1305) -> None:
        self._raw, self._sending, self._receiving = raw, sending, receiving
        self._sent = self.frames_received = 0
        self.bytes_sent = self.bytes_received = 0
        self._sealed = bytearray()  # received, not a whole frame yet
        self._opened = bytearray()  # decrypted, beyond what was asked for

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Sealed in as few and as large frames as possible."""
        view = memoryview(data)
        if not view:
            await trio.lowlevel.checkpoint()
        for start in range(0, len(view), _SENT_AT_ONCE):
            sealed = self._seal(view[start : start + _SENT_AT_ONCE])
            await self._raw.send_all(sealed)
            self.bytes_sent += len(sealed)

    async def wait_send_all_might_not_block(self) -> None:
        """As the other stream has it."""
        await self._raw.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """All that is there. b"" when the peer has ended the stream after a whole frame; trio.BrokenResourceError: within one."""
        if max_bytes is not None and max_bytes < 1:
            raise ValueError("max_bytes must be at least 1")
        if self._opened:
            await trio.lowlevel.checkpoint()
        empty_frames = 0
        while not self._opened:
            received = await self._raw.receive_some(_RECEIVED_AT_ONCE)
            if not received:
                if self._sealed:
                    raise trio.BrokenResourceError("the stream ended within a frame")
                return b""
            self.bytes_received += len(received)
            self._sealed += received
            frames_before = self.frames_received
            self._opened = self._open()
            empty_frames += self.frames_received - frames_before
            if not self._opened and empty_frames > _MOST_EMPTY_FRAMES:
                raise ProtocolViolation("noise: one empty frame after the other")
        if max_bytes is None or len(self._opened) <= max_bytes:
            opened, self._opened = self._opened, bytearray()
            return opened
        part = self._opened[:max_bytes]
        del self._opened[:max_bytes]
        return part

    async def aclose(self) -> None:
        """Closes the other stream."""
        await self._raw.aclose()

    def _seal(self, data: memoryview) -> bytearray:
        frames = -(-len(data) // LARGEST_PLAINTEXT)
        sealed = bytearray(len(data) + frames * (_LENGTH_SIZE + _TAG_SIZE))
        view, at = memoryview(sealed), 0
        for start in range(0, len(data), LARGEST_PLAINTEXT):
            plaintext = data[start : start + LARGEST_PLAINTEXT]
            size = len(plaintext) + _TAG_SIZE
            view[at : at + _LENGTH_SIZE] = size.to_bytes(_LENGTH_SIZE, "big")
            at += _LENGTH_SIZE
            self._sending.encrypt_into(nonce(self._sent), plaintext, None, view[at : at + size])
            self._sent += 1
            at += size
        return sealed

    def _open(self) -> bytearray:
        """What the whole frames contain that are there."""
        sealed = self._sealed
        frames, at = [], 0
        while at + _LENGTH_SIZE <= len(sealed):
            size = sealed[at] << 8 | sealed[at + 1]
            if size < _TAG_SIZE:
                raise ProtocolViolation(f"noise: a frame of {size} bytes")
            end = at + _LENGTH_SIZE + size
            if end > len(sealed):
                break
            frames.append((at + _LENGTH_SIZE, end))
            at = end
        opened = bytearray(at - len(frames) * (_LENGTH_SIZE + _TAG_SIZE))
        with memoryview(sealed) as source, memoryview(opened) as target:
            written = 0
            for start, end in frames:
                written += self._open_frame(source[start:end], target[written : written + end - start - _TAG_SIZE])
        del sealed[:at]
        return opened

    def _open_frame(self, frame: memoryview, target: memoryview) -> int:
        try:
            size = self._receiving.decrypt_into(nonce(self.frames_received), frame, None, target)
        except InvalidTag as error:
            raise ProtocolViolation("noise: a frame that does not decrypt") from error
        finally:
            frame.release()
            target.release()
        self.frames_received += 1
        return size


def nonce(number: int) -> bytes:
    """Noise's nonce for ChaChaPoly: the number of the message under its key."""
    return b"\x00\x00\x00\x00" + number.to_bytes(8, "little")

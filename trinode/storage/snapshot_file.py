"""Frames of a snapshot file: what they look like, and that nothing in them can be changed, cut off or added unnoticed.

    file    magic, then frames, the last of kind END, then nothing
    frame   kind (1 byte), size (4 bytes, big-endian), zlib stream of that size, SHA-256 of the file up to here (32 bytes)

The zlib stream is RLP of a list of strings. A frame is checked before anything in it is used, and neither its size nor
what it inflates to exceeds MOST_FRAME_BYTES.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO

from trinode.protocol.rlp_codec import RlpDecodingError, decode_list, encode_bytes, encode_list, to_bytes
from trinode.storage.errors import SnapshotError, UnknownFormat

MAGIC = b"trinode snapshot 1\n"
_ANY_MAGIC = b"trinode snapshot "

HEAD = 1
"""Chain id (32 bytes), genesis hash, hash of the block whose state this is."""
BLOCKS = 2
"""Each string a block, RLP of header and transactions. That block first, then its ancestors, as far back as BLOCKHASH goes."""
CODES = 3
"""Each string a code."""
ACCOUNTS = 4
"""In turn: address, account as in the store."""
SLOTS = 5
"""In turn: address and slot, value without leading zeros."""
END = 6
"""Numbers of 8 bytes: how many accounts and slots there were."""

MOST_FRAME_BYTES = 64 << 20
"""Several times what the largest block takes, for which a frame is made larger than usual."""
_FRAME_BYTES = 1 << 20
_DIGEST_SIZE = 32
_LEVEL = 1  # hashes do not compress: better levels take five times as long for two percent


class FrameWriter:
    """Writes frames of one kind after the other to `file`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = sha256()
        self._kind = HEAD
        self._parts: list[bytes] = []
        self._size = 0
        self._write(MAGIC)

    def add(self, kind: int, *strings: bytes) -> None:
        """Adds strings to the frame at hand, or to a new one if that is full or of another kind."""
        if kind != self._kind or self._size > _FRAME_BYTES:
            self._flush()
            self._kind = kind
        for string in strings:
            encoded = encode_bytes(string)
            self._parts.append(encoded)
            self._size += len(encoded)

    def end(self, *strings: bytes) -> None:
        """Adds the last frame."""
        self.add(END, *strings)
        self._flush()

    def _flush(self) -> None:
        if self._parts:
            payload = encode_list(self._parts)
            stream = zlib.compress(payload, _LEVEL)
            if max(len(payload), len(stream)) > MOST_FRAME_BYTES:
                raise SnapshotError(f"a block of {len(payload)} bytes is too large for a snapshot")
            self._write(bytes((self._kind,)) + len(stream).to_bytes(4, "big") + stream)
            self._file.write(self._digest.digest())
            self._parts, self._size = [], 0

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)


def read_frames(name: str, file: BinaryIO) -> Iterator[tuple[int, list[bytes]]]:
    """Kind and strings of each frame in `file`, the last of kind END. `name` is the file's, for messages.

    Raises SnapshotError, UnknownFormat.
    """
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        if magic.startswith(_ANY_MAGIC):
            raise UnknownFormat(f"{name}: this version reads {MAGIC.strip().decode()!r} only. Export the snapshot with this version.")
        raise SnapshotError(f"{name}: this is no snapshot.")
    digest = sha256(magic)
    kind = 0
    while kind != END:
        head = file.read(5)
        size = int.from_bytes(head[1:], "big")
        if len(head) < 5 or size > MOST_FRAME_BYTES:
            raise _damaged(name)
        stream, expected = file.read(size), file.read(_DIGEST_SIZE)
        digest.update(head + stream)
        if digest.digest() != expected:
            raise _damaged(name)
        kind = head[0]
        yield kind, _strings(name, stream)
    if file.read(1):
        raise _damaged(name)


def _strings(name: str, stream: bytes) -> list[bytes]:
    inflater = zlib.decompressobj()
    try:
        payload = inflater.decompress(stream, MOST_FRAME_BYTES)
        if not inflater.eof or inflater.unused_data:
            raise _damaged(name)
        return [to_bytes(item) for item in decode_list(payload)]
    except (zlib.error, RlpDecodingError) as error:
        raise _damaged(name) from error


def _damaged(name: str) -> SnapshotError:
    return SnapshotError(f"{name}: the snapshot is damaged or cut off. Get it again.")

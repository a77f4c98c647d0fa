"""The canonical chain as far as a stateless engine keeps it: headers, the bodies of the last blocks, and labels, in a small database.

A change is one batch, so that it is there as a whole or not at all, whenever the process dies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trinode.engine.stateless.errors import AnchorRefused
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.header import Header, decode_header, encode_header
from trinode.protocol.rlp_codec import decode_list, encode_bytes, encode_list, to_bytes
from trinode.protocol.types import Hash32
from trinode.storage.database import Batch, Database
from trinode.storage.identity import ChainIdentity

HEAD = "head"
SAFE = "safe"
FINALIZED = "finalized"

_IDENTITY = b"chain"
_FORMAT = b"trinode stateless 1"
_OLDEST_HEADER = b"oldest-header"
_OLDEST_BODY = b"oldest-body"
_HEADER, _BODY, _NUMBER, _LABEL = b"h", b"b", b"n", b"l"
_CACHE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class KeptBlocks:
    """How many blocks back from the head headers and bodies are kept. The finalized block's header is kept in any case.

    BLOCKHASH sees 256 headers back; a derivation that starts again reads the bodies of a channel timeout (300 blocks since Granite).
    """

    headers: int = 8192
    bodies: int = 512


class HeaderChain:
    """A canonical chain from some block on. All methods may raise StoreError; one thread writes, any may read."""

    def __init__(self, path: Path, identity: ChainIdentity, kept: KeptBlocks | None = None) -> None:
        """Opens the database in the folder `path`, which is made if there is none. Raises AnchorRefused if it is another chain's."""
        self._database = Database(path, create=True, cache_bytes=_CACHE_BYTES)
        self._kept = kept or KeptBlocks()
        told = _FORMAT + identity.genesis_hash + identity.chain_id.to_bytes(32, "big")
        found = self._database.get(_IDENTITY)
        if found is None:
            with self._database.batch(sync=True) as batch:
                batch.put(_IDENTITY, told)
        elif found != told:
            self._database.close()
            raise AnchorRefused(f"{path}: the headers here are of another chain or in another format, not of {identity}: use another folder")
        self._head = self._labelled(HEAD)

    def close(self) -> None:
        """Ends the use of the database. No other thread may be reading."""
        self._database.close()

    @property
    def is_empty(self) -> bool:
        """Whether the chain was not begun yet."""
        return self._head is None

    @property
    def head(self) -> KnownHeader:
        """The last canonical block."""
        assert self._head is not None, "the chain was not begun"
        return self._head

    @property
    def oldest(self) -> int:
        """The number of the first block whose header is here."""
        return _number(self._database.get(_OLDEST_HEADER))

    def begin(self, block: KnownBlock) -> None:
        """Begins the chain with a block that is trusted: it is the head, safe and finalized."""
        with self._database.batch(sync=True) as batch:
            _put_block(batch, block)
            for key in (_OLDEST_HEADER, _OLDEST_BODY):
                batch.put(key, _key_of(block.header.number))
            for name in (HEAD, SAFE, FINALIZED):
                batch.put(_label(name), block.hash)
        self._head = KnownHeader(block.header, block.hash)

    def header(self, block_hash: Hash32) -> Header | None:
        """The header of a canonical block; None: it is not here."""
        rlp = self.header_rlp(block_hash)
        return None if rlp is None else decode_header(rlp)

    def header_rlp(self, block_hash: Hash32) -> bytes | None:
        """RLP of the header of a canonical block; None: it is not here."""
        return self._database.get(_HEADER + block_hash)

    def block(self, block_hash: Hash32) -> KnownBlock | None:
        """A canonical block; None: it, or its body, is not here."""
        header, body = self.header(block_hash), self._database.get(_BODY + block_hash)
        if header is None or body is None:
            return None
        return KnownBlock(header, block_hash, tuple([to_bytes(item) for item in decode_list(body)]))

    def canonical_hash(self, number: int) -> Hash32 | None:
        """The hash of the canonical block of that number; None: it is not here."""
        return self._database.get(_NUMBER + _key_of(number))

    def canonical_number(self, block_hash: Hash32) -> int | None:
        """The number of a canonical block; None: it is not here."""
        header = self.header(block_hash)
        return None if header is None else header.number

    def label(self, name: str) -> KnownHeader | None:
        """The canonical block with that label; None: there is none."""
        return self._labelled(name)

    def adopt(self, base: int, blocks: Sequence[KnownBlock], labels: Mapping[str, Hash32]) -> None:
        """Takes the chain back to block `base`, then adds blocks, each on the one before, and sets labels."""
        head = self.head.header.number
        if base < head or blocks or labels:
            new_head = blocks[-1] if blocks else self._canonical(base)
            with self._database.batch() as batch:
                for number in range(base + 1, head + 1):
                    self._remove(batch, number, _HEADER, _BODY)
                for block in blocks:
                    _put_block(batch, block)
                for name, block_hash in {**labels, HEAD: new_head.hash}.items():
                    batch.put(_label(name), block_hash)
                self._prune(batch, new_head.header.number)
            self._head = KnownHeader(new_head.header, new_head.hash)

    def _prune(self, batch: Batch, head: int) -> None:
        """Drops what is too old; what `batch` itself puts is never that old."""
        finalized = self._labelled(FINALIZED)
        limit = head - self._kept.headers if finalized is None else min(head - self._kept.headers, finalized.header.number)
        for key, end, parts in ((_OLDEST_BODY, head - self._kept.bodies, (_BODY,)), (_OLDEST_HEADER, limit, (_HEADER, _BODY))):
            oldest = _number(self._database.get(key))
            if end <= oldest:
                continue
            for number in range(oldest, end):
                self._remove(batch, number, *parts)
            batch.put(key, _key_of(end))

    def _remove(self, batch: Batch, number: int, *parts: bytes) -> None:
        block_hash = self.canonical_hash(number)
        if block_hash is None:
            return
        for part in parts:
            batch.delete(part + block_hash)
        if _HEADER in parts:
            batch.delete(_NUMBER + _key_of(number))

    def _canonical(self, number: int) -> KnownHeader:
        block_hash = self.canonical_hash(number)
        header = None if block_hash is None else self.header(block_hash)
        assert block_hash is not None and header is not None, f"block {number} is not in the chain"
        return KnownHeader(header, block_hash)

    def _labelled(self, name: str) -> KnownHeader | None:
        block_hash = self._database.get(_label(name))
        header = None if block_hash is None else self.header(block_hash)
        return None if block_hash is None or header is None else KnownHeader(header, block_hash)


def _put_block(batch: Batch, block: KnownBlock) -> None:
    batch.put(_HEADER + block.hash, encode_header(block.header))
    batch.put(_BODY + block.hash, encode_list([encode_bytes(transaction) for transaction in block.transactions]))
    batch.put(_NUMBER + _key_of(block.header.number), block.hash)


def _key_of(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _number(key: bytes | None) -> int:
    return int.from_bytes(key or b"", "big")


def _label(name: str) -> bytes:
    return _LABEL + name.encode()

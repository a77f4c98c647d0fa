"""What a node remembers of derivation: the safe head after each L1 block (specification of the RPC: rollup-node,
`optimism_safeHeadAtL1Block`), and checkpoints of the pipeline to go on from after a restart.

These records and the chain's store are written one after the other, never as one. Both orders are harmless: where the records are ahead of
the engine (its last blocks were lost), the checkpoint's safe block is missing there, so that an older checkpoint or the walk back serves, and
`rewind` takes the safe heads back; where they are behind, the blocks in between are derived once more and found to be there.

    s number       L1 block hash and the L2 block that was the safe head after it; numbers descend
    c number       a checkpoint at that L1 block, as bytes; numbers descend
    m name         what the records say about themselves
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from trinode.protocol.types import UINT64, BlockId
from trinode.rollup.l2_block import L2BlockRef
from trinode.storage.database import Batch, Database, View
from trinode.storage.errors import CorruptStore, UnknownFormat, WrongChain
from trinode.storage.identity import ChainIdentity

FORMAT = b"trinode derivation records 1"
"""Anything that changes what stands under which key gets another number."""
OLDEST_CHECKPOINT = 1024
"""L1 blocks behind the newest checkpoint, beyond any reorg of an L1 that finalizes."""

_SAFE_HEADS = b"s"
_CHECKPOINTS = b"c"
_FORMAT = b"mformat"
_CHAIN = b"mchain"
_CACHE_BYTES = 4 << 20
_PRUNED_AT_ONCE = 64
_SAFE_HEAD = Struct(">32s32sQ32sQQ32sQ")


class SafeHead(NamedTuple):
    """After the data of L1 block `l1` the safe head was `l2`."""

    l1: BlockId
    l2: L2BlockRef


class DerivationRecords:
    """One database. Methods take a disk's time: not on the thread that serves everybody. One thread writes; any may ask `safe_head_at`.

    They raise what `Database` raises.
    """

    def __init__(self, path: Path, identity: ChainIdentity, *, retention: int | None = None) -> None:
        """Opens the records in the folder `path`, or makes them. `retention`: how many L1 blocks' safe heads are kept; None: all.

        Raises StoreError: StoreLocked, CorruptStore, UnknownFormat, WrongChain.
        """
        if retention is not None and retention < 1:
            raise ValueError(f"safe heads of {retention} L1 blocks: it must be 1 at least")
        self._retention = retention
        self._database = Database(path, create=True, cache_bytes=_CACHE_BYTES)
        try:
            self._check(path, identity)
        except BaseException:
            self._database.close()
            raise

    def _check(self, path: Path, identity: ChainIdentity) -> None:
        found, chain = self._database.get(_FORMAT), identity.genesis_hash + identity.chain_id.to_bytes(32, "big")
        if found is None:
            with self._database.batch() as batch:
                batch.put(_FORMAT, FORMAT)
                batch.put(_CHAIN, chain)
        elif found != FORMAT:
            raise UnknownFormat(f"{path}: records in the format {found.decode(errors='replace')!r}. Remove the folder: it is made anew.")
        elif self._database.get(_CHAIN) != chain:
            raise WrongChain(f"{path}: the records are not of {identity}. Use another folder, or remove this one: it is made anew.")

    def close(self) -> None:
        """Ends the use of the records."""
        self._database.close()

    # ---- safe heads ----

    def put(self, safe_heads: Iterable[SafeHead] = (), checkpoint: tuple[int, bytes] | None = None) -> None:
        """Records, all at once: safe heads, at one L1 block the last one of several, and a checkpoint with the number of its L1 block."""
        newest = None
        with self._database.batch() as batch:
            for safe_head in safe_heads:
                newest = safe_head.l1.number
                batch.put(_key(_SAFE_HEADS, newest), _encode(safe_head))
            if checkpoint is not None:
                self._put_checkpoint(batch, *checkpoint)
            if newest is not None and self._retention is not None:
                self._prune(batch, newest - self._retention)

    def safe_head_at(self, l1_number: int) -> tuple[BlockId, BlockId] | None:
        """The last L1 block up to `l1_number` with which the safe head moved, and that safe head; None: nothing so old is recorded."""
        found = _at_or_below(self._database.snapshot(), l1_number)
        return None if found is None else (found.l1, found.l2.id)

    def rewind(self, safe: L2BlockRef) -> None:
        """The safe head is `safe` again: what is recorded beyond it goes, and it stands where it was first reached.

        Where nothing older is recorded, nobody knows whether the oldest L1 block here, or one before it, made `safe` safe: then that goes too.
        """
        beyond: list[SafeHead] = []
        older = False
        for safe_head in self._newest_first():
            if safe_head.l2.number < safe.number:
                older = True
                break
            beyond.append(safe_head)
        if not beyond:
            return
        first = beyond[-1]
        with self._database.batch() as batch:
            for safe_head in beyond:
                batch.delete(_key(_SAFE_HEADS, safe_head.l1.number))
            if older or first.l2 == safe:
                batch.put(_key(_SAFE_HEADS, first.l1.number), _encode(SafeHead(first.l1, safe)))

    def since(self, l2_number: int) -> list[SafeHead]:
        """The safe heads above block `l2_number`, oldest first: what finality needs after a restart."""
        found = []
        for safe_head in self._newest_first():
            if safe_head.l2.number <= l2_number:
                break
            found.append(safe_head)
        return found[::-1]

    def _newest_first(self) -> Iterator[SafeHead]:
        for key, value in self._database.entries(_SAFE_HEADS, fill_cache=False):
            yield _decode(key, value)

    def _prune(self, batch: Batch, bound: int) -> None:
        """Takes away, a few at a time, what is older than the safe head at L1 block `bound`."""
        view = self._database.snapshot()
        last = _at_or_below(view, bound)
        for _ in range(_PRUNED_AT_ONCE):
            last = None if last is None else _at_or_below(view, last.l1.number - 1)
            if last is None:
                break
            batch.delete(_key(_SAFE_HEADS, last.l1.number))

    # ---- checkpoints ----

    def checkpoints(self) -> list[bytes]:
        """What to go on from, newest first. The older ones serve where L1 was reorganised, or the engine lost blocks."""
        return [value for _, value in self._database.entries(_CHECKPOINTS)]

    def _put_checkpoint(self, batch: Batch, number: int, checkpoint: bytes) -> None:
        """Of the others, those at higher L1 blocks go (they are of another L1 chain), and of the older ones fewer the older they are:
        one at a distance of 1, one of 2 to 3, one of 4 to 7 and so on. It is the oldest of each, so that there is one to follow it.
        """
        others = [_number(key) for key, _ in self._database.entries(_CHECKPOINTS)]
        kept = {(number - other).bit_length(): other for other in others if 0 < number - other <= OLDEST_CHECKPOINT}  # the last one wins
        for other in set(others) - set(kept.values()):
            batch.delete(_key(_CHECKPOINTS, other))
        batch.put(_key(_CHECKPOINTS, number), checkpoint)


def _key(table: bytes, number: int) -> bytes:
    return table + (UINT64 - number).to_bytes(8, "big")  # descending, so that a search forward finds what is at or below


def _number(key: bytes) -> int:
    return UINT64 - int.from_bytes(key[1:], "big")


def _at_or_below(view: View, l1_number: int) -> SafeHead | None:
    if l1_number < 0:
        return None
    found = view.first_from(_key(_SAFE_HEADS, min(l1_number, UINT64)))
    return _decode(*found) if found is not None and found[0][:1] == _SAFE_HEADS else None


def _encode(safe_head: SafeHead) -> bytes:
    l2 = safe_head.l2
    origin = l2.l1_origin
    return _SAFE_HEAD.pack(
        safe_head.l1.hash, l2.hash, l2.number, l2.parent_hash, l2.timestamp, origin.number, origin.hash, l2.sequence_number
    )


def _decode(key: bytes, value: bytes) -> SafeHead:
    if len(key) != 9 or len(value) != _SAFE_HEAD.size:
        raise CorruptStore(f"the safe head under 0x{key.hex()} is damaged. Remove the folder of the derivation records: it is made anew.")
    l1_hash, block_hash, number, parent_hash, timestamp, origin_number, origin_hash, sequence_number = _SAFE_HEAD.unpack(value)
    l2 = L2BlockRef(block_hash, number, parent_hash, timestamp, BlockId(origin_number, origin_hash), sequence_number)
    return SafeHead(BlockId(_number(key), l1_hash), l2)

"""L1 blocks and references to them."""

from __future__ import annotations

from trinode.protocol.block import L1Block, L1BlockRef
from trinode.protocol.header import EMPTY_OMMERS_HASH, Header, header_hash
from trinode.protocol.types import BlockId

HEADER = Header(
    parent_hash=b"\x01" * 32,
    ommers_hash=EMPTY_OMMERS_HASH,
    beneficiary=bytes(20),
    state_root=bytes(32),
    transactions_root=bytes(32),
    receipts_root=bytes(32),
    logs_bloom=bytes(256),
    difficulty=0,
    number=17,
    gas_limit=30_000_000,
    gas_used=0,
    timestamp=1_700_000_000,
    extra_data=b"",
    prev_randao=bytes(32),
    nonce=bytes(8),
)


def test_references() -> None:
    block = L1Block(header_hash(HEADER), HEADER, (b"\x02",), None)
    assert block.id == BlockId(17, header_hash(HEADER))
    assert block.ref == L1BlockRef(block.hash, 17, b"\x01" * 32, 1_700_000_000)
    assert block.ref.id == block.id

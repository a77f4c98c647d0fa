"""The block that a stateless engine begins with: vouched for by its hash, or by its output root (OP Stack specification: proposals,
"L2 Output Commitment Construction").
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from trinode.engine.stateless.errors import AnchorRefused
from trinode.engine.stateless.remote import RemoteL2
from trinode.execution.block import MESSAGE_PASSER
from trinode.protocol.block import KnownBlock
from trinode.protocol.header import Header
from trinode.protocol.output_root import output_root
from trinode.protocol.types import Hash32


class TrustedOutput(NamedTuple):
    """An L2 block by its number, and its output root, which L1 or the operator vouches for."""

    number: int
    output_root: Hash32


class TrustedHash(NamedTuple):
    """An L2 block by its hash: the genesis block's stands in the rollup config."""

    hash: Hash32


Anchor: TypeAlias = TrustedOutput | TrustedHash


async def fetch_anchor(remote: RemoteL2, anchor: Anchor) -> KnownBlock:
    """The block, whole and verified. Raises AnchorRefused where the remote's is another one, and RemoteFault."""
    if isinstance(anchor, TrustedHash):
        block = await remote.block_by_hash(anchor.hash)
        if block is None:
            raise AnchorRefused(f"{remote.name}: eth_getBlockByHash: L2 block 0x{anchor.hash.hex()}, to begin with: the remote does not have it")
        return block
    block = await remote.block(anchor.number)
    if block is None:
        raise AnchorRefused(f"{remote.name}: eth_getBlockByNumber: L2 block {anchor.number}, to begin with: the remote does not have it")
    await check_output_root(remote, block, anchor)
    return block


async def check_output_root(remote: RemoteL2, block: KnownBlock, anchor: TrustedOutput) -> None:
    """Whether the block is the one that the output root commits to. Raises AnchorRefused, RemoteFault."""
    header = block.header
    if header.number != anchor.number:
        raise AnchorRefused(f"{remote.name}: eth_getBlockByNumber: number: L2 block {anchor.number}: what came is block {header.number}")
    storage_root = _withdrawals_root(header)
    method = "eth_getBlockByNumber"
    if storage_root is None:
        # No proof is needed: the output root commits to the storage root, too.
        storage_root = (await remote.proof(block.hash, MESSAGE_PASSER, [])).storage_root
        method += " and eth_getProof"
    found = output_root(header.state_root, storage_root, block.hash)
    if found != anchor.output_root:
        text = f"L2 block {anchor.number} 0x{block.hash.hex()}: its output root is 0x{found.hex()}, but 0x{anchor.output_root.hex()} is trusted"
        raise AnchorRefused(f"{remote.name}: {method}: {text}")


def _withdrawals_root(header: Header) -> Hash32 | None:
    """The storage root of the L2ToL1MessagePasser where the header has it: since Isthmus, which brought the requests hash, too."""
    return None if header.requests_hash is None else header.withdrawals_root

"""Blocks as `debug_` methods ask for them, and what they say of those that are not there (op-geth's words)."""

from __future__ import annotations

from trinode.protocol.block import KnownHeader
from trinode.rollup.json_fields import to_hex
from trinode.rpc.eth.block_names import BlockName, ByHash
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.errors import server_error


def required_block(chain: Chain, name: BlockName) -> KnownHeader:
    """The block of that name. Raises RpcError."""
    found = chain.find(name)
    if found is None:
        raise server_error(f"block {shown(name)} not found")
    return found


def shown(name: BlockName) -> str:
    """A block's name in a message."""
    if isinstance(name, ByHash):
        return to_hex(name.hash)
    return f"#{name}" if isinstance(name, int) else name

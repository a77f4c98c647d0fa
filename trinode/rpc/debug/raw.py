"""Blocks and what is in them, in their consensus encodings (execution-apis: debug)."""

from __future__ import annotations

from collections.abc import Callable

from trinode.jsonrpc.block_object import encode_block
from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import DATA_RESULT, HASH, list_of, or_null
from trinode.protocol.header import encode_header
from trinode.protocol.receipt import encode_receipt
from trinode.protocol.types import Hash32
from trinode.rollup.json_fields import to_hex
from trinode.rpc.debug.blocks import shown
from trinode.rpc.eth.block_names import BlockName, ByHash
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.errors import server_error
from trinode.rpc.eth.kinds import BLOCK_NAME
from trinode.rpc.eth.workers import Workers

_BLOCK = Param("block", BLOCK_NAME)
_NOTHING = b""


class RawMethods:
    """`pooled` gives a transaction of the pool by its hash, raw."""

    def __init__(self, chain: Chain, workers: Workers, pooled: Callable[[Hash32], bytes | None]) -> None:
        self._chain = chain
        self._workers = workers
        self._pooled = pooled
        self.methods: dict[str, Declared] = {
            "debug_getRawBlock": declare(self._block, "A block in RLP; empty if there is none", _BLOCK, result=DATA_RESULT),
            "debug_getRawHeader": declare(self._header, "A header in RLP; empty if there is none", _BLOCK, result=DATA_RESULT),
            "debug_getRawReceipts": declare(
                self._receipts, "A block's receipts in their consensus encoding", _BLOCK, result=or_null(list_of(DATA_RESULT))
            ),
            "debug_getRawTransaction": declare(
                self._transaction, "A transaction as it was signed; empty if there is none", Param("hash", HASH), result=DATA_RESULT
            ),
        }

    async def _header(self, name: BlockName) -> str:
        def read() -> bytes:
            known = self._chain.find(name)
            if known is None and isinstance(name, ByHash):
                raise server_error(f"header {shown(name)} not found")
            return _NOTHING if known is None else encode_header(known.header)

        return to_hex(await self._workers.read(read))

    async def _block(self, name: BlockName) -> str:
        def read() -> bytes:
            known = self._chain.find(name)
            if known is None and isinstance(name, ByHash):
                raise server_error(f"block {shown(name)} not found")
            return _NOTHING if known is None else encode_block(self._chain.block(known))

        return to_hex(await self._workers.read(read))

    async def _receipts(self, name: BlockName) -> list[str] | None:
        def read() -> list[str] | None:
            known = self._chain.find(name)
            return None if known is None else [to_hex(encode_receipt(receipt)) for receipt in self._chain.receipts(known)]

        return await self._workers.read(read)

    async def _transaction(self, wanted: Hash32) -> str:
        def read() -> bytes:
            return find_raw_transaction(self._chain, wanted) or self._pooled(wanted) or _NOTHING

        return to_hex(await self._workers.read(read))


def find_raw_transaction(chain: Chain, wanted: Hash32) -> bytes | None:
    """The transaction with that hash, if a canonical block has it."""
    place = chain.blocks.find_transaction(wanted)
    transactions = None if place is None else chain.blocks.transactions(place.block.hash)
    return None if place is None or transactions is None else transactions[place.position]

"""States in the order of their hashed keys, page by page, and accounts that blocks changed (op-geth: debug_accountRange, debug_storageRangeAt,
debug_getModifiedAccountsByNumber and ByHash, debug_getAccessibleState).

The tries have only hashes of addresses and slots. What they are the hashes of is looked for among the accounts of the state; in a large one
that ends before it is found, and the account or slot is told without it, as op-geth does where it has no preimage.
"""

from __future__ import annotations

from typing import Any

from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import ADDRESS, ADDRESS_RESULT, BOOLEAN, HASH_RESULT, STRING_RESULT, list_of, object_of, or_null
from trinode.protocol.block import KnownHeader
from trinode.protocol.types import Address
from trinode.rollup.config import RollupConfig
from trinode.rollup.json_fields import to_hex
from trinode.rpc.debug.blocks import required_block
from trinode.rpc.debug.kinds import INTEGER, KEY, PLAIN_NUMBER
from trinode.rpc.debug.limits import DebugLimits
from trinode.rpc.debug.pages import Pages
from trinode.rpc.eth.block_names import BlockName, ByHash
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.errors import server_error
from trinode.rpc.eth.kinds import BLOCK_HASH, BLOCK_NAME, BLOCK_NUMBER
from trinode.rpc.eth.workers import Workers
from trinode.storage.store import Store

_ACCOUNTS = object_of({"root": STRING_RESULT, "accounts": {"type": "object"}}, optional={"next": STRING_RESULT})
_SLOTS = object_of({"storage": or_null({"type": "object"}), "nextKey": or_null(HASH_RESULT)})
_ADDRESSES = list_of(ADDRESS_RESULT)


class RangeMethods:
    """Pages of the states of `store`."""

    def __init__(self, config: RollupConfig, store: Store, workers: Workers, limits: DebugLimits) -> None:
        self._chain = Chain(config, store)
        self._store = store
        self._workers = workers
        self._limits = limits
        self._pages = Pages(store, limits)
        block, end = Param("block", BLOCK_NAME), Param("end", PLAIN_NUMBER, required=False)
        changed = "The accounts that blocks changed: those after the first to the second, or the first alone"
        self.methods: dict[str, Declared] = {
            "debug_accountRange": declare(
                self._account_range,
                "Accounts in the order of their hashes",
                block,
                Param("start", KEY),
                Param("maxResults", INTEGER),
                Param("noCode", BOOLEAN),
                Param("noStorage", BOOLEAN),
                Param("incompletes", BOOLEAN),
                result=_ACCOUNTS,
            ),
            "debug_getAccessibleState": declare(
                self._accessible_state,
                "The first block on the way from one to another whose state is here",
                Param("from", BLOCK_NUMBER),
                Param("to", BLOCK_NUMBER),
                result={"type": "integer"},
            ),
            "debug_getModifiedAccountsByHash": declare(
                self._modified_by_hash, changed, Param("start", BLOCK_HASH), Param("end", BLOCK_HASH, required=False), result=_ADDRESSES
            ),
            "debug_getModifiedAccountsByNumber": declare(
                self._modified_by_number, changed, Param("start", PLAIN_NUMBER), end, result=_ADDRESSES
            ),
            "debug_storageRangeAt": declare(
                self._storage_range,
                "An account's slots before a block, in the order of their hashes",
                block,
                Param("index", INTEGER),
                Param("address", ADDRESS),
                Param("start", KEY),
                Param("maxResults", INTEGER),
                result=_SLOTS,
            ),
        }

    async def _account_range(
        self, name: BlockName, start: bytes, most: int, no_code: bool, no_storage: bool, incompletes: bool
    ) -> dict[str, Any]:
        if not 0 < most <= self._limits.accounts:
            most = self._limits.accounts

        def read() -> dict[str, Any]:
            known = required_block(self._chain, name)
            return self._pages.accounts(known, start, most, code=not no_code, storage=not no_storage, incompletes=incompletes)

        return await self._workers.call(read, "account range")

    async def _storage_range(self, name: BlockName, index: int, address: Address, start: bytes, most: int) -> dict[str, Any]:
        """op-geth looks at the storage as the block before left it, whatever the transaction's index, which it only checks."""

        def read() -> dict[str, Any]:
            known = required_block(self._chain, name)
            if known.header.number == 0:
                raise server_error("no transaction in genesis")
            if not 0 <= index < len(self._chain.block(known).transactions):
                raise server_error(f"transaction index {index} out of range for block {to_hex(known.hash)}")
            parent = required_block(self._chain, ByHash(known.header.parent_hash))
            return self._pages.slots(parent, address, start, max(0, min(most, self._limits.slots)))

        return await self._workers.call(read, "storage range")

    async def _modified_by_number(self, start: int, end: int | None) -> list[str]:
        def read() -> list[str]:
            first = self._chain.find(start)
            if first is None:
                raise server_error(f"start block {start:x} not found")
            last = None if end is None else self._chain.find(end)
            if end is not None and last is None:
                raise server_error(f"end block {end} not found")
            return self._modified(first, last)

        return await self._workers.call(read, "comparison of states")

    async def _modified_by_hash(self, start: ByHash, end: ByHash | None) -> list[str]:
        def read() -> list[str]:
            first = self._chain.find(start)
            if first is None:
                raise server_error(f"start block {start.hash.hex()} not found")
            last = None if end is None else self._chain.find(end)
            if end is not None and last is None:
                raise server_error(f"end block {end.hash.hex()} not found")
            return self._modified(first, last)

        return await self._workers.call(read, "comparison of states")

    def _modified(self, first: KnownHeader, last: KnownHeader | None) -> list[str]:
        if last is None:
            if first.header.number == 0:
                raise server_error("block 0 has no parent")
            before, after = first.header.parent_hash, first.hash
        else:
            if first.header.number >= last.header.number:
                numbers = f"start block height ({first.header.number}) must be less than end block height ({last.header.number})"
                raise server_error(numbers)
            before, after = first.hash, last.hash
        return [to_hex(address) for address in self._store.changed_between(before, after, self._limits.modified)]

    async def _accessible_state(self, start: BlockName, end: BlockName) -> int:
        def read() -> int:
            first, last = self._number(start), self._number(end)
            oldest, head = self._store.oldest_state, self._store.head.number
            if first > head:
                raise server_error(f"missing header {first}")
            if first >= oldest:
                return first
            if last <= oldest:
                raise server_error("no accessible state found")
            return oldest

        return await self._workers.read(read)

    def _number(self, name: BlockName) -> int:
        return name if isinstance(name, int) else required_block(self._chain, name).header.number

"""Pages of states in geth's JSON. For worker threads."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

from eth_utils.address import to_checksum_address

from trinode.execution.state import EMPTY_CODE_HASH
from trinode.execution.trie.state_tries import AccountLeaf, account_key
from trinode.protocol.block import KnownHeader
from trinode.protocol.keccak import keccak256
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Address, Hash32
from trinode.rollup.json_fields import to_hex
from trinode.rpc.debug.limits import DebugLimits
from trinode.rpc.eth.errors import server_error
from trinode.storage.store import Store


class Pages:
    """Both methods raise MissingState, RpcError."""

    def __init__(self, store: Store, limits: DebugLimits) -> None:
        self._store = store
        self._limits = limits

    def accounts(self, known: KnownHeader, start: bytes, most: int, *, code: bool, storage: bool, incompletes: bool) -> dict[str, Any]:
        """At most so many accounts after a block, from the key `start` on. `incompletes`: also those whose address is not known."""
        tries, state = self._store.tries_at(known.hash), self._store.state_at(known.hash)
        leaves = list(islice(tries.accounts_from(start), most + 1))
        page, following = leaves[:most], leaves[most:]
        addresses = self._preimages(state.addresses(), {leaf.key for leaf in page})
        free = self._limits.page_slots
        shown: dict[str, Any] = {}
        for leaf in page:
            address = addresses.get(leaf.key)
            if address is None and not incompletes:
                continue
            shown[f"pre({to_hex(leaf.key)})" if address is None else to_checksum_address(address)] = account = _account(leaf, address)
            if code and leaf.account.code_hash != EMPTY_CODE_HASH:
                account["code"] = to_hex(state.code(leaf.account.code_hash))
            if storage and address is not None and leaf.storage_root != EMPTY_TRIE_ROOT:
                slots = {to_hex(slot): value.hex() for slot, value in islice(state.slots(address), free + 1)}
                account["storage"] = slots
                free -= len(slots)
                if free < 0:
                    raise server_error(f"these accounts have more than {self._limits.page_slots} slots: ask for fewer, or without storage")
        result: dict[str, Any] = {"root": known.header.state_root.hex(), "accounts": shown}
        return result | {"next": base64.b64encode(following[0].key).decode()} if following else result

    def slots(self, known: KnownHeader, address: Address, start: bytes, most: int) -> dict[str, Any]:
        """At most so many slots of an account after a block, from the key `start` on."""
        tries, state = self._store.tries_at(known.hash), self._store.state_at(known.hash)
        if tries.storage_root(address) == EMPTY_TRIE_ROOT:
            return {"storage": None, "nextKey": None}
        found = list(islice(tries.slots_from(account_key(address), start), most + 1))
        page, following = found[:most], found[most:]
        slots = self._preimages((slot for slot, _ in state.slots(address)), {key for key, _ in page})
        storage = {to_hex(key): {"key": to_hex(slots[key]) if key in slots else None, "value": f"0x{value:064x}"} for key, value in page}
        return {"storage": storage, "nextKey": to_hex(following[0][0]) if following else None}

    def _preimages(self, candidates: Iterator[bytes], keys: Collection[Hash32]) -> dict[Hash32, bytes]:
        """What of the addresses or slots has these hashes."""
        found: dict[Hash32, bytes] = {}
        if keys:
            for preimage in islice(candidates, self._limits.searched):
                if (digest := keccak256(preimage)) in keys:
                    found[digest] = preimage
                    if len(found) == len(keys):
                        break
        return found


def _account(leaf: AccountLeaf, address: Address | None) -> dict[str, Any]:
    account = leaf.account
    shown: dict[str, Any] = {
        "balance": str(account.balance),
        "nonce": account.nonce,
        "root": to_hex(leaf.storage_root),
        "codeHash": to_hex(account.code_hash),
        "key": to_hex(leaf.key),
    }
    return shown if address is None else shown | {"address": to_hex(address)}

"""Accounts, storage and proofs (execution-apis: eth/state; EIP-1186)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trinode.execution.state import EMPTY_ACCOUNT
from trinode.jsonrpc.fields import InvalidParams, parse_list
from trinode.jsonrpc.proof_object import proof_object, slot_name
from trinode.jsonrpc.requests import take_params
from trinode.protocol.types import Address
from trinode.rollup.json_fields import to_hex
from trinode.rpc.dispatch import Handler
from trinode.rpc.eth.block_names import PENDING, parse_address, parse_block_name, parse_word
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.workers import Workers


class StateMethods:
    """The state after a block. `pending_nonce` knows the pool: the next nonce of an account that has transactions there."""

    def __init__(self, chain: Chain, workers: Workers, pending_nonce: Callable[[Address], int | None], proof_slots: int) -> None:
        self._chain = chain
        self._workers = workers
        self._pending_nonce = pending_nonce
        self._proof_slots = proof_slots
        self.methods: dict[str, Handler] = {
            "eth_getBalance": self._get_balance,
            "eth_getCode": self._get_code,
            "eth_getProof": self._get_proof,
            "eth_getStorageAt": self._get_storage_at,
            "eth_getTransactionCount": self._get_transaction_count,
        }

    async def _get_balance(self, params: list[Any]) -> str:
        address, block = take_params(params, 1, 1)
        who, name = parse_address(address, "params[0]"), parse_block_name(block, "params[1]")
        return hex(await self._workers.read(lambda: (self._chain.state(name)[1].account(who) or EMPTY_ACCOUNT).balance))

    async def _get_transaction_count(self, params: list[Any]) -> str:
        address, block = take_params(params, 1, 1)
        who, name = parse_address(address, "params[0]"), parse_block_name(block, "params[1]")

        def count() -> int:
            pending = self._pending_nonce(who) if name == PENDING else None
            return (self._chain.state(name)[1].account(who) or EMPTY_ACCOUNT).nonce if pending is None else pending

        return hex(await self._workers.read(count))

    async def _get_code(self, params: list[Any]) -> str:
        address, block = take_params(params, 1, 1)
        who, name = parse_address(address, "params[0]"), parse_block_name(block, "params[1]")

        def read() -> bytes:
            _, state = self._chain.state(name)
            account = state.account(who) or EMPTY_ACCOUNT
            return b"" if account.code_hash == EMPTY_ACCOUNT.code_hash else state.code(account.code_hash)

        return to_hex(await self._workers.read(read))

    async def _get_storage_at(self, params: list[Any]) -> str:
        address, slot, block = take_params(params, 2, 1)
        who, where = parse_address(address, "params[0]"), parse_word(slot, "params[1]")
        name = parse_block_name(block, "params[2]")
        return f"0x{await self._workers.read(lambda: self._chain.state(name)[1].storage(who, where)):064x}"

    async def _get_proof(self, params: list[Any]) -> dict[str, Any]:
        address, keys, block = take_params(params, 2, 1)
        who, name = parse_address(address, "params[0]"), parse_block_name(block, "params[2]")
        asked = parse_list(keys, "params[1]")
        if len(asked) > self._proof_slots:
            raise InvalidParams("params[1]", f"{len(asked)} slots, at most {self._proof_slots} are proved at once")
        slots = [parse_word(key, f"params[1][{index}]") for index, key in enumerate(asked)]
        names = [slot_name(key, slot) for key, slot in zip(asked, slots, strict=True)]

        def prove() -> dict[str, Any]:
            tries = self._chain.store.tries_at(self._chain.header(name).hash)
            return proof_object(who, tries.account_proof(who, slots), names)

        return await self._workers.call(prove, "proof")

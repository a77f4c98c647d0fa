"""Accounts, storage and proofs (execution-apis: eth/state; EIP-1186)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trinode.execution.state import EMPTY_ACCOUNT
from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import ADDRESS, DATA_RESULT, HASH_RESULT, QUANTITY_RESULT, items
from trinode.jsonrpc.proof_object import proof_object
from trinode.protocol.types import Address
from trinode.rollup.json_fields import to_hex
from trinode.rpc.eth.block_names import LATEST, PENDING, BlockName
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.kinds import BLOCK_NAME, SLOT, WORD
from trinode.rpc.eth.schemas import PROOF
from trinode.rpc.eth.workers import Workers


class StateMethods:
    """The state after a block. `pending_nonce` knows the pool: the next nonce of an account that has transactions there."""

    def __init__(self, chain: Chain, workers: Workers, pending_nonce: Callable[[Address], int | None], proof_slots: int) -> None:
        self._chain = chain
        self._workers = workers
        self._pending_nonce = pending_nonce
        who, block = Param("address", ADDRESS), Param("block", BLOCK_NAME, required=False, default=LATEST)
        slots = Param("slots", items(SLOT, proof_slots))
        self.methods: dict[str, Declared] = {
            "eth_getBalance": declare(self._get_balance, "An account's balance, in wei", who, block, result=QUANTITY_RESULT),
            "eth_getCode": declare(self._get_code, "An account's code", who, block, result=DATA_RESULT),
            "eth_getProof": declare(self._get_proof, "An account and slots of its storage, with proofs", who, slots, block, result=PROOF),
            "eth_getStorageAt": declare(
                self._get_storage_at, "A slot of an account's storage", who, Param("slot", WORD), block, result=HASH_RESULT
            ),
            "eth_getTransactionCount": declare(
                self._get_transaction_count, "An account's nonce; `pending`: its next one in the pool", who, block, result=QUANTITY_RESULT
            ),
        }

    async def _get_balance(self, who: Address, name: BlockName) -> str:
        return hex(await self._workers.read(lambda: (self._chain.state(name)[1].account(who) or EMPTY_ACCOUNT).balance))

    async def _get_transaction_count(self, who: Address, name: BlockName) -> str:
        def count() -> int:
            pending = self._pending_nonce(who) if name == PENDING else None
            return (self._chain.state(name)[1].account(who) or EMPTY_ACCOUNT).nonce if pending is None else pending

        return hex(await self._workers.read(count))

    async def _get_code(self, who: Address, name: BlockName) -> str:
        def read() -> bytes:
            _, state = self._chain.state(name)
            account = state.account(who) or EMPTY_ACCOUNT
            return b"" if account.code_hash == EMPTY_ACCOUNT.code_hash else state.code(account.code_hash)

        return to_hex(await self._workers.read(read))

    async def _get_storage_at(self, who: Address, where: int, name: BlockName) -> str:
        return f"0x{await self._workers.read(lambda: self._chain.state(name)[1].storage(who, where)):064x}"

    async def _get_proof(self, who: Address, slots: tuple[tuple[int, str], ...], name: BlockName) -> dict[str, Any]:
        def prove() -> dict[str, Any]:
            tries = self._chain.store.tries_at(self._chain.header(name).hash)
            return proof_object(who, tries.account_proof(who, [slot for slot, _ in slots]), [shown for _, shown in slots])

        return await self._workers.call(prove, "proof")

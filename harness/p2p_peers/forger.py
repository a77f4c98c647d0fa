"""Blocks of a devnet as its sequencer could make them: the ones that it made, others in their place, wrong ones; with its signature."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.bare_blocks import rehashed
from trinode.devnet.accounts import ACCOUNTS, L2_CHAIN_ID
from trinode.devnet.genesis import l2_genesis
from trinode.engine.core import EngineCore
from trinode.engine.service import EngineService
from trinode.engine.status import ForkchoiceState, Status
from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.protocol.payload import PayloadAttributes, PayloadEnvelope
from trinode.protocol.transaction import encode_transaction, sign_transaction
from trinode.protocol.transaction_types import DynamicFeeTransaction
from trinode.rollup.config import RollupConfig
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

_USER = ACCOUNTS[7]
"""Whose transactions are in other blocks than the sequencer's; a test that uses it makes its own nonces wrong."""


class Forger:
    """An engine in this process that is told the chain's blocks in order."""

    def __init__(self, engine: EngineService, config: RollupConfig) -> None:
        self._engine = engine
        self._genesis = config.genesis.l2.hash

    async def follow(self, envelope: PayloadEnvelope) -> None:
        """The chain goes on with this block."""
        status = await self._engine.new_payload(envelope)
        assert status.status is Status.VALID, status
        result = await self._engine.forkchoice_updated(self._choice(envelope.payload.block_hash), None)
        assert result.payload_status.status is Status.VALID, result

    async def other(self, envelope: PayloadEnvelope, parent: PayloadEnvelope | None = None, nonce: int = 0) -> PayloadEnvelope:
        """A right block in place of `envelope`, with one transaction more: on the same parent, or on another one of ours."""
        payload = envelope.payload
        parent_hash = payload.parent_hash if parent is None else parent.payload.block_hash
        transfer = sign_transaction(DynamicFeeTransaction(L2_CHAIN_ID, nonce, 10**6, 10**11, 21_000, b"\x77" * 20, 1, b""), _USER.key)
        attributes = PayloadAttributes(
            timestamp=payload.timestamp,
            prev_randao=payload.prev_randao,
            suggested_fee_recipient=payload.fee_recipient,
            withdrawals=(),
            parent_beacon_block_root=envelope.parent_beacon_block_root,
            transactions=(*payload.transactions, encode_transaction(transfer)),
            no_tx_pool=True,
            gas_limit=payload.gas_limit,
            eip1559_params=payload.extra_data[1:9],
            min_base_fee=int.from_bytes(payload.extra_data[9:17], "big"),
        )
        begun = await self._engine.forkchoice_updated(self._choice(parent_hash), attributes)
        assert begun.payload_id is not None, begun
        made = (await self._engine.get_payload(begun.payload_id)).envelope
        status = await self._engine.new_payload(made)
        assert status.status is Status.VALID, status
        return made

    def _choice(self, head: bytes) -> ForkchoiceState:
        return ForkchoiceState(head, self._genesis, self._genesis)


@asynccontextmanager
async def forging(folder: Path, config: RollupConfig) -> AsyncIterator[Forger]:
    """A forger of the devnet with that config, until the end of the block."""
    genesis = l2_genesis(config.genesis.l1, config.genesis.l2_time, config.block_time).block
    with Store.create(folder, ChainIdentity(config.l2_chain_id, genesis.hash), genesis, history=None) as store:
        service = EngineService(EngineCore(store, BlockExecutor(config, FastEngine())))
        try:
            yield Forger(service, config)
        finally:
            await service.close()


def changed(envelope: PayloadEnvelope, **fields: Any) -> PayloadEnvelope:
    """The block with other fields, and the hash that it has then."""
    return rehashed(replace(envelope, payload=replace(envelope.payload, **fields)))

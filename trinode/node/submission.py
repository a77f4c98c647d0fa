"""Where transactions of users go: into our pool, from which we sequence, or to the sequencer of the chain (trinode.rpc.node.TransactionTaker)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
import trio

from trinode.engine.pool.condition import Condition
from trinode.engine.pool.limits import PoolError
from trinode.engine.pool.pool import TransactionPool
from trinode.execution.errors import MissingState
from trinode.jsonrpc.calls import JsonRpc, RpcRefusedError
from trinode.jsonrpc.endpoint import EndpointError
from trinode.jsonrpc.replies import JsonObject
from trinode.protocol.types import Hash32
from trinode.rollup.json_fields import to_hex
from trinode.rpc.node import TransactionRefused, TransactionTaker

_SERVER_ERROR = -32000

_log = structlog.get_logger()


class ToPool:
    """Takes transactions into the pool."""

    def __init__(self, pool: TransactionPool) -> None:
        self._pool = pool
        self._threads = trio.CapacityLimiter(2)

    async def send_raw_transaction(self, raw: bytes) -> Hash32:
        """Raises TransactionRefused."""
        return await self.send_conditional(raw, None)

    async def send_conditional(self, raw: bytes, condition: Condition | None) -> Hash32:
        """With a condition that must hold when a block is made. Raises TransactionRefused."""
        try:
            return await trio.to_thread.run_sync(self._pool.add, raw, condition, limiter=self._threads)
        except PoolError as error:
            raise TransactionRefused(error.code, error.message) from error
        except MissingState as error:
            raise TransactionRefused(_SERVER_ERROR, str(error)) from error


class ToSequencer:
    """Passes transactions on. They are kept in the pool too, so that this node answers for them until they are in a block."""

    def __init__(self, sequencer: JsonRpc, pool: TransactionTaker | None) -> None:
        self._sequencer = sequencer
        self._pool = pool

    async def send_raw_transaction(self, raw: bytes) -> Hash32:
        """Raises TransactionRefused with what the sequencer says."""
        return await self._pass_on("eth_sendRawTransaction", [to_hex(raw)], raw)

    async def send_conditional(self, raw: bytes, conditions: Mapping[str, Any]) -> Hash32:
        """With conditions, as they were given, for the sequencer to check. Raises TransactionRefused with what it says."""
        return await self._pass_on("eth_sendRawTransactionConditional", [to_hex(raw), dict(conditions)], raw)

    async def _pass_on(self, method: str, params: list[Any], raw: bytes) -> Hash32:
        try:
            transaction_hash = await self._sequencer.call(
                method, params, lambda result: JsonObject({"": result}, "result").data("", 32), patient=False
            )
        except RpcRefusedError as error:
            raise TransactionRefused(error.code, error.reason) from error
        except EndpointError as error:
            _log.warning(str(error))
            raise TransactionRefused(_SERVER_ERROR, "the sequencer could not be reached, try again later") from error
        if self._pool is not None:
            try:
                await self._pool.send_raw_transaction(raw)
            except TransactionRefused as refused:
                _log.debug(f"a transaction that the sequencer took is not in our pool: {refused.message}")
        return transaction_hash

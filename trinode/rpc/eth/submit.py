"""eth_sendRawTransaction (execution-apis: eth/submit)."""

from __future__ import annotations

from typing import Any

from trinode.jsonrpc.fields import parse_data
from trinode.jsonrpc.requests import RpcError, take_params
from trinode.rollup.json_fields import to_hex
from trinode.rpc.dispatch import Handler
from trinode.rpc.eth.errors import server_error
from trinode.rpc.node import TransactionRefused, TransactionTaker


class SubmitMethods:
    """Transactions for who takes them; None: nobody does."""

    def __init__(self, taker: TransactionTaker | None) -> None:
        self._taker = taker
        self.methods: dict[str, Handler] = {"eth_sendRawTransaction": self._send}

    async def _send(self, params: list[Any]) -> str:
        (raw,) = take_params(params, 1)
        transaction = parse_data(raw, "params[0]")
        if self._taker is None:
            raise server_error("this node takes no transactions: it has neither a pool nor a sequencer to hand them to")
        try:
            return to_hex(await self._taker.send_raw_transaction(transaction))
        except TransactionRefused as refused:
            raise RpcError(refused.code, refused.message, data=refused.data) from refused

"""eth_sendRawTransaction (execution-apis: eth/submit)."""

from __future__ import annotations

from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import DATA, HASH_RESULT
from trinode.jsonrpc.requests import RpcError
from trinode.protocol.types import Hash32
from trinode.rollup.json_fields import to_hex
from trinode.rpc.eth.errors import server_error
from trinode.rpc.node import TransactionRefused, TransactionTaker

NOBODY_TAKES = "this node takes no transactions: it has neither a pool nor a sequencer to hand them to"


class SubmitMethods:
    """Transactions for who takes them; None: nobody does."""

    def __init__(self, taker: TransactionTaker | None) -> None:
        self._taker = taker
        self.methods: dict[str, Declared] = {
            "eth_sendRawTransaction": declare(
                self._send, "Hands in a signed transaction; its hash", Param("transaction", DATA), result=HASH_RESULT
            ),
        }

    async def _send(self, transaction: bytes) -> str:
        return to_hex(await hand_in(self._taker, transaction))


async def hand_in(taker: TransactionTaker | None, transaction: bytes) -> Hash32:
    """Gives a transaction to who takes them; its hash. Raises RpcError."""
    if taker is None:
        raise server_error(NOBODY_TAKES)
    try:
        return await taker.send_raw_transaction(transaction)
    except TransactionRefused as refused:
        raise RpcError(refused.code, refused.message, data=refused.data) from refused

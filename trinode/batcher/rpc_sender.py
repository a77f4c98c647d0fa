"""`L1Sender` over the JSON-RPC of execution clients: one endpoint after the other where one fails.

Clients say in words why they refuse a transaction; the words below are those of Geth, Reth, Nethermind, Besu, Erigon and Anvil.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from trinode.batcher.l1_sender import L1Head, L1Unavailable, Refusal, TransactionRefused
from trinode.jsonrpc.calls import JsonRpc, MethodMissingError, RpcRefusedError
from trinode.jsonrpc.endpoint import EndpointError, Read
from trinode.jsonrpc.replies import JsonObject, RpcJsonError, header_of
from trinode.protocol.types import Address, BlockId, Hash32

T = TypeVar("T")

# The first that fits counts, so the narrower come first.
_WORDS: tuple[tuple[Refusal, tuple[str, ...]], ...] = (
    (Refusal.ALREADY_KNOWN, ("already known", "alreadyknown", "already imported", "known transaction")),
    (Refusal.ALREADY_RESERVED, ("address already reserved",)),
    (Refusal.SIDECAR_VERSION, ("sidecar", "cell proof", "wrapper version", "blob transaction wrapper", "decode", "rlp")),
    (Refusal.REPLACEMENT_UNDERPRICED, ("replacement", "could not replace")),
    (Refusal.NONCE_TOO_LOW, ("nonce too low", "oldnonce", "nonce is too low", "nonce below")),
    (Refusal.NONCE_TOO_HIGH, ("nonce too high", "nonce gap", "noncegap", "nonce is too distant", "gapped nonce")),
    (Refusal.INSUFFICIENT_FUNDS, ("insufficient funds", "insufficientfunds", "overshot", "upfront cost exceeds")),
    (Refusal.UNDERPRICED, ("underpriced", "less than block base fee", "less than block blob", "feetoolow", "fee too low", "max fee per")),
    (Refusal.BUSY, ("txpool is full", "pool is full", "account limit exceeded", "rate limit", "too many", "limit exceeded")),
)
_DEFAULT_TIP = 10**9


def classify_refusal(message: str) -> Refusal:
    """What an endpoint's words mean."""
    text = message.lower()
    return next((refusal for refusal, words in _WORDS if any(word in text for word in words)), Refusal.OTHER)


class RpcL1Sender:
    """Asks the endpoint that answered last, and the next one where it does not answer. Let the endpoints' own retries be few."""

    def __init__(self, endpoints: Sequence[JsonRpc]) -> None:
        if not endpoints:
            raise ValueError("no L1 endpoint to send to")
        self._endpoints = list(endpoints)
        self._current = 0

    async def _call(self, method: str, params: list[Any], read: Read[T], *, patient: bool = True) -> T:
        """Raises L1Unavailable, or with `patient` False what the first endpoint that answers says against the call."""
        problems: list[EndpointError] = []
        for _ in self._endpoints:
            try:
                return await self._endpoints[self._current].call(method, params, read, patient=patient)
            except RpcRefusedError as error:
                if not patient:
                    raise
                problems.append(error)
            except EndpointError as error:
                problems.append(error)
            self._current = (self._current + 1) % len(self._endpoints)
        raise L1Unavailable("; ".join(map(str, problems))) from problems[-1]

    async def chain_id(self) -> int:
        """L1's chain id."""
        return await self._call("eth_chainId", [], _quantity)

    async def head(self) -> L1Head:
        """The newest block."""
        return await self._call("eth_getBlockByNumber", ["latest", False], _head)

    async def nonce(self, address: Address, *, pending: bool) -> int:
        """The account's next nonce."""
        return await self._call("eth_getTransactionCount", ["0x" + address.hex(), "pending" if pending else "latest"], _quantity)

    async def tip(self) -> int:
        """The suggested priority fee; one gwei where no endpoint suggests any."""
        try:
            return await self._call("eth_maxPriorityFeePerGas", [], _quantity)
        except L1Unavailable as error:
            if isinstance(error.__cause__, MethodMissingError):
                return _DEFAULT_TIP
            raise

    async def send(self, raw: bytes) -> None:
        """Send a transaction; nothing is read from the answer but that there is no error."""
        try:
            await self._call("eth_sendRawTransaction", ["0x" + raw.hex()], lambda _: None, patient=False)
        except RpcRefusedError as error:
            raise TransactionRefused(classify_refusal(error.reason), str(error)) from error

    async def inclusion(self, transaction_hash: Hash32) -> BlockId | None:
        """The block of the transaction's receipt."""
        return await self._call("eth_getTransactionReceipt", ["0x" + transaction_hash.hex()], _inclusion)


def _quantity(value: Any) -> int:
    return JsonObject({"result": value}, "").quantity("result")


def _head(value: Any) -> L1Head:
    block = JsonObject(value, "block")
    header = header_of(block)
    if header.base_fee_per_gas is None:
        raise RpcJsonError("block.baseFeePerGas", "missing: L1 is before London")
    return L1Head(BlockId(header.number, block.data("hash", 32)), header.timestamp, header.base_fee_per_gas, header.excess_blob_gas)


def _inclusion(value: Any) -> BlockId | None:
    if value is None:
        return None
    receipt = JsonObject(value, "receipt")
    if not receipt.has("blockHash"):
        return None  # Some clients give receipts of pending transactions.
    return BlockId(receipt.quantity("blockNumber"), receipt.data("blockHash", 32))

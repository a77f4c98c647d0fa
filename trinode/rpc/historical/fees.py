"""eth_feeHistory over Bedrock (execution-apis: eth/fee_market). It came after geth 1.9.10, so that it is made of blocks here: they have no base
fee, and a transaction's whole price is its tip.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeAlias

from trinode.jsonrpc.replies import JsonObject, RpcJsonError
from trinode.rpc.eth.block_names import EARLIEST
from trinode.rpc.eth.fees import check_percentiles
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.historical.here import Here
from trinode.rpc.historical.legacy import Legacy
from trinode.rpc.historical.missing import no_endpoint

FeeHistory: TypeAlias = Callable[[int, str | int, Sequence[float]], Awaitable[Any]]
"""Blocks, the newest one and percentiles; gives the answer's object."""

_ZERO = "0x0"


@dataclass(frozen=True, slots=True)
class _Paid:
    """A transaction before Bedrock: wei for a unit of gas."""

    hash: str
    price: int


@dataclass(frozen=True, slots=True)
class _Block:
    """A block before Bedrock, as far as fees go."""

    gas_used: int
    gas_limit: int
    transactions: tuple[_Paid, ...]

    @property
    def ratio(self) -> float:
        return self.gas_used / self.gas_limit if self.gas_limit else 0.0


class FeeRanges:
    """`legacy` None: histories begin with Bedrock."""

    def __init__(self, legacy: Legacy | None, here: Here, limits: EthLimits) -> None:
        self._legacy = legacy
        self._here = here
        self._most = limits.fee_blocks

    async def get(self, local: FeeHistory, count: int, newest: str | int, percentiles: Sequence[float]) -> Any:
        """The history that a request means; `local` has it from Bedrock on. Raises RpcError."""
        bedrock = self._here.bedrock
        number = 0 if newest == EARLIEST and self._legacy is not None else newest
        if not count or not isinstance(number, int) or number >= bedrock:
            return await self._crossing(local, count, newest, percentiles)
        if self._legacy is None:
            raise no_endpoint(execution=False)
        check_percentiles(percentiles)
        blocks = await self._blocks(self._legacy, number, min(count, self._most), percentiles)
        following = _ZERO
        if number == bedrock - 1:
            following = (await local(1, bedrock, ()))["baseFeePerGas"][0]
        answer: dict[str, Any] = {"oldestBlock": hex(number + 1 - len(blocks)), "baseFeePerGas": [_ZERO] * len(blocks) + [following]}
        answer["gasUsedRatio"] = [block.ratio for block in blocks]
        answer |= {"baseFeePerBlobGas": [_ZERO] * (len(blocks) + 1), "blobGasUsedRatio": [0] * len(blocks)}
        return answer | ({"reward": await self._rewards(self._legacy, blocks, percentiles)} if percentiles else {})

    async def _crossing(self, local: FeeHistory, count: int, newest: str | int, percentiles: Sequence[float]) -> Any:
        newer = await local(count, newest, percentiles)
        # Where it begins later than Bedrock does, there are gaps before it that nobody fills.
        if self._legacy is None or not count or newer["oldestBlock"] != hex(self._here.bedrock):
            return newer
        missing = min(count, self._most) - len(newer["gasUsedRatio"])
        if missing <= 0:
            return newer
        blocks = await self._blocks(self._legacy, self._here.bedrock - 1, missing, percentiles)
        zeros = [_ZERO] * len(blocks)
        answer = newer | {
            "oldestBlock": hex(self._here.bedrock - len(blocks)),
            "baseFeePerGas": zeros + newer["baseFeePerGas"],
            "gasUsedRatio": [block.ratio for block in blocks] + newer["gasUsedRatio"],
            "baseFeePerBlobGas": zeros + newer["baseFeePerBlobGas"],
            "blobGasUsedRatio": [0] * len(blocks) + newer["blobGasUsedRatio"],
        }
        if percentiles:
            answer["reward"] = await self._rewards(self._legacy, blocks, percentiles) + newer["reward"]
        return answer

    async def _blocks(self, legacy: Legacy, newest: int, count: int, percentiles: Sequence[float]) -> list[_Block]:
        """Up to `count` blocks that end with `newest`, oldest first."""
        numbers = range(max(0, newest + 1 - count), newest + 1)
        whole = bool(percentiles)
        wanted = [[hex(number), whole] for number in numbers]
        found = await legacy.ask_many("eth_getBlockByNumber", wanted, lambda block: _read(block, whole=whole))
        if [number for number, _ in found] != list(numbers):
            raise legacy.wrong("eth_getBlockByNumber", "other blocks came than were asked for")
        return [block for _, block in found]

    async def _rewards(self, legacy: Legacy, blocks: Sequence[_Block], percentiles: Sequence[float]) -> list[list[str]]:
        """Prices in wei, by the share of the block's gas that paid no more."""
        # One transaction has all the gas of its block, and most blocks have one; receipts say how several share it.
        shared = [paid.hash for block in blocks if len(block.transactions) > 1 for paid in block.transactions]
        used = await legacy.ask_many("eth_getTransactionReceipt", [[each] for each in shared], _read_gas_used)
        gas_of = dict(zip(shared, used, strict=True))
        return [_row(block, gas_of, percentiles) for block in blocks]


def _read(block: Any, *, whole: bool) -> tuple[int, _Block]:
    fields = JsonObject(block, "result")
    number = fields.quantity("number")
    transactions = block.get("transactions")
    if not isinstance(transactions, list):
        raise RpcJsonError("result.transactions", "a list was expected")
    paid = [_read_paid(JsonObject(each, "result.transactions[]")) for each in transactions] if whole else []
    return number, _Block(fields.quantity("gasUsed"), fields.quantity("gasLimit"), tuple(paid))


def _read_paid(fields: JsonObject) -> _Paid:
    return _Paid("0x" + fields.data("hash", 32).hex(), fields.quantity("gasPrice"))


def _read_gas_used(receipt: Any) -> int:
    return JsonObject(receipt, "result").quantity("gasUsed")


def _row(block: _Block, gas_of: dict[str, int], percentiles: Sequence[float]) -> list[str]:
    paid = sorted((each.price, gas_of.get(each.hash, block.gas_used)) for each in block.transactions)
    if not paid:
        return [_ZERO] * len(percentiles)
    reached = list(accumulate(gas for _, gas in paid))
    places = [bisect_left(reached, int(block.gas_used * percentile / 100)) for percentile in percentiles]
    return [hex(paid[min(place, len(paid) - 1)][0]) for place in places]

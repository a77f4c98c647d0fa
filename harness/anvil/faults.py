"""What can be wrong with an L1 endpoint: it fails, refuses, lags behind, or lies."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from enum import Enum
from typing import Any


class Fault(Enum):
    """What an endpoint does, from when it is switched on. Of the lies, one field is altered in each answer that has it."""

    HTTP_ERROR = "answers HTTP 503"
    SILENCE = "takes requests and never answers"
    HANG_UP = "closes the connection in the middle of its answer"
    TOO_MANY_REQUESTS = "answers HTTP 429 with Retry-After"
    NO_BATCHES = "refuses batches"
    NO_BLOCK_RECEIPTS = "has no eth_getBlockReceipts"
    NO_RECEIPTS = "has no block's receipts (null)"
    NO_BLOBS = "has pruned its blobs"
    WRONG_CHAIN = "says that it is of another chain"
    WRONG_HEADER = "alters the randomness in headers"
    WRONG_TRANSACTION = "alters a transaction's value"
    WRONG_RECEIPT = "alters a log's data in receipts"
    WRONG_BLOB = "alters a blob"


class Faults:
    """The faults of one endpoint. Set `now` and `lag` (blocks behind the head) at any time; `done` counts what they came to."""

    def __init__(self, *now: Fault, lag: int = 0) -> None:
        self.now: set[Fault] = set(now)
        self.lag = lag
        self.done: Counter[Fault] = Counter()

    def hit(self, fault: Fault) -> bool:
        """Whether the fault is on; who asks does it."""
        self.done[fault] += fault in self.now
        return fault in self.now

    def altered(self, method: str, result: Any) -> Any:
        """A call's result, or what is answered in its place."""
        if method == "eth_chainId" and self.hit(Fault.WRONG_CHAIN):
            return "0x1"
        if method in ("eth_getBlockReceipts", "eth_getTransactionReceipt") and self.hit(Fault.NO_RECEIPTS):
            return None
        if method == "eth_getBlockReceipts" and any(receipt["logs"] for receipt in result or ()) and self.hit(Fault.WRONG_RECEIPT):
            result = deepcopy(result)
            log = next(log for receipt in result for log in receipt["logs"])
            log["data"] = flipped(log["data"])
        if method in ("eth_getBlockByNumber", "eth_getBlockByHash") and result is not None:
            result = self._altered_block(result)
        return result

    def _altered_block(self, block: dict[str, Any]) -> dict[str, Any]:
        transactions = block["transactions"]
        if transactions and isinstance(transactions[0], dict) and self.hit(Fault.WRONG_TRANSACTION):
            first = {**transactions[0], "value": hex(int(transactions[0]["value"], 16) + 1)}
            block = {**block, "transactions": [first, *transactions[1:]]}
        if self.hit(Fault.WRONG_HEADER):
            block = {**block, "mixHash": flipped(block["mixHash"])}
        return block

    def altered_blob(self, blob: str) -> str:
        """A blob, or another one."""
        return flipped(blob) if self.hit(Fault.WRONG_BLOB) else blob


def flipped(data: str) -> str:
    """Bytes in hex with the last bit turned."""
    return data[:-1] + format(int(data[-1], 16) ^ 1, "x")

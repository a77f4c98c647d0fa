"""Requests to all namespaces about a recorded chain, drawn by chance, good and bad: for whoever compares two servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from tests.requests_beside_calls import CallRequests
from trinode.protocol.transaction import transaction_hash
from trinode.rpc.eth.chain import Chain

Params: TypeAlias = list[Any]

_TAGS = ("latest", "latest", "pending", "safe", "finalized", "earliest")
_NOWHERE = "0x" + "12" * 32
_L1_BLOCK = "0x4200000000000000000000000000000000000015"
_MALFORMED_NUMBERS: tuple[Any, ...] = ("0x", "", "0x01", "12", 12, "newest", "Latest", "0x" + "f" * 17, "0xzz", None, True, [], 1.5, "-0x1", "0X1")
_MALFORMED_NAMES: tuple[Any, ...] = (
    *_MALFORMED_NUMBERS,
    {},
    {"blockNumber": "0x1", "blockHash": _NOWHERE},
    {"blockHash": "0x12"},
    {"blockNumber": 7},
    {"blockHash": _NOWHERE, "requireCanonical": "yes"},
    "0x" + "1" * 63,
    "0x" + "g" * 64,
)
_WRONG: tuple[Any, ...] = (None, True, 7, -1, 1.5, "", "0x", "0x1", "0x0g", "abc", [], {}, ["0x1"], {"a": 1}, "0x" + "ab" * 20, "0x" + "cd" * 33)
_EMPTY = (
    *("eth_accounts", "eth_blobBaseFee", "eth_blockNumber", "eth_chainId", "eth_gasPrice", "eth_maxPriorityFeePerGas", "eth_syncing", "eth_config"),
    *("eth_pendingTransactions", "net_version", "net_listening", "net_peerCount", "txpool_status", "txpool_content", "txpool_inspect"),
    *("debug_chainConfig", "debug_getBadBlocks", "eth_noSuchMethod", "nosuch_method"),
)


@dataclass(frozen=True)
class _Log:
    """What of a log filters ask for, and the block that it is in."""

    address: str
    topics: tuple[str, ...]
    block: int


class RequestsBeside:
    """A method and its parameters at a time. The same chain and the same `random` give the same requests."""

    def __init__(self, chain: Chain, random: Random) -> None:
        self._random = random
        self._head = chain.head.number
        self._hashes: list[str] = []
        self._transactions: list[tuple[int, int, str, str]] = []
        self._logs: list[_Log] = []
        for number in range(self._head + 1):
            self._read(chain, number)
        self._calls = CallRequests(chain, random, self.block_name)
        self._accounts = [*self._calls.accounts, _L1_BLOCK, f"0x{1:040x}", "0x" + "77" * 20]
        block, state = self._of_block, self._of_state
        kinds: Mapping[Callable[[], tuple[str, Params]], int] = {
            block: 20,
            state: 20,
            self._of_transaction: 14,
            self._of_logs: 8,
            self._of_fees: 5,
            self._of_nothing: 5,
            self._raw: 6,
            self._ranges: 3,
            self._odd: 3,
            self._calls.draw: 40,
        }
        self._kinds, self._weights = list(kinds), list(kinds.values())

    def _read(self, chain: Chain, number: int) -> None:
        known = chain.by_number(number)
        assert known is not None
        self._hashes.append("0x" + known.hash.hex())
        for index, raw in enumerate(chain.block(known).transactions):
            self._transactions.append((number, index, "0x" + transaction_hash(raw).hex(), "0x" + raw.hex()))
        for receipt in chain.receipts(known) if number else ():
            self._logs += [_Log("0x" + log.address.hex(), tuple("0x" + topic.hex() for topic in log.topics), number) for log in receipt.logs]

    def draw(self) -> tuple[str, Params]:
        """The next one."""
        random = self._random
        method, params = random.choices(self._kinds, self._weights)[0]()
        return method, self._spoiled(params) if random.random() < 0.05 else params

    def _spoiled(self, params: Params) -> Params:
        """With one thing wrong in them, most of the time."""
        random, params = self._random, list(params)
        if params and random.random() < 0.2:
            return params[:-1]
        if not params or random.random() < 0.2:
            return [*params, random.choice(_WRONG)]
        place = random.randrange(len(params))
        if isinstance(params[place], dict) and params[place] and random.random() < 0.7:
            name = random.choice(sorted(params[place]))
            params[place] = {**params[place], name: random.choice(_WRONG)}
        else:
            params[place] = random.choice(_WRONG)
        return params

    # ---- blocks ----

    def block_number(self) -> Any:
        """A number or a tag; one that is not there, or none at all, now and then."""
        random, chance = self._random, self._random.random()
        if chance < 0.7:
            return hex(random.randint(0, self._head))
        if chance < 0.92:
            return random.choice(_TAGS)
        return hex(self._head + random.choice((1, 2, 1000, 2**40))) if chance < 0.96 else random.choice(_MALFORMED_NUMBERS)

    def block_hash(self) -> Any:
        """The same for methods that want a hash."""
        random, chance = self._random, self._random.random()
        if chance < 0.92:
            return random.choice(self._hashes)
        return _NOWHERE if chance < 0.96 else random.choice(("0x", "0x12", 5, "latest", _NOWHERE + "00", _NOWHERE[2:]))

    def block_name(self) -> Any:
        """In any form that there is."""
        random, chance = self._random, self._random.random()
        if chance < 0.6:
            return self.block_number()
        if chance < 0.7:
            return random.choice(self._hashes)
        if chance < 0.8:
            return {"blockNumber": self.block_number()}
        if chance < 0.95:
            given = {"blockHash": random.choice((*self._hashes, _NOWHERE))}
            return given if random.random() < 0.3 else {**given, "requireCanonical": random.random() < 0.5}
        return random.choice(_MALFORMED_NAMES)

    def _of_block(self) -> tuple[str, Params]:
        random = self._random
        whole = random.random() < 0.5
        index = random.choice(("0x0", "0x0", "0x1", "0x5", "0xffff", "0x01", 0))
        return random.choice(
            [
                ("eth_getBlockByNumber", [self.block_number(), whole]),
                ("eth_getBlockByHash", [self.block_hash(), whole]),
                ("eth_getHeaderByNumber", [self.block_number()]),
                ("eth_getHeaderByHash", [self.block_hash()]),
                ("eth_getBlockTransactionCountByNumber", [self.block_number()]),
                ("eth_getBlockTransactionCountByHash", [self.block_hash()]),
                ("eth_getUncleCountByBlockNumber", [self.block_number()]),
                ("eth_getUncleCountByBlockHash", [self.block_hash()]),
                ("eth_getUncleByBlockNumberAndIndex", [self.block_number(), index]),
                ("eth_getUncleByBlockHashAndIndex", [self.block_hash(), index]),
                ("eth_getTransactionByBlockNumberAndIndex", [self.block_number(), index]),
                ("eth_getTransactionByBlockHashAndIndex", [self.block_hash(), index]),
                ("eth_getRawTransactionByBlockNumberAndIndex", [self.block_number(), index]),
                ("eth_getRawTransactionByBlockHashAndIndex", [self.block_hash(), index]),
                ("eth_getBlockReceipts", [self.block_name()]),
                ("eth_getBlockReceipts", [self.block_name()]),
            ]
        )

    # ---- transactions ----

    def _of_transaction(self) -> tuple[str, Params]:
        random = self._random
        number, index, found, raw = random.choice(self._transactions)
        name = found if random.random() < 0.95 else random.choice((_NOWHERE, "0x", "0x12", None, 7))
        if random.random() < 0.1:
            kept = raw if random.random() < 0.5 else raw[: random.randrange(2, len(raw), 2)]
            return "eth_sendRawTransaction", [kept]
        choices: list[tuple[str, Params]] = [
            ("eth_getTransactionByHash", [name]),
            ("eth_getTransactionReceipt", [name]),
            ("eth_getRawTransactionByHash", [name]),
            ("debug_getRawTransaction", [name]),
            ("eth_getTransactionByBlockNumberAndIndex", [hex(number), hex(index)]),
            ("eth_getRawTransactionByBlockHashAndIndex", [self._hashes[number], hex(index)]),
        ]
        return random.choice(choices)

    # ---- states ----

    def _of_state(self) -> tuple[str, Params]:
        random = self._random
        account, block = random.choice(self._accounts), self.block_name()
        slots = [self._slot() for _ in range(random.randrange(4))]
        words = [f"0x{random.randrange(12):064x}" for _ in range(random.randrange(4))]
        choices: list[tuple[str, Params]] = [
            ("eth_getBalance", [account]),
            ("eth_getCode", [account]),
            ("eth_getTransactionCount", [account]),
            ("eth_getStorageAt", [random.choice((account, _L1_BLOCK)), self._slot()]),
            ("eth_getProof", [random.choice((account, _L1_BLOCK)), slots]),
            ("eth_getStorageValues", [{account: words, _L1_BLOCK: words[:1]}]),
        ]
        method, params = random.choice(choices)
        return method, params if random.random() < 0.1 else [*params, block]

    def _slot(self) -> Any:
        random = self._random
        if random.random() < 0.9:
            return random.choice(("0x", "0x0" if random.random() < 0.5 else "0x", f"0x{random.randrange(12):x}", f"0x{random.randrange(12):064x}"))
        return random.choice(("0x" + "f" * 64, "0x" + "0" * 65, "0X5", "5", 5, "0xg", None))

    # ---- logs, fees, nothing ----

    def _of_logs(self) -> tuple[str, Params]:
        random, log = self._random, self._random.choice(self._logs)
        wanted: dict[str, Any] = {}
        if random.random() < 0.2:
            wanted["blockHash"] = self.block_hash() if random.random() < 0.5 else self._hashes[log.block]
        if "blockHash" not in wanted or random.random() < 0.1:
            wanted["fromBlock"] = self.block_number() if random.random() < 0.3 else hex(max(0, log.block - random.randrange(20)))
            wanted["toBlock"] = self.block_number() if random.random() < 0.3 else hex(log.block + random.randrange(20))
            for name in ("fromBlock", "toBlock"):
                if random.random() < 0.05:
                    del wanted[name]
        if random.random() < 0.5:
            wanted["address"] = random.choice((log.address, [log.address], [log.address, _L1_BLOCK], [], None, _L1_BLOCK, "0x12", [5]))
        if random.random() < 0.5:
            topics: list[Any] = [random.choice((topic, [topic], [topic, _NOWHERE], None, [], [None], _NOWHERE)) for topic in log.topics]
            wanted["topics"] = topics[: random.randrange(len(topics) + 1)] if random.random() < 0.9 else [*topics, None, None, None]
        return "eth_getLogs", [wanted]

    def _of_fees(self) -> tuple[str, Params]:
        random = self._random
        count = random.choice(("0x1", "0x5", "0x20", "0x400", "0x401", "0x0", 4, "4", "0x01", -1))
        percentiles: Any = sorted(random.choice((0, 1, 10, 25.5, 50, 75, 90, 99.9, 100)) for _ in range(random.randrange(4)))
        percentiles = percentiles if random.random() < 0.9 else random.choice(([5, 1], [101], [-1], None, ["1"], "10", list(range(101))))
        return "eth_feeHistory", [count, self.block_number(), percentiles]

    def _of_nothing(self) -> tuple[str, Params]:
        random = self._random
        if random.random() < 0.8:
            return random.choice(_EMPTY), []
        if random.random() < 0.5:
            return "web3_sha3", ["0x" + random.randbytes(random.randrange(80)).hex()]
        return "txpool_contentFrom", [random.choice(self._accounts)]

    # ---- debug ----

    def _raw(self) -> tuple[str, Params]:
        return self._random.choice(("debug_getRawBlock", "debug_getRawHeader", "debug_getRawReceipts")), [self.block_name()]

    def _ranges(self) -> tuple[str, Params]:
        random = self._random
        number, index, _, _ = random.choice(self._transactions)
        low = random.randrange(self._head)
        return random.choice(
            [
                ("debug_storageRangeAt", [self._hashes[number], index, random.choice(self._accounts), random.choice(("0x", "0x80")), 5]),
                ("debug_getAccessibleState", [hex(low), hex(min(self._head, low + 5))]),
                ("debug_getModifiedAccountsByNumber", [low, low + random.randrange(4)]),
                ("debug_getModifiedAccountsByHash", [self._hashes[low], self._hashes[min(self._head, low + 2)]]),
            ]
        )

    def _odd(self) -> tuple[str, Params]:
        """Any method with anything."""
        random = self._random
        method, params = random.choices(self._kinds[:-1], self._weights[:-1])[0]() if random.random() < 0.5 else self._calls.draw()
        return method, [random.choice(_WRONG) for _ in range(random.randrange(len(params) + 2))]

"""A Legacy Geth for tests: a real HTTP server with l2geth's methods and no others (geth 1.9.10), over a chain that ends before Bedrock, which
can be told to misbehave.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from trinode.protocol.keccak import keccak256

BEDROCK = 20
"""The number of the first block that is not here."""
CHAIN_ID = 901
TOKEN = "0x" + "70" * 20
MOVED = "0x" + "71" * 32
HOLDER = "0x" + "72" * 20
NOT_YET = -32601
BUSY = 16
"""A block with several transactions, which OP Mainnet's never had."""


def name(text: str) -> str:
    """A hash."""
    return "0x" + keccak256(text.encode()).hex()


def transactions_in(number: int) -> int:
    """Genesis has none."""
    return 3 if number == BUSY else min(number, 1)


def transaction(number: int, index: int = 0) -> dict[str, Any]:
    """As l2geth shows it, with the fields of its own."""
    return {
        "blockHash": name(f"block {number}"),
        "blockNumber": hex(number),
        "from": HOLDER,
        "gas": "0x5208",
        "gasPrice": hex(1_000_000 * (index + 1)),
        "hash": name(f"transaction {number} {index}"),
        "input": "0x",
        "nonce": hex(number),
        "to": TOKEN,
        "transactionIndex": hex(index),
        "value": "0x0",
        "queueOrigin": "sequencer",
        "l1TxOrigin": None,
        "l1BlockNumber": "0xe0ffff",
        "l1Timestamp": "0x610bdb12",
        "index": hex(number - 1),
        "queueIndex": None,
        "rawTransaction": "0x00",
    }


def log(number: int, index: int = 0) -> dict[str, Any]:
    """One of each transaction."""
    return {
        "address": TOKEN,
        "blockHash": name(f"block {number}"),
        "blockNumber": hex(number),
        "data": "0x",
        "logIndex": hex(index),
        "removed": False,
        "topics": [MOVED],
        "transactionHash": name(f"transaction {number} {index}"),
        "transactionIndex": hex(index),
    }


def receipt(number: int, index: int = 0) -> dict[str, Any]:
    """With what L1 was paid."""
    return {
        "blockHash": name(f"block {number}"),
        "blockNumber": hex(number),
        "contractAddress": None,
        "cumulativeGasUsed": hex(21_000 * (index + 1)),
        "from": HOLDER,
        "gasUsed": hex(21_000),
        "l1Fee": "0x24aba84edf9b9",
        "l1FeeScalar": "1.5",
        "l1GasPrice": "0x13988c7049",
        "l1GasUsed": "0x13f6",
        "logs": [log(number, index)],
        "logsBloom": "0x" + "00" * 256,
        "status": "0x1",
        "to": TOKEN,
        "transactionHash": name(f"transaction {number} {index}"),
        "transactionIndex": hex(index),
    }


def block(number: int, *, whole: bool) -> dict[str, Any]:
    """With hashes of transactions, or with `whole` ones."""
    transactions = [transaction(number, index) for index in range(transactions_in(number))]
    return {
        "difficulty": "0x2",
        "extraData": "0xd98301090a846765746889676f312e31352e3133856c696e7578",
        "gasLimit": "0xe4e1c0",
        "gasUsed": hex(21_000 * len(transactions)),
        "hash": name(f"block {number}"),
        "logsBloom": "0x" + "00" * 256,
        "miner": "0x" + "00" * 20,
        "number": hex(number),
        "parentHash": name(f"block {number - 1}"),
        "size": "0x363",
        "timestamp": hex(0x610BDB12 + number),
        "totalDifficulty": hex(2 * number),
        "transactions": transactions if whole else [each["hash"] for each in transactions],
        "uncles": [],
    }


class Fault(Exception):
    """An error reply."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({} if data is None else {"data": data})


class LegacyGeth:
    """Serves on loopback while it is entered. `asked`: all requests, each alone; `posts`: how many bodies came.

    `status`, `body`, `cut`, `delay`: what is sent in place of answers, for the next `spoiled` bodies (None: all).
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[Any]]] = []
        self.posts = 0
        self.status = 200
        self.body: bytes | None = None
        self.cut = False
        self.delay = 0.0
        self.spoiled: int | None = None
        self.changed: dict[str, Callable[[list[Any]], Any]] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """With a path, as keys stand there."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/secret-key"

    def __enter__(self) -> LegacyGeth:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def methods_asked(self) -> list[str]:
        """In the order in which they came."""
        return [method for method, _ in self.asked]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        legacy = self

        class Handler(BaseHTTPRequestHandler):
            """One connection."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                status, body, cut, delay = legacy.take(content)
                time.sleep(delay)
                try:
                    self.send_response(status)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(body) + (10 if cut else 0)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:  # the client has gone, as it may
                    self.close_connection = True
                if cut:
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                """Not to the terminal."""

        return Handler

    def take(self, content: bytes) -> tuple[int, bytes, bool, float]:
        """Status, body, whether it is cut, and the seconds before it."""
        with self._lock:
            self.posts += 1
            spoils = self.spoiled is None or self.spoiled > 0
            if self.spoiled:
                self.spoiled -= 1
        request = msgspec.json.decode(content)
        answer = [self._answer(each) for each in request] if isinstance(request, list) else self._answer(request)
        encoded = msgspec.json.encode(answer)
        if not spoils:
            return 200, encoded, False, 0.0
        return self.status, encoded if self.body is None else self.body, self.cut, self.delay

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        method, params = request["method"], request["params"]
        self.asked.append((method, params))
        head = {"jsonrpc": "2.0", "id": request["id"]}
        try:
            known = self.changed.get(method) or _METHODS.get(method)
            if known is None:
                raise Fault(NOT_YET, f"the method {method} does not exist/is not available")
            return head | {"result": known(params)}
        except Fault as fault:
            return head | {"error": fault.error}


def _number(value: Any) -> int:
    """Of a block's name, which may be an object (EIP-1898)."""
    if isinstance(value, dict):
        return _by_hash(value["blockHash"]) if "blockHash" in value else _number(value["blockNumber"])
    if isinstance(value, str) and len(value) == 66:
        return _by_hash(value)
    number = 0 if value == "earliest" else int(value, 16)
    assert number < BEDROCK, f"block {number} is not Legacy Geth's"
    return number


def _by_hash(block_hash: str) -> int:
    number = next((number for number in range(BEDROCK) if name(f"block {number}") == block_hash), None)
    if number is None:
        raise Fault(-32000, "header for hash not found")
    return number


def _found(hash: str) -> tuple[int, int] | None:
    places = ((number, index) for number in range(BEDROCK) for index in range(transactions_in(number)))
    return next((place for place in places if name(f"transaction {place[0]} {place[1]}") == hash), None)


def _block_by_hash(params: list[Any]) -> Any:
    try:
        return block(_by_hash(params[0]), whole=params[1])
    except Fault:
        return None


def _traced(params: list[Any]) -> Any:
    if _found(params[0]) is None:
        raise Fault(-32000, f"transaction {params[0]} not found")
    return {"gas": 21000, "failed": False, "returnValue": "", "structLogs": []}


def _logs(params: list[Any]) -> list[Any]:
    wanted = params[0]
    if "blockHash" in wanted:
        if _block_by_hash([wanted["blockHash"], False]) is None:
            raise Fault(-32000, "unknown block")
        numbers = range(_by_hash(wanted["blockHash"]), _by_hash(wanted["blockHash"]) + 1)
    else:
        numbers = range(_number(wanted["fromBlock"]), _number(wanted["toBlock"]) + 1)
    found = [log(number, index) for number in numbers for index in range(transactions_in(number))]
    topics = wanted["topics"][0] if wanted["topics"] else None
    return [each for each in found if wanted["address"] in ([], [TOKEN]) and (topics is None or MOVED in topics)]


def _called(params: list[Any]) -> str:
    """Says the input back, of which it knows the old name alone; reverts where there is none."""
    if len(params) > 3:
        raise Fault(-32602, "too many arguments, want at most 3")
    _number(params[1])
    if "data" not in params[0]:
        raise Fault(3, "execution reverted: no data", "0x08c379a0")
    said: str = params[0]["data"]
    return said


def _of(params: list[Any], read: Callable[[int, int], Any]) -> Any:
    place = _found(params[0])
    return None if place is None else read(*place)


_METHODS: dict[str, Callable[[list[Any]], Any]] = {
    "debug_traceBlockByHash": lambda params: [{"result": {"number": _by_hash(params[0])}}],
    "debug_traceBlockByNumber": lambda params: [{"result": {"number": _number(params[0])}}],
    "debug_traceTransaction": _traced,
    "eth_call": _called,
    "eth_chainId": lambda params: hex(CHAIN_ID),
    "eth_estimateGas": lambda params: "0x5208",
    "eth_getBalance": lambda params: hex(1000 + _number(params[1])),
    "eth_getBlockByHash": _block_by_hash,
    "eth_getBlockByNumber": lambda params: block(_number(params[0]), whole=params[1]),
    "eth_getBlockTransactionCountByHash": lambda params: hex(transactions_in(_by_hash(params[0]))),
    "eth_getBlockTransactionCountByNumber": lambda params: hex(transactions_in(_number(params[0]))),
    "eth_getCode": lambda params: "0x60",
    "eth_getLogs": _logs,
    "eth_getProof": lambda params: {"address": params[0], "balance": hex(1000 + _number(params[2])), "accountProof": [], "storageProof": []},
    "eth_getRawTransactionByHash": lambda params: _of(params, lambda number, index: f"0x{number:02x}{index:02x}") or "0x",
    "eth_getStorageAt": lambda params: f"0x{_number(params[2]):064x}",
    "eth_getTransactionByBlockNumberAndIndex": lambda params: transaction(_number(params[0]), int(params[1], 16)),
    "eth_getTransactionByHash": lambda params: _of(params, transaction),
    "eth_getTransactionCount": lambda params: hex(_number(params[1])),
    "eth_getTransactionReceipt": lambda params: _of(params, receipt),
    "eth_getUncleCountByBlockNumber": lambda params: "0x0",
}

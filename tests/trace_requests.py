"""Requests for traces of a recorded chain, drawn by chance: for whoever compares two servers."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.transaction import decode_transaction, recover_sender
from trinode.rpc.eth.chain import Chain

SCRIPTS = frozenset(("opcountTracer", "unigramTracer", "bigramTracer", "trigramTracer"))
"""What op-geth has in JavaScript."""

_NAMES = ("callTracer", "prestateTracer", "4byteTracer", "noopTracer", "keccak256PreimageTracer", "flatCallTracer", *sorted(SCRIPTS))
TRACERS: list[dict[str, Any]] = [
    {"enableMemory": True, "enableReturnData": True},
    {"disableStack": True, "disableStorage": True, "limit": 700},
    {"tracer": "callTracer", "tracerConfig": {"withLog": True}},
    {"tracer": "callTracer", "tracerConfig": {"onlyTopCall": True, "withLog": True}},
    {"tracer": "flatCallTracer", "tracerConfig": {"convertParityErrors": True, "includePrecompiles": True}},
    {"tracer": "prestateTracer", "tracerConfig": {"includeEmpty": True}},
    {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}},
    {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True, "disableCode": True, "disableStorage": True}},
    {"tracer": "muxTracer", "tracerConfig": {"callTracer": {"withLog": True}, "prestateTracer": {}, "4byteTracer": {}}},
    *[{"tracer": name} for name in _NAMES],
]
_OF_CALLS = [each for each in TRACERS if not SCRIPTS & {str(each.get("tracer"))}]
_OF_PROGRAMS: list[dict[str, Any]] = [
    {"tracer": "callTracer", "tracerConfig": {"withLog": True}},
    {"tracer": "flatCallTracer"},
    {"tracer": "prestateTracer"},
    {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}},
]

_LAST_BEFORE_KARST = 224
"""Of Karst's precompiles two are those of the fork before in op-geth."""
_CODES = (
    "0x60016002015f5260205ff3",
    "0x4340415f5260205ff3",
    "0x60005460015500",
    "0x5f5ffd",
    "0xfe",
    "0x60005b600101",
    "0x6001600155600054600255",
    "0x33ff",
    "0x30315f5260205ff3",
    "0x5f5f5f5f5f73" + "11" * 20 + "5af15f5260205ff3",
    "0x445f52465f5260205ff3",
    "0x7f" + "60" * 32 + "5f5260205f5ff0",
)
_TARGET, _OTHER, _SENDER = (f"0x{number:040x}" for number in (0x77, 0x78, 0x1234))
_SMALL = (0, 1, 2, 5, 31, 32, 33, 64, 100, 0x77, 0x78, 4, 6, 0x4200000000000000000000000000000000000015)
_LARGE = (1000, 2**16, 2**20, 2**40, 2**63, 2**64 - 1, 2**64 - 32, 2**64 - 33, 2**64, 2**65, 2**255, 2**256 - 1)
_OPERANDS = {
    **{0x01: 2, 0x0A: 2, 0x20: 2, 0x31: 1, 0x37: 3, 0x39: 3, 0x3B: 1, 0x3C: 4, 0x3E: 3, 0x3F: 1, 0x49: 1, 0x51: 1, 0x52: 2, 0x53: 2},
    **{0x54: 1, 0x55: 2, 0x56: 1, 0x57: 2, 0x5C: 1, 0x5D: 2, 0x5E: 3, 0xA0: 2, 0xA1: 3, 0xA2: 4, 0xA4: 6},
    **{0xF0: 3, 0xF1: 7, 0xF2: 7, 0xF3: 2, 0xF4: 6, 0xF5: 4, 0xFA: 6, 0xFD: 2, 0xFF: 1},
}


class Requests:
    """Parameters of debug_traceCall, and requests that are wrong."""

    def __init__(self, chain: Chain, random: Random) -> None:
        self._random = random
        self.messages: list[tuple[int, dict[str, Any]]] = []
        for number in range(1, _LAST_BEFORE_KARST, 5):
            known = chain.by_number(number)
            assert known is not None
            self.messages += [(number, _message(raw)) for raw in chain.block(known).transactions]
        self.accounts = sorted({message[name] for _, message in self.messages for name in ("from", "to") if name in message})

    def call(self) -> tuple[Any, ...]:
        """A message of the chain, or one like it, with or without overrides."""
        random = self._random
        number, message = random.choice(self.messages)
        message = dict(message)
        if random.random() < 0.5:
            message |= {"from": random.choice(self.accounts), "to": random.choice(self.accounts), "value": hex(random.choice((0, 1, 10**30)))}
        if random.random() < 0.3:
            message["gas"] = hex(random.choice((0, 21_000, 30_000, 100_000, 10**6, 10**9)))
        options = dict(random.choice(_OF_CALLS))
        if random.random() < 0.5:
            options["stateOverrides"] = {account: self._override() for account in random.sample(self.accounts, 2)}
            message["to"] = random.choice(list(options["stateOverrides"]))
        if random.random() < 0.4:
            options["blockOverrides"] = self._block(number)
        if random.random() < 0.3:
            options["txIndex"] = hex(random.choice((0, 0, 1, 2, 3, 100)))
        return message, hex(random.choice((number, _LAST_BEFORE_KARST))), options

    def _override(self) -> dict[str, Any]:
        random = self._random
        found: dict[str, Any] = {"code": random.choice(_CODES)}
        if random.random() < 0.5:
            found["balance"] = hex(random.choice((0, 10**20)))
        if random.random() < 0.3:
            found["nonce"] = hex(random.choice((0, 7)))
        if random.random() < 0.5:
            found[random.choice(("state", "stateDiff"))] = {f"0x{random.randrange(3):064x}": f"0x{random.randrange(9):064x}"}
        return found

    def _block(self, number: int) -> dict[str, Any]:
        random = self._random
        choices: dict[str, Any] = {
            "number": hex(random.choice((number, number + 1, number + 2, 5))),
            "gasLimit": hex(10**7),
            "feeRecipient": _OTHER,
            "prevRandao": "0x" + "ab" * 32,
            "blobBaseFee": "0x7",
        }
        return {name: value for name, value in choices.items() if random.random() < 0.4}

    def program(self) -> tuple[Any, ...]:
        """A message to code that was drawn, too, and may call other such code."""
        random = self._random
        overrides = {_TARGET: {"code": self._code(), "balance": "0x64"}, _OTHER: {"code": self._code()}}
        message: dict[str, Any] = {"from": _SENDER, "to": _TARGET, "gas": hex(random.choice((60_000, 300_000)))}
        if random.random() < 0.1:
            del message["to"]
            message["data"] = self._code()
        # Before Isthmus op-geth has other words for a call that cannot pay its value; block 256 would know a hash too few.
        number = random.choice((0xD0, 0xD8))
        return message, hex(number), {"stateOverrides": overrides, **random.choice(_OF_PROGRAMS)}

    def _code(self) -> str:
        random = self._random
        code = b""
        for _ in range(random.randint(1, 14)):
            opcode = random.choice(list(_OPERANDS)) if random.random() < 0.95 else random.randrange(256)
            words = (*_SMALL, *_LARGE) if random.random() < 0.25 else _SMALL
            for _ in range(_OPERANDS.get(opcode, 0)):
                word = random.choice(words)
                size = max(1, (word.bit_length() + 7) // 8)
                code += bytes((0x5F + size,)) + word.to_bytes(size, "big")
            code += bytes((opcode,))
        return "0x" + code.hex()

    def mistakes(self) -> Iterator[tuple[Any, ...]]:
        """Requests whose errors are op-geth's to the letter."""
        nothing = "0x" + 32 * "12"
        yield "traceTransaction", nothing
        yield "traceBlockByNumber", "0x0"
        yield "traceBlockByNumber", "earliest"
        yield "traceBlockByNumber", "0x5000"
        yield "traceBlockByHash", nothing
        yield "intermediateRoots", nothing
        yield "traceCall", {}, "pending"
        yield "traceCall", {}, "0x5000"
        yield "traceCall", {"to": _TARGET}, "0x60", {"txIndex": "0x70"}
        yield "traceCall", {"to": _TARGET, "gas": "0x10"}, "0x60"
        yield "traceCall", {"from": _TARGET, "to": _TARGET, "value": "0x1"}, "0x60"
        yield "traceCall", {"from": _TARGET, "to": _TARGET, "maxFeePerGas": "0x1"}, "0x60"
        for timeout in ("abc", "10", "10x"):  # with "-1s" op-geth may have traced before it notices
            yield "traceBlockByNumber", "0x60", {"timeout": timeout}
        yield "traceBlockByNumber", "0x60", {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True, "includeEmpty": True}}


def _message(raw: bytes) -> dict[str, Any]:
    transaction = decode_transaction(raw)
    sender = transaction.sender if isinstance(transaction, DepositTransaction) else recover_sender(transaction)
    message = {"from": "0x" + sender.hex(), "data": "0x" + transaction.data.hex(), "value": hex(transaction.value)}
    return message if transaction.to is None else {**message, "to": "0x" + transaction.to.hex()}

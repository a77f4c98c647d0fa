"""What opcodes a transaction runs, counted: geth's opcount, unigram, bigram and trigram tracers; and what it hashes: keccak256Preimage."""

from __future__ import annotations

from collections import Counter, deque

from trinode.execution.tracing.machine import TracedMachine
from trinode.execution.tracing.tracer import Holding, Step, TraceLimits, Tracer
from trinode.protocol.keccak import keccak256
from trinode.protocol.transaction import Transaction
from trinode.protocol.types import Address, Hash32

_ENTRY_SIZE = 200
_KECCAK256 = 0x20


class OpcodeCounter(Tracer):
    """`count`: how many opcodes ran."""

    def __init__(self) -> None:
        self.count = 0

    def begin(self, machine: TracedMachine, transaction: Transaction, sender: Address) -> None:
        self.count = 0

    def step(self, step: Step) -> None:
        self.count += 1


class SequenceCounter(Tracer):
    """How often opcodes ran, one by one (`length` 1), or after the one or two before them in the same stay in a frame. Raises
    TraceLimitExceeded.

    As geth's scripts have it, of triples those count, too, that begin before the stay, with names of nothing; but its first opcode does not.
    """

    def __init__(self, length: int, limits: TraceLimits | None = None) -> None:
        self._holding = Holding(limits)
        self._length = length
        self._last: deque[str] = deque()
        self._depth = -1
        self.counts: Counter[str] = Counter()

    def begin(self, machine: TracedMachine, transaction: Transaction, sender: Address) -> None:
        self._last, self._depth, self.counts = deque(maxlen=self._length), -1, Counter()

    def step(self, step: Step) -> None:
        last, length = self._last, self._length
        if step.frame.depth != self._depth and length > 1:
            self._depth = step.frame.depth
            last.clear()
            if length > 2:
                last.extend([""] * length)
                return
        last.append(step.name)
        if len(last) < length:
            return
        key = "-".join(last)
        if key not in self.counts:
            self._holding.add(_ENTRY_SIZE)
        self.counts[key] += 1


class PreimageTracer(Tracer):
    """`preimages`: what KECCAK256 was given, by its hash. Raises TraceLimitExceeded."""

    def __init__(self, limits: TraceLimits | None = None) -> None:
        self._holding = Holding(limits)
        self._preimage: bytes | None = None
        self.preimages: dict[Hash32, bytes] = {}

    def begin(self, machine: TracedMachine, transaction: Transaction, sender: Address) -> None:
        self._preimage, self.preimages = None, {}

    def step(self, step: Step) -> None:
        stack = step.frame.stack
        self._preimage = None
        if step.byte == _KECCAK256 and len(stack) >= 2 and stack[-2] <= len(step.frame.memory) + 2**16:
            offset, size = stack[-1], stack[-2]
            self._preimage = bytes(step.frame.memory[offset : offset + size]).ljust(size, b"\0")

    def charged(self, step: Step) -> None:
        if self._preimage is None or step.error is not None:
            return
        hashed = keccak256(self._preimage)
        if hashed not in self.preimages:
            self._holding.add(_ENTRY_SIZE + len(self._preimage))
            self.preimages[hashed] = self._preimage

"""What a simulated call logs, with transfers of ether among it, and why it failed (execution-apis, "eth_simulateV1": traceTransfers)."""

from __future__ import annotations

from trinode.execution.tracing.machine import TracedMachine
from trinode.execution.tracing.tracer import Call, Tracer
from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import Log
from trinode.protocol.transaction import Transaction
from trinode.protocol.types import Address

TRANSFERRER: Address = b"\xee" * 20
"""Transfers are logged as if by an ERC-20 token at this address (EIP-7528)."""
_TRANSFER = keccak256(b"Transfer(address,address,uint256)")
_DELEGATECALL = "DELEGATECALL"


def transfer_log(sender: Address, to: Address, value: int) -> Log:
    """The log of a transfer; `value` in wei."""
    return Log(TRANSFERRER, (_TRANSFER, sender.rjust(32, b"\0"), to.rjust(32, b"\0")), value.to_bytes(32, "big"))


class SimulationTracer(Tracer):
    """`logs` of a call, in their order, those of inner calls that failed left out; `failure`: why the outermost failed, None if it did not.

    `places`: where each log stood among all `count` logs, those left out among them. `transfers`: whether they are logged.
    """

    def __init__(self, *, transfers: bool) -> None:
        self._transfers = transfers
        self.logs: list[Log] = []
        self.places: list[int] = []
        self.count = 0
        self.failure: str | None = None
        self._begins: list[int] = []

    def begin(self, machine: TracedMachine, transaction: Transaction, sender: Address) -> None:
        self.logs, self.places, self.count, self.failure, self._begins = [], [], 0, None, []

    def enter(self, call: Call) -> None:
        self._begins.append(len(self.logs))
        if self._transfers and call.value and call.kind != _DELEGATECALL:
            self._add(transfer_log(call.sender, call.to, call.value))

    def leave(self, gas_used: int, output: bytes, error: str | None) -> None:
        begin = self._begins.pop()
        if error is not None:
            del self.logs[begin:], self.places[begin:]
        if not self._begins:
            self.failure = error

    def log(self, log: Log, index: int) -> None:
        self._add(log)

    def _add(self, log: Log) -> None:
        self.logs.append(log)
        self.places.append(self.count)
        self.count += 1

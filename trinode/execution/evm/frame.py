"""One call or creation in the making: its code, stack, memory and gas (yellow paper, section 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trinode.protocol.types import Address

if TYPE_CHECKING:
    from trinode.execution.evm.journal import Slots
    from trinode.execution.evm.machine import Machine
    from trinode.execution.evm.program import Program

UINT256 = 2**256 - 1
STACK_LIMIT = 1024

MEMORY_LIMIT = 2**32
"""Bytes. No block has the gas for this much memory, and no integer that is used as a size grows beyond it."""


class ExceptionalHalt(Exception):
    """The frame ends, its changes are undone and all its gas is gone. The message says why, in few words."""


class OutOfGas(ExceptionalHalt):
    """The frame cannot pay."""

    def __init__(self) -> None:
        super().__init__("out of gas")


class Frame:
    """A call's message and the machine state that executes it.

    `address` owns the storage, `code_address` the code (they differ in a DELEGATECALL). `return_data` is the last
    sub-call's, `output` this frame's own; `reverted` tells REVERT from RETURN;
    `failure` says why the frame halted, if it did.
    """

    __slots__ = (
        "address",
        "caller",
        "data",
        "depth",
        "failure",
        "gas",
        "is_static",
        "machine",
        "memory",
        "output",
        "pc",
        "program",
        "return_data",
        "reverted",
        "slots",
        "stack",
        "value",
    )

    def __init__(
        self,
        machine: Machine,
        program: Program,
        *,
        address: Address,
        caller: Address,
        value: int,
        data: bytes,
        gas: int,
        depth: int,
        is_static: bool,
    ) -> None:
        self.machine = machine
        self.program = program
        self.address = address
        self.caller = caller
        self.value = value
        self.data = data
        self.gas = gas
        self.depth = depth
        self.is_static = is_static
        self.stack: list[int] = []
        self.memory = bytearray()
        self.pc = 0
        self.return_data = b""
        self.output = b""
        self.reverted = False
        self.failure: str | None = None
        self.slots: Slots | None = None

    @property
    def why_failed(self) -> str | None:
        """In few words; None: it did not fail."""
        return "execution reverted" if self.reverted else self.failure

    def storage(self) -> Slots:
        """The storage of `address`."""
        if self.slots is None:
            self.slots = self.machine.journal.slots(self.address)
        return self.slots

    def expand(self, offset: int, size: int) -> None:
        """Charges for, and makes, the memory that the `size` bytes from `offset` on need."""
        if not size:
            return
        end = offset + size
        present = len(self.memory)
        if end <= present:
            return
        if end > MEMORY_LIMIT:
            raise OutOfGas
        words, before = (end + 31) >> 5, present >> 5
        self.gas -= 3 * (words - before) + (words * words >> 9) - (before * before >> 9)
        if self.gas < 0:
            raise OutOfGas
        self.memory.extend(bytes((words << 5) - present))

    def read_memory(self, offset: int, size: int) -> bytes:
        """The bytes there, after making them."""
        if not size:
            return b""
        self.expand(offset, size)
        return bytes(self.memory[offset : offset + size])

    def charge(self, gas: int) -> None:
        self.gas -= gas
        if self.gas < 0:
            raise OutOfGas

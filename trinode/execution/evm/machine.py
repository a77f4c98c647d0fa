"""Message calls and contract creations (yellow paper, sections 7 and 8), and the loop that runs code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from trinode.execution.environment import BlockEnvironment
from trinode.execution.errors import PrecompileFailure
from trinode.execution.evm.compiler import compile_trace
from trinode.execution.evm.frame import ExceptionalHalt, Frame, OutOfGas
from trinode.execution.evm.journal import Journal
from trinode.execution.evm.program import DUP1, DUP16, EMPTY_PROGRAM, PUSH1, PUSH32, SWAP1, SWAP16, Program, Programs
from trinode.execution.evm.table import table_of
from trinode.execution.rules import EvmFork
from trinode.execution.state import BLOCK_HASHES, EMPTY_CODE_HASH, Account, StateReader
from trinode.execution.validity import delegate_of
from trinode.protocol.types import Address, Hash32

MAX_CODE_SIZE = 24_576
_CODE_BYTE = 200

_FRAMES_PER_CALL = 8
# A call is a handful of nested Python calls. Python-to-Python calls use no C stack, so that the limit is all that has to be raised.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 1_024 * _FRAMES_PER_CALL + 2_000))


class Machine:
    """The EVM of one block: its journal, and what the transaction at hand tells the code that runs."""

    __slots__ = ("blob_hashes", "environment", "gas_price", "journal", "origin", "programs", "reader", "rules", "table")

    environment: BlockEnvironment
    journal: Journal
    gas_price: int

    def __init__(self, environment: BlockEnvironment, reader: StateReader, programs: Programs) -> None:
        self.environment = environment
        self.rules = environment.rules
        self.table = table_of(environment.rules.evm)
        self.reader = reader
        self.journal = Journal(reader)
        self.programs = programs
        self.origin: Address = bytes(20)
        self.gas_price = 0
        self.blob_hashes: Sequence[Hash32] = ()

    def block_hash(self, number: int) -> int:
        """What BLOCKHASH gives."""
        current = self.environment.number
        if not current - BLOCK_HASHES <= number < current:
            return 0
        if number == current - 1:
            return int.from_bytes(self.environment.parent_hash, "big")
        return int.from_bytes(self.reader.block_hash(number), "big")

    # -- code

    def program_at(self, code_hash: Hash32) -> Program:
        if code_hash == EMPTY_CODE_HASH:
            return EMPTY_PROGRAM
        return self.programs.get(code_hash) or self.programs.add(code_hash, self.journal.code(code_hash))

    def code_to_run(self, address: Address) -> tuple[Program, Address | None]:
        """The program that a call to `address` runs, and the account that it is taken from where `address` delegates
        (EIP-7702: one step only).
        """
        if address in self.rules.precompiles:
            return EMPTY_PROGRAM, None
        program = self.program_at(self.journal.account(address).code_hash)
        if len(program.code) != 23 or self.rules.evm < EvmFork.PRAGUE:
            return program, None
        delegate = delegate_of(program.code)
        if delegate is None:
            return program, None
        return self.program_at(self.journal.account(delegate).code_hash), delegate

    # -- messages

    def message_call(self, frame: Frame, code_address: Address, *, transfers: bool) -> bool:
        """Runs a call whose balance has been checked; its gas and output are in `frame` afterwards. False: it failed,
        and nothing of it is left.
        """
        journal = self.journal
        snapshot = journal.snapshot()
        if transfers:
            if frame.value:
                journal.add_balance(frame.caller, -frame.value)
            journal.add_balance(frame.address, frame.value)
        try:
            precompile = self.rules.precompiles.get(code_address)
            if precompile is not None:
                frame.charge(precompile.gas(frame.data))
                frame.output = precompile.run(frame.data)
            else:
                self.run(frame)
        except (ExceptionalHalt, PrecompileFailure) as halt:
            self.fail(frame, halt)
            journal.revert(snapshot)
            return False
        if frame.reverted:
            journal.revert(snapshot)
            return False
        return True

    def creation_frame(
        self, creator: Address, address: Address, initcode: bytes, value: int, gas: int, *, depth: int
    ) -> Frame:
        """The frame for `create`."""
        return Frame(
            self,
            Program(initcode),
            address=address,
            caller=creator,
            value=value,
            data=b"",
            gas=gas,
            depth=depth,
            is_static=False,
        )

    def create(self, frame: Frame) -> bool:
        """Runs initcode and keeps what it returns as the code of `frame.address`. The creator's nonce is counted up and
        its balance checked. False: it failed, and nothing of it is left.
        """
        journal, address = self.journal, frame.address
        if address not in journal.warm_addresses:
            journal.warm_address(address)
        if journal.is_taken(address):
            self.fail(frame, ExceptionalHalt("contract address collision"))
            return False
        snapshot = journal.snapshot()
        journal.note_creation(address)
        _, balance, code_hash = journal.account(address)
        journal.set_account(address, Account(1, balance, code_hash))
        if frame.value:
            journal.add_balance(frame.caller, -frame.value)
            journal.add_balance(address, frame.value)
        try:
            self.run(frame)
            if not frame.reverted:
                self._deposit_code(frame)
        except ExceptionalHalt as halt:
            self.fail(frame, halt)
            journal.revert(snapshot)
            return False
        if frame.reverted:
            journal.revert(snapshot)
            return False
        return True

    def _deposit_code(self, frame: Frame) -> None:
        """EIP-170 (size), EIP-3541 (first byte), and 200 gas a byte."""
        code = frame.output
        if len(code) > MAX_CODE_SIZE:
            raise ExceptionalHalt("max code size exceeded")
        if code[:1] == b"\xef":
            raise ExceptionalHalt("invalid code: must not begin with 0xef")
        frame.charge(_CODE_BYTE * len(code))
        self.journal.set_code(frame.address, code)

    def refuse(self, frame: Frame, code_address: Address | None) -> None:
        """Told of a call (or a creation: None) that does not begin, for its depth or for what its sender has. Only who
        traces cares.
        """

    def fail(self, frame: Frame, halt: Exception) -> None:
        """All gas of the frame is gone."""
        frame.gas = 0
        frame.output = b""
        frame.reverted = False
        frame.failure = str(halt)

    # -- code at work

    def run(self, frame: Frame) -> None:
        """Runs the frame's code to its end. Raises ExceptionalHalt."""
        program = frame.program
        traces = program.traces
        position = 0
        while position >= 0:
            trace = traces.get(position)
            if trace is None and program.is_hot(position, self.programs.compile_after):
                before = program.compiled_size
                trace = compile_trace(program, position, self.rules.evm)
                self.programs.note_compiled(program.compiled_size - before)
            position = self.interpret(frame, position) if trace is None else trace(frame)

    def interpret(self, frame: Frame, position: int) -> int:
        """Runs opcode by opcode to the end of a block of code; gives the position where it goes on, or HALT."""
        code, table, stack = frame.program.padded_code, self.table, frame.stack
        while True:
            byte = code[position]
            _, run, gas, needs, room, _ = table[byte]
            if len(stack) < needs:
                raise ExceptionalHalt("stack underflow")
            if len(stack) > room:
                raise ExceptionalHalt("stack overflow")
            frame.gas -= gas
            if frame.gas < 0:
                raise OutOfGas
            # The opcodes that do nothing but move words are half of all that is run: they are done here, without a call.
            if PUSH1 <= byte <= PUSH32:
                start = position + 1
                position = start + byte - PUSH1 + 1
                stack.append(int.from_bytes(code[start:position], "big"))
                continue
            if DUP1 <= byte <= DUP16:
                stack.append(stack[DUP1 - 1 - byte])
                position += 1
                continue
            if SWAP1 <= byte <= SWAP16:
                depth = SWAP1 - 2 - byte
                stack[-1], stack[depth] = stack[depth], stack[-1]
                position += 1
                continue
            frame.pc = position
            following = run(frame)
            if following is not None:
                return following
            position += 1

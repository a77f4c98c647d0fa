"""What each opcode does and costs, by fork (yellow paper, appendix H, and the EIPs of each delta)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, TypeAlias

from trinode.execution.evm import arithmetic, calls, environment, memory, storage
from trinode.execution.evm.frame import STACK_LIMIT, Frame
from trinode.execution.rules import EvmFork

Handler: TypeAlias = Callable[[Frame], int | None]


class Opcode(NamedTuple):
    """`run` gives None for the next position, another one, or HALT. `gas` is charged before it runs; what depends on the
    operands it charges itself. The stack must hold between `needs` and `room` words; `pushes` of
    them come in the place of `needs`.
    """

    name: str
    run: Handler
    gas: int
    needs: int
    room: int
    pushes: int


Table: TypeAlias = Sequence[Opcode]
"""One Opcode for each byte."""


def _opcode(name: str, run: Handler, gas: int, pops: int, pushes: int) -> Opcode:
    return Opcode(name, run, gas, pops, STACK_LIMIT - max(pushes - pops, 0), pushes)


_INVALID = Opcode("INVALID", memory.invalid, 0, 0, STACK_LIMIT, 0)


def _paris() -> dict[int, Opcode]:
    opcodes = {
        0x00: _opcode("STOP", memory.stop, 0, 0, 0),
        0x01: _opcode("ADD", arithmetic.add, 3, 2, 1),
        0x02: _opcode("MUL", arithmetic.mul, 5, 2, 1),
        0x03: _opcode("SUB", arithmetic.sub, 3, 2, 1),
        0x04: _opcode("DIV", arithmetic.div, 5, 2, 1),
        0x05: _opcode("SDIV", arithmetic.sdiv, 5, 2, 1),
        0x06: _opcode("MOD", arithmetic.mod, 5, 2, 1),
        0x07: _opcode("SMOD", arithmetic.smod, 5, 2, 1),
        0x08: _opcode("ADDMOD", arithmetic.addmod, 8, 3, 1),
        0x09: _opcode("MULMOD", arithmetic.mulmod, 8, 3, 1),
        0x0A: _opcode("EXP", arithmetic.exp, 10, 2, 1),
        0x0B: _opcode("SIGNEXTEND", arithmetic.signextend, 5, 2, 1),
        0x10: _opcode("LT", arithmetic.lt, 3, 2, 1),
        0x11: _opcode("GT", arithmetic.gt, 3, 2, 1),
        0x12: _opcode("SLT", arithmetic.slt, 3, 2, 1),
        0x13: _opcode("SGT", arithmetic.sgt, 3, 2, 1),
        0x14: _opcode("EQ", arithmetic.eq, 3, 2, 1),
        0x15: _opcode("ISZERO", arithmetic.iszero, 3, 1, 1),
        0x16: _opcode("AND", arithmetic.bit_and, 3, 2, 1),
        0x17: _opcode("OR", arithmetic.bit_or, 3, 2, 1),
        0x18: _opcode("XOR", arithmetic.bit_xor, 3, 2, 1),
        0x19: _opcode("NOT", arithmetic.bit_not, 3, 1, 1),
        0x1A: _opcode("BYTE", arithmetic.byte, 3, 2, 1),
        0x1B: _opcode("SHL", arithmetic.shl, 3, 2, 1),
        0x1C: _opcode("SHR", arithmetic.shr, 3, 2, 1),
        0x1D: _opcode("SAR", arithmetic.sar, 3, 2, 1),
        0x20: _opcode("KECCAK256", arithmetic.keccak, 30, 2, 1),
        0x30: _opcode("ADDRESS", environment.address, 2, 0, 1),
        0x31: _opcode("BALANCE", environment.balance, 0, 1, 1),
        0x32: _opcode("ORIGIN", environment.origin, 2, 0, 1),
        0x33: _opcode("CALLER", environment.caller, 2, 0, 1),
        0x34: _opcode("CALLVALUE", environment.callvalue, 2, 0, 1),
        0x35: _opcode("CALLDATALOAD", environment.calldataload, 3, 1, 1),
        0x36: _opcode("CALLDATASIZE", environment.calldatasize, 2, 0, 1),
        0x37: _opcode("CALLDATACOPY", environment.calldatacopy, 3, 3, 0),
        0x38: _opcode("CODESIZE", environment.codesize, 2, 0, 1),
        0x39: _opcode("CODECOPY", environment.codecopy, 3, 3, 0),
        0x3A: _opcode("GASPRICE", environment.gasprice, 2, 0, 1),
        0x3B: _opcode("EXTCODESIZE", environment.extcodesize, 0, 1, 1),
        0x3C: _opcode("EXTCODECOPY", environment.extcodecopy, 0, 4, 0),
        0x3D: _opcode("RETURNDATASIZE", environment.returndatasize, 2, 0, 1),
        0x3E: _opcode("RETURNDATACOPY", environment.returndatacopy, 3, 3, 0),
        0x3F: _opcode("EXTCODEHASH", environment.extcodehash, 0, 1, 1),
        0x40: _opcode("BLOCKHASH", environment.blockhash, 20, 1, 1),
        0x41: _opcode("COINBASE", environment.coinbase, 2, 0, 1),
        0x42: _opcode("TIMESTAMP", environment.timestamp, 2, 0, 1),
        0x43: _opcode("NUMBER", environment.number, 2, 0, 1),
        0x44: _opcode("PREVRANDAO", environment.prevrandao, 2, 0, 1),
        0x45: _opcode("GASLIMIT", environment.gaslimit, 2, 0, 1),
        0x46: _opcode("CHAINID", environment.chainid, 2, 0, 1),
        0x47: _opcode("SELFBALANCE", environment.selfbalance, 5, 0, 1),
        0x48: _opcode("BASEFEE", environment.basefee, 2, 0, 1),
        0x50: _opcode("POP", memory.pop, 2, 1, 0),
        0x51: _opcode("MLOAD", memory.mload, 3, 1, 1),
        0x52: _opcode("MSTORE", memory.mstore, 3, 2, 0),
        0x53: _opcode("MSTORE8", memory.mstore8, 3, 2, 0),
        0x54: _opcode("SLOAD", storage.sload, 0, 1, 1),
        0x55: _opcode("SSTORE", storage.sstore, 0, 2, 0),
        0x56: _opcode("JUMP", memory.jump, 8, 1, 0),
        0x57: _opcode("JUMPI", memory.jumpi, 10, 2, 0),
        0x58: _opcode("PC", memory.program_counter, 2, 0, 1),
        0x59: _opcode("MSIZE", memory.msize, 2, 0, 1),
        0x5A: _opcode("GAS", memory.gas, 2, 0, 1),
        0x5B: _opcode("JUMPDEST", memory.jumpdest, 1, 0, 0),
        0xF0: _opcode("CREATE", calls.create, 32_000, 3, 1),
        0xF1: _opcode("CALL", calls.call, 0, 7, 1),
        0xF2: _opcode("CALLCODE", calls.callcode, 0, 7, 1),
        0xF3: _opcode("RETURN", memory.give_back, 0, 2, 0),
        0xF4: _opcode("DELEGATECALL", calls.delegatecall, 0, 6, 1),
        0xF5: _opcode("CREATE2", calls.create2, 32_000, 4, 1),
        0xFA: _opcode("STATICCALL", calls.staticcall, 0, 6, 1),
        0xFD: _opcode("REVERT", memory.revert, 0, 2, 0),
        0xFF: _opcode("SELFDESTRUCT", calls.selfdestruct, 5_000, 1, 0),
    }
    for size in range(1, 33):
        opcodes[0x5F + size] = _opcode(f"PUSH{size}", memory.push(size), 3, 0, 1)
    for depth in range(1, 17):
        opcodes[0x7F + depth] = _opcode(f"DUP{depth}", memory.dup(depth), 3, depth, depth + 1)
        opcodes[0x8F + depth] = _opcode(f"SWAP{depth}", memory.swap(depth), 3, depth + 1, depth + 1)
    for topics in range(5):
        opcodes[0xA0 + topics] = _opcode(f"LOG{topics}", storage.log(topics), 375 * (topics + 1), topics + 2, 0)
    return opcodes


def _shanghai() -> dict[int, Opcode]:
    return {0x5F: _opcode("PUSH0", memory.push0, 2, 0, 1)}


def _cancun() -> dict[int, Opcode]:
    return {
        0x49: _opcode("BLOBHASH", environment.blobhash, 3, 1, 1),
        0x4A: _opcode("BLOBBASEFEE", environment.blobbasefee, 2, 0, 1),
        0x5C: _opcode("TLOAD", storage.tload, 100, 1, 1),
        0x5D: _opcode("TSTORE", storage.tstore, 100, 2, 0),
        0x5E: _opcode("MCOPY", memory.mcopy, 3, 3, 0),
    }


def _osaka() -> dict[int, Opcode]:
    return {0x1E: _opcode("CLZ", arithmetic.clz, 5, 1, 1)}


_DELTAS = {
    EvmFork.PARIS: _paris,
    EvmFork.SHANGHAI: _shanghai,
    EvmFork.CANCUN: _cancun,
    EvmFork.PRAGUE: dict,
    EvmFork.OSAKA: _osaka,
}


@cache
def table_of(fork: EvmFork) -> Table:
    """The opcodes of `fork`: those of all forks up to it."""
    opcodes: dict[int, Opcode] = {}
    for each in EvmFork:
        if each <= fork:
            opcodes |= _DELTAS[each]()
    return tuple(opcodes.get(byte, _INVALID) for byte in range(256))

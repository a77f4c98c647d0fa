"""Opcodes that tell of the message, the transaction, the block and other accounts (yellow paper, appendix H; EIP-2929,
EIP-1052, EIP-3198, EIP-4844 BLOBHASH, EIP-7516).
"""

from __future__ import annotations

from collections.abc import Callable

from trinode.execution.evm.frame import ExceptionalHalt, Frame
from trinode.execution.evm.memory import charge_copy, write_padded
from trinode.execution.state import EMPTY_ACCOUNT
from trinode.protocol.types import Address

COLD_ACCOUNT_ACCESS = 2600
WARM_ACCESS = 100


def to_address(word: int) -> Address:
    """The address in the lower 20 bytes of a stack word."""
    return (word & (2**160 - 1)).to_bytes(20, "big")


def charge_access(frame: Frame, address: Address) -> None:
    """Gas for touching an account: once in a transaction it is cold (EIP-2929)."""
    journal = frame.machine.journal
    if address in journal.warm_addresses:
        frame.charge(WARM_ACCESS)
    else:
        frame.charge(COLD_ACCOUNT_ACCESS)
        journal.warm_address(address)


def _word(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _constant(value: Callable[[Frame], int]) -> Callable[[Frame], None]:
    def opcode(frame: Frame) -> None:
        frame.stack.append(value(frame))

    return opcode


address = _constant(lambda frame: _word(frame.address))
origin = _constant(lambda frame: _word(frame.machine.origin))
caller = _constant(lambda frame: _word(frame.caller))
callvalue = _constant(lambda frame: frame.value)
calldatasize = _constant(lambda frame: len(frame.data))
codesize = _constant(lambda frame: len(frame.program.code))
gasprice = _constant(lambda frame: frame.machine.gas_price)
returndatasize = _constant(lambda frame: len(frame.return_data))
coinbase = _constant(lambda frame: _word(frame.machine.environment.fee_recipient))
timestamp = _constant(lambda frame: frame.machine.environment.timestamp)
number = _constant(lambda frame: frame.machine.environment.number)
prevrandao = _constant(lambda frame: _word(frame.machine.environment.prev_randao))
gaslimit = _constant(lambda frame: frame.machine.environment.gas_limit)
chainid = _constant(lambda frame: frame.machine.environment.chain_id)
selfbalance = _constant(lambda frame: frame.machine.journal.account(frame.address).balance)
basefee = _constant(lambda frame: frame.machine.environment.base_fee)
blobbasefee = _constant(lambda frame: frame.machine.environment.blob_base_fee)


def calldataload(frame: Frame) -> None:
    stack = frame.stack
    stack[-1] = int.from_bytes(frame.data[stack[-1] : stack[-1] + 32].ljust(32, b"\0"), "big")


def calldatacopy(frame: Frame) -> None:
    stack = frame.stack
    to, offset, size = stack.pop(), stack.pop(), stack.pop()
    write_padded(frame, frame.data, to=to, offset=offset, size=size)


def codecopy(frame: Frame) -> None:
    stack = frame.stack
    to, offset, size = stack.pop(), stack.pop(), stack.pop()
    write_padded(frame, frame.program.code, to=to, offset=offset, size=size)


def returndatacopy(frame: Frame) -> None:
    """Reading beyond the end of the data halts (EIP-211)."""
    stack = frame.stack
    to, offset, size = stack.pop(), stack.pop(), stack.pop()
    if offset + size > len(frame.return_data):
        raise ExceptionalHalt("return data out of bounds")
    charge_copy(frame, size)
    if size:
        frame.expand(to, size)
        frame.memory[to : to + size] = frame.return_data[offset : offset + size]


def balance(frame: Frame) -> None:
    of = to_address(frame.stack[-1])
    charge_access(frame, of)
    frame.stack[-1] = frame.machine.journal.account(of).balance


def extcodesize(frame: Frame) -> None:
    of = to_address(frame.stack[-1])
    charge_access(frame, of)
    frame.stack[-1] = len(frame.machine.journal.code_of(of))


def extcodecopy(frame: Frame) -> None:
    stack = frame.stack
    of = to_address(stack.pop())
    to, offset, size = stack.pop(), stack.pop(), stack.pop()
    charge_access(frame, of)
    # The gas comes first: reading the code is what is paid for.
    charge_copy(frame, size)
    if size:
        frame.expand(to, size)
        code = frame.machine.journal.code_of(of)
        frame.memory[to : to + size] = code[offset : offset + size].ljust(size, b"\0")


def extcodehash(frame: Frame) -> None:
    of = to_address(frame.stack[-1])
    charge_access(frame, of)
    account = frame.machine.journal.account(of)
    frame.stack[-1] = 0 if account == EMPTY_ACCOUNT else _word(account.code_hash)


def blockhash(frame: Frame) -> None:
    stack = frame.stack
    stack[-1] = frame.machine.block_hash(stack[-1])


def blobhash(frame: Frame) -> None:
    stack = frame.stack
    hashes = frame.machine.blob_hashes
    stack[-1] = _word(hashes[stack[-1]]) if stack[-1] < len(hashes) else 0

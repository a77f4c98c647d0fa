"""Opcodes that call and create, and SELFDESTRUCT (EIP-150, EIP-161, EIP-211, EIP-1014, EIP-2929, EIP-3860, EIP-6780,
EIP-7702).
"""

from __future__ import annotations

from trinode.execution.evm.environment import COLD_ACCOUNT_ACCESS, charge_access, to_address
from trinode.execution.evm.frame import ExceptionalHalt, Frame, OutOfGas
from trinode.execution.evm.memory import HALT
from trinode.execution.evm.storage import CALL_STIPEND
from trinode.execution.rules import EvmFork
from trinode.execution.state import EMPTY_ACCOUNT
from trinode.execution.validity import MAX_INITCODE_SIZE
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import encode_bytes, encode_int, encode_list
from trinode.protocol.types import Address

CALL_VALUE = 9_000
NEW_ACCOUNT = 25_000
CALL_DEPTH_LIMIT = 1_024
_INITCODE_WORD = 2
_KECCAK_WORD = 6


def create_address(sender: Address, nonce: int) -> Address:
    """Where a creation by transaction or CREATE puts its contract; `nonce` is the sender's before it."""
    return keccak256(encode_list((encode_bytes(sender), encode_int(nonce))))[12:]


def create2_address(sender: Address, salt: int, initcode: bytes) -> Address:
    """Where CREATE2 puts its contract (EIP-1014)."""
    return keccak256(b"\xff" + sender + salt.to_bytes(32, "big") + keccak256(initcode))[12:]


def call(frame: Frame) -> None:
    stack = frame.stack
    gas, to, value = stack.pop(), to_address(stack.pop()), stack.pop()
    if value and frame.is_static:
        raise ExceptionalHalt("value transfer in a static call")
    _call(frame, gas, to, value, new_account=True)


def callcode(frame: Frame) -> None:
    stack = frame.stack
    gas, to, value = stack.pop(), to_address(stack.pop()), stack.pop()
    _call(frame, gas, to, value, into_itself=True)


def delegatecall(frame: Frame) -> None:
    stack = frame.stack
    gas, to = stack.pop(), to_address(stack.pop())
    _call(frame, gas, to, None, into_itself=True)


def staticcall(frame: Frame) -> None:
    stack = frame.stack
    gas, to = stack.pop(), to_address(stack.pop())
    _call(frame, gas, to, 0, is_static=True)


def _call(
    frame: Frame,
    gas: int,
    code_address: Address,
    value: int | None,
    *,
    into_itself: bool = False,
    new_account: bool = False,
    is_static: bool = False,
) -> None:
    """What the four calls share. `value` None: the sub-call sees the caller's caller and value (DELEGATECALL)."""
    stack = frame.stack
    in_offset, in_size, out_offset, out_size = stack.pop(), stack.pop(), stack.pop(), stack.pop()
    charge_access(frame, code_address)
    if in_size or out_size:
        frame.expand(in_offset, in_size)
        frame.expand(out_offset, out_size)
    machine = frame.machine
    journal = machine.journal
    if value:
        frame.charge(CALL_VALUE)
        if new_account and journal.account(code_address) == EMPTY_ACCOUNT:
            frame.charge(NEW_ACCOUNT)
    program, delegate = machine.code_to_run(code_address)
    if delegate is not None:
        charge_access(frame, delegate)

    available = frame.gas
    gas = min(gas, available - (available >> 6))
    frame.gas = available - gas
    if value:
        gas += CALL_STIPEND
    frame.return_data = b""
    child = Frame(
        machine,
        program,
        address=frame.address if into_itself else code_address,
        caller=frame.caller if value is None else frame.address,
        value=frame.value if value is None else value,
        data=bytes(frame.memory[in_offset : in_offset + in_size]) if in_size else b"",
        gas=gas,
        depth=frame.depth + 1,
        is_static=is_static or frame.is_static,
    )
    if frame.depth >= CALL_DEPTH_LIMIT or (value and journal.account(frame.address).balance < value):
        machine.refuse(child, code_address)
        frame.gas += gas
        stack.append(0)
        return
    succeeded = machine.message_call(child, code_address, transfers=not into_itself)
    frame.gas += child.gas
    output = frame.return_data = child.output
    if out_size and output:
        copied = output[:out_size]
        frame.memory[out_offset : out_offset + len(copied)] = copied
    stack.append(1 if succeeded else 0)


def create(frame: Frame) -> None:
    _create(frame, has_salt=False)


def create2(frame: Frame) -> None:
    _create(frame, has_salt=True)


def _create(frame: Frame, *, has_salt: bool) -> None:
    if frame.is_static:
        raise ExceptionalHalt("creation in a static call")
    stack = frame.stack
    value, offset, size = stack.pop(), stack.pop(), stack.pop()
    salt = stack.pop() if has_salt else None
    machine = frame.machine
    words = (size + 31) >> 5
    if machine.rules.evm >= EvmFork.SHANGHAI:
        if size > MAX_INITCODE_SIZE:
            raise OutOfGas
        frame.charge(_INITCODE_WORD * words)
    if has_salt:
        frame.charge(_KECCAK_WORD * words)
    initcode = frame.read_memory(offset, size)
    frame.return_data = b""

    journal = machine.journal
    creator = journal.account(frame.address)
    gas = frame.gas - (frame.gas >> 6)
    sender = frame.address
    new = create_address(sender, creator.nonce) if salt is None else create2_address(sender, salt, initcode)
    child = machine.creation_frame(sender, new, initcode, value, gas, depth=frame.depth + 1)
    if frame.depth >= CALL_DEPTH_LIMIT or creator.balance < value or creator.nonce == 2**64 - 1:
        machine.refuse(child, None)
        stack.append(0)
        return
    frame.gas -= gas
    journal.increment_nonce(sender)
    succeeded = machine.create(child)
    frame.gas += child.gas
    if child.reverted:
        frame.return_data = child.output
    stack.append(int.from_bytes(new, "big") if succeeded else 0)


def selfdestruct(frame: Frame) -> int:
    if frame.is_static:
        raise ExceptionalHalt("self-destruction in a static call")
    machine = frame.machine
    journal = machine.journal
    heir = to_address(frame.stack.pop())
    if heir not in journal.warm_addresses:
        frame.charge(COLD_ACCOUNT_ACCESS)
        journal.warm_address(heir)
    address = frame.address
    balance = journal.account(address).balance
    if balance and journal.account(heir) == EMPTY_ACCOUNT:
        frame.charge(NEW_ACCOUNT)
    is_going = machine.rules.evm < EvmFork.CANCUN or address in journal.created
    if balance:
        journal.add_balance(address, -balance)
        if heir != address or not is_going:
            journal.add_balance(heir, balance)
    else:
        journal.add_balance(heir, 0)
    if is_going:
        journal.note_destruction(address)
    return HALT

"""The accounts that a transaction reads, as they were before it, and what it made of them: geth's prestateTracer."""

from __future__ import annotations

from dataclasses import dataclass, field

from trinode.execution.engine import TransactionResult
from trinode.execution.evm.calls import create2_address, create_address
from trinode.execution.evm.environment import to_address
from trinode.execution.evm.frame import Frame
from trinode.execution.evm.journal import Journal
from trinode.execution.recovery import recover_authority
from trinode.execution.state import EMPTY_CODE_HASH
from trinode.execution.tracing.machine import TracedMachine
from trinode.execution.tracing.tracer import Holding, Step, TraceLimits, Tracer
from trinode.execution.validity import delegate_of
from trinode.protocol.transaction import SetCodeTransaction, SignatureError, Transaction
from trinode.protocol.types import Address, Hash32

_SLOTS = frozenset((0x54, 0x55))
_ACCOUNTS = frozenset((0x31, 0x3B, 0x3C, 0x3F, 0xFF))
"""BALANCE, EXTCODESIZE, EXTCODECOPY, EXTCODEHASH, SELFDESTRUCT: the account is on top of the stack."""
_CALLS = frozenset((0xF1, 0xF2, 0xF4, 0xFA))
_CREATE, _CREATE2 = 0xF0, 0xF5
_ENTRY_SIZE = 200
_NO_CODE: Hash32 = bytes(32)


@dataclass(slots=True)
class AccountState:
    """An account, as far as it was read; in what comes after, only what changed (the others None).

    Balance in wei. `code_hash` is None where there is no code, and zeros in what comes after where code is gone.
    """

    balance: int | None = None
    nonce: int | None = None
    code: bytes | None = None
    code_hash: Hash32 | None = None
    storage: dict[int, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the account is none (EIP-161), whatever slots of it were read."""
        return not (self.balance or self.nonce or self.code_hash)


@dataclass(frozen=True, slots=True)
class PrestateOptions:
    """`diff_mode`: only what changed, and what it changed to."""

    diff_mode: bool = False
    disable_code: bool = False
    disable_storage: bool = False
    include_empty: bool = False


class PrestateTracer(Tracer):
    """`pre`: accounts before the transaction; `post`, in `diff_mode`: what changed of them. Raises TraceLimitExceeded."""

    def __init__(self, options: PrestateOptions | None = None, limits: TraceLimits | None = None) -> None:
        self._options = options or PrestateOptions()
        self._holding = Holding(limits)
        self._journal: Journal | None = None
        self._fresh: list[tuple[Address, int | None]] = []
        self.pre: dict[Address, AccountState] = {}
        self.post: dict[Address, AccountState] = {}

    def begin(self, machine: TracedMachine, transaction: Transaction, sender: Address) -> None:
        self.pre, self.post = {}, {}
        journal = self._journal = machine.journal
        self._note_account(sender)
        if transaction.to is None:
            self._note_account(create_address(sender, journal.account(sender).nonce))
        else:
            self._note_with_delegate(transaction.to)
        self._note_account(machine.environment.fee_recipient)
        if machine.rules.base_fee_recipient is not None:
            self._note_account(machine.rules.base_fee_recipient)
        if isinstance(transaction, SetCodeTransaction):
            for authorization in transaction.authorization_list:
                try:
                    self._note_account(recover_authority(authorization))
                except SignatureError:
                    continue  # nobody's: execution passes over it, too

    def step(self, step: Step) -> None:
        frame, byte = step.frame, step.byte
        stack = frame.stack
        self._fresh = []
        if byte in _SLOTS and stack:
            self._note_slot(frame, stack[-1])
        elif byte in _ACCOUNTS and stack:
            self._note_account(to_address(stack[-1]))
        elif byte in _CALLS and len(stack) >= 5:
            self._note_with_delegate(to_address(stack[-2]))
        elif byte == _CREATE:
            self._note_account(create_address(frame.address, frame.machine.journal.account(frame.address).nonce))
        elif byte == _CREATE2 and len(stack) >= 4:
            initcode = bytes(frame.memory[stack[-2] : stack[-2] + stack[-3]])
            self._note_account(create2_address(frame.address, stack[-4], initcode.ljust(min(stack[-3], 2**16), b"\0")))

    def charged(self, step: Step) -> None:
        if step.error is None:
            return
        # The opcode did not begin: it has read nothing.
        for address, slot in self._fresh:
            if slot is None:
                self.pre.pop(address, None)
            else:
                self.pre[address].storage.pop(slot, None)

    def end(self, result: TransactionResult) -> None:
        if self._options.diff_mode:
            for address in list(self.pre):
                self._compare(address)
        if not self._options.include_empty:
            self.pre = {address: account for address, account in self.pre.items() if not account.is_empty}

    # -- before

    def _note_account(self, address: Address) -> None:
        if address in self.pre:
            return
        self.pre[address] = self._account_now(address)
        self._holding.add(_ENTRY_SIZE + len(self.pre[address].code or b""))
        self._fresh.append((address, None))

    def _note_with_delegate(self, address: Address) -> None:
        self._note_account(address)
        assert self._journal is not None
        delegate = delegate_of(self._journal.code_of(address))
        if delegate is not None:
            self._note_account(delegate)

    def _note_slot(self, frame: Frame, slot: int) -> None:
        if self._options.disable_storage:
            return
        self._note_account(frame.address)
        storage = self.pre[frame.address].storage
        if slot not in storage:
            storage[slot] = frame.machine.journal.load(frame.storage(), slot)
            self._holding.add(_ENTRY_SIZE)
            self._fresh.append((frame.address, slot))

    def _account_now(self, address: Address) -> AccountState:
        assert self._journal is not None
        nonce, balance, code_hash = self._journal.account(address)
        if code_hash == EMPTY_CODE_HASH:
            return AccountState(balance, nonce)
        code = None if self._options.disable_code else self._journal.code(code_hash)
        return AccountState(balance, nonce, code, code_hash)

    # -- after

    def _compare(self, address: Address) -> None:
        """Leaves in `pre` what changed, and puts in `post` what it changed to; an account that destroyed itself is only in `pre`."""
        assert self._journal is not None
        if address in self._journal.destroyed:
            return
        before, now = self.pre[address], self._account_now(address)
        after = AccountState()
        if now.balance != before.balance:
            after.balance = now.balance
        if now.nonce != before.nonce:
            after.nonce = now.nonce
        if now.code_hash != before.code_hash:
            after.code, after.code_hash = now.code or b"", now.code_hash or _NO_CODE
        is_changed = after != AccountState()
        is_changed |= self._compare_storage(address, before, after)
        if is_changed:
            self.post[address] = after
        else:
            del self.pre[address]

    def _compare_storage(self, address: Address, before: AccountState, after: AccountState) -> bool:
        assert self._journal is not None
        is_changed = False
        slots = self._journal.slots(address)
        for slot, old in list(before.storage.items()):
            value = self._journal.load(slots, slot)
            if not old or value == old:
                del before.storage[slot]
            if value != old:
                is_changed = True
                if value:
                    after.storage[slot] = value
        return is_changed

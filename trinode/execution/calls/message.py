"""A message from anyone, executed on a state: what eth_call does (execution-apis, "eth_call"; geth's rules where that is silent).

What a block demands of a transaction and a message need not have: a signature, the right nonce, a sender without code (EIP-3607), a fee, a gas
limit below the cap of EIP-7825. A message without fees is executed as if the base fee were 0, and BASEFEE says so. Nobody pays an L1 fee or an
operator fee for it: op-geth knows these of transactions only, whose encoding they are for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from trinode.execution.calls.context import CallContext
from trinode.execution.engine import TransactionResult
from trinode.execution.errors import InvalidTransaction
from trinode.execution.evm.authorization import apply_authorizations
from trinode.execution.evm.machine import Machine
from trinode.execution.evm.program import Programs
from trinode.execution.evm.transaction import gas_used, run_outermost, warm_up
from trinode.execution.intrinsic import floor_gas, intrinsic_gas
from trinode.execution.rules import EvmFork
from trinode.execution.state import BLOCK_HASHES, Account
from trinode.execution.tracing.call_tracer import CallTracer
from trinode.execution.tracing.machine import TracedMachine, new_programs
from trinode.execution.tracing.reasons import COLLISION, REVERTED
from trinode.execution.tracing.tracer import Step, TraceLimitExceeded, Tracer
from trinode.execution.validity import MAX_INITCODE_SIZE
from trinode.protocol.transaction import AccessListEntry, Authorization, DynamicFeeTransaction, SetCodeTransaction
from trinode.protocol.types import Address

NO_ADDRESS: Address = bytes(20)

_MOST_STEPS = 300_000
"""Opcodes that are looked at one by one for the words of a failure: a second or so."""


class InsufficientFunds(InvalidTransaction):
    """The sender has less than value and gas may cost. All in wei."""

    def __init__(self, sender: Address, balance: int, cost: int) -> None:
        super().__init__("balance", f"0x{sender.hex()} has {balance} wei, costs up to {cost}")
        self.sender = sender
        self.balance = balance
        self.cost = cost


class GasTooLow(InvalidTransaction):
    """The gas limit does not cover what the message costs before it begins (`needed`), by the rule `intrinsic_gas` or `floor_gas`."""

    def __init__(self, rule: str, gas_limit: int, needed: int) -> None:
        super().__init__(rule, f"gas limit {gas_limit} is below {needed}")
        self.gas_limit = gas_limit
        self.needed = needed


@dataclass(frozen=True, slots=True)
class Message:
    """A call, or a creation (`to` None). Value and fees in wei; a gas price is both fees. `gas_limit` is the caller's to bound.

    `authorizations` None: not a set code transaction; it has one at least otherwise.
    """

    gas_limit: int
    sender: Address = NO_ADDRESS
    to: Address | None = None
    max_fee: int = 0
    max_priority_fee: int = 0
    value: int = 0
    data: bytes = b""
    access_list: tuple[AccessListEntry, ...] = ()
    authorizations: tuple[Authorization, ...] | None = None

    def unsigned(self, chain_id: int) -> DynamicFeeTransaction | SetCodeTransaction:
        """The transaction that it would be, with no signature and no nonce. Raises InvalidTransaction."""
        fields: dict[str, Any] = {
            "chain_id": chain_id,
            "nonce": 0,
            "max_priority_fee_per_gas": self.max_priority_fee,
            "max_fee_per_gas": self.max_fee,
            "gas_limit": self.gas_limit,
            "to": self.to,
            "value": self.value,
            "data": self.data,
            "access_list": self.access_list,
            "y_parity": 0,
            "r": 0,
            "s": 0,
        }
        if self.authorizations is None:
            return DynamicFeeTransaction(**fields)
        if self.to is None:
            raise InvalidTransaction("set_code_creation", "a set code transaction creates no contract")
        if not self.authorizations:
            raise InvalidTransaction("empty_authorization_list", "a set code transaction without authorizations")
        return SetCodeTransaction(**fields, authorization_list=self.authorizations)


class CallMachine(TracedMachine):
    """The EVM of a call: BLOCKHASH counts from the number that the block says it has, and knows the hashes of the true chain."""

    __slots__ = ("_context",)

    def __init__(self, context: CallContext, *, is_free: bool, programs: Programs) -> None:
        environment = replace(context.environment, base_fee=0) if is_free else context.environment
        super().__init__(environment, context.state, programs)
        self._context = context
        self.logs_before = context.logs_before

    def block_hash(self, number: int) -> int:
        """As Machine's; 0 for the block itself and what comes after it."""
        context, current = self._context, self.environment.number
        if not current - BLOCK_HASHES <= number < current or number >= context.head_number:
            return 0
        if number == context.head_number - 1:
            return int.from_bytes(context.head_parent_hash, "big")
        return int.from_bytes(self.reader.block_hash(number), "big")


def call(context: CallContext, message: Message, *, tracer: Tracer | None = None, programs: Programs | None = None) -> TransactionResult:
    """Executes a message; nothing of it stays. Whoever makes many calls keeps `new_programs()` for each EVM fork: it holds compiled code.

    A message that fails is a result, too: `failure`, and in `output` what it reverted with. Raises InvalidTransaction (InsufficientFunds where
    the sender has too little), TraceLimitExceeded and MissingState.
    """
    return execute(context, message, tracer=tracer, programs=programs)[0]


class _FailureTracer(CallTracer):
    """Ends what takes more than a second or so."""

    steps = 0

    def step(self, step: Step) -> None:
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise TraceLimitExceeded(f"more than {_MOST_STEPS} opcodes")


def failure_words(context: CallContext, message: Message, failure: str, *, programs: Programs | None = None) -> str:
    """Why a message fails, in geth's words, which compiled code does not have: executed once more, opcode by opcode. Raises as `call` does.

    `failure`: in our own, which are given where it goes on for long before it fails.
    """
    tracer = _FailureTracer(only_top_call=True)
    try:
        call(context, message, tracer=tracer, programs=programs)
    except TraceLimitExceeded:
        return failure
    return tracer.call.error or failure


def execute(
    context: CallContext, message: Message, *, tracer: Tracer | None = None, programs: Programs | None = None
) -> tuple[TransactionResult, int]:
    """As `call`; and the most gas that was used at any time, which is what the gas limit must reach: refunds come after."""
    is_free = not message.max_fee and not message.max_priority_fee
    machine = CallMachine(context, is_free=is_free, programs=new_programs() if programs is None else programs)
    transaction = message.unsigned(machine.environment.chain_id)
    if tracer is not None:
        tracer.begin(machine, transaction, message.sender)
        machine.tracer = tracer
    try:
        result, peak = _apply(machine, message, transaction)
    finally:
        machine.stop_tracing()
    if tracer is not None:
        tracer.end(result)
    return result, peak


def _check(machine: Machine, message: Message, transaction: DynamicFeeTransaction | SetCodeTransaction) -> tuple[int, int]:
    """Gives intrinsic and floor gas. Raises InvalidTransaction."""
    evm, base_fee = machine.rules.evm, machine.environment.base_fee
    if message.max_priority_fee > message.max_fee:
        raise InvalidTransaction("priority_fee", f"priority fee {message.max_priority_fee} above max fee {message.max_fee}")
    if message.max_fee < base_fee:
        raise InvalidTransaction("base_fee", f"max fee {message.max_fee} is below the base fee {base_fee}")
    balance, cost = machine.journal.account(message.sender).balance, message.gas_limit * message.max_fee + message.value
    if balance < cost:
        raise InsufficientFunds(message.sender, balance, cost)
    intrinsic, floor = intrinsic_gas(transaction, evm), floor_gas(transaction, evm)
    if message.gas_limit < intrinsic:
        raise GasTooLow("intrinsic_gas", message.gas_limit, intrinsic)
    if message.gas_limit < floor:
        raise GasTooLow("floor_gas", message.gas_limit, floor)
    if message.to is None and evm >= EvmFork.SHANGHAI and len(message.data) > MAX_INITCODE_SIZE:
        raise InvalidTransaction("initcode_size", f"{len(message.data)} bytes of initcode")
    if message.authorizations is not None and evm < EvmFork.PRAGUE:
        raise InvalidTransaction("type_not_active", "set code transactions come with Isthmus")
    return intrinsic, floor


def _apply(
    machine: Machine, message: Message, transaction: DynamicFeeTransaction | SetCodeTransaction
) -> tuple[TransactionResult, int]:
    journal, environment, sender = machine.journal, machine.environment, message.sender
    intrinsic, floor = _check(machine, message, transaction)
    journal.begin_transaction()
    nonce, balance, code_hash = journal.account(sender)
    price = min(message.max_fee, environment.base_fee + message.max_priority_fee)
    journal.set_account(sender, Account(nonce + 1, balance - message.gas_limit * price, code_hash))
    warm_up(machine, transaction, sender)
    if isinstance(transaction, SetCodeTransaction):
        apply_authorizations(journal, transaction.authorization_list, environment.chain_id)
    machine.origin, machine.gas_price = sender, price
    frame, succeeded = run_outermost(machine, transaction, sender, message.gas_limit - intrinsic, nonce)
    used = gas_used(machine, message.gas_limit, frame.gas, floor)
    if price:
        journal.add_balance(sender, (message.gas_limit - used) * price)
        journal.add_balance(environment.fee_recipient, used * (price - environment.base_fee))
        if machine.rules.base_fee_recipient is not None:
            journal.add_balance(machine.rules.base_fee_recipient, used * environment.base_fee)
    journal.end_transaction()
    result = TransactionResult(
        succeeded=succeeded,
        gas_used=used,
        logs=tuple(journal.logs),
        output=frame.output,
        failure=None if succeeded else frame.failure or (REVERTED if frame.reverted else COLLISION),
        contract_address=frame.address if message.to is None else None,
    )
    return result, max(message.gas_limit - frame.gas, floor)

"""One call of a simulated block: checked as far as is asked for, executed, and what it came to (execution-apis, "eth_simulateV1").

As for eth_call, nobody pays an L1 fee or an operator fee: a transaction that nobody has signed has no size that could be paid for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from trinode.execution.calls.message import Message
from trinode.execution.calls.simulate_trace import SimulationTracer
from trinode.execution.engine import TransactionResult
from trinode.execution.errors import ExecutionError, InvalidTransaction
from trinode.execution.evm.authorization import apply_authorizations
from trinode.execution.evm.transaction import gas_used, run_outermost, warm_up
from trinode.execution.intrinsic import floor_gas, intrinsic_gas
from trinode.execution.rules import EvmFork
from trinode.execution.state import Account
from trinode.execution.tracing.machine import TracedMachine
from trinode.execution.tracing.reasons import NONCE, REVERTED
from trinode.execution.validity import MAX_INITCODE_SIZE
from trinode.protocol.receipt import Log
from trinode.protocol.transaction import DynamicFeeTransaction, LegacyTransaction, SetCodeTransaction, SignedTransaction
from trinode.protocol.types import Address

_NONCES = 2**64


class RefusedCall(ExecutionError):
    """A call that no block could hold. `rule` as InvalidTransaction's, `detail` in numbers, `gas` that the call would have had."""

    def __init__(self, rule: str, sender: Address, detail: str, gas: int) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule = rule
        self.sender = sender
        self.detail = detail
        self.gas = gas


@dataclass(frozen=True, slots=True)
class SimulatedCall:
    """A message (its `gas_limit` is not looked at), the gas that it asks for and its nonce; None: as much as there is, and the account's next.

    `has_gas_price`: it has a gas price in place of two fees, and is a legacy transaction in the block.
    """

    message: Message
    gas: int | None = None
    nonce: int | None = None
    has_gas_price: bool = False

    def transaction(self, chain_id: int, nonce: int, gas: int) -> SignedTransaction:
        """What stands in the block, without a signature. Raises InvalidTransaction."""
        message = self.message
        if message.authorizations is None and self.has_gas_price:
            return LegacyTransaction(nonce, message.max_fee, gas, message.to, message.value, message.data, v=0)
        fields = (chain_id, nonce, message.max_priority_fee, message.max_fee, gas)
        if message.authorizations is None:
            return DynamicFeeTransaction(*fields, message.to, message.value, message.data, message.access_list)
        if message.to is None:
            raise InvalidTransaction("set_code_creation", "a set code transaction creates no contract")
        return SetCodeTransaction(*fields, message.to, message.value, message.data, message.access_list, message.authorizations)


class CallOutcome(NamedTuple):
    """What a call did. `logs` with transfers, if they are asked for; those of `result` are without. `peak`: the most gas used at any time.

    `places`: of the logs among all `logged` of the call, of which those that were undone count, too, as in geth.
    """

    result: TransactionResult
    logs: tuple[Log, ...]
    peak: int
    places: Sequence[int]
    logged: int


@dataclass(frozen=True, slots=True)
class CallRun:
    """Runs calls in one block. `validates`: nonces and the base fee hold for calls without fees, too; `traces`: transfers are logged."""

    machine: TracedMachine
    validates: bool
    traces: bool

    def run(self, call: SimulatedCall, transaction: SignedTransaction) -> CallOutcome:
        """Raises RefusedCall, MissingState."""
        machine, message = self.machine, call.message
        journal = machine.journal
        journal.begin_transaction()
        intrinsic, floor = self._check(message, transaction)
        if self.traces:
            tracer = SimulationTracer(transfers=True)
            result, peak = self._traced(tracer, message, transaction, intrinsic, floor)
            journal.end_transaction()
            return CallOutcome(result, tuple(tracer.logs), peak, tracer.places, tracer.count)
        before, undone = journal.snapshot(), journal.undone_logs
        result, peak = self._apply(message, transaction, intrinsic, floor)
        places: Sequence[int] = range(len(result.logs))
        logged = len(result.logs)
        if journal.undone_logs != undone or (not result.succeeded and result.failure != REVERTED):
            # Compiled code does not say all that geth's words do, nor which logs are gone: once more, opcode by opcode.
            journal.revert(before)
            journal.begin_transaction()
            tracer = SimulationTracer(transfers=False)
            result, peak = self._traced(tracer, message, transaction, intrinsic, floor)
            places, logged = tracer.places, tracer.count
        journal.end_transaction()
        return CallOutcome(result, result.logs, peak, places, logged)

    def _traced(
        self, tracer: SimulationTracer, message: Message, transaction: SignedTransaction, intrinsic: int, floor: int
    ) -> tuple[TransactionResult, int]:
        machine = self.machine
        tracer.begin(machine, transaction, message.sender)
        machine.tracer = tracer
        try:
            result, peak = self._apply(message, transaction, intrinsic, floor)
        finally:
            machine.stop_tracing()
        return result._replace(failure=None if result.succeeded else tracer.failure or result.failure), peak

    def _check(self, message: Message, transaction: SignedTransaction) -> tuple[int, int]:
        """Gives intrinsic and floor gas. Raises RefusedCall, by the first rule that does not hold in op-geth's order."""
        machine, gas = self.machine, transaction.gas_limit
        rules, base_fee, sender = machine.rules.evm, machine.environment.base_fee, message.sender

        def refuse(rule: str, detail: str) -> RefusedCall:
            return RefusedCall(rule, sender, detail, gas)

        account = machine.journal.account(sender)
        if self.validates and transaction.nonce != account.nonce:
            rule = "nonce_too_low" if transaction.nonce < account.nonce else "nonce_too_high"
            raise refuse(rule, f"tx: {transaction.nonce} state: {account.nonce}")
        if self.validates and account.nonce == _NONCES - 1:
            raise refuse("nonce_max", f"nonce: {account.nonce}")
        if message.max_priority_fee > message.max_fee:
            raise refuse("priority_fee", f"maxPriorityFeePerGas: {message.max_priority_fee}, maxFeePerGas: {message.max_fee}")
        if message.max_fee < base_fee and (self.validates or message.max_fee):
            raise refuse("base_fee", f"maxFeePerGas: {message.max_fee}, baseFee: {base_fee}")
        if message.authorizations is not None and not message.authorizations:
            raise refuse("empty_authorization_list", "")
        if message.authorizations is not None and rules < EvmFork.PRAGUE:
            raise refuse("type_not_active", "")
        cost = gas * message.max_fee + message.value
        if account.balance < cost:
            raise refuse("balance", f"have {account.balance} want {cost}")
        charged = _charged(message, transaction)
        intrinsic, floor = intrinsic_gas(charged, rules), floor_gas(charged, rules)
        if gas < intrinsic:
            raise refuse("intrinsic_gas", f"have {gas}, want {intrinsic}")
        if gas < floor:
            raise refuse("floor_gas", f"have {gas}, want {floor}")
        if message.to is None and rules >= EvmFork.SHANGHAI and len(message.data) > MAX_INITCODE_SIZE:
            raise refuse("initcode_size", f"code size {len(message.data)} limit {MAX_INITCODE_SIZE}")
        return intrinsic, floor

    def _apply(
        self, message: Message, transaction: SignedTransaction, intrinsic: int, floor: int
    ) -> tuple[TransactionResult, int]:
        machine, gas_limit, sender = self.machine, transaction.gas_limit, message.sender
        journal, environment = machine.journal, machine.environment
        nonce, balance, code_hash = journal.account(sender)
        price = min(message.max_fee, environment.base_fee + message.max_priority_fee)
        if message.to is None and nonce == _NONCES - 1:
            used = max(intrinsic, floor)
            return TransactionResult(succeeded=False, gas_used=used, logs=(), failure=NONCE), used
        journal.set_account(sender, Account((nonce + 1) % _NONCES, balance - gas_limit * price, code_hash))
        charged = _charged(message, transaction)
        warm_up(machine, charged, sender)
        if message.authorizations is not None:
            apply_authorizations(journal, message.authorizations, environment.chain_id)
        machine.origin, machine.gas_price = sender, price
        frame, succeeded = run_outermost(machine, charged, sender, gas_limit - intrinsic, nonce)
        used = gas_used(machine, gas_limit, frame.gas, floor)
        if price or self.validates:
            # A call without fees pays nobody, even where there is a base fee.
            journal.add_balance(sender, (gas_limit - used) * price)
            journal.add_balance(environment.fee_recipient, used * max(price - environment.base_fee, 0))
            if machine.rules.base_fee_recipient is not None:
                journal.add_balance(machine.rules.base_fee_recipient, used * environment.base_fee)
        result = TransactionResult(
            succeeded=succeeded,
            gas_used=used,
            logs=tuple(journal.logs),
            output=frame.output,
            failure=frame.why_failed,
            contract_address=frame.address if message.to is None else None,
        )
        return result, max(gas_limit - frame.gas, floor)


def _charged(message: Message, transaction: SignedTransaction) -> SignedTransaction:
    """The transaction with its access list, for which gas is paid even where a legacy transaction stands for it in the block."""
    if not isinstance(transaction, LegacyTransaction) or not message.access_list:
        return transaction
    fees = (message.max_fee, message.max_fee, transaction.gas_limit)
    return DynamicFeeTransaction(0, transaction.nonce, *fees, message.to, message.value, message.data, message.access_list)

"""What a deposit does around its outermost call (specification: deposits, "Execution"; regolith).

L1 has paid for it: it is never invalid for lack of anything. What is minted stays minted, and the sender's nonce is counted
up, whatever becomes of the rest.
"""

from __future__ import annotations

from trinode.execution.engine import TransactionResult
from trinode.execution.errors import InvalidTransaction
from trinode.execution.evm.calls import create_address
from trinode.execution.evm.machine import Machine
from trinode.execution.evm.transaction import gas_used, run_outermost, warm_up
from trinode.execution.intrinsic import floor_gas, intrinsic_gas
from trinode.execution.rules import EvmFork, ExecutionRules
from trinode.execution.validity import MAX_INITCODE_SIZE
from trinode.protocol.deposit import DepositTransaction


def apply_deposit(machine: Machine, deposit: DepositTransaction) -> TransactionResult:
    """Executes a deposit. Raises InvalidTransaction for a system transaction where there are none any more."""
    journal, rules, sender = machine.journal, machine.rules, deposit.sender
    if deposit.is_system_transaction and rules.deposit_gas_is_metered:
        raise InvalidTransaction("system_transaction", "there are no system transactions since Regolith")
    journal.begin_transaction()
    machine.origin, machine.gas_price = sender, 0
    if deposit.mint:
        journal.add_balance(sender, deposit.mint)
    nonce = journal.account(sender).nonce
    contract_address = create_address(sender, nonce) if deposit.to is None else None

    failure = _refusal(machine, deposit)
    if failure is not None:
        journal.increment_nonce(sender)
        used = 0 if deposit.is_system_transaction else deposit.gas_limit
        return TransactionResult(
            succeeded=False,
            gas_used=used,
            logs=(),
            failure=failure,
            contract_address=contract_address,
            deposit_nonce=nonce,
        )
    journal.increment_nonce(sender)
    warm_up(machine, deposit, sender)
    gas = deposit.gas_limit - intrinsic_gas(deposit, rules.evm)
    frame, succeeded = run_outermost(machine, deposit, sender, gas, nonce)
    journal.end_transaction()
    return TransactionResult(
        succeeded=succeeded,
        gas_used=_gas_used(machine, deposit, frame.gas),
        logs=tuple(journal.logs),
        output=frame.output,
        failure=frame.why_failed,
        contract_address=contract_address,
        deposit_nonce=nonce,
    )


def _refusal(machine: Machine, deposit: DepositTransaction) -> str | None:
    """Why the deposit cannot even begin; it uses all its gas then."""
    evm = machine.rules.evm
    if deposit.gas_limit < max(intrinsic_gas(deposit, evm), floor_gas(deposit, evm)):
        return "intrinsic gas too low"
    if deposit.value > machine.journal.account(deposit.sender).balance:
        return "insufficient balance for transfer"
    if deposit.to is None and evm >= EvmFork.SHANGHAI and len(deposit.data) > MAX_INITCODE_SIZE:
        return "max initcode size exceeded"
    return None


def _gas_used(machine: Machine, deposit: DepositTransaction, gas_left: int) -> int:
    rules: ExecutionRules = machine.rules
    if rules.deposit_gas_is_metered:
        return gas_used(machine, deposit.gas_limit, gas_left, floor_gas(deposit, rules.evm))
    return 0 if deposit.is_system_transaction else deposit.gas_limit

"""What a transaction does around its outermost call: fees before and after, warm addresses, refunds (yellow paper, section
6; specification: exec-engine, "Fees"; EIP-1559, EIP-2929, EIP-3529, EIP-3651, EIP-7623).
"""

from __future__ import annotations

from trinode.execution.engine import PreparedTransaction, TransactionResult
from trinode.execution.errors import InvalidTransaction
from trinode.execution.evm.authorization import apply_authorizations
from trinode.execution.evm.calls import create_address
from trinode.execution.evm.frame import Frame
from trinode.execution.evm.machine import Machine
from trinode.execution.fees import L1_FEE_VAULT, OPERATOR_FEE_VAULT, L1FeeParameters, l1_fee, operator_fee
from trinode.execution.rules import EvmFork
from trinode.execution.state import Account
from trinode.execution.validity import check_form, check_sender, fees_of
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.transaction import LegacyTransaction, SetCodeTransaction, Transaction
from trinode.protocol.types import Address

_MAX_REFUND_QUOTIENT = 5


def apply_transaction(machine: Machine, prepared: PreparedTransaction, l1: L1FeeParameters) -> TransactionResult:
    """Executes a signed transaction. Raises InvalidTransaction before anything is changed."""
    raw, transaction, sender = prepared
    if isinstance(transaction, DepositTransaction):
        raise InvalidTransaction("deposit", "a deposit is no signed transaction")
    environment, rules, journal = machine.environment, machine.rules, machine.journal
    intrinsic, floor = check_form(transaction, environment)
    gas_limit, data_fee = transaction.gas_limit, l1_fee(l1, raw)
    highest_operator_fee = operator_fee(rules, l1, gas_limit)
    journal.begin_transaction()
    nonce, balance, code_hash = account = journal.account(sender)
    check_sender(transaction, account, journal.code(code_hash), data_fee + highest_operator_fee)

    price = fees_of(transaction).effective(environment.base_fee)
    paid = gas_limit * price + data_fee + highest_operator_fee
    journal.set_account(sender, Account(nonce + 1, balance - paid, code_hash))
    warm_up(machine, transaction, sender)
    if isinstance(transaction, SetCodeTransaction):
        apply_authorizations(journal, transaction.authorization_list, environment.chain_id)
    machine.origin, machine.gas_price = sender, price
    frame, succeeded = run_outermost(machine, transaction, sender, gas_limit - intrinsic, nonce)
    used = gas_used(machine, gas_limit, frame.gas, floor)

    gas_operator_fee = operator_fee(rules, l1, used)
    journal.add_balance(sender, (gas_limit - used) * price + highest_operator_fee - gas_operator_fee)
    journal.add_balance(environment.fee_recipient, used * (price - environment.base_fee))
    if rules.base_fee_recipient is not None:
        journal.add_balance(rules.base_fee_recipient, used * environment.base_fee)
    if rules.l1_cost is not None:
        journal.add_balance(L1_FEE_VAULT, data_fee)
    if rules.operator_fee is not None:
        journal.add_balance(OPERATOR_FEE_VAULT, gas_operator_fee)
    journal.end_transaction()
    return TransactionResult(
        succeeded=succeeded,
        gas_used=used,
        logs=tuple(journal.logs),
        output=frame.output,
        failure=frame.why_failed,
        contract_address=frame.address if transaction.to is None else None,
        l1_fee=data_fee,
        operator_fee=gas_operator_fee,
    )


def warm_up(machine: Machine, transaction: Transaction, sender: Address) -> None:
    """The addresses and slots that are warm from the start (EIP-2929, EIP-2930, EIP-3651)."""
    journal = machine.journal
    rules = machine.rules
    warm = journal.warm_addresses = set(rules.precompiles if rules.warm_precompiles is None else rules.warm_precompiles)
    warm.add(sender)
    if transaction.to is not None:
        warm.add(transaction.to)
    if rules.evm >= EvmFork.SHANGHAI:
        warm.add(machine.environment.fee_recipient)
    if isinstance(transaction, (LegacyTransaction, DepositTransaction)):
        return
    for address, storage_keys in transaction.access_list:
        warm.add(address)
        if storage_keys:
            journal.slots(address).warm.update([int.from_bytes(key, "big") for key in storage_keys])


def run_outermost(
    machine: Machine, transaction: Transaction, sender: Address, gas: int, nonce: int
) -> tuple[Frame, bool]:
    """The call or creation that the transaction is; `nonce` is the sender's before it. Whether it succeeded."""
    if transaction.to is None:
        address = create_address(sender, nonce)
        frame = machine.creation_frame(sender, address, transaction.data, transaction.value, gas, depth=0)
        return frame, machine.create(frame)
    program, delegate = machine.code_to_run(transaction.to)
    if delegate is not None:
        machine.journal.warm_addresses.add(delegate)
    frame = Frame(
        machine,
        program,
        address=transaction.to,
        caller=sender,
        value=transaction.value,
        data=transaction.data,
        gas=gas,
        depth=0,
        is_static=False,
    )
    return frame, machine.message_call(frame, transaction.to, transfers=True)


def gas_used(machine: Machine, gas_limit: int, gas_left: int, floor: int) -> int:
    """After refunds (EIP-3529), and not below the floor (EIP-7623)."""
    used = gas_limit - gas_left
    return max(used - min(used // _MAX_REFUND_QUOTIENT, machine.journal.refund), floor)

"""The transactions of one block on py-evm (engine interface: `execution.engine`; specification: deposits, "Execution",
regolith; exec-engine, "Fees"; yellow paper, section 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from eth._utils.address import generate_contract_address
from eth.abc import ComputationAPI
from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.exceptions import ContractCreationCollision
from eth.vm.message import Message
from eth_typing import Address as EthAddress

from trinode.execution.engine import PreparedTransaction, TransactionResult
from trinode.execution.environment import BlockEnvironment
from trinode.execution.errors import InvalidTransaction
from trinode.execution.pyevm.account_db import JournaledAccounts
from trinode.execution.pyevm.delegation import apply_authorization, delegate_of
from trinode.execution.pyevm.fees import L1_FEE_VAULT, OPERATOR_FEE_VAULT, l1_fee, operator_fee
from trinode.execution.pyevm.intrinsic import (
    MAX_INIT_CODE_SIZE,
    access_list,
    authorization_list,
    floor_gas,
    intrinsic_gas,
)
from trinode.execution.pyevm.machines import machine
from trinode.execution.pyevm.validity import check_transaction, fee_caps
from trinode.execution.rules import EvmFork
from trinode.execution.state import StateChanges, StateReader
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.receipt import Log
from trinode.protocol.transaction import SignedTransaction, Transaction
from trinode.protocol.types import Address

_SYSTEM_ADDRESS: Address = bytes.fromhex("fffffffffffffffffffffffffffffffffffffffe")
_SYSTEM_CALL_GAS = 30_000_000
_REFUND_QUOTIENT = 5


class _Outcome(NamedTuple):
    """What the outermost call did. `gas_used` after refunds (EIP-3529) and not below the floor (EIP-7623)."""

    computation: ComputationAPI
    gas_used: int
    contract_address: Address | None


class PyEvmEngine:
    """An `Engine`. Nested calls need a large stack, see the package."""

    def begin(self, environment: BlockEnvironment, state: StateReader) -> PyEvmSession:
        return PyEvmSession(environment, state)


class PyEvmSession:
    """A `Session`."""

    def __init__(self, environment: BlockEnvironment, state: StateReader) -> None:
        self._environment = environment
        self._rules = environment.rules
        self._accounts = JournaledAccounts(state)
        self._machine = machine(environment, self._accounts, state)

    def system_call(self, to: Address, data: bytes) -> None:
        code = self._accounts.get_code(to)
        if not code:
            return
        message = Message(
            gas=_SYSTEM_CALL_GAS,
            to=EthAddress(to),
            sender=EthAddress(_SYSTEM_ADDRESS),
            value=0,
            data=data,
            code=code,
        )
        self._end_transaction(self._call(message, gas_price=0))

    def set_code(self, address: Address, code: bytes) -> None:
        self._accounts.set_code(address, code)
        self._accounts.end_transaction()

    def apply(self, prepared: PreparedTransaction) -> TransactionResult:
        if isinstance(prepared.transaction, DepositTransaction):
            return self._apply_deposit(prepared.transaction)
        return self._apply_signed(prepared.raw, prepared.transaction, prepared.sender)

    def finish(self) -> StateChanges:
        return self._accounts.changes()

    # Deposits

    def _apply_deposit(self, deposit: DepositTransaction) -> TransactionResult:
        if deposit.is_system_transaction and self._rules.deposit_gas_is_metered:
            raise InvalidTransaction("system_transaction", "there are no system transactions since Regolith")
        accounts, sender = self._accounts, deposit.sender
        nonce = accounts.get_nonce(sender)
        self._pay(sender, deposit.mint)
        contract_address = _contract_address(deposit, sender, nonce)
        failure = self._why_deposit_fails(deposit)
        if failure is not None:
            accounts.increment_nonce(sender)
            self._end_transaction(None)
            gas_used = self._deposit_gas_used(deposit, deposit.gas_limit)
            return TransactionResult(
                succeeded=False,
                gas_used=gas_used,
                logs=(),
                failure=failure,
                contract_address=contract_address,
                deposit_nonce=nonce,
            )
        outcome = self._run(deposit, sender, gas_price=0)
        self._end_transaction(outcome.computation)
        gas_used = self._deposit_gas_used(deposit, outcome.gas_used)
        return _result(outcome, gas_used)._replace(deposit_nonce=nonce)

    def _why_deposit_fails(self, deposit: DepositTransaction) -> str | None:
        """What would make a signed transaction invalid makes a deposit fail: it is in the block whatever it does."""
        evm = self._rules.evm
        if deposit.gas_limit < max(intrinsic_gas(deposit, evm), floor_gas(deposit, evm)):
            return "the gas limit of the deposit is below its intrinsic gas"
        if deposit.to is None and evm >= EvmFork.SHANGHAI and len(deposit.data) > MAX_INIT_CODE_SIZE:
            return "the init code of the deposit is too large"
        if self._accounts.get_balance(deposit.sender) < deposit.value:
            return "the sender of the deposit does not have its value"
        return None

    def _deposit_gas_used(self, deposit: DepositTransaction, gas_used: int) -> int:
        """Before Regolith a deposit uses all its gas, and a system transaction none."""
        if self._rules.deposit_gas_is_metered:
            return gas_used
        return 0 if deposit.is_system_transaction else deposit.gas_limit

    # Signed transactions

    def _apply_signed(self, raw: bytes, transaction: SignedTransaction, sender: Address) -> TransactionResult:
        rules, storage, gas_limit = self._rules, self._accounts.get_storage, transaction.gas_limit
        base_fee = self._environment.base_fee
        data_fee = l1_fee(raw, rules, storage)
        highest_operator_fee = operator_fee(gas_limit, rules, storage)
        check_transaction(transaction, sender, self._environment, self._accounts, data_fee + highest_operator_fee)

        max_fee, max_priority_fee = fee_caps(transaction)
        gas_price = min(max_fee, base_fee + max_priority_fee)
        self._pay(sender, -(gas_limit * gas_price + data_fee + highest_operator_fee))
        outcome = self._run(transaction, sender, gas_price)
        gas_used = outcome.gas_used
        # The storage of L1Block is what it was: only the depositor account, which signs nothing, can write it.
        final_operator_fee = operator_fee(gas_used, rules, storage)
        self._pay(sender, (gas_limit - gas_used) * gas_price + highest_operator_fee - final_operator_fee)
        self._pay(self._environment.fee_recipient, gas_used * (gas_price - base_fee))
        if rules.base_fee_recipient is not None:
            self._pay(rules.base_fee_recipient, gas_used * base_fee)
        if rules.l1_cost is not None:
            self._pay(L1_FEE_VAULT, data_fee)
        if rules.operator_fee is not None:
            self._pay(OPERATOR_FEE_VAULT, final_operator_fee)
        self._end_transaction(outcome.computation)
        return _result(outcome, gas_used)._replace(l1_fee=data_fee, operator_fee=final_operator_fee)

    # Both

    def _pay(self, address: Address, amount: int) -> None:
        """Adds to the balance (or takes, if negative), which touches the account even if it is nothing (EIP-161)."""
        self._accounts.set_balance(address, self._accounts.get_balance(address) + amount)

    def _run(self, transaction: Transaction, sender: Address, gas_price: int) -> _Outcome:
        """Executes the transaction, which is valid and whose gas is paid for."""
        accounts, evm = self._accounts, self._rules.evm
        contract_address = _contract_address(transaction, sender, accounts.get_nonce(sender))
        accounts.increment_nonce(sender)
        warm = [sender, contract_address if transaction.to is None else transaction.to]
        if evm >= EvmFork.SHANGHAI:
            warm.append(self._environment.fee_recipient)
        self._make_warm(warm, transaction)
        refund = 0
        for authorization in authorization_list(transaction):
            refund += apply_authorization(authorization, self._environment.chain_id, accounts)
        message = self._message(transaction, sender, contract_address, transaction.gas_limit - intrinsic_gas(transaction, evm))
        computation = self._call(message, gas_price)
        gas_used = transaction.gas_limit - computation.get_gas_remaining()
        gas_used -= min(refund + computation.get_gas_refund(), gas_used // _REFUND_QUOTIENT)
        return _Outcome(computation, max(gas_used, floor_gas(transaction, evm)), contract_address)

    def _make_warm(self, addresses: Sequence[Address | None], transaction: Transaction) -> None:
        """EIP-2929, EIP-2930, EIP-3651; the precompiled contracts are warm by themselves."""
        for address in addresses:
            if address is not None:
                self._accounts.mark_address_warm(address)
        for entry in access_list(transaction):
            self._accounts.mark_address_warm(entry.address)
            for key in entry.storage_keys:
                self._accounts.mark_storage_warm(entry.address, int.from_bytes(key, "big"))

    def _message(self, transaction: Transaction, sender: Address, contract_address: EthAddress | None, gas: int) -> Message:
        if transaction.to is None:
            assert contract_address is not None
            return Message(
                gas=gas,
                to=CREATE_CONTRACT_ADDRESS,
                sender=EthAddress(sender),
                value=transaction.value,
                data=b"",
                code=transaction.data,
                create_address=contract_address,
            )
        code = self._accounts.get_code(transaction.to)
        delegate = delegate_of(code) if self._rules.evm >= EvmFork.PRAGUE else None
        if delegate is not None:
            self._accounts.mark_address_warm(delegate)
            code = self._accounts.get_code(delegate)
        return Message(
            gas=gas,
            to=EthAddress(transaction.to),
            sender=EthAddress(sender),
            value=transaction.value,
            data=transaction.data,
            code=code,
            is_delegation=delegate is not None,
        )

    def _call(self, message: Message, gas_price: int) -> ComputationAPI:
        """The outermost call. What it changed is undone if it failed."""
        state = self._machine
        context = state.get_transaction_context_class()(gas_price=gas_price, origin=message.sender)
        if not message.is_create:
            return state.computation_class.apply_message(state, message, context)
        if state.has_code_or_nonce(message.storage_address):
            computation = state.get_computation(message, context)
            computation.error = ContractCreationCollision("there is an account where the contract would be")
            return computation
        return state.computation_class.apply_create_message(state, message, context)

    def _end_transaction(self, computation: ComputationAPI | None) -> None:
        self._accounts.end_transaction(() if computation is None else computation.get_accounts_for_deletion())


def _contract_address(transaction: Transaction, sender: Address, nonce: int) -> EthAddress | None:
    return generate_contract_address(EthAddress(sender), nonce) if transaction.to is None else None


def _result(outcome: _Outcome, gas_used: int) -> TransactionResult:
    computation = outcome.computation
    logs = [
        Log(bytes(address), tuple([topic.to_bytes(32, "big") for topic in topics]), data)
        for address, topics, data in computation.get_log_entries()
    ]
    return TransactionResult(
        succeeded=computation.is_success,
        gas_used=gas_used,
        logs=tuple(logs),
        output=computation.output,
        failure=None if computation.is_success else f"{type(computation.error).__name__}: {computation.error}",
        contract_address=outcome.contract_address,
    )

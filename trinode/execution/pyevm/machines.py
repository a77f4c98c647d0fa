"""The EVM of each fork: py-evm's `State` and `Computation` over our state and block, corrected (EIP-3860, EIP-6780,
EIP-7702).

Corrected against py-evm: what counts as the outermost frame; the gas of a creating transaction's init code, which is
part of its intrinsic gas and charged there; jump destinations, found in one pass instead of by recursion.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias, cast

from eth.abc import AccountDatabaseAPI, ComputationAPI, MessageAPI, StateAPI, TransactionContextAPI
from eth.exceptions import VMError
from eth.typing import JournalDBCheckpoint
from eth.vm.code_stream import CodeStream
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.computation import CancunComputation
from eth.vm.forks.cancun.state import CancunState
from eth.vm.forks.paris.computation import ParisComputation
from eth.vm.forks.paris.state import ParisState
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.state import PragueState
from eth.vm.forks.shanghai.computation import ShanghaiComputation
from eth.vm.forks.shanghai.state import ShanghaiState
from eth.vm.opcode_values import JUMPDEST, PUSH1, PUSH32
from eth_typing import Address as EthAddress
from eth_typing import BlockNumber
from eth_typing import Hash32 as EthHash32

from trinode.execution.environment import BlockEnvironment
from trinode.execution.errors import PrecompileFailure
from trinode.execution.pyevm import opcodes
from trinode.execution.pyevm.account_db import JournaledAccounts
from trinode.execution.rules import EvmFork, Precompile
from trinode.execution.state import StateReader

_BLOCK_HASHES = 256
_NO_ROOT = EthHash32(b"")

PrecompileFunction: TypeAlias = Callable[[ComputationAPI], None]


def _as_function(precompile: Precompile) -> PrecompileFunction:
    """A precompiled contract in py-evm's form."""

    def run(computation: ComputationAPI) -> None:
        data = computation.msg.data_as_bytes
        computation.consume_gas(precompile.gas(data), reason="precompiled contract")
        try:
            computation.output = precompile.run(data)
        except PrecompileFailure as failure:
            raise VMError(str(failure)) from failure

    return run


@lru_cache(maxsize=512)
def _jump_destinations(code: bytes) -> frozenset[int]:
    """Where JUMPDESTs stand that are no data of a PUSH."""
    found, position = [], 0
    while position < len(code):
        opcode = code[position]
        if opcode == JUMPDEST:
            found.append(position)
        position += opcode - PUSH1 + 2 if PUSH1 <= opcode <= PUSH32 else 1
    return frozenset(found)


class _Code(CodeStream):
    """py-evm looks for jump destinations backwards and recursively, as deep as the code has PUSHes in a row."""

    def is_valid_opcode(self, position: int) -> bool:
        """Whether JUMPDEST, which stands there, is an instruction."""
        return position in _jump_destinations(self._raw_code_bytes)


class _ParisComputation(ParisComputation):
    """A call, with what is corrected in all forks."""

    opcodes = opcodes.PARIS

    def __init__(self, state: StateAPI, message: MessageAPI, transaction_context: TransactionContextAPI) -> None:
        super().__init__(state, message, transaction_context)
        self.code = _Code(message.code)

    @property
    def is_origin_computation(self) -> bool:
        """The outermost frame. py-evm takes every frame for it whose sender is the origin: with EIP-7702 an origin with
        code sends from within."""
        return self.msg.depth == 0

    @classmethod
    def consume_initcode_gas_cost(cls, computation: ComputationAPI) -> None:
        """Nothing: it is in the intrinsic gas, which a transaction's gas limit must cover (EIP-3860)."""

    @property
    def precompiles(self) -> dict[EthAddress, PrecompileFunction]:
        return cast(_ParisState, self.state).precompile_functions


class _ParisState(ParisState):
    """The state of a block, over ours."""

    computation_class = _ParisComputation

    def __init__(self, environment: BlockEnvironment, accounts: JournaledAccounts, reader: StateReader) -> None:
        self._reader = reader
        self._environment = environment
        self._accounts = accounts
        self._account_db = cast(AccountDatabaseAPI, accounts)
        self.precompile_functions = {
            EthAddress(address): _as_function(precompile) for address, precompile in environment.rules.precompiles.items()
        }
        self.execution_context = ExecutionContext(
            coinbase=EthAddress(environment.fee_recipient),
            timestamp=environment.timestamp,
            block_number=BlockNumber(environment.number),
            difficulty=0,
            mix_hash=EthHash32(environment.prev_randao),
            gas_limit=environment.gas_limit,
            prev_hashes=(),
            chain_id=environment.chain_id,
            base_fee_per_gas=environment.base_fee,
        )

    def is_address_warm(self, address: EthAddress) -> bool:
        return address in self.precompile_functions or self._account_db.is_address_warm(address)

    def get_ancestor_hash(self, block_number: int) -> EthHash32:
        if not 0 < self._environment.number - block_number <= _BLOCK_HASHES:
            return EthHash32(b"")
        return EthHash32(self._reader.block_hash(block_number))

    @property
    def blob_base_fee(self) -> int:
        return self._environment.blob_base_fee

    # py-evm keeps transient storage in a journal of its own, whose numbers for checkpoints collide with those of others.

    def get_transient_storage(self, address: EthAddress, slot: int) -> bytes:
        return self._accounts.get_transient_storage(address, slot)

    def set_transient_storage(self, address: EthAddress, slot: int, value: bytes) -> None:
        self._accounts.set_transient_storage(address, slot, value)

    def snapshot(self) -> tuple[EthHash32, JournalDBCheckpoint]:
        return _NO_ROOT, JournalDBCheckpoint(self._accounts.record())

    def revert(self, snapshot: tuple[EthHash32, JournalDBCheckpoint]) -> None:
        self._accounts.discard(snapshot[1])

    def commit(self, snapshot: tuple[EthHash32, JournalDBCheckpoint]) -> None:
        self._accounts.commit(snapshot[1])


class _ShanghaiComputation(_ParisComputation, ShanghaiComputation):
    opcodes = opcodes.SHANGHAI


class _CancunComputation(_ParisComputation, CancunComputation):
    opcodes = opcodes.CANCUN


class _PragueComputation(_ParisComputation, PragueComputation):
    opcodes = opcodes.PRAGUE


class _OsakaComputation(_PragueComputation):
    opcodes = opcodes.OSAKA


class _ShanghaiState(_ParisState, ShanghaiState):
    computation_class = _ShanghaiComputation


class _CancunState(_ParisState, CancunState):
    computation_class = _CancunComputation


class _PragueState(_ParisState, PragueState):
    computation_class = _PragueComputation


class _OsakaState(_PragueState):
    computation_class = _OsakaComputation


_STATES: dict[EvmFork, type[_ParisState]] = {
    EvmFork.PARIS: _ParisState,
    EvmFork.SHANGHAI: _ShanghaiState,
    EvmFork.CANCUN: _CancunState,
    EvmFork.PRAGUE: _PragueState,
    EvmFork.OSAKA: _OsakaState,
}


def machine(environment: BlockEnvironment, accounts: JournaledAccounts, reader: StateReader) -> ParisState:
    """py-evm's state machine for the block, of the fork that its rules name."""
    return _STATES[environment.rules.evm](environment, accounts, reader)

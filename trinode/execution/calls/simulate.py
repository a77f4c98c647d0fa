"""Blocks that are simulated on a state, one after the other (execution-apis, "eth_simulateV1"; what that leaves open as op-geth has it).

They are blocks as an L2 has them but for what only a sequencer gives: no L1 attributes, no deposits, no extraData. Calls stand in them as
transactions without signatures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from trinode.execution.block import BEACON_ROOTS, HISTORY_STORAGE, assemble_header
from trinode.execution.calls.context import BlockOverrides, StateOverrides, with_moved_precompiles
from trinode.execution.calls.simulate_call import CallOutcome, CallRun, RefusedCall, SimulatedCall
from trinode.execution.calls.simulate_state import SimulatedState, changes_with_empty_accounts, override
from trinode.execution.da_footprint import DaFootprint
from trinode.execution.engine import PreparedTransaction
from trinode.execution.environment import BlockEnvironment
from trinode.execution.errors import ExecutionError, InvalidTransaction
from trinode.execution.evm.engine import FastSession
from trinode.execution.evm.program import Programs
from trinode.execution.forks import execution_rules_of
from trinode.execution.header_fields import base_fee_after
from trinode.execution.receipts import make_receipt
from trinode.execution.rules import EvmFork
from trinode.execution.state import BLOCK_HASHES, StateReader
from trinode.execution.tracing.machine import TracedMachine, new_programs
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.eip1559 import encode_holocene_extra_data
from trinode.protocol.header import Header, header_hash
from trinode.protocol.receipt import Receipt
from trinode.protocol.transaction import Transaction, encode_transaction
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Address, Hash32
from trinode.rollup.config import ChainOpConfig, RollupConfig
from trinode.rollup.l1_attributes import DEFAULT_DA_FOOTPRINT_GAS_SCALAR

MOST_BLOCKS = 256
"""From the base block to the last one, those that fill gaps included."""
SECONDS_BETWEEN_BLOCKS = 12
"""Where no time is given: Ethereum's, also on chains whose blocks are closer to each other."""


class RefusedSimulation(ExecutionError):
    """Blocks that cannot follow each other, or hold what is asked for. `rule` in snake case."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class BlockRequest:
    """A block: what is otherwise in it and in the state before it, and its calls. `beacon_root`: the parent beacon block root."""

    calls: tuple[SimulatedCall, ...] = ()
    state_overrides: StateOverrides = field(default_factory=dict)
    block_overrides: BlockOverrides = field(default_factory=BlockOverrides)
    beacon_root: Hash32 | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """The block that a simulation begins on, and the state after it. `first`: its first transaction, which says what data costs since Jovian;
    None: it has none.
    """

    header: Header
    hash: Hash32
    state: StateReader
    tries: StateTries
    first: Transaction | None


@dataclass(frozen=True, slots=True)
class SimulationLimits:
    """Gas of all calls together; bytes that they may give back, in data and logs."""

    gas: int
    output: int = 32_000_000


@dataclass(frozen=True, slots=True)
class SimulatedBlock:
    """A block that came of a request. `senders`, `transactions` and `outcomes` go together."""

    header: Header
    hash: Hash32
    senders: tuple[Address, ...]
    transactions: tuple[bytes, ...]
    outcomes: tuple[CallOutcome, ...]


def simulate(
    config: RollupConfig,
    base: Base,
    requests: Sequence[BlockRequest],
    limits: SimulationLimits,
    *,
    validates: bool = False,
    traces_transfers: bool = False,
    programs: Mapping[EvmFork, Programs] | None = None,
) -> list[SimulatedBlock]:
    """The blocks, those that fill gaps between numbers included.

    `validates`: calls are held to nonces and base fee as transactions are, though not to signatures or to having no code. `programs`: compiled
    code that the caller keeps. Raises RefusedSimulation, RefusedCall, InvalidOverride, UnknownFork, MissingState.
    """
    simulation = _Simulation(config, base, limits, validates=validates, traces=traces_transfers, programs=programs or {})
    return [simulation.next_block(request) for request in _without_gaps(base.header, requests)]


def _without_gaps(base: Header, requests: Sequence[BlockRequest]) -> list[BlockRequest]:
    """The requests with numbers and times, and with empty ones between them. Raises RefusedSimulation."""
    filled: list[BlockRequest] = []
    number, timestamp = base.number, base.timestamp
    for request in requests:
        wanted = request.block_overrides
        goal = number + 1 if wanted.number is None else wanted.number
        if goal <= number:
            raise RefusedSimulation("block_number", f"block numbers must be in order: {goal} <= {number}")
        if goal - base.number > MOST_BLOCKS:
            raise RefusedSimulation("too_many_blocks", "too many blocks")
        while number < goal - 1:
            number, timestamp = number + 1, timestamp + SECONDS_BETWEEN_BLOCKS
            filled.append(BlockRequest(block_overrides=BlockOverrides(number=number, timestamp=timestamp)))
        time = timestamp + SECONDS_BETWEEN_BLOCKS if wanted.timestamp is None else wanted.timestamp
        if time <= timestamp:
            raise RefusedSimulation("timestamp", f"block timestamps must be in order: {time} <= {timestamp}")
        number, timestamp = goal, time
        filled.append(replace(request, block_overrides=replace(wanted, number=number, timestamp=timestamp)))
    return filled


class _SimulationMachine(TracedMachine):
    """BLOCKHASH sees the simulated blocks, too."""

    __slots__ = ()

    def block_hash(self, number: int) -> int:
        """As Machine's; 0 where the base chain has no such block."""
        current = self.environment.number
        if not current - BLOCK_HASHES <= number < current:
            return 0
        return int.from_bytes(self.reader.block_hash(number), "big")


class _Simulation:
    def __init__(
        self, config: RollupConfig, base: Base, limits: SimulationLimits, *, validates: bool, traces: bool, programs: Mapping[EvmFork, Programs]
    ) -> None:
        self._config = config
        self._base = base
        self._parent, self._parent_hash = base.header, base.hash
        self._state: StateReader = base.state
        self._tries = base.tries
        self._hashes = {base.header.number: base.hash}
        self._gas, self._output = limits.gas, limits.output
        self._validates = validates
        self._traces = traces
        self._programs = dict(programs)
        self._da = _da_footprint(base.first)
        has_parameters = execution_rules_of(config.fork_at(l2_timestamp=base.header.timestamp)).eip1559_params
        self._extra_data = base.header.extra_data if has_parameters else _parameters_of(config)

    def next_block(self, request: BlockRequest) -> SimulatedBlock:
        """The next block; what it does is the state of the one after it."""
        environment = self._environment(request)
        programs = self._programs.setdefault(environment.rules.evm, new_programs())
        machine = _SimulationMachine(environment, self._state, programs)
        override(machine.journal, request.state_overrides)
        self._begin(machine)
        body = _Body(environment, self._da)
        run = CallRun(machine, self._validates, self._traces)
        for call in request.calls:
            self._add(call, run, body)
        changes = changes_with_empty_accounts(machine.journal, request.state_overrides)
        tries, _ = self._tries.updated(changes)
        header = body.header(tries)
        block = SimulatedBlock(header, header_hash(header), tuple(body.senders), tuple(body.transactions), tuple(body.outcomes))
        self._hashes[header.number] = block.hash
        self._state = SimulatedState(self._state, changes, tries, self._hashes)
        self._tries, self._parent, self._parent_hash = tries, header, block.hash
        return block

    def _environment(self, request: BlockRequest) -> BlockEnvironment:
        """Gas limit and fee recipient stay as they are once set. Raises UnknownFork, InvalidOverride."""
        wanted, parent = request.block_overrides, self._parent
        assert wanted.number is not None and wanted.timestamp is not None
        rules = execution_rules_of(self._config.fork_at(l2_timestamp=wanted.timestamp))
        if request.state_overrides:
            rules = with_moved_precompiles(rules, request.state_overrides)
        return BlockEnvironment(
            rules=rules,
            chain_id=self._config.l2_chain_id,
            number=wanted.number,
            timestamp=wanted.timestamp,
            fee_recipient=parent.beneficiary if wanted.fee_recipient is None else wanted.fee_recipient,
            gas_limit=parent.gas_limit if wanted.gas_limit is None else wanted.gas_limit,
            base_fee=self._base_fee(wanted.timestamp) if wanted.base_fee is None else wanted.base_fee,
            prev_randao=bytes(32) if wanted.prev_randao is None else wanted.prev_randao,
            parent_hash=self._parent_hash,
            parent_beacon_block_root=(request.beacon_root or bytes(32)) if rules.parent_beacon_block_root else None,
            blob_base_fee=1 if wanted.blob_base_fee is None else wanted.blob_base_fee,
        )

    def _base_fee(self, timestamp: int) -> int:
        """0 where nothing is validated. Simulated blocks have no extraData: the parameters that the base block's has hold for them, too."""
        if not self._validates:
            return 0
        return base_fee_after(self._config, replace(self._parent, extra_data=self._extra_data), timestamp)

    def _begin(self, machine: TracedMachine) -> None:
        """The system calls before the first transaction."""
        environment, session = machine.environment, FastSession(machine)
        if environment.rules.withdrawals_root_is_message_passer:
            session.system_call(HISTORY_STORAGE, environment.parent_hash)
        if environment.parent_beacon_block_root is not None:
            session.system_call(BEACON_ROOTS, environment.parent_beacon_block_root)

    def _add(self, call: SimulatedCall, run: CallRun, body: _Body) -> None:
        """Raises RefusedSimulation, RefusedCall."""
        machine, message = run.machine, call.message
        left = machine.environment.gas_limit - body.gas_used
        if call.gas is not None and call.gas > left:
            raise RefusedSimulation("block_gas_limit", f"block gas limit reached: remaining: {left}, required: {call.gas}")
        gas = min(left if call.gas is None else call.gas, self._gas)
        nonce = machine.journal.account(message.sender).nonce if call.nonce is None else call.nonce
        try:
            transaction = call.transaction(machine.environment.chain_id, nonce, gas)
        except InvalidTransaction as error:
            raise RefusedCall(error.rule, message.sender, "", gas) from error
        outcome = run.run(call, transaction)
        self._gas -= outcome.result.gas_used
        self._output -= len(outcome.result.output) + sum(len(log.data) for log in outcome.logs)
        if self._output < 0:
            raise RefusedSimulation("output", "the calls give back too much data at once; simulate fewer of them")
        body.add(encode_transaction(transaction), PreparedTransaction(b"", transaction, message.sender), outcome)


def _da_footprint(first: Transaction | None) -> DaFootprint:
    """As the base block's L1 attributes say; where they do not, the default."""
    try:
        found = DaFootprint(None) if first is None else DaFootprint.of_block(first)
    except InvalidTransaction:
        found = DaFootprint(None)
    return DaFootprint(DEFAULT_DA_FOOTPRINT_GAS_SCALAR) if found.gas_scalar is None else found


def _parameters_of(config: RollupConfig) -> bytes:
    """The chain's own EIP-1559 parameters, as extraData."""
    chain = config.chain_op_config or ChainOpConfig()
    return encode_holocene_extra_data(chain.eip1559_denominator_canyon, chain.eip1559_elasticity)


class _Body:
    """The calls of one block."""

    def __init__(self, environment: BlockEnvironment, da: DaFootprint) -> None:
        self._environment = environment
        self._da = da
        self._da_used = 0
        self.gas_used = 0
        self.senders: list[Address] = []
        self.transactions: list[bytes] = []
        self.outcomes: list[CallOutcome] = []
        self._receipts: list[Receipt] = []

    def add(self, raw: bytes, prepared: PreparedTransaction, outcome: CallOutcome) -> None:
        rules = self._environment.rules
        self.gas_used += outcome.result.gas_used
        if rules.da_footprint:
            self._da_used += self._da.of_transaction(prepared._replace(raw=raw))
        self.senders.append(prepared.sender)
        self.transactions.append(raw)
        self.outcomes.append(outcome)
        self._receipts.append(make_receipt(raw, outcome.result, self.gas_used, rules, is_deposit=False))

    def header(self, tries: StateTries) -> Header:
        header = assemble_header(
            self._environment, self.transactions, self._receipts, tries, gas_used=self.gas_used, da_footprint=self._da_used, extra_data=b""
        )
        # Before Canyon blocks have no withdrawals: op-geth's simulated ones do.
        return header if header.withdrawals_root is not None else replace(header, withdrawals_root=EMPTY_TRIE_ROOT)

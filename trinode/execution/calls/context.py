"""What a call is executed on: a block, the state after it, and what the caller wants to be otherwise.

Overrides as in geth's RPC: a state override replaces parts of accounts, a block override header fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

from trinode.execution.environment import BlockEnvironment
from trinode.execution.errors import ExecutionError
from trinode.execution.forks import execution_rules_of
from trinode.execution.rules import ExecutionRules, Precompile
from trinode.execution.state import EMPTY_ACCOUNT, EMPTY_CODE_HASH, Account, StateReader
from trinode.protocol.header import Header
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Address, Hash32
from trinode.rollup.config import RollupConfig


class InvalidOverride(ExecutionError):
    """Overrides that contradict each other, or move a precompile that is none. `address` is the account whose override it is."""

    def __init__(self, address: Address, problem: str) -> None:
        super().__init__(f"account 0x{address.hex()} {problem}")
        self.address = address


@dataclass(frozen=True, slots=True)
class AccountOverride:
    """What of an account is otherwise; None: as it is. Balance in wei.

    `state` is the whole storage, `state_diff` some slots of it; not both. `move_precompile_to`: where a call finds the precompile of this
    address. A precompile whose account is overridden in any way is no longer there.
    """

    balance: int | None = None
    nonce: int | None = None
    code: bytes | None = None
    state: Mapping[int, int] | None = None
    state_diff: Mapping[int, int] | None = None
    move_precompile_to: Address | None = None


StateOverrides: TypeAlias = Mapping[Address, AccountOverride]


@dataclass(frozen=True, slots=True)
class BlockOverrides:
    """What of the block is otherwise; None: as it is. The forks' rules are those of `timestamp`."""

    number: int | None = None
    timestamp: int | None = None
    gas_limit: int | None = None
    fee_recipient: Address | None = None
    prev_randao: Hash32 | None = None
    base_fee: int | None = None
    blob_base_fee: int | None = None


@dataclass(frozen=True, slots=True)
class CallContext:
    """`environment` and `state` with all overrides. `head_number` is the true number of the block, `head_parent_hash` the hash of its parent:
    BLOCKHASH knows the true chain only. `logs_before`: logs of the block before the call's own, for traces that count them.
    """

    environment: BlockEnvironment
    state: StateReader
    head_number: int
    head_parent_hash: Hash32
    logs_before: int = 0


class OverriddenState:
    """A state (a `StateReader`) in which some accounts are otherwise than in the one below."""

    def __init__(self, below: StateReader, overrides: StateOverrides) -> None:
        self._below = below
        self._overrides = overrides
        self._codes = {keccak256(each.code): each.code for each in overrides.values() if each.code}

    def account(self, address: Address) -> Account | None:
        """The account at `address`; None: there is none."""
        account = self._below.account(address)
        override = self._overrides.get(address)
        if override is None:
            return account
        nonce, balance, code_hash = account or EMPTY_ACCOUNT
        if override.nonce is not None:
            nonce = override.nonce
        if override.balance is not None:
            balance = override.balance
        if override.code is not None:
            code_hash = keccak256(override.code) if override.code else EMPTY_CODE_HASH
        overridden = Account(nonce, balance, code_hash)
        return None if account is None and overridden == EMPTY_ACCOUNT else overridden

    def storage(self, address: Address, slot: int) -> int:
        """The value of a slot."""
        override = self._overrides.get(address)
        if override is not None:
            if override.state is not None:
                return override.state.get(slot, 0)
            if override.state_diff is not None and slot in override.state_diff:
                return override.state_diff[slot]
        return self._below.storage(address, slot)

    def has_storage(self, address: Address) -> bool:
        """Whether any slot is not 0; of slots that an override clears one by one, only those are known to be."""
        override = self._overrides.get(address)
        if override is not None and override.state is not None:
            return any(override.state.values())
        if override is not None and override.state_diff is not None and any(override.state_diff.values()):
            return True
        return self._below.has_storage(address)

    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash."""
        code = self._codes.get(code_hash)
        return self._below.code(code_hash) if code is None else code

    def block_hash(self, number: int) -> Hash32:
        """As below."""
        return self._below.block_hash(number)


def environment_of(config: RollupConfig, header: Header) -> BlockEnvironment:
    """What a call at a block is executed in: as if it were one more transaction of it. Raises UnknownFork."""
    return BlockEnvironment(
        rules=execution_rules_of(config.fork_at(l2_timestamp=header.timestamp)),
        chain_id=config.l2_chain_id,
        number=header.number,
        timestamp=header.timestamp,
        fee_recipient=header.beneficiary,
        gas_limit=header.gas_limit,
        base_fee=header.base_fee_per_gas or 0,
        prev_randao=header.prev_randao,
        parent_hash=header.parent_hash,
        parent_beacon_block_root=header.parent_beacon_block_root,
    )


def call_context(
    config: RollupConfig,
    header: Header,
    state: StateReader,
    state_overrides: StateOverrides | None = None,
    block_overrides: BlockOverrides | None = None,
) -> CallContext:
    """The context of calls at the block of `header`, with the state after it. Raises InvalidOverride, UnknownFork."""
    environment = environment_of(config, header)
    if block_overrides is not None:
        environment = _overridden_block(environment, block_overrides, config)
    if state_overrides:
        environment = replace(environment, rules=with_moved_precompiles(environment.rules, state_overrides))
        state = OverriddenState(state, state_overrides)
    return CallContext(environment, state, header.number, header.parent_hash)


def _overridden_block(environment: BlockEnvironment, overrides: BlockOverrides, config: RollupConfig) -> BlockEnvironment:
    given: dict[str, Any] = {each.name: getattr(overrides, each.name) for each in fields(overrides)}
    given = {name: value for name, value in given.items() if value is not None}
    if overrides.timestamp is not None:
        given["rules"] = execution_rules_of(config.fork_at(l2_timestamp=overrides.timestamp))
    return replace(environment, **given)


def with_moved_precompiles(rules: ExecutionRules, overrides: StateOverrides) -> ExecutionRules:
    """The rules with the precompiles of a state with these overrides; those of the fork stay the warm ones, as in geth. Raises InvalidOverride."""
    return replace(rules, precompiles=_moved_precompiles(rules.precompiles, overrides), warm_precompiles=rules.precompiles)


def _moved_precompiles(precompiles: Mapping[Address, Precompile], overrides: StateOverrides) -> dict[Address, Precompile]:
    moved = {address: precompile for address, precompile in precompiles.items() if address not in overrides}
    targets: set[Address] = set()
    for address, override in overrides.items():
        if override.state is not None and override.state_diff is not None:
            raise InvalidOverride(address, "has both 'state' and 'stateDiff'")
        target = override.move_precompile_to
        if target is None:
            continue
        if address not in precompiles:
            raise InvalidOverride(address, "is not a precompile")
        if target in overrides or target in targets:
            raise InvalidOverride(target, "is already overridden")
        targets.add(target)
        moved[target] = precompiles[address]
    return moved

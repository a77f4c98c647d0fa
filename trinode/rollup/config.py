"""The rollup config: what a chain is, fixed at its genesis but for the times of its forks (specification: derivation).

The JSON form is op-node's `rollup.json`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trinode.protocol.types import Address
from trinode.rollup.config_check import check_fork_order, check_rollup_config
from trinode.rollup.config_parts import AltDaConfig, ChainOpConfig, GenesisConfig
from trinode.rollup.fork import SCHEDULED_FORKS, Fork
from trinode.rollup.forks import rules_of
from trinode.rollup.json_fields import Fields, RollupConfigError, to_hex
from trinode.rollup.rules import Rules

__all__ = [
    "AltDaConfig",
    "ChainOpConfig",
    "GenesisConfig",
    "RollupConfig",
    "RollupConfigError",
    "parse_rollup_config",
]


@dataclass(frozen=True, slots=True)
class RollupConfig:
    """One chain's configuration. Times in seconds, windows and timeouts in L1 blocks.

    `channel_timeout` and `max_sequencer_drift` are as of Bedrock, before forks made them constants. `fork_times` lacks
    the forks that are not scheduled. `chain_op_config` None: the file did not say. `extra` has the JSON fields that are
    not known here, to be written back. Raises RollupConfigError if the forks are out of order.
    """

    genesis: GenesisConfig
    block_time: int
    max_sequencer_drift: int
    seq_window_size: int
    channel_timeout: int
    l1_chain_id: int
    l2_chain_id: int
    batch_inbox_address: Address
    deposit_contract_address: Address
    l1_system_config_address: Address
    fork_times: Mapping[Fork, int] = field(default_factory=dict)
    pectra_blob_schedule_time: int | None = None
    protocol_versions_address: Address | None = None
    chain_op_config: ChainOpConfig | None = None
    alt_da: AltDaConfig | None = None
    keep_karst_upgrade_gas: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    _times: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _forks: tuple[Fork, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_fork_order(self.fork_times)
        scheduled = [fork for fork in SCHEDULED_FORKS if fork in self.fork_times]
        object.__setattr__(self, "_times", tuple(self.fork_times[fork] for fork in scheduled))
        object.__setattr__(self, "_forks", (Fork.BEDROCK, *scheduled))

    # -- which fork: exactly one clock each, by name

    def fork_at(
        self,
        *,
        l1_inclusion_timestamp: int | None = None,
        l1_origin_timestamp: int | None = None,
        l2_timestamp: int | None = None,
    ) -> Fork:
        """The latest fork that is active at the time of the one clock given."""
        timestamp = _one_clock(l1_inclusion_timestamp, l1_origin_timestamp, l2_timestamp)
        return self._forks[bisect_right(self._times, timestamp)]

    def rules(
        self,
        *,
        l1_inclusion_timestamp: int | None = None,
        l1_origin_timestamp: int | None = None,
        l2_timestamp: int | None = None,
    ) -> Rules:
        """The rules at the time of the one clock given; the same object for the same fork."""
        timestamp = _one_clock(l1_inclusion_timestamp, l1_origin_timestamp, l2_timestamp)
        return rules_of(self._forks[bisect_right(self._times, timestamp)])

    def is_active(
        self,
        fork: Fork,
        *,
        l1_inclusion_timestamp: int | None = None,
        l1_origin_timestamp: int | None = None,
        l2_timestamp: int | None = None,
    ) -> bool:
        """Whether `fork` is active at the time of the one clock given."""
        timestamp = _one_clock(l1_inclusion_timestamp, l1_origin_timestamp, l2_timestamp)
        return fork is Fork.BEDROCK or (fork in self.fork_times and self.fork_times[fork] <= timestamp)

    def first_fork_between(self, old_l1_timestamp: int, new_l1_timestamp: int) -> Fork | None:
        """The earliest fork active at the new time and not at the old one: the only one op-node switches stages for."""
        index = bisect_right(self._times, old_l1_timestamp)
        return self._forks[index + 1] if index < len(self._times) and self._times[index] <= new_l1_timestamp else None

    def next_fork(self, *, after: int) -> tuple[Fork, int] | None:
        """The next scheduled fork later than the time `after`, with its time."""
        index = bisect_right(self._times, after)
        return (self._forks[index + 1], self._times[index]) if index < len(self._times) else None

    # -- values that a fork turns into constants

    def channel_timeout_at(self, *, l1_inclusion_timestamp: int) -> int:
        """L1 blocks that a channel stays open."""
        timeout = self.rules(l1_inclusion_timestamp=l1_inclusion_timestamp).channel_timeout
        return self.channel_timeout if timeout is None else timeout

    def max_sequencer_drift_at(self, *, l1_origin_timestamp: int) -> int:
        """Seconds that an L2 block may be ahead of its L1 origin."""
        drift = self.rules(l1_origin_timestamp=l1_origin_timestamp).sequencer_drift
        return self.max_sequencer_drift if drift is None else drift

    # -- activation blocks: the first L2 block of a fork; the genesis block is none

    def activated_forks(self, *, l2_timestamp: int) -> tuple[Fork, ...]:
        """The forks whose activation block has that time: mostly none, several where they share one."""
        index = bisect_right(self._times, l2_timestamp)
        before = bisect_right(self._times, l2_timestamp - self.block_time)
        if index == before or l2_timestamp < self.block_time:
            return ()
        return self._forks[before + 1 : index + 1]

    def activation_block_fork(self, *, l2_timestamp: int) -> Fork | None:
        """The first of `activated_forks`."""
        return next(iter(self.activated_forks(l2_timestamp=l2_timestamp)), None)

    def is_activation_block(self, fork: Fork, *, l2_timestamp: int) -> bool:
        """Whether the L2 block of that time is the first one of `fork`."""
        return fork in self.activated_forks(l2_timestamp=l2_timestamp)

    def upgrade_transactions(self, *, l2_timestamp: int) -> tuple[tuple[bytes, ...], int]:
        """The encoded upgrade deposits of the L2 block of that time, and the gas its limit gains for them."""
        activated = [rules_of(fork) for fork in self.activated_forks(l2_timestamp=l2_timestamp)]
        transactions = tuple(raw for rules in activated for raw in rules.upgrade_transactions)
        return transactions, sum(rules.upgrade_gas for rules in activated)

    def upgrade_gas_to_take_off(self, *, l2_timestamp: int) -> int:
        """What the gas limit of the L2 block of that time has above the system config's.

        0 for Karst on a chain with `keep_karst_upgrade_gas`. Of forks that activate at once, only the first one's is
        taken off, as op-node does.
        """
        for fork in self.activated_forks(l2_timestamp=l2_timestamp):
            if fork >= Fork.KARST:
                return 0 if fork is Fork.KARST and self.keep_karst_upgrade_gas else rules_of(fork).upgrade_gas
        return 0

    # -- JSON

    @property
    def unknown_fork_times(self) -> dict[str, int]:
        """Fields of the JSON form that look like the time of a fork which this version does not know."""
        return {name: time for name, time in self.extra.items() if name.endswith("_time") and type(time) is int}

    def to_json(self) -> dict[str, Any]:
        """The object of rollup.json. `parse_rollup_config` is its inverse."""
        result: dict[str, Any] = {
            "genesis": self.genesis.to_json(),
            "block_time": self.block_time,
            "max_sequencer_drift": self.max_sequencer_drift,
            "seq_window_size": self.seq_window_size,
            "channel_timeout": self.channel_timeout,
            "l1_chain_id": self.l1_chain_id,
            "l2_chain_id": self.l2_chain_id,
        }
        result |= {fork.time_field: self.fork_times[fork] for fork in self._forks[1:]}
        if self.keep_karst_upgrade_gas:
            result["keep_karst_upgrade_gas"] = True
        result["batch_inbox_address"] = to_hex(self.batch_inbox_address)
        result["deposit_contract_address"] = to_hex(self.deposit_contract_address)
        result["l1_system_config_address"] = to_hex(self.l1_system_config_address)
        return result | self._optional_to_json() | dict(self.extra)

    def _optional_to_json(self) -> dict[str, Any]:
        result: dict[str, Any] = {}
        if self.protocol_versions_address is not None:
            result["protocol_versions_address"] = to_hex(self.protocol_versions_address)
        if self.chain_op_config is not None:
            result["chain_op_config"] = self.chain_op_config.to_json()
        if self.alt_da is not None:
            result["alt_da"] = self.alt_da.to_json()
        if self.pectra_blob_schedule_time is not None:
            result["pectra_blob_schedule_time"] = self.pectra_blob_schedule_time
        return result


def _one_clock(l1_inclusion_timestamp: int | None, l1_origin_timestamp: int | None, l2_timestamp: int | None) -> int:
    if l1_inclusion_timestamp is not None and l1_origin_timestamp is None and l2_timestamp is None:
        return l1_inclusion_timestamp
    if l2_timestamp is not None and l1_origin_timestamp is None and l1_inclusion_timestamp is None:
        return l2_timestamp
    if l1_origin_timestamp is not None and l1_inclusion_timestamp is None and l2_timestamp is None:
        return l1_origin_timestamp
    raise TypeError("exactly one of l1_inclusion_timestamp, l1_origin_timestamp and l2_timestamp is needed")


def parse_rollup_config(json_object: object) -> RollupConfig:
    """The configuration of a rollup.json object, checked as op-node checks it.

    Raises RollupConfigError, which names the field.
    """
    fields = Fields(json_object)
    config = RollupConfig(
        genesis=GenesisConfig.parse(fields.object("genesis")),
        block_time=fields.unsigned("block_time"),
        max_sequencer_drift=fields.unsigned("max_sequencer_drift", default=0),
        seq_window_size=fields.unsigned("seq_window_size"),
        channel_timeout=fields.unsigned("channel_timeout"),
        l1_chain_id=fields.unsigned("l1_chain_id", maximum=2**256 - 1),
        l2_chain_id=fields.unsigned("l2_chain_id", maximum=2**256 - 1),
        fork_times={fork: fields.unsigned(fork.time_field) for fork in SCHEDULED_FORKS if fields.has(fork.time_field)},
        pectra_blob_schedule_time=fields.optional_unsigned("pectra_blob_schedule_time"),
        batch_inbox_address=fields.address("batch_inbox_address"),
        deposit_contract_address=fields.address("deposit_contract_address"),
        l1_system_config_address=fields.address("l1_system_config_address"),
        protocol_versions_address=fields.optional_address("protocol_versions_address"),
        chain_op_config=fields.optional("chain_op_config", ChainOpConfig.parse),
        alt_da=fields.optional("alt_da", AltDaConfig.parse),
        keep_karst_upgrade_gas=fields.boolean("keep_karst_upgrade_gas", default=False),
        extra=fields.unasked(),
    )
    check_rollup_config(config)
    return config

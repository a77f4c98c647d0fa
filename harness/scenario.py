"""What a made-up recording is to hold: the specification that `trinode-harness generate` reads, and the chain that
follows from it.

All times are seconds after genesis; a fork at 0 is active from the beginning, one that is not named never comes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from harness.batcher import BatcherSettings, address_of
from harness.fake_l1 import FakeL1, L1Genesis
from harness.recording import L2Start, RecordingHead
from harness.sequencer import SequencerSettings
from trinode.protocol.blob import MAX_BLOB_DATA_SIZE
from trinode.protocol.channel import ChannelCompression
from trinode.protocol.header import EMPTY_OMMERS_HASH, EMPTY_REQUESTS_HASH, Header, header_hash
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import BlockId
from trinode.rollup.config import ChainOpConfig, GenesisConfig, RollupConfig
from trinode.rollup.fork import SCHEDULED_FORKS, Fork
from trinode.rollup.l1_chain import BlobSchedule, L1ChainConfig
from trinode.rollup.l2_block import L2Block, L2BlockRef
from trinode.rollup.system_config import SystemConfig, encode_fee_scalar

GENESIS_TIME = 1_700_000_000
L1_CHAIN_ID, L2_CHAIN_ID = 900, 901
INBOX = bytes.fromhex("ff00000000000000000000000000000000000901")
PORTAL = bytes.fromhex("de00000000000000000000000000000000000001")
SYSTEM_CONFIG_CONTRACT = bytes.fromhex("5c00000000000000000000000000000000000001")
BATCHER_KEYS = tuple(bytes(31) + bytes([number]) for number in range(1, 6))
STRANGER_KEY = bytes(31) + b"\x63"

_BLOB_PARAMETERS = {  # target, max, update fraction
    "cancun": (3, 6, 3338477),
    "prague": (6, 9, 5007716),
    "osaka": (6, 9, 5007716),
    "bpo1": (10, 15, 8346193),
    "bpo2": (14, 21, 11684671),
}


class ScenarioError(ValueError):
    """A specification that is malformed or contradicts itself; the message names the field."""


class BatcherSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the batcher packs (see `BatcherSettings`). `vary`: each channel otherwise, all ways that the forks allow."""

    vary: bool = False
    span_blocks: int | None = None
    compression: Literal["zlib", "brotli"] = "zlib"
    level: int | None = None
    frame_size: int = 100_000
    frames_per_payload: int = 1
    blobs_per_transaction: int | None = None
    legacy: bool = False

    def settings(self) -> BatcherSettings:
        """The settings of each channel where they do not vary."""
        return BatcherSettings(
            span_blocks=self.span_blocks,
            compression=ChannelCompression(self.compression),
            level=self.level,
            frame_size=self.frame_size,
            frames_per_payload=self.frames_per_payload,
            blobs_per_transaction=self.blobs_per_transaction,
            legacy=self.legacy,
        )


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One specification. `..._every` counts L1 blocks (0: never), `..._chance` and the kinds of chaos are 0 to 1.

    `missed_slot_chance`: of an L1 block to come one or more block times late. `l1_forks`: shanghai, cancun, prague,
    osaka, bpo1, bpo2. `payloads_per_block`: at most so many of a channel in one L1 block, so that it spans several
    (None: all in one). `interleave`, `disorder`: before Holocene, two channels at once, frames in any order. `strays`:
    transactions that are not batcher data but look like it. `chaos`: of a channel to have frames damaged, lost or
    moved. `batch_chaos`: of a channel to have batches that break a rule. `outage_every`: the batcher is silent for
    longer than the sequencing window. `finalized_lag`: L1 blocks, for labels. `omit_receipts`: where no log is of use.
    `invalid_blocks`, `reject_undecodable`: the engine's; a replay must be told the same.
    """

    name: str = "generated"
    l1_blocks: int = 60
    l1_block_time: int = 12
    missed_slot_chance: float = 0.0
    l1_start: int = 100
    l1_forks: dict[str, int] = msgspec.field(default_factory=lambda: {"cancun": 0, "prague": 0})
    excess_blob_gas: int = 50_000_000
    l2_start: int = 0
    block_time: int = 2
    seq_window: int = 30
    channel_timeout: int = 10
    max_sequencer_drift: int = 600
    forks: dict[str, int] = {}
    pectra_blob_schedule: int | None = None
    keep_karst_upgrade_gas: bool = False

    transactions: int = 4
    transaction_bytes: int = 100
    empty_chance: float = 0.1
    advance_chance: float = 0.7
    max_origin_lag: int = 4
    confirmations: int = 0

    batcher: BatcherSpec = BatcherSpec()
    submit_every: int = 3
    payloads_per_block: int | None = None
    interleave: bool = False
    disorder: bool = False
    deposits_every: int = 3
    config_every: int = 0
    change_batcher: bool = False
    strays: bool = False

    chaos: float = 0.0
    batch_chaos: float = 0.0
    outage_every: int = 0
    reorg_every: int = 0
    reorg_depth: int = 3
    finalized_lag: int | None = None
    omit_receipts: bool = False
    invalid_blocks: list[int] = []
    reject_undecodable: bool = False

    @property
    def needs_follower(self) -> bool:
        """Whether some batches may come to nothing, so that the sequencer must look at what is derived."""
        return bool(self.chaos or self.batch_chaos or self.outage_every or self.invalid_blocks)

    def sequencer_settings(self) -> SequencerSettings:
        """What of it is the sequencer's."""
        return SequencerSettings(
            self.transactions, self.empty_chance, self.advance_chance, self.max_origin_lag, self.confirmations
        )


def parse_scenario(data: bytes) -> Scenario:
    """A specification in JSON. Raises ScenarioError."""
    try:
        scenario = msgspec.json.decode(data, type=Scenario)
    except msgspec.DecodeError as error:
        raise ScenarioError(str(error)) from error
    check_scenario(scenario)
    return scenario


def read_scenario(path: Path) -> Scenario:
    """The specification in a file. Raises ScenarioError, also where it cannot be read."""
    try:
        return parse_scenario(path.read_bytes())
    except OSError as error:
        raise ScenarioError(f"cannot be read: {error.strerror or error}") from error


def check_scenario(scenario: Scenario) -> None:
    """Raises ScenarioError for values that make no chain."""
    known = {fork.label for fork in SCHEDULED_FORKS}
    problems = (
        ("forks", not known >= scenario.forks.keys(), f"known are {', '.join(sorted(known))}"),
        ("forks", "lagoon" in scenario.forks, "lagoon's rules are not final"),
        ("l1_forks", not {"shanghai", *_BLOB_PARAMETERS} >= scenario.l1_forks.keys(), "unknown name"),
        ("l1_blocks", scenario.l1_blocks < 1, "must be positive"),
        ("block_time", not 0 < scenario.block_time <= scenario.l1_block_time, "must be 1 to l1_block_time"),
        ("submit_every", scenario.submit_every < 1, "must be positive"),
        ("batcher.frame_size", scenario.batcher.frame_size < 1, "must be positive"),
        ("batcher", not _fits_blobs(scenario.batcher), "its frames do not fit into blobs"),
        ("reorg_depth", bool(scenario.reorg_every) and scenario.reorg_depth < 1, "must be positive"),
        (
            "finalized_lag",
            scenario.finalized_lag is not None
            and bool(scenario.reorg_every)
            and scenario.finalized_lag < scenario.reorg_depth,
            "must not be less than reorg_depth",
        ),
    )
    for field, wrong, problem in problems:
        if wrong:
            raise ScenarioError(f"{field}: {problem}")


def _fits_blobs(batcher: BatcherSpec) -> bool:
    room = MAX_BLOB_DATA_SIZE - 1000  # of which frames take some for themselves
    return batcher.blobs_per_transaction is None or batcher.frame_size * batcher.frames_per_payload <= room


def _absolute(seconds: int) -> int:
    return GENESIS_TIME + seconds if seconds > 0 else 0


def l1_chain_config(l1_forks: dict[str, int]) -> L1ChainConfig:
    """The L1 chain whose forks come so many seconds after genesis."""
    schedule = [
        BlobSchedule(name, _absolute(l1_forks[name]), *parameters)
        for name, parameters in _BLOB_PARAMETERS.items()
        if name in l1_forks
    ]
    times = {name: _absolute(seconds) for name, seconds in l1_forks.items()}
    return L1ChainConfig(L1_CHAIN_ID, tuple(schedule), times.get("prague"), times.get("osaka"))


def make_l1(scenario: Scenario) -> FakeL1:
    """The L1 with its first block, which is the rollup's L1 genesis."""
    chain_config = l1_chain_config(scenario.l1_forks)
    shanghai = scenario.l1_forks.get("shanghai", 0)
    genesis = L1Genesis(
        number=scenario.l1_start,
        timestamp=GENESIS_TIME,
        excess_blob_gas=scenario.excess_blob_gas,
        shanghai_time=_absolute(shanghai),
    )
    needed_by = (PORTAL, SYSTEM_CONFIG_CONTRACT) if scenario.omit_receipts else ()
    return FakeL1(chain_config, genesis, receipts_needed_by=needed_by)


def make_head(scenario: Scenario, l1: FakeL1, source: str) -> RecordingHead:
    """The first line of the recording: the rollup that begins on L1's first block. Raises RollupConfigError."""
    fork_times: dict[Fork, int] = {
        fork: _absolute(scenario.forks[fork.label]) for fork in SCHEDULED_FORKS if fork.label in scenario.forks
    }
    header = _genesis_header(scenario, fork_times)
    system_config = _genesis_system_config(fork_times)
    pectra = scenario.pectra_blob_schedule
    config = RollupConfig(
        genesis=GenesisConfig(l1.head.id, BlockId(header.number, header_hash(header)), GENESIS_TIME, system_config),
        block_time=scenario.block_time,
        max_sequencer_drift=scenario.max_sequencer_drift,
        seq_window_size=scenario.seq_window,
        channel_timeout=scenario.channel_timeout,
        l1_chain_id=L1_CHAIN_ID,
        l2_chain_id=L2_CHAIN_ID,
        batch_inbox_address=INBOX,
        deposit_contract_address=PORTAL,
        l1_system_config_address=SYSTEM_CONFIG_CONTRACT,
        fork_times=fork_times,
        pectra_blob_schedule_time=None if pectra is None else _absolute(pectra),
        chain_op_config=ChainOpConfig(),
        keep_karst_upgrade_gas=scenario.keep_karst_upgrade_gas,
    )
    ref = L2BlockRef(config.genesis.l2.hash, header.number, header.parent_hash, GENESIS_TIME, config.genesis.l1, 0)
    start = L2Start(L2Block(ref, (), system_config), header)
    return RecordingHead(scenario.name, source, config, l1.chain_config, start)


def _genesis_system_config(fork_times: dict[Fork, int]) -> SystemConfig:
    ecotone = fork_times.get(Fork.ECOTONE) == 0
    return SystemConfig(
        batcher_address=address_of(BATCHER_KEYS[0]),
        overhead=bytes(32) if ecotone else (188).to_bytes(32, "big"),
        scalar=encode_fee_scalar(1368, 810949) if ecotone else (684_000).to_bytes(32, "big"),
        gas_limit=30_000_000,
    )


def _genesis_header(scenario: Scenario, fork_times: dict[Fork, int]) -> Header:
    """A header as an engine of the forks at genesis makes it, but for its state."""

    def at_genesis(fork: Fork) -> bool:
        return fork_times.get(fork) == 0

    extra_data = b""
    if at_genesis(Fork.HOLOCENE):
        extra_data = bytes([at_genesis(Fork.JOVIAN)]) + bytes(16 if at_genesis(Fork.JOVIAN) else 8)
    return Header(
        parent_hash=bytes(32),
        ommers_hash=EMPTY_OMMERS_HASH,
        beneficiary=bytes(20),
        state_root=bytes(31) + b"\x01",
        transactions_root=EMPTY_TRIE_ROOT,
        receipts_root=EMPTY_TRIE_ROOT,
        logs_bloom=bytes(256),
        difficulty=0,
        number=scenario.l2_start,
        gas_limit=30_000_000,
        gas_used=0,
        timestamp=GENESIS_TIME,
        extra_data=extra_data,
        prev_randao=bytes(32),
        nonce=bytes(8),
        base_fee_per_gas=1_000_000_000,
        withdrawals_root=EMPTY_TRIE_ROOT if at_genesis(Fork.CANYON) else None,
        blob_gas_used=0 if at_genesis(Fork.ECOTONE) else None,
        excess_blob_gas=0 if at_genesis(Fork.ECOTONE) else None,
        parent_beacon_block_root=bytes(32) if at_genesis(Fork.ECOTONE) else None,
        requests_hash=EMPTY_REQUESTS_HASH if at_genesis(Fork.ISTHMUS) else None,
    )

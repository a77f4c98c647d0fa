"""The devnet's L2 genesis: the protocol's predeploys, put in place by the protocol's own upgrade deposits (specification: predeploys,
l2-upgrades-1-execution; the derivation pages of ecotone, fjord, isthmus and jovian).

A hidden chain begins before Ecotone, with a proxy of ours at each predeploy. Its one block activates all forks up to Karst: their upgrade
deposits deploy the implementations, and Karst's upgrade sends every proxy to its new one. The state after it is the state of a genesis at
which all of these forks are active. That takes a fifth of a second, and depends on nothing but the constants here.

What no upgrade brings: WETH (0x42…06) is a contract of our own. Not there are the deprecated LegacyMessagePasser, DeployerWhitelist,
LegacyERC20ETH and L1BlockNumber, the governance token, the interop predeploys, and of the preinstalls all but the deterministic deployer
and create2Deployer. On L1 there are neither messenger nor bridges: their addresses, which the L2 ones are set to, have no code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from trinode.devnet.accounts import (
    ACCOUNTS,
    BATCH_INBOX,
    BATCHER,
    FUNDED_BALANCE,
    L1_CHAIN_ID,
    L1_ERC721_BRIDGE,
    L1_MESSENGER,
    L1_STANDARD_BRIDGE,
    L2_CHAIN_ID,
    OPTIMISM_PORTAL,
    OWNER,
    SYSTEM_CONFIG,
)
from trinode.devnet.contracts import (
    ADMIN_SLOT,
    BEFORE_UPGRADES_CODE,
    DETERMINISTIC_DEPLOYER_CODE,
    IMPLEMENTATION_SLOT,
    PROXY_CODE,
    selector,
)
from trinode.devnet.weth import WETH_CODE
from trinode.execution.block import BEACON_ROOTS, HISTORY_STORAGE, BlockExecutor
from trinode.execution.create2_deployer import CREATE2_DEPLOYER, CREATE2_DEPLOYER_CODE
from trinode.execution.evm.engine import FastEngine
from trinode.execution.genesis import Genesis, GenesisBlock, build_genesis
from trinode.execution.memory import MemoryState
from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges
from trinode.protocol.deposit import DepositTransaction, encode_deposit
from trinode.protocol.eip1559 import encode_jovian_extra_data
from trinode.protocol.keccak import keccak256
from trinode.protocol.l1_info import L1BlockInfo, L1InfoFormat, encode_l1_info
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.types import Address, BlockId
from trinode.rollup.config import RollupConfig
from trinode.rollup.config_check import check_rollup_config
from trinode.rollup.config_parts import ChainOpConfig, GenesisConfig
from trinode.rollup.fork import SCHEDULED_FORKS, Fork
from trinode.rollup.l1_attributes import L1_BLOCK_PREDEPLOY, L1_INFO_DEPOSITOR
from trinode.rollup.l1_chain import BlobSchedule, L1ChainConfig
from trinode.rollup.system_config import SystemConfig, encode_fee_scalar

GAS_LIMIT = 60_000_000
_FORKS = tuple(fork for fork in SCHEDULED_FORKS if fork <= Fork.KARST)
_EIP1559 = ChainOpConfig()
_HIDDEN_TIME = 1_000
_UNUSED_GAS = 60_000_000
_BEFORE_UPGRADES: Address = keccak256(b"trinode devnet: before upgrades")[12:]
_DETERMINISTIC_DEPLOYER: Address = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")


def predeploy(number: int) -> Address:
    """The predeploy 0x4200…`number`."""
    return b"\x42" + bytes(17) + number.to_bytes(2, "big")


WETH = predeploy(0x06)
L2_MESSENGER = predeploy(0x07)
GAS_PRICE_ORACLE = predeploy(0x0F)
L2_STANDARD_BRIDGE = predeploy(0x10)
SEQUENCER_FEE_VAULT = predeploy(0x11)
PROXY_ADMIN = predeploy(0x18)
_TOKEN_FACTORY, _ERC721_BRIDGE, _ERC721_FACTORY = predeploy(0x12), predeploy(0x14), predeploy(0x17)
_FEE_VAULTS = (SEQUENCER_FEE_VAULT, predeploy(0x19), predeploy(0x1A))
PROXIED = tuple(map(predeploy, (0x07, 0x0F, 0x10, 0x11, 0x12, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x20, 0x21, 0x2C, 0x2D)))
"""The predeploys of Karst's upgrade."""


def _settings() -> dict[Address, dict[str, int]]:
    """What Karst's upgrade asks the old contracts for: the chain's settings, by predeploy and getter."""
    vault = {"RECIPIENT()": _word(OWNER.address), "MIN_WITHDRAWAL_AMOUNT()": 10**18, "WITHDRAWAL_NETWORK()": 1}
    return {
        L2_MESSENGER: {"OTHER_MESSENGER()": _word(L1_MESSENGER)},
        L2_STANDARD_BRIDGE: {"OTHER_BRIDGE()": _word(L1_STANDARD_BRIDGE)},
        _ERC721_BRIDGE: {"OTHER_BRIDGE()": _word(L1_ERC721_BRIDGE)},
        _TOKEN_FACTORY: {"BRIDGE()": _word(L2_STANDARD_BRIDGE)},
        _ERC721_FACTORY: {"BRIDGE()": _word(_ERC721_BRIDGE), "REMOTE_CHAIN_ID()": L1_CHAIN_ID},
    } | dict.fromkeys(_FEE_VAULTS, vault)


def _word(address: Address) -> int:
    return int.from_bytes(address, "big")


def _before_upgrades() -> StateChanges:
    """The state that the hidden chain begins with."""
    state = StateChanges()

    def put(address: Address, code: bytes, storage: dict[int, int] | None = None) -> None:
        state.accounts[address] = Account(1, 0, keccak256(code))
        state.codes[keccak256(code)] = code
        if storage:
            state.storage[address] = storage

    put(_BEFORE_UPGRADES, BEFORE_UPGRADES_CODE)
    put(_DETERMINISTIC_DEPLOYER, DETERMINISTIC_DEPLOYER_CODE)
    put(CREATE2_DEPLOYER, CREATE2_DEPLOYER_CODE)
    put(WETH, WETH_CODE)
    settings = _settings()
    for address in PROXIED:
        answers = {selector(getter): value for getter, value in settings.get(address, {}).items()}
        put(address, PROXY_CODE, {ADMIN_SLOT: _word(PROXY_ADMIN), IMPLEMENTATION_SLOT: _word(_BEFORE_UPGRADES)} | answers)
    state.storage[PROXY_ADMIN][0] = _word(OWNER.address)  # Ownable's owner
    for account in ACCOUNTS:
        state.accounts[account.address] = Account(0, FUNDED_BALANCE, EMPTY_CODE_HASH)
    return state


@cache
def predeployed_state() -> StateChanges:
    """The state of the genesis block, as what changes in the empty state. Not to be changed: it is made once."""
    upgrade_time = _HIDDEN_TIME + 2
    times: dict[Fork, int] = {fork: upgrade_time if fork >= Fork.ECOTONE else 0 for fork in _FORKS}
    config = replace(_config(BlockId(0, bytes(32)), BlockId(0, bytes(32)), _HIDDEN_TIME, 2), fork_times=times)
    state = _before_upgrades()
    hidden = MemoryState(build_genesis(_genesis(_HIDDEN_TIME, b"", state), config))
    upgrades, gas = config.upgrade_transactions(l2_timestamp=upgrade_time)
    attributes = PayloadAttributes(
        timestamp=upgrade_time,
        prev_randao=bytes(32),
        suggested_fee_recipient=SEQUENCER_FEE_VAULT,
        withdrawals=(),
        parent_beacon_block_root=bytes(32),
        transactions=(_first_transaction(), *upgrades),
        no_tx_pool=True,
        gas_limit=GAS_LIMIT + gas + _UNUSED_GAS,
        eip1559_params=bytes(8),
        min_base_fee=0,
    )
    block = BlockExecutor(config, FastEngine()).build(hidden.parent, attributes)
    for index, (receipt, prepared) in enumerate(zip(block.receipts[1:], block.prepared[1:], strict=True)):
        if not receipt.succeeded:
            raise RuntimeError(f"upgrade deposit {index} to {prepared.transaction.to!r} fails on the devnet's predeploys")
    return _without_traces(_merged(state, block.changes))


def _first_transaction() -> bytes:
    """L1 attributes, without which no block is valid. The old L1Block ignores them."""
    info = L1BlockInfo(L1InfoFormat.JOVIAN, 0, 0, 0, bytes(32), 0, bytes(20), da_footprint_gas_scalar=1)
    deposit = DepositTransaction(bytes(32), L1_INFO_DEPOSITOR, L1_BLOCK_PREDEPLOY, 0, 0, 1_000_000, False, encode_l1_info(info))
    return encode_deposit(deposit)


def _merged(state: StateChanges, changes: StateChanges) -> StateChanges:
    merged = StateChanges(
        accounts=state.accounts | changes.accounts,
        storage={address: dict(slots) for address, slots in state.storage.items()},
        codes=state.codes | changes.codes,
    )
    for address, slots in changes.storage.items():
        merged.storage[address] = merged.storage.get(address, {}) | slots
    return merged


def _without_traces(state: StateChanges) -> StateChanges:
    """The state without what was only there for the upgrades, and without what the hidden block left behind."""
    del state.accounts[_BEFORE_UPGRADES]
    for address, settings in _settings().items():
        for getter in settings:
            del state.storage[address][selector(getter)]
    for address in (BEACON_ROOTS, HISTORY_STORAGE):
        state.storage.pop(address, None)
    state.storage = {
        address: written for address, slots in state.storage.items() if (written := {slot: value for slot, value in slots.items() if value})
    }
    used = {account.code_hash for account in state.accounts.values() if account is not None}
    state.codes = {code_hash: code for code_hash, code in state.codes.items() if code_hash in used}
    return state


def _genesis(timestamp: int, extra_data: bytes, alloc: StateChanges) -> Genesis:
    return Genesis(
        timestamp=timestamp,
        gas_limit=GAS_LIMIT,
        difficulty=0,
        beneficiary=SEQUENCER_FEE_VAULT,
        extra_data=extra_data,
        mix_hash=bytes(32),
        nonce=0,
        number=0,
        gas_used=0,
        parent_hash=bytes(32),
        base_fee_per_gas=None,
        excess_blob_gas=None,
        blob_gas_used=None,
        alloc=alloc,
    )


def l1_chain_config() -> L1ChainConfig:
    """L1 with the blob parameters of BPO2, at the rules of Osaka from its genesis on."""
    schedule = (BlobSchedule("bpo2", 0, 14, 21, 11684671),)
    return L1ChainConfig(L1_CHAIN_ID, schedule, prague_time=0, osaka_time=0)


def system_config() -> SystemConfig:
    """What SystemConfig says at genesis."""
    return SystemConfig(
        batcher_address=BATCHER.address,
        overhead=bytes(32),
        scalar=encode_fee_scalar(1368, 810_949),
        gas_limit=GAS_LIMIT,
    )


def _config(l1: BlockId, l2: BlockId, timestamp: int, block_time: int) -> RollupConfig:
    return RollupConfig(
        genesis=GenesisConfig(l1, l2, timestamp, system_config()),
        block_time=block_time,
        max_sequencer_drift=600,
        seq_window_size=3600,
        channel_timeout=300,
        l1_chain_id=L1_CHAIN_ID,
        l2_chain_id=L2_CHAIN_ID,
        batch_inbox_address=BATCH_INBOX,
        deposit_contract_address=OPTIMISM_PORTAL,
        l1_system_config_address=SYSTEM_CONFIG,
        fork_times=dict.fromkeys(_FORKS, 0),
        chain_op_config=_EIP1559,
    )


@dataclass(frozen=True, slots=True)
class L2Genesis:
    """The rollup config, and its genesis block with its state."""

    config: RollupConfig
    block: GenesisBlock


def l2_genesis(l1: BlockId, timestamp: int, block_time: int) -> L2Genesis:
    """The rollup that begins after the L1 block `l1` at that time (seconds), with a block every `block_time` seconds."""
    extra_data = encode_jovian_extra_data(_EIP1559.eip1559_denominator_canyon, _EIP1559.eip1559_elasticity, 0)
    before = _config(l1, BlockId(0, bytes(32)), timestamp, block_time)
    block = build_genesis(_genesis(timestamp, extra_data, predeployed_state()), before)
    config = _config(l1, BlockId(0, block.hash), timestamp, block_time)
    check_rollup_config(config)
    return L2Genesis(config, block)

"""Chains for random blocks: which forks when, and a genesis of funded accounts and random contracts, as both sides read it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from eth_keys.backends.coincurve import CoinCurveECCBackend
from eth_keys.datatypes import PrivateKey

from harness.engine_differential.precompile_calls import MODEXP, P256VERIFY, precompile_addresses
from harness.engine_differential.predeploys import (
    BASE_FEE_VAULT,
    FACTORY,
    L1_FEE_VAULT,
    MESSAGE_PASSER,
    OPERATOR_FEE_VAULT,
    PREDEPLOYS,
    SEQUENCER_FEE_VAULT,
    WELL,
    colliding_address,
    predeployed_code,
)
from harness.engine_differential.programs import ProgramMaker
from harness.engine_differential.values import Accounts
from trinode.execution.forks import execution_rules_of
from trinode.execution.validity import DELEGATION_PREFIX
from trinode.protocol.eip1559 import encode_holocene_extra_data, encode_jovian_extra_data
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import encode_bytes, encode_int, encode_list
from trinode.protocol.types import Address
from trinode.rollup.config import RollupConfig, parse_rollup_config
from trinode.rollup.fork import SCHEDULED_FORKS, Fork

CHAIN_ID = 901
GENESIS_TIME = 1_700_000_000
BLOCK_TIME = 2
GENESIS_GAS_LIMIT = 30_000_000
LAST_FORK = Fork.KARST
USERS = 12
CONTRACTS = 24
RICH = 10**30

_KEYS = tuple(keccak256(b"engine differential %d" % number) for number in range(USERS))
USER_KEYS: dict[Address, bytes] = {PrivateKey(key, backend=CoinCurveECCBackend()).public_key.to_canonical_address(): key for key in _KEYS}
"""The private keys of the users, by address."""

_KARST_WRONG_IN_OP_GETH = (MODEXP, P256VERIFY)
"""op-geth stops at Jovian's precompiled contracts; EIP-7823, EIP-7883 and EIP-7951 are not in it."""
_ETHEREUM_FORKS = {Fork.CANYON: "shanghaiTime", Fork.ECOTONE: "cancunTime", Fork.ISTHMUS: "pragueTime", Fork.KARST: "osakaTime"}
_ETHEREUM_BLOCKS = (
    "homestead eip150 eip155 eip158 byzantium constantinople petersburg istanbul muirGlacier berlin london arrowGlacier grayGlacier "
    "mergeNetsplit bedrock"
)
_OPTIMISM = {"eip1559Elasticity": 6, "eip1559Denominator": 50, "eip1559DenominatorCanyon": 250}
_EXTRA_DATA = {
    Fork.BEDROCK: b"BEDROCK",
    Fork.HOLOCENE: encode_holocene_extra_data(250, 6),
    Fork.JOVIAN: encode_jovian_extra_data(250, 6, 0),
}


@dataclass(frozen=True, slots=True)
class RandomChain:
    """A chain: the configuration of our side, the genesis.json of both, and who lives on it."""

    config: RollupConfig
    genesis: dict[str, Any]
    accounts: Accounts
    programs: ProgramMaker


SCHEDULES = (*(fork.label for fork in Fork if fork <= LAST_FORK), "all", "random")
"""The names that `fork_times` knows."""


def fork_times(schedule: str, blocks: int, random: Random) -> dict[Fork, int]:
    """Activation times for a chain of `blocks` blocks. A fork's name: it and all before it from genesis on, none after; `all`: one after
    the other; `random`: some from genesis, others later, several at once now and then."""
    forks = [fork for fork in SCHEDULED_FORKS if fork <= LAST_FORK]
    if schedule == "all":
        return {fork: GENESIS_TIME + BLOCK_TIME * max(1, blocks * index // (len(forks) + 1)) for index, fork in enumerate(forks, 1)}
    if schedule == "random":
        first = random.randint(0, len(forks) - 1)
        numbers = sorted(random.choice(range(1, max(2, blocks), max(1, blocks // 8))) for _ in forks)
        jovian = forks.index(Fork.JOVIAN)
        if numbers[jovian] == numbers[jovian - 1]:
            # Jovian's first block must have Isthmus' L1 attributes, which come after Isthmus' first: op-geth takes no others there.
            numbers[jovian:] = [number + 1 for number in numbers[jovian:]]
        return {fork: 0 if index < first else GENESIS_TIME + BLOCK_TIME * numbers[index] for index, fork in enumerate(forks)}
    return {fork: 0 for fork in forks if fork <= Fork[schedule.upper()]}


def make_chain(times: dict[Fork, int], random: Random) -> RandomChain:
    """A chain with these forks; contracts, balances and fees by `random`."""
    newest = max(times, default=Fork.BEDROCK)
    at_genesis = max((fork for fork, time in times.items() if time <= GENESIS_TIME), default=Fork.BEDROCK)
    left_out = _KARST_WRONG_IN_OP_GETH if newest >= Fork.KARST else ()
    contracts = [FACTORY, WELL, *(b"\xc0\xde" + bytes(17) + bytes([number]) for number in range(CONTRACTS - 2))]
    precompiles = tuple(address for address in precompile_addresses() if address not in left_out)
    accounts = Accounts(tuple(USER_KEYS), contracts, precompiles, PREDEPLOYS)
    programs = ProgramMaker(random, accounts, execution_rules_of(newest).evm)
    config = _config(times)
    genesis = {
        "config": _geth_config(times),
        "nonce": "0x0",
        "timestamp": hex(GENESIS_TIME),
        "extraData": "0x" + _EXTRA_DATA[max(fork for fork in _EXTRA_DATA if fork <= at_genesis)].hex(),
        "gasLimit": hex(GENESIS_GAS_LIMIT),
        "difficulty": "0x0",
        "mixHash": "0x" + "00" * 32,
        "coinbase": "0x" + SEQUENCER_FEE_VAULT.hex(),
        "number": "0x0",
        "gasUsed": "0x0",
        "parentHash": "0x" + "00" * 32,
        "baseFeePerGas": hex(random.choice((10**9, 10**6, 1000, 7))),
        "alloc": _alloc(at_genesis, accounts, programs, random),
    }
    return RandomChain(config, genesis, accounts, programs)


def _config(times: dict[Fork, int]) -> RollupConfig:
    zero = "0x" + "00" * 32
    block = {"hash": "0x" + "11" * 32, "number": 0}
    system_config = {"batcherAddr": "0x" + "ba" * 20, "overhead": zero, "scalar": zero[:-1] + "1", "gasLimit": GENESIS_GAS_LIMIT}
    return parse_rollup_config({
        "genesis": {"l1": block, "l2": {**block, "hash": "0x" + "22" * 32}, "l2_time": GENESIS_TIME, "system_config": system_config},
        "block_time": BLOCK_TIME,
        "max_sequencer_drift": 600,
        "seq_window_size": 3600,
        "channel_timeout": 300,
        "l1_chain_id": 900,
        "l2_chain_id": CHAIN_ID,
        **{fork.time_field: time for fork, time in times.items()},
        "batch_inbox_address": "0x" + "ff" * 20,
        "deposit_contract_address": "0x" + "d0" * 20,
        "l1_system_config_address": "0x" + "c0" * 20,
        "chain_op_config": _OPTIMISM,
    })


def _geth_config(times: dict[Fork, int]) -> dict[str, Any]:
    config: dict[str, Any] = {"chainId": CHAIN_ID, **{f"{name}Block": 0 for name in _ETHEREUM_BLOCKS.split()}, "terminalTotalDifficulty": 0}
    for fork, time in times.items():
        if fork is not Fork.DELTA:
            config[f"{fork.label}Time"] = time
        if fork in _ETHEREUM_FORKS:
            config[_ETHEREUM_FORKS[fork]] = time
    return config | {"optimism": _OPTIMISM}


def _alloc(fork: Fork, accounts: Accounts, programs: ProgramMaker, random: Random) -> dict[str, Any]:
    alloc: dict[str, Any] = {address.hex(): {"balance": hex(RICH)} for address in accounts.users}
    rich, poor, coded = accounts.users[:-4], accounts.users[-4:-1], accounts.users[-1]
    for address in poor:
        del alloc[address.hex()]
        if balance := random.choice((0, 1, 10**12, 10**15)):  # an account of nothing cannot come to be (EIP-161)
            alloc[address.hex()] = {"balance": hex(balance)}
    # Nobody may send from code (EIP-3607), but for a delegation (EIP-7702), which nobody has before Isthmus.
    delegated = fork >= Fork.ISTHMUS and random.random() < 0.5
    alloc[coded.hex()]["code"] = "0x" + (DELEGATION_PREFIX + rich[0] if delegated else b"\x00").hex()
    for address, code in predeployed_code(fork).items():
        alloc[address.hex()] = {"balance": "0x0", "nonce": "0x1", "code": "0x" + code.hex()}
    # As behind a proxy: op-geth takes the root of an empty storage for the root of an empty list of withdrawals.
    alloc[MESSAGE_PASSER.hex()]["storage"] = {"0x" + keccak256(b"implementation").hex(): _word(1)}
    for address in (SEQUENCER_FEE_VAULT, BASE_FEE_VAULT, L1_FEE_VAULT, OPERATOR_FEE_VAULT):
        if random.random() < 0.5:
            alloc[address.hex()] = {"balance": "0x1"}
    # Accounts in the way of contracts: with nothing but storage (EIP-7610), and with a nonce.
    alloc[colliding_address().hex()] = {"balance": "0x1", "storage": {_word(0): _word(1)}}
    for number in range(1, 40, 6):
        alloc[keccak256(encode_list((encode_bytes(rich[1]), encode_int(number))))[12:].hex()] = {"balance": "0x0", "nonce": "0x1"}
    for address in accounts.contracts[2:]:
        nonce = random.choice((1, 1, 1, 1, 2**64 - 2))
        storage = {_word(slot): _word(random.choice((1, 2, 2**256 - 1))) for slot in range(4) if random.random() < 0.5}
        balance = random.choice((0, 1, 10**6, 10**18))
        program = programs.program()
        alloc[address.hex()] = {"balance": hex(balance), "nonce": hex(nonce), "code": "0x" + program.hex(), "storage": storage}
    return alloc


def _word(value: int) -> str:
    return f"0x{value:064x}"

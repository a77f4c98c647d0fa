"""A rollup on an anvil: contracts that log what they are told to, and the files that nodes are started with."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.anvil.chain import CorrectedChain
from harness.anvil.process import AnvilL1
from trinode.devnet.accounts import ACCOUNTS, L1_CHAIN_ID, OPTIMISM_PORTAL, SYSTEM_CONFIG, DevnetAccount
from trinode.devnet.genesis import l2_genesis
from trinode.execution.genesis import GenesisBlock
from trinode.protocol.receipt import Log
from trinode.rollup.config import RollupConfig
from trinode.rollup.l1_chain import BlobSchedule, L1ChainConfig

BATCHER = ACCOUNTS[9]
"""Who posts batches."""
_DEPOSIT_TOPICS, _CONFIG_TOPICS = 4, 3


@dataclass(frozen=True, slots=True)
class AnvilRollup:
    """The rollup. All forks up to Karst are active from its genesis on; the devnet's accounts have ether on it, and its predeploys are there."""

    config: RollupConfig
    l1_chain: L1ChainConfig
    genesis: GenesisBlock
    batcher: DevnetAccount

    def write(self, folder: Path) -> dict[str, Path]:
        """The files of it, by the node's options that take them."""
        files: dict[str, tuple[str, Any]] = {
            "rollup.config": ("rollup.json", self.config.to_json()),
            "rollup.l1-chain-config": ("l1-chain.json", self.l1_chain.to_json()),
            "genesis": ("genesis.json", genesis_json(self.genesis, self.config)),
        }
        paths = {option: folder / name for option, (name, _) in files.items()}
        for option, (_, value) in files.items():
            paths[option].write_text(json.dumps(value))
        return paths


async def make_rollup(anvil: AnvilL1, chain: CorrectedChain, *, block_time: int, seq_window: int = 3600) -> AnvilRollup:
    """The rollup that begins after anvil's newest block, with a block every `block_time` seconds. Contracts are there from now on."""
    for address, topics in ((OPTIMISM_PORTAL, _DEPOSIT_TOPICS), (SYSTEM_CONFIG, _CONFIG_TOPICS)):
        await anvil.call("anvil_setCode", _hex(address), _hex(log_emitter(topics)))
    origin = await chain.block_id(await anvil.head())
    block = await chain.call("eth_getBlockByHash", [_hex(origin.hash), False])
    settings = (await anvil.call("eth_config"))["current"]["blobSchedule"]
    schedule = BlobSchedule("osaka", 0, settings["target"], settings["max"], settings["baseFeeUpdateFraction"])
    l2 = l2_genesis(origin, int(block["timestamp"], 16), block_time)
    system_config = replace(l2.config.genesis.system_config, batcher_address=BATCHER.address)
    config = replace(l2.config, genesis=replace(l2.config.genesis, system_config=system_config), seq_window_size=seq_window)
    return AnvilRollup(config, L1ChainConfig(L1_CHAIN_ID, (schedule,), prague_time=0, osaka_time=0), l2.block, BATCHER)


async def emit(anvil: AnvilL1, log: Log, sender: DevnetAccount) -> str:
    """Send a transaction by which the contract emits the log; its hash."""
    data = _hex(b"".join(log.topics) + log.data)
    fields = {"from": _hex(sender.address), "to": _hex(log.address), "input": data, "gas": hex(200_000)}
    return str(await anvil.call("eth_sendTransaction", fields))


def log_emitter(topics: int) -> bytes:
    """Code that logs its calldata: first so many topics, then the data."""
    start = 32 * topics
    load_topics = b"".join(bytes([0x60, 32 * index, 0x35]) for index in reversed(range(topics)))  # PUSH1, CALLDATALOAD
    size = bytes([0x60, start, 0x36, 0x03])  # CALLDATASIZE - start
    copy = bytes([0x80, 0x60, start, 0x60, 0, 0x37])  # CALLDATACOPY(0, start, size)
    return load_topics + size + copy + bytes([0x60, 0, 0xA0 + topics, 0x00])  # LOG(0, size, topics...), STOP


def genesis_json(block: GenesisBlock, config: RollupConfig) -> dict[str, Any]:
    """The genesis.json of a genesis block whose state is all in `changes`."""
    header, state = block.header, block.changes
    alloc: dict[str, Any] = {}
    for address, account in state.accounts.items():
        if account is None:
            continue
        alloc[_hex(address)] = {
            "nonce": hex(account.nonce),
            "balance": hex(account.balance),
            "code": _hex(state.codes.get(account.code_hash, b"")),
            "storage": {_word(slot): _word(value) for slot, value in state.storage.get(address, {}).items()},
        }
    options = config.chain_op_config
    assert options is not None
    optimism = {
        "eip1559Elasticity": options.eip1559_elasticity,
        "eip1559Denominator": options.eip1559_denominator,
        "eip1559DenominatorCanyon": options.eip1559_denominator_canyon,
    }
    forks = {f"{fork.label}Time": time for fork, time in config.fork_times.items()}
    return {
        "config": {"chainId": config.l2_chain_id, **forks, "optimism": optimism},
        "timestamp": hex(header.timestamp),
        "gasLimit": hex(header.gas_limit),
        "difficulty": hex(header.difficulty),
        "coinbase": _hex(header.beneficiary),
        "extraData": _hex(header.extra_data),
        "mixHash": _hex(header.prev_randao),
        "baseFeePerGas": hex(header.base_fee_per_gas or 0),
        "number": hex(header.number),
        "alloc": alloc,
    }


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _word(value: int) -> str:
    return f"0x{value:064x}"

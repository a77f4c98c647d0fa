"""The node's own L1 client over the devnet's L1: all that it proves holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.devnet.devnet_chain import ETHER, GENESIS_TIME, SetClock, blob_transaction, encoded, endpoint, l1_transaction, opened, some_blob
from trinode.devnet.accounts import ACCOUNTS, OPTIMISM_PORTAL, SYSTEM_CONFIG
from trinode.jsonrpc.endpoint import Retries
from trinode.l1.beacon import Beacon
from trinode.l1.blob_hasher import BlobHasher
from trinode.l1.source import L1Source
from trinode.protocol.block import L1Block
from trinode.protocol.deposit import decode_deposit_log
from trinode.protocol.receipt import decode_receipt
from trinode.rollup.system_config import update_system_config


async def test_blocks_receipts_blobs_and_labels(tmp_path: Path) -> None:
    clock = SetClock()
    devnet = opened(tmp_path, clock)
    blobs = [some_blob(1), some_blob(2)]
    wire, tx = blob_transaction(blobs)
    devnet.l1.add_transaction(wire)
    devnet.l1.add_transaction(l1_transaction(OPTIMISM_PORTAL, value=3 * ETHER))
    devnet.l1.add_transaction(l1_transaction(SYSTEM_CONFIG, nonce=1, data=encoded("setGasLimit(uint64)", 40_000_000)))
    for _ in range(5):
        clock.time += 3
        devnet.l1.mine()
    config = devnet.rollup_config
    hasher = BlobHasher()
    async with endpoint(devnet) as found:
        beacon = Beacon([found], hasher)
        contracts = (config.deposit_contract_address, config.l1_system_config_address)
        source = L1Source([found], beacon, contracts, rounds=Retries(1))
        await source.check(config.l1_chain_id, config.genesis.l1)
        blocks = [await source.block_by_number(number) for number in range(6)]
        first = blocks[1]
        assert first is not None and first.receipts is not None and len(first.receipts) == 3
        assert await source.blobs(first.id, first.header.timestamp, tx.blob_versioned_hashes) == tuple(blobs)
        assert await source.block_by_hash(first.id) == first
        assert await source.block_by_number(6) is None
        head, safe, finalized = await source.head(), await source.safe(), await source.finalized()
    hasher.close()
    devnet.close()
    assert [ref and ref.number for ref in (head, safe, finalized)] == [5, 4, 3]
    parents = [block.header.parent_hash for block in blocks[1:] if block]
    assert parents == [block.hash for block in blocks[:-1] if block] and len(parents) == 5
    assert [block.header.timestamp for block in blocks if block] == [GENESIS_TIME + 3 * number for number in range(6)]
    _check_events(first, devnet.rollup_config.genesis.system_config.gas_limit)
    receipts = map(decode_receipt, first.receipts)
    updated, problems = update_system_config(config.genesis.system_config, receipts, config, l1_inclusion_timestamp=first.header.timestamp)
    assert (updated.gas_limit, problems) == (40_000_000, [])


def _check_events(block: L1Block, gas_limit: int) -> None:
    assert gas_limit != 40_000_000
    receipts = [decode_receipt(raw) for raw in block.receipts or ()]
    assert [receipt.succeeded for receipt in receipts] == [True] * 3
    deposit = decode_deposit_log(receipts[1].logs[0], block.hash, 0)
    sender = ACCOUNTS[0].address
    assert (deposit.sender, deposit.to, deposit.mint, deposit.value, deposit.gas_limit) == (sender, sender, 3 * ETHER, 3 * ETHER, 100_000)


@pytest.mark.parametrize("query", ["", "?versioned_hashes=0x" + "00" * 32])
async def test_a_slot_without_a_block_has_no_blobs(tmp_path: Path, query: str) -> None:
    devnet = opened(tmp_path)
    async with endpoint(devnet) as found:
        response = await found._client.get(f"http://devnet/eth/v1/beacon/blobs/7{query}")
    devnet.close()
    assert response.status_code == 404

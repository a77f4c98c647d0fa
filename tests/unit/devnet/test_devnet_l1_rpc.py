"""The devnet's L1 as users and rollup nodes ask it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.devnet.devnet_chain import (
    ETHER,
    GENESIS_TIME,
    GWEI,
    blob_transaction,
    encoded,
    endpoint,
    l1_transaction,
    opened,
    rpc,
    some_blob,
    word,
)
from trinode.devnet.accounts import ACCOUNTS, BATCHER, FUNDED_BALANCE, OPTIMISM_PORTAL, OWNER, SEQUENCER, SYSTEM_CONFIG
from trinode.execution.trie.witness import Witness
from trinode.jsonrpc.calls import JsonRpc, RpcRefusedError
from trinode.protocol.deposit import decode_deposit_log
from trinode.protocol.header import header_hash
from trinode.protocol.keccak import keccak256
from trinode.protocol.transaction import encode_transaction, transaction_hash
from trinode.rollup.system_config import SystemConfig, encode_fee_scalar, update_system_config

TARGET = b"\x77" * 20


async def ask(client: JsonRpc, method: str, *params: Any) -> Any:
    return await client.call(method, list(params), lambda result: result, patient=False)


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


async def test_a_deposit_from_sending_it_to_its_receipt(tmp_path: Path) -> None:
    devnet = opened(tmp_path)
    sender = hexed(ACCOUNTS[0].address)
    data = encoded("depositTransaction(address,uint256,uint64,bool,bytes)", TARGET, 2, 50_000, 0, 160, 3, b"abc".ljust(32, b"\0"))
    async with rpc(devnet) as client:
        gas = int(await ask(client, "eth_estimateGas", {"from": sender, "to": hexed(OPTIMISM_PORTAL), "data": hexed(data), "value": "0x5"}), 16)
        raw = l1_transaction(OPTIMISM_PORTAL, value=5, data=data, gas=gas)
        hash = await ask(client, "eth_sendRawTransaction", hexed(raw))
        assert hash == hexed(transaction_hash(raw))
        assert await ask(client, "eth_getTransactionReceipt", hash) is None
        assert (await ask(client, "eth_getTransactionByHash", hash))["blockHash"] is None
        assert await ask(client, "eth_getTransactionCount", sender, "pending") == "0x1"
        assert await ask(client, "eth_getTransactionCount", sender, "latest") == "0x0"
        assert await ask(client, "evm_mine") == "0x1"
        receipt = await ask(client, "eth_getTransactionReceipt", hash)
        assert (receipt["status"], receipt["gasUsed"], receipt["from"]) == ("0x1", hex(gas), sender)
        assert (await ask(client, "eth_getTransactionByHash", hash))["blockNumber"] == "0x1"
        assert await ask(client, "eth_getBlockReceipts", "latest") == [receipt]
        paid = gas * int(receipt["effectiveGasPrice"], 16)
        assert int(await ask(client, "eth_getBalance", sender, "latest"), 16) == FUNDED_BALANCE - 5 - paid
    head = devnet.l1.head
    deposit = decode_deposit_log(head.decoded_receipts[0].logs[0], head.hash, 0)
    assert (deposit.to, deposit.mint, deposit.value, deposit.gas_limit, deposit.data) == (TARGET, 5, 2, 50_000, b"abc")
    devnet.close()


async def test_logs_of_blocks_and_contracts(tmp_path: Path) -> None:
    devnet = opened(tmp_path)
    data = encoded("depositTransaction(address,uint256,uint64,bool,bytes)", TARGET, 0, 50_000, 0, 160, 0)
    async with rpc(devnet) as client:
        for nonce in range(2):
            await ask(client, "eth_sendRawTransaction", hexed(l1_transaction(OPTIMISM_PORTAL, nonce=nonce, data=data)))
            await ask(client, "eth_sendRawTransaction", hexed(l1_transaction(TARGET, nonce=nonce, value=1, account=1)))
            await ask(client, "evm_mine")
        receipts = [each for number in ("0x1", "0x2") for each in await ask(client, "eth_getBlockReceipts", number)]
        expected = [log for receipt in receipts for log in receipt["logs"]]
        first, sender, to = expected[0]["topics"][:3]
        everything = {"fromBlock": "earliest", "toBlock": "latest"}
        assert len(expected) == 2
        assert await ask(client, "eth_getLogs", everything) == expected
        assert await ask(client, "eth_getLogs", {}) == expected[1:]
        assert await ask(client, "eth_getLogs", {"blockHash": expected[0]["blockHash"]}) == expected[:1]
        assert await ask(client, "eth_getLogs", everything | {"address": [hexed(TARGET), hexed(OPTIMISM_PORTAL)]}) == expected
        assert await ask(client, "eth_getLogs", everything | {"topics": [[to, first], None, to]}) == expected
        assert await ask(client, "eth_getLogs", everything | {"topics": [first, sender]}) == expected
        for nothing in ({"address": hexed(TARGET)}, {"topics": [to]}, {"topics": [None, [to]]}):
            assert await ask(client, "eth_getLogs", everything | nothing) == []
        for wrong in ({"fromBlock": "0x2", "toBlock": "0x1"}, {"blockHash": hexed(bytes(32)), "fromBlock": "0x1"}, {"topics": [None] * 5}):
            with pytest.raises(RpcRefusedError):
                await ask(client, "eth_getLogs", wrong)
        with pytest.raises(RpcRefusedError, match="unknown block"):
            await ask(client, "eth_getLogs", {"blockHash": hexed(bytes(32))})
    devnet.close()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((TARGET, 0, 50_000, 1, 160, 0), "BadTarget"),
        ((TARGET, 0, 20_999, 0, 160, 0), "GasLimitTooLow"),
        ((TARGET, 0, 50_000, 0, 160, 40), "no bytes"),
        ((TARGET, 0, 50_000, 2, 160, 0), "no uint1"),
        ((b"\1" + bytes(11) + TARGET, 0, 50_000, 0, 160, 0), "no uint160"),
    ],
    ids=["creation with address", "gas", "bytes", "bool", "address"],
)
async def test_deposits_that_the_portal_refuses(tmp_path: Path, words: tuple[int | bytes, ...], reason: str) -> None:
    devnet = opened(tmp_path)
    data = encoded("depositTransaction(address,uint256,uint64,bool,bytes)", *words)
    async with rpc(devnet) as client:
        with pytest.raises(RpcRefusedError, match=f"execution reverted: .*{reason}"):
            await ask(client, "eth_estimateGas", {"to": hexed(OPTIMISM_PORTAL), "data": hexed(data), "value": "0x5"})
        await ask(client, "eth_sendRawTransaction", hexed(l1_transaction(OPTIMISM_PORTAL, value=5, data=data)))
        await ask(client, "evm_mine")
        assert (await ask(client, "eth_getBlockReceipts", "0x1"))[0]["status"] == "0x0"
    assert devnet.l1.account(OPTIMISM_PORTAL).balance == 0
    devnet.close()


SETTINGS = [
    (encoded("setBatcherHash(bytes32)", TARGET), {"batcher_address": TARGET}, "batcherHash()", word(TARGET)),
    (encoded("setGasConfigEcotone(uint32,uint32)", 7, 9), {"scalar": encode_fee_scalar(7, 9)}, "blobbasefeeScalar()", word(9)),
    (encoded("setGasLimit(uint64)", 30_000_000), {"gas_limit": 30_000_000}, "gasLimit()", word(30_000_000)),
    (encoded("setUnsafeBlockSigner(address)", TARGET), {}, "unsafeBlockSigner()", word(TARGET)),
    (encoded("setEIP1559Params(uint32,uint32)", 50, 6), {"eip1559_params": (50 << 32 | 6).to_bytes(8, "big")}, "eip1559Denominator()", word(50)),
    (encoded("setOperatorFeeScalars(uint32,uint64)", 3, 4), {"operator_fee_params": word(3 << 64 | 4)}, "operatorFeeConstant()", word(4)),
    (encoded("setMinBaseFee(uint64)", 11), {"min_base_fee": 11}, "minBaseFee()", word(11)),
    (encoded("setDAFootprintGasScalar(uint16)", 12), {"da_footprint_gas_scalar": 12}, "daFootprintGasScalar()", word(12)),
]


@pytest.mark.parametrize(("data", "changed", "getter", "value"), SETTINGS, ids=[each[2] for each in SETTINGS])
async def test_the_owner_sets_what_derivation_reads(tmp_path: Path, data: bytes, changed: dict[str, Any], getter: str, value: bytes) -> None:
    devnet = opened(tmp_path)
    config = devnet.rollup_config
    before = config.genesis.system_config
    async with rpc(devnet) as client:
        with pytest.raises(RpcRefusedError, match="caller is not the owner"):
            await ask(client, "eth_estimateGas", {"from": hexed(TARGET), "to": hexed(SYSTEM_CONFIG), "data": hexed(data)})
        await ask(client, "eth_sendRawTransaction", hexed(l1_transaction(SYSTEM_CONFIG, data=data, account=0)))
        await ask(client, "eth_sendRawTransaction", hexed(l1_transaction(SYSTEM_CONFIG, data=data, account=1)))
        await ask(client, "evm_mine")
        assert await ask(client, "eth_call", {"to": hexed(SYSTEM_CONFIG), "input": hexed(encoded(getter))}, "latest") == hexed(value)
    head = devnet.l1.head
    assert [receipt.succeeded for receipt in head.decoded_receipts] == [True, False]
    after, problems = update_system_config(before, head.decoded_receipts, config, l1_inclusion_timestamp=head.header.timestamp)
    assert problems == [] and after == SystemConfig(**{name: changed.get(name, getattr(before, name)) for name in SystemConfig.__slots__})
    devnet.close()


async def test_the_system_config_begins_as_the_rollup_config_says(tmp_path: Path) -> None:
    devnet = opened(tmp_path)
    config = devnet.rollup_config.genesis.system_config

    async def read(getter: str) -> int:
        return int(await ask(client, "eth_call", {"to": hexed(SYSTEM_CONFIG), "data": hexed(encoded(getter))}), 16)

    async with rpc(devnet) as client:
        assert await read("scalar()") == int.from_bytes(config.scalar, "big")
        assert await read("gasLimit()") == config.gas_limit
        assert await read("batcherHash()") == int.from_bytes(BATCHER.address, "big")
        assert await read("unsafeBlockSigner()") == int.from_bytes(SEQUENCER.address, "big")
        assert await read("owner()") == int.from_bytes(OWNER.address, "big")
        assert await read("l2ChainId()") == devnet.rollup_config.l2_chain_id
        for gas_limit in (20_999_999, 500_000_001):
            call = {"from": hexed(OWNER.address), "to": hexed(SYSTEM_CONFIG), "data": hexed(encoded("setGasLimit(uint64)", gas_limit))}
            with pytest.raises(RpcRefusedError, match="is not between"):
                await ask(client, "eth_estimateGas", call)
    devnet.close()


async def test_ownership_moves(tmp_path: Path) -> None:
    devnet = opened(tmp_path)
    devnet.l1.add_transaction(l1_transaction(SYSTEM_CONFIG, data=encoded("transferOwnership(address)", ACCOUNTS[1].address)))
    devnet.l1.mine()
    devnet.l1.add_transaction(l1_transaction(SYSTEM_CONFIG, data=encoded("setMinBaseFee(uint64)", 1), nonce=1))
    devnet.l1.add_transaction(l1_transaction(SYSTEM_CONFIG, data=encoded("setMinBaseFee(uint64)", 2), account=1))
    devnet.l1.mine()
    assert [receipt.succeeded for receipt in devnet.l1.head.decoded_receipts] == [False, True]
    devnet.close()


async def test_blocks_labels_fees_and_state(tmp_path: Path) -> None:
    devnet = opened(tmp_path)
    devnet.l1.add_transaction(blob_transaction([some_blob(1)])[0])
    for _ in range(4):
        devnet.l1.mine()
    async with rpc(devnet) as client:
        assert await ask(client, "eth_chainId") == "0x384" and await ask(client, "net_version") == "900"
        assert await ask(client, "eth_blockNumber") == "0x4"
        for label, number in (("latest", 4), ("safe", 3), ("finalized", 2), ("earliest", 0)):
            assert (await ask(client, "eth_getBlockByNumber", label, False))["number"] == hex(number)
        block = await ask(client, "eth_getBlockByNumber", "0x1", True)
        first = devnet.l1.block(1)
        assert first is not None and block["hash"] == hexed(header_hash(first.header)) and block["transactions"][0]["type"] == "0x3"
        assert await ask(client, "eth_getBlockByHash", block["hash"], True) == block
        assert await ask(client, "eth_getBlockByNumber", "0x5", False) is None
        history = await ask(client, "eth_feeHistory", "0x3", "latest", [0, 50, 100])
        assert history["oldestBlock"] == "0x2" and len(history["baseFeePerGas"]) == 4 and history["reward"] == [["0x0"] * 3] * 3
        older = await ask(client, "eth_feeHistory", 2, "0x1", [50])
        assert older["baseFeePerGas"][2] == history["baseFeePerGas"][0] and older["reward"][1] == [hex(GWEI)]
        assert older["blobGasUsedRatio"] == [0.0, 1 / 21] and older["gasUsedRatio"][1] == 21_000 / 60_000_000
        assert history["baseFeePerGas"][3] == hex(devnet.l1.next_fees().base_fee)
        assert int(await ask(client, "eth_gasPrice"), 16) == devnet.l1.next_fees().base_fee + int(await ask(client, "eth_maxPriorityFeePerGas"), 16)
        assert await ask(client, "eth_blobBaseFee") == "0x1"
        assert await ask(client, "eth_getCode", hexed(OPTIMISM_PORTAL), "latest") == "0xfe"
        assert await ask(client, "eth_getCode", hexed(TARGET), "latest") == "0x"
        assert await ask(client, "eth_call", {"to": hexed(TARGET), "data": "0x1234"}, "latest") == "0x"
        assert int(await ask(client, "eth_getStorageAt", hexed(SYSTEM_CONFIG), "0x3", "latest"), 16) == 60_000_000
        for method, params in (("eth_getBalance", [hexed(TARGET), "0x1"]), ("eth_call", [{"to": hexed(TARGET)}, "finalized"])):
            with pytest.raises(RpcRefusedError, match="state of its newest block only"):
                await ask(client, method, *params)
        with pytest.raises(RpcRefusedError, match="no contract creations"):
            await ask(client, "eth_estimateGas", {"data": "0xfe"})
        with pytest.raises(RpcRefusedError, match="insufficient funds"):
            await ask(client, "eth_sendRawTransaction", hexed(l1_transaction(TARGET, value=20_000 * ETHER)))
    devnet.close()


async def test_the_receipt_of_blobs(tmp_path: Path) -> None:
    devnet = opened(tmp_path)
    wire, tx = blob_transaction([some_blob(1), some_blob(2)])
    async with rpc(devnet) as client:
        hash = await ask(client, "eth_sendRawTransaction", hexed(wire))
        assert hash == hexed(keccak256(encode_transaction(tx)))
        await ask(client, "evm_mine")
        receipt = await ask(client, "eth_getTransactionReceipt", hash)
    assert (receipt["blobGasUsed"], receipt["blobGasPrice"], receipt["type"]) == (hex(2 * 131_072), "0x1", "0x3")
    devnet.close()


async def test_the_beacon_routes(tmp_path: Path) -> None:
    devnet = opened(tmp_path)
    blobs = [some_blob(1), some_blob(2)]
    wire, tx = blob_transaction(blobs)
    devnet.l1.add_transaction(wire)
    slot = devnet.l1.mine().header.timestamp - GENESIS_TIME
    texts = [hexed(blob) for blob in blobs]
    async with endpoint(devnet) as found:

        async def get(path: str) -> Any:
            return (await found.get(path, path, lambda reply: reply))["data"]

        assert (await get("/eth/v1/beacon/genesis"))["genesis_time"] == str(GENESIS_TIME)
        assert await get("/eth/v1/config/spec") == {"SECONDS_PER_SLOT": "1"}
        assert await get(f"/eth/v1/beacon/blobs/{slot}") == texts
        name = hexed(tx.blob_versioned_hashes[1])
        assert await get(f"/eth/v1/beacon/blobs/{slot}?versioned_hashes={name}") == texts[1:]
        sidecars = await get(f"/eth/v1/beacon/blob_sidecars/{slot}?indices=1")
        assert [(each["index"], each["blob"]) for each in sidecars] == [("1", texts[1])]
        response = await found._client.get("http://devnet/eth/v1/node/health")
        assert response.status_code == 404 and "/eth/v1/node/health" in response.json()["message"]
        assert (await found._client.put("http://devnet/")).status_code == 405
    devnet.close()


async def test_a_proof_of_who_signs_unsafe_blocks(tmp_path: Path) -> None:
    """As rollup nodes that trust no L1 ask for it, by the name of the slot in the specification."""
    devnet = opened(tmp_path)
    slot = keccak256(b"systemconfig.unsafeblocksigner")
    async with rpc(devnet) as client:
        await ask(client, "evm_mine")
        head = devnet.l1.head
        proof = await ask(client, "eth_getProof", hexed(SYSTEM_CONFIG), [hexed(slot), "0x3"], hexed(head.hash))
        assert await ask(client, "eth_getStorageAt", hexed(SYSTEM_CONFIG), hexed(slot), "latest") == hexed(SEQUENCER.address.rjust(32, b"\0"))
        with pytest.raises(RpcRefusedError, match="newest block only"):
            await ask(client, "eth_getProof", hexed(SYSTEM_CONFIG), [], "0x0")
    nodes = [bytes.fromhex(node[2:]) for part in (proof, *proof["storageProof"]) for node in part.get("accountProof", part.get("proof"))]
    witness = Witness(nodes, head.header)
    signer, gas_limit = proof["storageProof"]
    assert (signer["key"], signer["value"]) == (hexed(slot), hexed(SEQUENCER.address))
    assert (gas_limit["key"], gas_limit["value"]) == ("0x3", hex(devnet.rollup_config.genesis.system_config.gas_limit))
    assert witness.storage(SYSTEM_CONFIG, int.from_bytes(slot, "big")) == int.from_bytes(SEQUENCER.address, "big")
    assert witness.storage(SYSTEM_CONFIG, 3) == int(gas_limit["value"], 16)
    assert proof["storageHash"] == hexed(witness.tries.storage_root(SYSTEM_CONFIG))
    devnet.close()

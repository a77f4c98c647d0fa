"""Real op-node and op-geth derive from the devnet's L1 what our sequencer and batcher have made: `tox -e peers`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from harness.peers.devnet_files import devnet_genesis
from harness.peers.op_geth import PROGRAM as GETH
from harness.peers.op_geth import OpGethNode
from harness.peers.op_node import PROGRAM as OP_NODE
from harness.peers.op_node import OpNode, Peers
from harness.peers.ports import free_ports
from harness.peers.process import call, wait_until
from harness.peers.trinode_node import TrinodeNode
from tests.recorded_network import SECRET, TIMEOUT, peer
from trinode.devnet.accounts import ACCOUNTS, L1_CHAIN_ID, L2_CHAIN_ID, OPTIMISM_PORTAL, OWNER, SYSTEM_CONFIG, DevnetAccount
from trinode.devnet.contracts import selector
from trinode.devnet.genesis import l1_chain_config
from trinode.protocol.transaction import encode_transaction, sign_transaction
from trinode.protocol.transaction_types import DynamicFeeTransaction
from trinode.protocol.types import Address
from trinode.rollup.config import parse_rollup_config

pytestmark = pytest.mark.peers

ETHER = 10**18
ROUNDS = 4
USER, DEPOSITOR = ACCOUNTS[1], ACCOUNTS[2]
CREATION = bytes.fromhex("6001600055600a8060106000396000f3") + bytes.fromhex("60005460010160005500")
"""Leaves a contract that counts its calls in slot 0."""
SETTINGS = (
    ("setGasLimit(uint64)", (50_000_000,)),
    ("setEIP1559Params(uint32,uint32)", (100, 4)),
    ("setOperatorFeeScalars(uint32,uint64)", (1_000, 77)),
    ("setGasConfigEcotone(uint32,uint32)", (5_000, 900_000)),
    ("setMinBaseFee(uint64)", (1_000_000,)),
    ("setDAFootprintGasScalar(uint16)", (300,)),
)
OF_OP_NODE = ("syncmode.offset-el-safe is ineffective", "cannot continue derivation until Engine has been reset")
OF_OP_GETH = ("Setting network ID", "safe block not found", "finalized block not found")


class Traffic:
    """Transactions of one account on one chain, each with the next nonce."""

    def __init__(self, url: str, chain_id: int, account: DevnetAccount) -> None:
        self._url = url
        self._chain_id = chain_id
        self._account = account
        self._nonces = count()

    def send(self, to: Address | None, value: int = 0, data: bytes = b"", gas: int = 300_000) -> dict[str, Any]:
        """The receipt, once it is in a block."""
        tx = DynamicFeeTransaction(self._chain_id, next(self._nonces), 10**6, 10**11, gas, to, value, data)
        sent = call(self._url, "eth_sendRawTransaction", "0x" + encode_transaction(sign_transaction(tx, self._account.key)).hex())
        receipts: list[dict[str, Any]] = []

        def arrived() -> bool:
            found = call(self._url, "eth_getTransactionReceipt", sent)
            receipts.extend([found] if found else [])
            return bool(receipts)

        wait_until(arrived, TIMEOUT)
        return receipts[0]


@pytest.fixture
def devnet(tmp_path: Path) -> Iterator[TrinodeNode]:
    peer(GETH)
    peer(OP_NODE)
    with TrinodeNode(tmp_path / "devnet", {"block-time": "1s", "devnet.l1.port": free_ports(1)[0]}) as node:
        yield node


def make_traffic(devnet: TrinodeNode) -> int:
    """Users, deposits and changes of the system config, each round in other L1 blocks; the last L2 block with a transaction."""
    l1, l2 = devnet.address("devnet.l1"), devnet.address("http")
    user, owner, depositor = Traffic(l2, L2_CHAIN_ID, USER), Traffic(l1, L1_CHAIN_ID, OWNER), Traffic(l1, L1_CHAIN_ID, DEPOSITOR)
    created = bytes.fromhex(user.send(None, data=CREATION)["contractAddress"][2:])
    last = 0
    for number in range(ROUNDS):
        for name, values in SETTINGS[number::ROUNDS]:
            words = b"".join(value.to_bytes(32, "big") for value in values)
            assert owner.send(SYSTEM_CONFIG, data=selector(name).to_bytes(4, "big") + words)["status"] == "0x1"
        assert depositor.send(OPTIMISM_PORTAL, ETHER)["status"] == "0x1"
        receipts = [user.send(created), user.send(b"\x22" * 20, ETHER), user.send(b"\x23" * 20, data=bytes(range(256)) * 40, gas=1_000_000)]
        assert {receipt["status"] for receipt in receipts} == {"0x1"}
        last = int(receipts[-1]["blockNumber"], 16)
    return last


def test_they_derive_the_same_chain(devnet: TrinodeNode, tmp_path: Path) -> None:
    secret = tmp_path / "jwt.hex"
    secret.write_text(SECRET.hex())
    l1 = devnet.address("devnet.l1")
    config = parse_rollup_config(call(devnet.address("rpc"), "optimism_rollupConfig"))
    geth = OpGethNode(peer(GETH), tmp_path / "op-geth", devnet_genesis(config), secret)
    strict = {"l1.trustrpc": "false"}  # it checks all hashes and roots of L1, and a proof of who signs unsafe blocks
    op_node = OpNode(peer(OP_NODE), tmp_path / "op-node", Peers(l1, l1, geth.engine_url, secret), config, l1_chain_config(), **strict)
    with geth, op_node:
        last = make_traffic(devnet)
        # op-node waits longer and longer for the next L1 block, but not for ever.
        wait_until(lambda: bool(op_node.call("optimism_syncStatus")["finalized_l2"]["number"] >= last), TIMEOUT, devnet, geth, op_node)
        wait_until(lambda: bool(call(devnet.address("rpc"), "optimism_syncStatus")["safe_l2"]["number"] >= last), TIMEOUT, devnet)
        theirs, ours = ([call(url, "eth_getBlockByNumber", hex(n), False) for n in range(last + 1)] for url in (geth.url, devnet.address("http")))
        assert [n for n in range(last + 1) if theirs[n]["hash"] != ours[n]["hash"]] == []
        assert theirs[last]["gasLimit"] == hex(SETTINGS[0][1][0])
        assert len({len(block["transactions"]) for block in ours}) > 1
        outputs = [call(url, "optimism_outputAtBlock", hex(last))["outputRoot"] for url in (op_node.url, devnet.address("rpc"))]
        assert outputs[0] == outputs[1]
    assert "\n".join(line for line in op_node.problems if not any(text in line for text in OF_OP_NODE)) == ""
    assert "\n".join(line for line in geth.problems if not any(text in line for text in OF_OP_GETH)) == ""
    assert devnet.problems == []

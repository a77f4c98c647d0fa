"""The blocks before the merge, by py-evm, which knows the forks that no OP Stack chain has had: their states are where our engine begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rlp
from eth.chains.base import Chain
from eth.consensus.noproof import NoProofConsensus
from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth.typing import AccountState
from eth.vm.forks.arrow_glacier import ArrowGlacierVM
from eth.vm.forks.berlin import BerlinVM
from eth.vm.forks.byzantium import ByzantiumVM
from eth.vm.forks.constantinople import ConstantinopleVM
from eth.vm.forks.frontier import FrontierVM
from eth.vm.forks.gray_glacier import GrayGlacierVM
from eth.vm.forks.homestead import HomesteadVM
from eth.vm.forks.istanbul import IstanbulVM
from eth.vm.forks.london import LondonVM
from eth.vm.forks.muir_glacier import MuirGlacierVM
from eth.vm.forks.petersburg import PetersburgVM
from eth.vm.forks.spurious_dragon import SpuriousDragonVM
from eth.vm.forks.tangerine_whistle import TangerineWhistleVM
from eth_typing import Address as EthAddress
from eth_typing import BlockNumber

from harness.execution_apis.files import EthereumBlock, TestChain
from trinode.execution.errors import MissingState
from trinode.execution.genesis import Genesis
from trinode.execution.trie.nodes import Owner, Path
from trinode.protocol.receipt import Receipt, decode_receipt
from trinode.protocol.types import Hash32

_FORKS = (
    ("homesteadBlock", HomesteadVM.configure(support_dao_fork=False)),
    ("eip150Block", TangerineWhistleVM),
    ("eip158Block", SpuriousDragonVM),
    ("byzantiumBlock", ByzantiumVM),
    ("constantinopleBlock", ConstantinopleVM),
    ("petersburgBlock", PetersburgVM),
    ("istanbulBlock", IstanbulVM),
    ("muirGlacierBlock", MuirGlacierVM),
    ("berlinBlock", BerlinVM),
    ("londonBlock", LondonVM),
    ("arrowGlacierBlock", ArrowGlacierVM),
    ("grayGlacierBlock", GrayGlacierVM),
)
"""By their names in genesis.json."""


class NodesByHash:
    """Nodes and codes by their hash (a `NodeReader`)."""

    def __init__(self, preimages: dict[bytes, bytes]) -> None:
        self._preimages = preimages

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        """RLP of a node. Raises MissingState."""
        return self.code(node_hash)

    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash. Raises MissingState."""
        if code_hash not in self._preimages:
            raise MissingState(f"nothing has the hash 0x{code_hash.hex()}")
        return self._preimages[code_hash]


@dataclass(frozen=True, slots=True)
class BeforeMerge:
    """What comes of the blocks: the receipts of each, and all states."""

    receipts: dict[Hash32, tuple[Receipt, ...]]
    nodes: NodesByHash


def execute_before_merge(chain: TestChain, blocks: Sequence[EthereumBlock]) -> BeforeMerge:
    """Executes the blocks on the genesis of `chain`. Raises eth_utils.ValidationError where a block is not what its header says."""
    memory = MemoryDB()
    machine = _chain_class(chain.config).from_genesis(AtomicDB(memory), _header_fields(chain.genesis), _accounts(chain.genesis))
    receipts = {}
    for block in blocks:
        block_class = machine.get_vm_class_for_block_number(BlockNumber(block.header.number)).get_block_class()
        decoded = rlp.decode(block.rlp, sedes=block_class)
        imported = machine.import_block(decoded).imported_block
        receipts[block.hash] = tuple(decode_receipt(each.encode()) for each in imported.get_receipts(machine.chaindb))
    return BeforeMerge(receipts, NodesByHash(memory.kv_store))


def _chain_class(config: dict[str, Any]) -> type[Chain]:
    machines: dict[int, Any] = {0: FrontierVM}
    machines |= {config[name]: machine for name, machine in _FORKS}
    configured = tuple((start, machine.configure(consensus_class=NoProofConsensus)) for start, machine in sorted(machines.items()))
    return Chain.configure("TestChain", vm_configuration=configured, chain_id=config["chainId"])


def _header_fields(genesis: Genesis) -> dict[str, Any]:
    return {
        "difficulty": genesis.difficulty,
        "gas_limit": genesis.gas_limit,
        "timestamp": genesis.timestamp,
        "extra_data": genesis.extra_data,
        "nonce": genesis.nonce.to_bytes(8, "big"),
        "mix_hash": genesis.mix_hash,
        "coinbase": genesis.beneficiary,
    }


def _accounts(genesis: Genesis) -> AccountState:
    alloc = genesis.alloc
    return {
        EthAddress(address): {
            "balance": account.balance,
            "nonce": account.nonce,
            "code": alloc.codes.get(account.code_hash, b""),
            "storage": alloc.storage.get(address, {}),
        }
        for address, account in alloc.accounts.items()
        if account is not None
    }

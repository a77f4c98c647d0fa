"""Who has ether on the devnet from the start, and where its contracts on L1 are. Everything here is public: use none of these keys
for anything of value.
"""

from __future__ import annotations

from typing import NamedTuple

from trinode.protocol.keccak import keccak256
from trinode.protocol.transaction import LegacyTransaction, recover_sender, sign_transaction
from trinode.protocol.types import Address

ETHER = 10**18
L1_CHAIN_ID = 900
L2_CHAIN_ID = 901
MNEMONIC = "test test test test test test test test test test test junk"
"""Of the ten accounts with ether, at m/44'/60'/0'/0/0 to 9 (BIP-39, BIP-44)."""
_KEYS = (
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
)


class DevnetAccount(NamedTuple):
    """An account and its private key (32 bytes)."""

    address: Address
    key: bytes


def account_of(key: bytes) -> DevnetAccount:
    """The account of a private key."""
    return DevnetAccount(recover_sender(sign_transaction(LegacyTransaction(0, 0, 0, None, 0, b""), key)), key)


def _named_address(name: str) -> Address:
    return keccak256(f"trinode devnet {name}".encode())[12:]


FUNDED_BALANCE = 10_000 * ETHER
"""In wei, on L1 and on L2, of each of the ten."""
BATCHER_BALANCE = 1_000_000 * ETHER
ACCOUNTS = tuple(account_of(bytes.fromhex(key)) for key in _KEYS)
"""The ten. The first owns SystemConfig on L1 and ProxyAdmin on L2."""
OWNER = ACCOUNTS[0]
BATCHER = account_of(keccak256(b"trinode devnet batcher"))
"""Posts batches; has ether on L1 only."""
SEQUENCER = account_of(keccak256(b"trinode devnet sequencer"))
"""Signs unsafe blocks for gossip; has no ether."""

OPTIMISM_PORTAL = _named_address("OptimismPortal")
SYSTEM_CONFIG = _named_address("SystemConfig")
BATCH_INBOX: Address = b"\xff" + bytes(17) + L2_CHAIN_ID.to_bytes(2, "big")
L1_MESSENGER = _named_address("L1CrossDomainMessenger")
L1_STANDARD_BRIDGE = _named_address("L1StandardBridge")
L1_ERC721_BRIDGE = _named_address("L1ERC721Bridge")
FEE_RECIPIENT = _named_address("L1 fee recipient")

"""The devnet's L2 genesis: the accounts, the predeploys, and blocks on them."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from eth_keys.datatypes import PrivateKey

from tests.unit.devnet.devnet_chain import ETHER, GENESIS_TIME, GWEI, encoded, word
from trinode.devnet.accounts import ACCOUNTS, BATCHER, FUNDED_BALANCE, L1_MESSENGER, L2_CHAIN_ID, MNEMONIC, OWNER, SEQUENCER
from trinode.devnet.contracts import ADMIN_SLOT, DETERMINISTIC_DEPLOYER_CODE, IMPLEMENTATION_SLOT
from trinode.devnet.genesis import (
    GAS_PRICE_ORACLE,
    L2_MESSENGER,
    L2_STANDARD_BRIDGE,
    PROXIED,
    PROXY_ADMIN,
    SEQUENCER_FEE_VAULT,
    WETH,
    L2Genesis,
    l1_chain_config,
    l2_genesis,
    predeploy,
    system_config,
)
from trinode.devnet.l1 import genesis_block
from trinode.execution.block import MESSAGE_PASSER, BlockExecutor, ExecutedBlock
from trinode.execution.engine import TransactionResult
from trinode.execution.evm.calls import create_address
from trinode.execution.evm.engine import FastEngine
from trinode.execution.memory import MemoryState
from trinode.protocol.deposit import DepositTransaction, encode_deposit
from trinode.protocol.keccak import keccak256
from trinode.protocol.l1_cost import flz_compressed_size, l1_cost_fjord
from trinode.protocol.l1_info import decode_l1_info
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.transaction import DynamicFeeTransaction, LegacyTransaction, encode_transaction, recover_sender, sign_transaction
from trinode.protocol.types import Address
from trinode.rollup.fork import Fork
from trinode.rollup.l1_attributes import l1_info_deposit
from trinode.rollup.system_config import decode_fee_scalar

L1_GENESIS = genesis_block(l1_chain_config(), GENESIS_TIME)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
TARGET: Address = b"\x77" * 20


def genesis() -> L2Genesis:
    return l2_genesis(L1_GENESIS.id, GENESIS_TIME, 2)


# ---- accounts ----


def derived_key(index: int) -> bytes:
    """m/44'/60'/0'/0/`index` of the mnemonic (BIP-39, BIP-32)."""
    seed = hashlib.pbkdf2_hmac("sha512", MNEMONIC.encode(), b"mnemonic", 2048)
    node = hmac.digest(b"Bitcoin seed", seed, "sha512")
    for step in (2**31 + 44, 2**31 + 60, 2**31, 0, index):
        key, chain_code = node[:32], node[32:]
        data = b"\0" + key if step >= 2**31 else PrivateKey(key).public_key.to_compressed_bytes()
        child = hmac.digest(chain_code, data + step.to_bytes(4, "big"), "sha512")
        number = (int.from_bytes(child[:32], "big") + int.from_bytes(key, "big")) % ORDER
        node = number.to_bytes(32, "big") + child[32:]
    return node[:32]


def test_the_accounts_are_the_mnemonics_and_have_ether() -> None:
    assert [account.key for account in ACCOUNTS] == [derived_key(index) for index in range(10)]
    assert ACCOUNTS[0].address.hex() == "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    accounts = genesis().block.changes.accounts
    assert [account and account.balance for account in (accounts[each.address] for each in ACCOUNTS)] == [FUNDED_BALANCE] * 10
    assert BATCHER.address not in accounts and SEQUENCER.address not in accounts


# ---- the state ----


def test_the_deployer_is_what_its_keyless_transaction_puts_at_its_address() -> None:
    """Nobody has the key of whoever signed it: the address stands for the code."""
    data = bytes.fromhex("604580600e600039806000f350fe") + DETERMINISTIC_DEPLOYER_CODE
    r = s = int("22" * 32, 16)
    sender = recover_sender(LegacyTransaction(0, 100 * GWEI, 100_000, None, 0, data, 27, r, s))
    assert create_address(sender, 0).hex() == "4e59b44847b379578588920ca78fbf26c0b4956c"


def test_the_genesis_is_the_same_each_time_and_all_forks_are_active() -> None:
    first, second = genesis(), genesis()
    assert first.block.hash == second.block.hash and first.config == second.config
    config = first.config
    assert config.genesis.l2.hash == first.block.hash and config.genesis.l2_time == GENESIS_TIME
    assert config.fork_at(l2_timestamp=GENESIS_TIME) is Fork.KARST
    assert first.block.header.withdrawals_root == first.block.tries.storage_root(MESSAGE_PASSER)
    assert l2_genesis(L1_GENESIS.id, GENESIS_TIME + 1, 2).block.hash != first.block.hash


def test_every_predeploy_is_a_proxy_of_proxy_admin_with_an_implementation() -> None:
    state = genesis().block.changes
    for address in PROXIED:
        slots = state.storage[address]
        implementation = state.accounts[slots[IMPLEMENTATION_SLOT].to_bytes(20, "big")]
        assert slots[ADMIN_SLOT] == int.from_bytes(PROXY_ADMIN, "big")
        assert implementation is not None and implementation.code_hash in state.codes
        assert not any(2**24 < slot < 2**32 for slot in slots), "a setting for the upgrade is left"


# ---- blocks ----


class Chain:
    """Blocks on the genesis, in memory."""

    def __init__(self) -> None:
        self.genesis = genesis()
        self.config = self.genesis.config
        self.state = MemoryState(self.genesis.block)
        self.executor = BlockExecutor(self.config, FastEngine())
        self.nonces = dict.fromkeys(range(10), 0)

    def attributes(self, *transactions: bytes) -> PayloadAttributes:
        parent = self.state.parent.header
        info = l1_info_deposit(
            self.config, l1_chain_config(), system_config(), parent.number + 1, L1_GENESIS.header, L1_GENESIS.hash, parent.timestamp + 2
        )
        return PayloadAttributes(
            timestamp=parent.timestamp + 2,
            prev_randao=L1_GENESIS.header.prev_randao,
            suggested_fee_recipient=SEQUENCER_FEE_VAULT,
            withdrawals=(),
            parent_beacon_block_root=L1_GENESIS.header.parent_beacon_block_root,
            transactions=(encode_deposit(info), *transactions),
            no_tx_pool=True,
            gas_limit=system_config().gas_limit,
            eip1559_params=bytes(8),
            min_base_fee=0,
        )

    def block(self, *transactions: bytes) -> ExecutedBlock:
        block = self.executor.build(self.state.parent, self.attributes(*transactions))
        self.state.apply(block)
        return block

    def transaction(self, to: Address, data: bytes = b"", *, value: int = 0, account: int = 0, gas: int = 1_000_000) -> bytes:
        nonce = self.nonces[account]
        self.nonces[account] += 1
        tx = DynamicFeeTransaction(L2_CHAIN_ID, nonce, 1, 10 * GWEI, gas, to, value, data)
        return encode_transaction(sign_transaction(tx, ACCOUNTS[account].key))

    def call(self, to: Address, data: bytes = b"", *, value: int = 0, account: int = 0, gas: int = 1_000_000) -> TransactionResult:
        """What a transaction does that is alone in a block."""
        return self.block(self.transaction(to, data, value=value, account=account, gas=gas)).results[1]

    def read(self, to: Address, signature: str, *words: int | bytes) -> bytes:
        result = self.call(to, encoded(signature, *words), account=9)
        assert result.succeeded, (signature, result.output)
        return result.output

    def number(self, to: Address, signature: str, *words: int | bytes) -> int:
        return int.from_bytes(self.read(to, signature, *words), "big")


@pytest.fixture
def chain() -> Chain:
    return Chain()


def test_the_first_block_and_its_l1_attributes(chain: Chain) -> None:
    block = chain.block(chain.transaction(TARGET, value=5))
    assert [receipt.succeeded for receipt in block.receipts] == [True, True]
    found = chain.state.account(TARGET)
    assert found is not None and found.balance == 5
    other = MemoryState(chain.genesis.block)
    assert BlockExecutor(chain.config, FastEngine()).check(other.parent, block.header, block.transactions).hash == block.hash
    l1_block = predeploy(0x15)
    assert chain.read(l1_block, "hash()") == L1_GENESIS.hash
    assert chain.number(l1_block, "basefee()") == L1_GENESIS.header.base_fee_per_gas
    assert chain.read(l1_block, "batcherHash()") == word(BATCHER.address)


def test_the_oracle_says_what_a_transaction_is_charged(chain: Chain) -> None:
    raw = chain.transaction(TARGET, value=5)
    block = chain.block(raw)
    charged = block.results[1].l1_fee
    assert charged > 0

    def l1_fee(data: bytes) -> int:
        return chain.number(GAS_PRICE_ORACLE, "getL1Fee(bytes)", 32, len(data), data + bytes(-len(data) % 32))

    # Of transactions this small, the size counts as 100 bytes, whether or not the oracle adds a signature's 68.
    assert l1_fee(raw[:60]) == charged
    info = decode_l1_info(block.prepared[0].transaction.data)
    scalars = decode_fee_scalar(system_config().scalar)
    assert (info.base_fee_scalar, info.blob_base_fee_scalar) == scalars
    large = bytes(range(256)) * 3
    prices = {"l1_base_fee": info.base_fee, "blob_base_fee": info.blob_base_fee}
    cost = l1_cost_fjord(flz_compressed_size(large) + 68, base_fee_scalar=scalars[0], blob_base_fee_scalar=scalars[1], **prices)
    assert l1_fee(large) == cost > charged


def test_a_deposit_mints(chain: Chain) -> None:
    deposit = DepositTransaction(b"\1" * 32, ACCOUNTS[3].address, TARGET, 7 * ETHER, 2 * ETHER, 100_000, False, b"")
    assert chain.block(encode_deposit(deposit)).receipts[1].succeeded
    sender, target = chain.state.account(ACCOUNTS[3].address), chain.state.account(TARGET)
    assert sender is not None and target is not None
    assert (sender.balance, target.balance) == (FUNDED_BALANCE + 5 * ETHER, 2 * ETHER)


def test_a_withdrawal(chain: Chain) -> None:
    before = chain.state.parent.header.withdrawals_root
    data = encoded("initiateWithdrawal(address,uint256,bytes)", TARGET, 100_000, 96, 0)
    result = chain.call(MESSAGE_PASSER, data, value=ETHER)
    assert result.succeeded
    event = result.logs[0]
    assert event.topics[0] == keccak256(b"MessagePassed(uint256,address,address,uint256,uint256,bytes,bytes32)")
    assert event.topics[2:] == (word(ACCOUNTS[0].address), word(TARGET))
    withdrawal = event.data[96:128]  # behind value, gas limit and the place of the data
    assert chain.state.storage(MESSAGE_PASSER, int.from_bytes(keccak256(withdrawal + bytes(32)), "big")) == 1
    header = chain.state.parent.header
    assert header.withdrawals_root == chain.state.parent.tries.storage_root(MESSAGE_PASSER) != before


def test_ether_to_the_bridge_is_a_message_to_l1(chain: Chain) -> None:
    assert chain.read(L2_MESSENGER, "OTHER_MESSENGER()") == word(L1_MESSENGER)
    result = chain.call(L2_STANDARD_BRIDGE, value=ETHER)
    assert result.succeeded
    assert keccak256(b"ETHBridgeInitiated(address,address,uint256,bytes)") in [log.topics[0] for log in result.logs]
    passed = chain.state.account(MESSAGE_PASSER)
    assert passed is not None and passed.balance == ETHER


def test_the_fee_vault_pays_its_recipient(chain: Chain) -> None:
    assert chain.call(SEQUENCER_FEE_VAULT, value=2 * ETHER, account=1).succeeded
    before = chain.state.account(OWNER.address)
    assert chain.call(SEQUENCER_FEE_VAULT, encoded("withdraw()"), account=2).succeeded
    after = chain.state.account(OWNER.address)
    assert before is not None and after is not None and after.balance - before.balance >= 2 * ETHER


def test_the_owner_upgrades_through_proxy_admin_and_nobody_else(chain: Chain) -> None:
    new = predeploy(0x2C)
    data = encoded("upgrade(address,address)", L2_STANDARD_BRIDGE, new)
    assert chain.read(PROXY_ADMIN, "owner()") == word(OWNER.address)
    assert not chain.call(PROXY_ADMIN, data, account=4).succeeded
    assert not chain.call(L2_STANDARD_BRIDGE, encoded("upgradeTo(address)", new), account=4).succeeded
    assert chain.call(PROXY_ADMIN, data).succeeded
    assert chain.state.storage(L2_STANDARD_BRIDGE, IMPLEMENTATION_SLOT) == int.from_bytes(new, "big")
    assert chain.read(PROXY_ADMIN, "getProxyImplementation(address)", L2_STANDARD_BRIDGE) == word(new)
    assert chain.read(PROXY_ADMIN, "getProxyAdmin(address)", L2_STANDARD_BRIDGE) == word(PROXY_ADMIN)


def test_weth(chain: Chain) -> None:
    first, second, third = [account.address for account in ACCOUNTS[:3]]
    assert chain.call(WETH, value=5 * ETHER).logs[0].topics == (keccak256(b"Deposit(address,uint256)"), word(first))
    assert chain.call(WETH, encoded("deposit()"), value=ETHER).succeeded
    assert chain.number(WETH, "balanceOf(address)", first) == chain.number(WETH, "totalSupply()") == 6 * ETHER
    sent = chain.call(WETH, encoded("transfer(address,uint256)", second, 2 * ETHER))
    assert (sent.output, sent.logs[0].topics[1:], sent.logs[0].data) == (word(1), (word(first), word(second)), word(2 * ETHER))
    assert not chain.call(WETH, encoded("transfer(address,uint256)", second, 5 * ETHER)).succeeded
    move = encoded("transferFrom(address,address,uint256)", first, third, ETHER)
    assert not chain.call(WETH, move, account=1).succeeded
    assert chain.call(WETH, encoded("approve(address,uint256)", second, 3 * ETHER // 2)).logs[0].data == word(3 * ETHER // 2)
    assert chain.call(WETH, move, account=1).succeeded and not chain.call(WETH, move, account=1).succeeded
    assert chain.number(WETH, "allowance(address,address)", first, second) == ETHER // 2
    unlimited = 2**256 - 1
    assert chain.call(WETH, encoded("approve(address,uint256)", second, unlimited)).succeeded and chain.call(WETH, move, account=1).succeeded
    assert chain.number(WETH, "allowance(address,address)", first, second) == unlimited
    assert chain.number(WETH, "balanceOf(address)", third) == 2 * ETHER
    assert not chain.call(WETH, encoded("withdraw(uint256)", 3 * ETHER)).succeeded
    assert chain.call(WETH, encoded("withdraw(uint256)", 2 * ETHER)).logs[0].topics[1] == word(first)
    assert [chain.number(WETH, "balanceOf(address)", each) for each in (first, second, third)] == [0, 2 * ETHER, 2 * ETHER]
    assert chain.read(WETH, "symbol()")[64:68] == b"WETH" and chain.number(WETH, "decimals()") == 18
    assert not chain.call(WETH, encoded("mint(uint256)", 1)).succeeded

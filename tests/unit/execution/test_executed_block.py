"""Blocks from attributes, and blocks that others built: what may be in them, and what is said where they are wrong."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace
from itertools import count
from random import Random

import pytest

from tests.unit.execution.small_chain import TARGET, SmallChain, l1_attributes, transfer
from trinode.execution.block import Parent
from trinode.execution.create2_deployer import CREATE2_DEPLOYER, CREATE2_DEPLOYER_CODE
from trinode.execution.errors import InvalidAttributes, InvalidBlock, UnknownFork
from trinode.execution.forks import execution_rules_of
from trinode.protocol.deposit import DepositTransaction, encode_deposit
from trinode.protocol.header import Header
from trinode.protocol.keccak import keccak256
from trinode.protocol.l1_cost import estimated_size_scaled, flz_compressed_size
from trinode.protocol.l1_info import L1InfoFormat
from trinode.protocol.transaction import BlobTransaction, encode_transaction
from trinode.rollup.fork import Fork

FORKS = [fork for fork in Fork if fork is not Fork.LAGOON]
INFO_GAS_LIMIT = 1_000_000


# -- what is in a block


def test_the_pool_fills_the_block_in_its_order() -> None:
    chain = SmallChain(Fork.KARST)
    pool = [transfer(0, 0), transfer(1, 0), transfer(0, 1)]
    block = chain.executor.build(chain.state.parent, chain.attributes(transfer(2, 0), no_tx_pool=False), pool)
    assert block.transactions[2:] == tuple(pool)
    assert [receipt.succeeded for receipt in block.receipts] == [True] * 5


def test_without_the_pool_nothing_is_taken_from_it() -> None:
    chain = SmallChain(Fork.KARST)
    block = chain.executor.build(chain.state.parent, chain.attributes(transfer(2, 0)), [transfer(0, 0)])
    assert len(block.transactions) == 2


def test_what_the_pool_has_wrong_is_passed_over() -> None:
    chain = SmallChain(Fork.KARST)
    deposit = encode_deposit(DepositTransaction(bytes(32), TARGET, TARGET, 10**18, 0, 100_000, False, b""))
    blob = encode_transaction(BlobTransaction(901, 0, 1, 2_000, 100_000, TARGET, 0, b"", (), 1, (bytes(32),), 0, 1, 1))
    wrong = [b"", b"\xff", deposit, blob, transfer(0, 5), transfer(0, 0, chain_id=1), transfer(0, 0, fee=1), transfer(0, 0, gas_limit=20_000)]
    block = chain.executor.build(chain.state.parent, chain.attributes(no_tx_pool=False), [*wrong, transfer(0, 0), *wrong, transfer(0, 1)])
    assert block.transactions[1:] == (transfer(0, 0), transfer(0, 1))


def test_the_gas_limit_holds_for_the_pool() -> None:
    chain = SmallChain(Fork.HOLOCENE)
    attributes = chain.attributes(no_tx_pool=False, gas_limit=INFO_GAS_LIMIT + 150_000)
    spent = chain.executor.build(chain.state.parent, attributes).header.gas_used
    pool = [transfer(0, 0, gas_limit=INFO_GAS_LIMIT + 150_001 - spent), transfer(1, 0, gas_limit=INFO_GAS_LIMIT + 150_000 - spent)]
    block = chain.executor.build(chain.state.parent, attributes, pool)
    assert block.transactions[1:] == (pool[1],)


@pytest.mark.parametrize(("fork", "each"), [(Fork.ISTHMUS, 21_000), (Fork.KARST, 100 * 400)])
def test_a_block_full_of_gas_or_data_asks_the_pool_for_no_more(fork: Fork, each: int) -> None:
    chain = SmallChain(fork)
    spent = chain.executor.build(chain.state.parent, chain.attributes()).header.gas_used
    attributes = chain.attributes(no_tx_pool=False, gas_limit=max(INFO_GAS_LIMIT, spent + 25_000))
    endless = (transfer(0, nonce, gas_limit=21_000) for nonce in count())
    block = chain.executor.build(chain.state.parent, attributes, endless)
    room = attributes.gas_limit - (spent if fork is Fork.ISTHMUS else 0)  # deposits take no data
    assert len(block.transactions) - 1 == room // each


def test_a_forced_transaction_above_the_gas_limit_makes_the_block_invalid() -> None:
    chain = SmallChain(Fork.HOLOCENE)
    with pytest.raises(InvalidBlock, match="transaction 1: gas limit 30000001, the block has"):
        chain.executor.build(chain.state.parent, chain.attributes(transfer(0, 0, gas_limit=30_000_001)))


def noise(size: int) -> bytes:
    return Random(1).randbytes(size)


def footprint(raw: bytes) -> int:
    return estimated_size_scaled(flz_compressed_size(raw)) // 1_000_000 * 400


def test_the_da_footprint_is_limited_by_the_gas_limit() -> None:
    """Jovian: three transactions of data, of which two fit."""
    chain = SmallChain(Fork.JOVIAN)
    data = [transfer(key, 0, gas_limit=500_000, data=noise(3_000)) for key in (0, 1, 2)]
    gas_limit = footprint(data[0]) + footprint(data[1])
    attributes = chain.attributes(no_tx_pool=False, gas_limit=gas_limit)
    block = chain.executor.build(chain.state.parent, attributes, data)
    assert block.transactions[1:] == (data[0], data[1])
    assert block.header.blob_gas_used == gas_limit
    assert block.header.gas_used < gas_limit
    with pytest.raises(InvalidBlock, match="transaction 3: DA footprint"):
        chain.executor.build(chain.state.parent, chain.attributes(*data, gas_limit=gas_limit))


def test_a_da_footprint_scalar_of_zero_is_taken_as_it_is() -> None:
    chain = SmallChain(Fork.JOVIAN)
    attributes = chain.attributes(transfer(0, 0))
    attributes = replace(attributes, transactions=(l1_attributes(L1InfoFormat.JOVIAN, 0), transfer(0, 0)))
    assert chain.executor.build(chain.state.parent, attributes).header.blob_gas_used == 0


def test_the_activation_block_of_jovian_has_deposits_only() -> None:
    """Its L1 attributes are Isthmus's still."""
    chain = SmallChain(Fork.ISTHMUS, later={Fork.JOVIAN: 1_002})
    block = chain.executor.build(chain.state.parent, chain.attributes(info=L1InfoFormat.ISTHMUS))
    assert block.header.blob_gas_used == 0
    with pytest.raises(InvalidBlock, match="transaction 1: the activation block of Jovian has deposits only"):
        chain.executor.build(chain.state.parent, chain.attributes(transfer(0, 0), info=L1InfoFormat.ISTHMUS))


@pytest.mark.parametrize("size", [0, 175, 177, 178])
def test_l1_attributes_of_another_size_or_call_are_refused(size: int) -> None:
    chain = SmallChain(Fork.JOVIAN)
    first = encode_deposit(DepositTransaction(bytes(32), TARGET, TARGET, 0, 0, 1_000_000, False, bytes(size)))
    with pytest.raises(InvalidBlock, match=r"transaction 0: .* bytes of L1 attributes, which are not Jovian's"):
        chain.executor.build(chain.state.parent, replace(chain.attributes(), transactions=(first,)))


def test_a_block_of_jovian_begins_with_its_l1_attributes() -> None:
    chain = SmallChain(Fork.JOVIAN)
    for transactions in ((), (transfer(0, 0),)):
        with pytest.raises(InvalidBlock, match="transaction 0: the block does not begin with its L1 attributes"):
            chain.executor.build(chain.state.parent, replace(chain.attributes(), transactions=transactions))


def test_canyon_brings_the_create2_deployer() -> None:
    chain = SmallChain(Fork.REGOLITH, later={Fork.CANYON: 1_004})
    before = chain.executor.build(chain.state.parent, chain.attributes())
    assert before.tries.account(CREATE2_DEPLOYER) is None
    chain.state.apply(before)
    at = chain.executor.build(chain.state.parent, chain.attributes())
    account = at.tries.account(CREATE2_DEPLOYER)
    assert account is not None
    # The hash that the specification gives (predeploys, "Create2Deployer").
    assert account.code_hash.hex() == "b0550b5b431e30d38000efb7107aaa0ade03d48a7198a140edda9d27134468b2"
    assert at.changes.codes == {keccak256(CREATE2_DEPLOYER_CODE): CREATE2_DEPLOYER_CODE}


# -- attributes


@pytest.mark.parametrize("fork", FORKS, ids=lambda fork: fork.label)
def test_attributes_have_the_fields_of_their_fork(fork: Fork) -> None:
    chain = SmallChain(fork)
    good = chain.attributes(transfer(0, 0))
    chain.executor.build(chain.state.parent, good)
    values = {"withdrawals": (), "parent_beacon_block_root": bytes(32), "eip1559_params": bytes(8), "min_base_fee": 0}
    for name, value in values.items():
        wrong = replace(good, **{name: value if getattr(good, name) is None else None})  # type: ignore[arg-type]
        with pytest.raises(InvalidAttributes, match=r"is missing|is not known"):
            chain.executor.build(chain.state.parent, wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timestamp": 1_000}, "timestamp 1000 is not after the parent's 1000"),
        ({"timestamp": 2**64}, "no uint64"),
        ({"gas_limit": 2**63}, "gas limit 9223372036854775808 is above"),
        ({"gas_limit": -1}, "gas limit -1"),
        ({"eip1559_params": bytes(7)}, "7 bytes of EIP-1559 parameters"),
        ({"eip1559_params": b"\0\0\0\0\0\0\0\2"}, "one of them is zero"),
        ({"eip1559_params": b"\0\0\0\2\0\0\0\0"}, "one of them is zero"),
        ({"min_base_fee": 2**64}, "no uint64"),
    ],
)
def test_attributes_out_of_range_are_refused(change: dict[str, object], message: str) -> None:
    chain = SmallChain(Fork.KARST)
    with pytest.raises(InvalidAttributes, match=message):
        chain.executor.build(chain.state.parent, replace(chain.attributes(), **change))  # type: ignore[arg-type]


def test_a_fork_without_rules_is_refused() -> None:
    chain = SmallChain(Fork.KARST, later={Fork.LAGOON: 1_002})
    with pytest.raises(UnknownFork, match="lagoon"):
        chain.executor.build(chain.state.parent, chain.attributes())


UNDECODABLE = [b"", b"\x05", b"\xc0", transfer(0, 0)[:-1]]


@pytest.mark.parametrize("raw", [*UNDECODABLE, transfer(0, 1), transfer(0, 0, chain_id=10)], ids=lambda raw: raw[:4].hex())
def test_an_invalid_forced_transaction_is_named(raw: bytes) -> None:
    chain = SmallChain(Fork.KARST)
    parent = chain.state.parent
    with pytest.raises(InvalidBlock) as caught:
        chain.executor.build(parent, chain.attributes(transfer(1, 0), raw))
    assert caught.value.field == "transaction 2"
    # Nothing of the transactions before it is to be seen.
    assert parent.state.account(TARGET) is None
    assert parent.tries.root == parent.header.state_root


# -- blocks that others built


@pytest.mark.parametrize("fork", FORKS, ids=lambda fork: fork.label)
def test_a_block_that_we_built_is_what_it_says(fork: Fork) -> None:
    chain = SmallChain(fork)
    block = chain.executor.build(chain.state.parent, chain.attributes(transfer(0, 0), transfer(1, 0, data=b"\x01" * 100)))
    again = chain.executor.check(chain.state.parent, block.header, block.transactions)
    assert (again.hash, again.receipts, again.changes) == (block.hash, block.receipts, block.changes)


def other(value: object) -> object:
    """Something of the same kind that it is not."""
    if isinstance(value, int):
        return value + 1
    assert isinstance(value, bytes)
    return bytes([value[0] ^ 1]) + value[1:] if value else b"\x01"


# With another one of these it is another block: what the transactions make of it tells the difference.
EXECUTED = {"timestamp", "gas_limit", "prev_randao", "beneficiary", "extra_data", "parent_beacon_block_root"}
LATER = {"withdrawals_root", "blob_gas_used", "excess_blob_gas", "requests_hash"}
CHECKED = [field.name for field in fields(Header) if field.name not in EXECUTED]


@pytest.mark.parametrize(
    ("fork", "name"), [(Fork.KARST, name) for name in CHECKED] + [(Fork.REGOLITH, name) for name in CHECKED if name not in LATER]
)
def test_a_header_field_that_differs_is_named(fork: Fork, name: str) -> None:
    chain = SmallChain(fork)
    block = chain.executor.build(chain.state.parent, chain.attributes(transfer(0, 0)))
    wrong = replace(block.header, **{name: other(getattr(block.header, name))})  # type: ignore[arg-type]
    with pytest.raises(InvalidBlock) as caught:
        chain.executor.check(chain.state.parent, wrong, block.transactions)
    assert caught.value.field == name


def test_header_fields_of_another_fork_are_refused() -> None:
    chain = SmallChain(Fork.HOLOCENE)
    block = chain.executor.build(chain.state.parent, chain.attributes())
    for wrong in (
        replace(block.header, extra_data=b""),
        replace(block.header, extra_data=b"\0" + bytes(8)),
        replace(block.header, parent_beacon_block_root=None),
        replace(block.header, requests_hash=bytes(32)),
        replace(block.header, withdrawals_root=None),
        replace(block.header, timestamp=1_000),
    ):
        with pytest.raises(InvalidBlock):
            chain.executor.check(chain.state.parent, wrong, block.transactions)


def test_a_transaction_more_or_less_is_another_block() -> None:
    chain = SmallChain(Fork.KARST)
    block = chain.executor.build(chain.state.parent, chain.attributes(transfer(0, 0), transfer(1, 0)))
    for transactions in (block.transactions[:-1], (*block.transactions, transfer(2, 0)), block.transactions[::-1], ()):
        with pytest.raises(InvalidBlock):
            chain.executor.check(chain.state.parent, block.header, transactions)


def test_a_block_on_another_parent_is_refused() -> None:
    chain = SmallChain(Fork.KARST)
    first = chain.executor.build(chain.state.parent, chain.attributes())
    parent = chain.state.parent
    wrong = Parent(parent.header, b"\x01" * 32, parent.state, parent.tries)
    with pytest.raises(InvalidBlock, match="parent_hash"):
        chain.executor.check(wrong, first.header, first.transactions)


@pytest.mark.parametrize("fork", FORKS, ids=lambda fork: fork.label)
def test_rules_pickle(fork: Fork) -> None:
    """What crosses the boundary of engines must be able to go to another process."""
    rules = execution_rules_of(fork)
    there = pickle.loads(pickle.dumps(rules))
    assert replace(there, precompiles={}) == replace(rules, precompiles={})
    for address, precompile in rules.precompiles.items():
        assert there.precompiles[address].gas(bytes(192)) == precompile.gas(bytes(192))

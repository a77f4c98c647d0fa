"""The engine's core over small chains that branch: what it answers, and what is in its store then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.bare_blocks import rehashed
from tests.unit.engine.block_tree import ZERO, Blocks, choose, forkchoice, give, valid, write
from tests.unit.execution.small_chain import transfer
from trinode.engine import tree
from trinode.engine.core import EngineCore
from trinode.engine.held import HeldBlocks, InvalidBlocks, WaitingPayloads
from trinode.engine.payloads import MOST_PAYLOADS, block_value, payload_id
from trinode.engine.pool.condition import Beginning
from trinode.engine.status import InvalidForkchoiceState, InvalidPayloadAttributes, PayloadStatus, Status, UnknownPayload
from trinode.execution.block import ExecutedBlock
from trinode.protocol.payload import Withdrawal
from trinode.storage.store import Store

SYNCING = PayloadStatus(Status.SYNCING)


class Network:
    """Blocks, and an engine that may get them."""

    def __init__(self, path: Path, *, history: int | None = None) -> None:
        self.path = path
        self.blocks = Blocks()
        self.genesis = self.blocks.genesis.hash
        self.store: Store = self.blocks.new_store(path, history=history)
        self.core = EngineCore(self.store, self.blocks.executor)

    def send(self, *blocks: ExecutedBlock) -> list[PayloadStatus]:
        """What new_payload answers for each."""
        return [self.core.new_payload(self.blocks.envelopes[block.hash]) for block in blocks]

    def extend(self, count: int) -> list[ExecutedBlock]:
        """Blocks on the head, which become canonical one after the other."""
        made = self.blocks.chain(self.store.head.hash, count)
        for block in made:
            assert self.send(block) == [valid(block.hash)]
            assert choose(self.core, block) == valid(block.hash)
        return made

    def restart(self) -> None:
        """The process is killed and begins again."""
        self.store.close()
        self.store = self.blocks.open_store(self.path)
        self.core = EngineCore(self.store, self.blocks.executor)

    def assert_head(self, block: ExecutedBlock) -> None:
        """That block is the head, with its state."""
        assert self.core.head() == (block.header, block.hash)
        self.blocks.assert_state(self.store)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path / "store")
    yield made
    made.store.close()


def count_executions(network: Network, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the blocks that are executed from now on."""
    numbers: list[int] = []
    make = type(network.blocks.executor)._make

    def counted(executor: object, parent: object, *rest: object) -> ExecutedBlock:
        block = make(executor, parent, *rest)  # type: ignore[arg-type]
        numbers.append(block.header.number)
        return block

    monkeypatch.setattr(type(network.blocks.executor), "_make", counted)
    return numbers


# ---- payloads ----


def test_a_valid_payload_is_not_canonical_until_it_is_chosen(network: Network) -> None:
    block = network.blocks.chain(network.genesis, 1)[0]
    assert network.send(block) == [valid(block.hash)]
    assert network.core.head().hash == network.genesis
    assert network.core.block(block.hash) == (block.header, block.hash, block.transactions)
    assert network.core.block_by_number(1) is None
    assert choose(network.core, block) == valid(block.hash)
    network.assert_head(block)
    assert network.core.block_by_number(1) == (block.header, block.hash, block.transactions)


def test_a_payload_must_be_what_its_hash_says(network: Network) -> None:
    envelope = network.blocks.envelopes[network.blocks.chain(network.genesis, 1)[0].hash]
    lying = replace(envelope, payload=replace(envelope.payload, gas_used=1))
    status = network.core.new_payload(lying)
    assert (status.status, status.latest_valid_hash) == (Status.INVALID, None)
    assert (status.validation_error or "").startswith("block hash mismatch")
    assert network.core.new_payload(envelope).status is Status.VALID


def test_a_list_that_the_hash_does_not_cover_says_nothing_about_the_block(network: Network) -> None:
    envelope = network.blocks.envelopes[network.blocks.chain(network.genesis, 1)[0].hash]
    status = network.core.new_payload(replace(envelope, payload=replace(envelope.payload, withdrawals=(Withdrawal(0, 0, bytes(20), 1),))))
    assert (status.status, status.latest_valid_hash) == (Status.INVALID, None)
    assert network.core.new_payload(envelope).status is Status.VALID


def test_a_known_payload_is_not_executed_again(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = network.blocks.chain(network.genesis, 2)
    network.send(first, second)
    choose(network.core, first)
    executed = count_executions(network, monkeypatch)
    assert network.send(first, second) == [valid(first.hash), valid(second.hash)]
    assert executed == []


def test_a_payload_without_its_parent_waits_for_it(network: Network) -> None:
    first, second, third = network.blocks.chain(network.genesis, 3)
    assert network.send(third, second) == [SYNCING, SYNCING]
    assert choose(network.core, third) == SYNCING
    assert network.core.block(third.hash) is None
    assert network.send(first) == [valid(first.hash)]
    assert choose(network.core, third) == valid(third.hash)
    network.assert_head(third)


def test_children_of_an_invalid_block_are_invalid(network: Network) -> None:
    good = network.extend(2)[-1]
    bad = network.blocks.make_invalid(good.hash)
    child = network.blocks.make_invalid(bad.payload.block_hash)
    for envelope in (bad, bad, child):
        status = network.core.new_payload(envelope)
        assert (status.status, status.latest_valid_hash) == (Status.INVALID, good.hash)
        assert (status.validation_error or "").startswith("state_root: ")
        chosen = network.core.forkchoice_updated(forkchoice(envelope.payload.block_hash), None)
        assert chosen == (status, None)
    network.assert_head(good)


def test_an_invalid_ancestor_that_comes_last_condemns_what_waits(network: Network) -> None:
    bad = network.blocks.make_invalid(network.genesis)
    child = network.blocks.make_invalid(bad.payload.block_hash)
    grandchild = network.blocks.make_invalid(child.payload.block_hash)
    assert [network.core.new_payload(envelope) for envelope in (grandchild, child)] == [SYNCING, SYNCING]
    assert network.core.new_payload(bad).latest_valid_hash == network.genesis
    status = network.core.forkchoice_updated(forkchoice(grandchild.payload.block_hash), None).payload_status
    assert (status.status, status.latest_valid_hash) == (Status.INVALID, network.genesis)


def test_a_block_that_is_invalid_in_the_middle_of_what_waits_changes_nothing(network: Network) -> None:
    head = network.extend(1)[0]
    side = network.blocks.chain(network.genesis, 1)[0]
    bad = network.blocks.make_invalid(side.hash)
    network.core.new_payload(bad)
    network.send(side)
    status = network.core.forkchoice_updated(forkchoice(bad.payload.block_hash), None).payload_status
    assert (status.status, status.latest_valid_hash) == (Status.INVALID, side.hash)
    network.assert_head(head)


def test_an_undecodable_transaction_is_the_blocks_fault(network: Network) -> None:
    envelope = network.blocks.envelopes[network.blocks.chain(network.genesis, 1)[0].hash]
    payload = replace(envelope.payload, transactions=(*envelope.payload.transactions, b"\x05junk"))
    status = network.core.new_payload(rehashed(replace(envelope, payload=payload)))
    assert (status.status, status.latest_valid_hash) == (Status.INVALID, network.genesis)
    assert (status.validation_error or "").startswith("transaction 4: ")


# ---- fork choice ----


def test_side_chains_of_several_blocks_take_the_head_from_each_other(network: Network) -> None:
    network.extend(2)
    fork = network.store.head.hash
    sides = [network.blocks.chain(fork, count) for count in (3, 4, 5)]
    for level in zip(*sides, strict=False):
        assert network.send(*level) == [valid(block.hash) for block in level]
    for blocks in (sides[0], sides[1], sides[0], sides[2], sides[1]):
        assert network.send(*blocks) == [valid(block.hash) for block in blocks]
        assert choose(network.core, blocks[-1]) == valid(blocks[-1].hash)
        network.assert_head(blocks[-1])
    last = network.extend(2)[-1]
    network.assert_head(last)


def test_blocks_can_be_put_on_a_side_chain_after_the_head_has_moved(network: Network) -> None:
    start = network.extend(1)[0]
    side = network.blocks.chain(start.hash, 6)
    assert network.send(*side[:2]) == [valid(block.hash) for block in side[:2]]
    network.extend(3)
    assert network.send(*side[2:4]) == [valid(block.hash) for block in side[2:4]]
    choose(network.core, start)
    assert network.send(side[4]) == [valid(side[4].hash)]
    choose(network.core, side[0])
    assert network.send(side[5]) == [valid(side[5].hash)]
    choose(network.core, side[5])
    network.assert_head(side[5])


def test_tries_of_held_blocks_do_not_read_the_nodes_of_another_head(network: Network) -> None:
    """After a restart nothing of the tries is in memory: what held blocks did not read yet, the head replaces meanwhile."""
    start = network.extend(1)[0]
    network.restart()
    side, parent = [], start.hash
    for index in range(6):
        side.append(network.blocks.make(parent, give(40 + index // 2), *(give(index) for _ in range(index))))
        parent = side[-1].hash
    assert network.send(*side[:2]) == [valid(block.hash) for block in side[:2]]
    for index in range(2, 6):
        block = network.blocks.make(network.store.head.hash, give(index))
        assert network.send(block, side[index]) == [valid(block.hash), valid(side[index].hash)]
        assert choose(network.core, block) == valid(block.hash)
    choose(network.core, side[5])
    network.assert_head(side[5])


def test_the_head_goes_back_and_forth(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = network.extend(5)
    assert choose(network.core, blocks[1]) == valid(blocks[1].hash)
    network.assert_head(blocks[1])
    executed = count_executions(network, monkeypatch)
    assert choose(network.core, blocks[4]) == valid(blocks[4].hash)
    assert executed == [3, 4, 5]
    network.assert_head(blocks[4])


def test_a_block_on_one_that_was_taken_back(network: Network) -> None:
    blocks = network.extend(4)
    choose(network.core, blocks[0])
    child = network.blocks.chain(blocks[3].hash, 1)[0]
    assert network.send(blocks[2], child) == [valid(blocks[2].hash), valid(child.hash)]
    choose(network.core, child)
    network.assert_head(child)


def test_nothing_is_held_back_from_a_long_way_forth(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Canonical one by one, blocks that were taken back are never too many; to be held at once they are."""
    monkeypatch.setattr(tree, "MOST_AT_ONCE", 2)
    blocks = network.extend(4)
    choose(network.core, blocks[0])
    child = network.blocks.chain(blocks[3].hash, 1)[0]
    assert network.send(child) == [SYNCING]
    assert choose(network.core, blocks[3]) == valid(blocks[3].hash)
    assert choose(network.core, child) == valid(child.hash)
    network.assert_head(child)


def test_an_unknown_head_is_syncing(network: Network) -> None:
    head = network.extend(1)[0]
    assert network.core.forkchoice_updated(forkchoice(b"\x01" * 32, b"\x02" * 32), None) == (SYNCING, None)
    assert network.core.forkchoice_updated(forkchoice(ZERO), None).payload_status.status is Status.INVALID
    network.assert_head(head)


def test_labels_are_kept_until_their_block_is_taken_back(network: Network) -> None:
    blocks = network.extend(4)
    assert (network.core.safe(), network.core.finalized()) == (None, None)
    network.core.forkchoice_updated(forkchoice(blocks[3].hash, blocks[2].hash, blocks[0].hash), None)
    network.core.forkchoice_updated(forkchoice(blocks[3].hash), None)
    network.restart()
    assert network.core.safe() == (blocks[2].header, blocks[2].hash)
    assert network.core.finalized() == (blocks[0].header, blocks[0].hash)
    choose(network.core, blocks[1])
    assert (network.core.safe(), network.core.finalized()) == (None, (blocks[0].header, blocks[0].hash))


def test_safe_and_finalized_are_ancestors_of_the_head(network: Network) -> None:
    head = network.extend(2)[-1]
    side = network.blocks.chain(network.genesis, 2)
    network.send(*side)
    for safe, finalized, name in (
        (head.hash, ZERO, "safe"),
        (ZERO, head.hash, "finalized"),
        (b"\x01" * 32, ZERO, "safe"),
        (side[0].hash, b"\x01" * 32, "finalized"),
    ):
        with pytest.raises(InvalidForkchoiceState, match=f"the {name} block 0x"):
            network.core.forkchoice_updated(forkchoice(side[1].hash, safe, finalized), None)
    network.assert_head(head)
    network.core.forkchoice_updated(forkchoice(side[1].hash, side[1].hash, network.genesis), None)
    network.assert_head(side[1])


def test_the_head_cannot_go_back_to_a_state_that_is_gone(tmp_path: Path) -> None:
    network = Network(tmp_path / "store", history=2)
    blocks = network.extend(5)
    with pytest.raises(InvalidForkchoiceState, match="cannot go back to block 1: the oldest state is that of block 3"):
        choose(network.core, blocks[0])
    late = network.blocks.chain(blocks[0].hash, 1)[0]
    assert network.send(late) == [SYNCING]
    assert choose(network.core, late) == SYNCING
    network.assert_head(blocks[4])
    network.store.close()


def test_what_branches_off_below_the_finalized_block_is_dropped(network: Network) -> None:
    side = network.blocks.chain(network.genesis, 2)
    network.send(*side)
    blocks = network.extend(3)
    network.core.forkchoice_updated(forkchoice(blocks[2].hash, blocks[2].hash, blocks[0].hash), None)
    assert network.core.block(side[0].hash) is None
    assert choose(network.core, side[1]) == SYNCING


def test_after_a_restart_what_was_not_canonical_is_sent_again(network: Network) -> None:
    head = network.extend(3)[-1]
    new = network.blocks.chain(head.hash, 3)
    network.send(*new)
    network.restart()
    network.assert_head(head)
    assert choose(network.core, new[2]) == SYNCING
    assert network.send(new[2], *new) == [SYNCING, *(valid(block.hash) for block in new)]
    assert choose(network.core, new[2]) == valid(new[2].hash)
    network.assert_head(new[2])


@pytest.mark.parametrize("restart", [True, False])
def test_a_reorg_that_breaks_off_can_be_finished(network: Network, monkeypatch: pytest.MonkeyPatch, restart: bool) -> None:
    start = network.extend(2)[0]
    side = network.blocks.chain(start.hash, 4)
    network.send(*side)
    append = Store.append

    def full(store: Store, block: ExecutedBlock, *, sync: bool = False) -> None:
        if block.hash == side[2].hash:
            raise OSError("no space left")
        append(store, block, sync=sync)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "append", full)
        with pytest.raises(OSError, match="no space"):
            choose(network.core, side[3])
    network.assert_head(side[1])
    if restart:
        network.restart()
    assert network.send(*side) == [valid(block.hash) for block in side]
    assert choose(network.core, side[3]) == valid(side[3].hash)
    network.assert_head(side[3])


# ---- bounds ----


def test_held_blocks_are_bounded(network: Network) -> None:
    held = HeldBlocks(most_blocks=3)
    core = network.core = EngineCore(network.store, network.blocks.executor, held=held)
    old = network.blocks.chain(network.genesis, 2)
    new = network.blocks.chain(network.genesis, 5)
    assert network.send(*old, *new) == [valid(block.hash) for block in (*old, *new)]
    assert len(held) == 3
    assert core.block(old[1].hash) is None
    assert choose(core, new[4]) == valid(new[4].hash)
    network.assert_head(new[4])
    assert len(held) == 0


def test_held_bytes_are_bounded(network: Network) -> None:
    held = HeldBlocks(most_bytes=1)
    network.core = EngineCore(network.store, network.blocks.executor, held=held)
    first, second = (network.blocks.chain(network.genesis, 1)[0] for _ in range(2))
    network.send(first, second)
    assert len(held) == 1
    assert network.core.block(second.hash) is not None
    assert choose(network.core, first) == SYNCING


def test_waiting_payloads_are_bounded(network: Network) -> None:
    for waiting in (WaitingPayloads(most_blocks=2), WaitingPayloads(most_bytes=4_000)):
        network.core = EngineCore(network.store, network.blocks.executor, waiting=waiting)
        blocks = network.blocks.chain(network.genesis, 6)
        network.send(*blocks[1:])
        assert 0 < len(waiting) < 5
        assert network.send(blocks[0]) == [valid(blocks[0].hash)]
        assert choose(network.core, blocks[5]) == SYNCING
        network.send(*blocks)
        assert choose(network.core, blocks[5]) == valid(blocks[5].hash)
        assert len(waiting) == 0
        network.core.forkchoice_updated(forkchoice(network.genesis), None)


def test_invalid_blocks_are_bounded(network: Network) -> None:
    invalid = InvalidBlocks(most=2)
    core = EngineCore(network.store, network.blocks.executor, invalid=invalid)
    for _ in range(4):
        assert core.new_payload(network.blocks.make_invalid(network.genesis)).status is Status.INVALID
    assert len(invalid) == 2


# ---- building ----


class FixedPool:
    """A pool that has what it is given."""

    def __init__(self) -> None:
        self.transactions: list[bytes] = []
        self.base_fees: list[int] = []

    def best(self, base_fee: int, block: Beginning | None = None) -> Iterable[bytes]:
        """All of it."""
        self.base_fees.append(base_fee)
        return list(self.transactions)

    def head_moved(self, appended: Sequence[ExecutedBlock]) -> None:
        """It never learns."""


def test_a_payload_is_built_and_comes_back(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    head = network.extend(2)[-1]
    attributes = network.blocks.attributes(head.hash, write(1, 5), transfer(0, 0))
    expected = network.blocks.executor.build(network.blocks.states.parent(head.hash), attributes)
    executed = count_executions(network, monkeypatch)
    status, begun = network.core.forkchoice_updated(forkchoice(head.hash), attributes)
    assert status == valid(head.hash) and begun is not None
    built = network.core.get_payload(begun)
    assert built.envelope.payload.block_hash == expected.hash
    assert built.block_value == block_value(expected) == expected.results[2].gas_used
    assert network.core.new_payload(built.envelope) == valid(expected.hash)
    assert network.core.forkchoice_updated(forkchoice(expected.hash), None).payload_status == valid(expected.hash)
    assert executed == [3]
    assert network.core.head().hash == expected.hash


def test_the_same_attributes_are_built_once(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    attributes = network.blocks.attributes(network.genesis)
    executed = count_executions(network, monkeypatch)
    first, second = (network.core.forkchoice_updated(forkchoice(network.genesis), attributes).payload_id for _ in range(2))
    assert first == second == payload_id(network.genesis, attributes)
    assert executed == [1]


def test_ids_are_distinct(network: Network) -> None:
    base = network.blocks.attributes(network.genesis)
    others = [
        replace(base, timestamp=base.timestamp + 1),
        replace(base, prev_randao=ZERO),
        replace(base, suggested_fee_recipient=bytes(20)),
        replace(base, withdrawals=None),
        replace(base, withdrawals=(Withdrawal(0, 0, bytes(20), 0),)),
        replace(base, parent_beacon_block_root=None),
        replace(base, transactions=()),
        replace(base, no_tx_pool=False),
        replace(base, gas_limit=base.gas_limit + 1),
        replace(base, eip1559_params=None),
        replace(base, min_base_fee=0),
        replace(base, min_base_fee=1),
    ]
    ids = {payload_id(network.genesis, attributes) for attributes in (base, *others)} | {payload_id(ZERO, base)}
    assert len(ids) == len(others) + 2
    assert {len(each) for each in ids} == {8}


def test_attributes_that_make_no_block(network: Network) -> None:
    block = network.blocks.chain(network.genesis, 1)[0]
    network.send(block)
    good = network.blocks.attributes(block.hash)
    for attributes, reason in (
        (replace(good, transactions=(*good.transactions, b"\x05junk")), "transaction 1: "),
        (replace(good, transactions=(*good.transactions, transfer(0, 7))), "transaction 1: "),
        (replace(good, timestamp=block.header.timestamp), "timestamp"),
        (replace(good, timestamp=1 << 64), "out of range"),
        (replace(good, eip1559_params=None), "eip1559Params is missing"),
    ):
        with pytest.raises(InvalidPayloadAttributes, match=reason):
            network.core.forkchoice_updated(forkchoice(block.hash), attributes)
        network.assert_head(block)  # the head was chosen nevertheless


def test_an_unknown_payload(network: Network) -> None:
    with pytest.raises(UnknownPayload, match="0x0102030405060708"):
        network.core.get_payload(bytes(range(1, 9)))
    attributes = [network.blocks.attributes(network.genesis) for _ in range(MOST_PAYLOADS + 1)]
    ids = [network.core.forkchoice_updated(forkchoice(network.genesis), each).payload_id or b"" for each in attributes]
    network.core.get_payload(ids[1])
    with pytest.raises(UnknownPayload):
        network.core.get_payload(ids[0])


def test_the_pool_is_asked_when_the_payload_is_taken(network: Network) -> None:
    pool = FixedPool()
    core = EngineCore(network.store, network.blocks.executor, pool)
    attributes = network.blocks.attributes(network.genesis, no_tx_pool=False)
    begun = core.forkchoice_updated(forkchoice(network.genesis), attributes).payload_id or b""
    pool.transactions = [transfer(0, 0), b"junk", transfer(1, 0)]
    built = core.get_payload(begun)
    assert built.envelope.payload.transactions[1:] == (transfer(0, 0), transfer(1, 0))
    assert built.block_value == 2 * 21_000  # a wei for each unit of gas
    assert pool.base_fees == [built.envelope.payload.base_fee_per_gas]
    pool.transactions = []
    assert core.get_payload(begun) == built
    assert core.new_payload(built.envelope) == valid(built.envelope.payload.block_hash)



def test_without_a_pool_forced_transactions_are_all(network: Network) -> None:
    attributes = network.blocks.attributes(network.genesis, no_tx_pool=False)
    begun = network.core.forkchoice_updated(forkchoice(network.genesis), attributes).payload_id or b""
    assert network.core.get_payload(begun).envelope.payload.transactions == attributes.transactions


def test_a_payload_whose_parent_is_gone_stays_as_it_is(tmp_path: Path) -> None:
    network = Network(tmp_path / "store", history=1)
    pool = FixedPool()
    core = network.core = EngineCore(network.store, network.blocks.executor, pool)
    attributes = network.blocks.attributes(network.genesis, no_tx_pool=False)
    begun = core.forkchoice_updated(forkchoice(network.genesis), attributes).payload_id or b""
    network.extend(3)
    pool.transactions = [transfer(0, 0)]
    assert core.get_payload(begun).envelope.payload.transactions == attributes.transactions
    network.store.close()

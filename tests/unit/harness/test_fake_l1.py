"""The L1 in memory: blocks are valid by their fork's rules, reorgs make siblings, faults end."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from harness import l1_logs
from harness.batcher import BatcherAccount
from harness.fake_l1 import GAS_LIMIT, GAS_PER_BLOB, FakeL1, Faults, FaultyL1, L1Genesis, L1Transaction
from harness.l1_activity import ConfigUpdateMaker, DepositMaker, StrayMaker
from harness.recording import RecordedL1Block, RecordedLabels
from harness.scenario import BATCHER_KEYS, INBOX, PORTAL, STRANGER_KEY, Scenario, l1_chain_config, make_head
from trinode.protocol.bloom import logs_bloom
from trinode.protocol.deposit import TRANSACTION_DEPOSITED_TOPIC, decode_deposit_log
from trinode.protocol.header import encode_header
from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import Receipt, decode_receipt
from trinode.protocol.transaction import decode_transaction
from trinode.protocol.trie import ordered_trie_root
from trinode.rollup.fork import Fork
from trinode.rollup.system_config import apply_config_update, update_system_config

ALL_TIME = {"cancun": 0, "prague": 0}
ACCOUNT_KEY = BATCHER_KEYS[0]


def account() -> BatcherAccount:
    return BatcherAccount(ACCOUNT_KEY, 900, INBOX)


def make(l1_forks: dict[str, int], **genesis: int) -> FakeL1:
    return FakeL1(l1_chain_config(l1_forks), L1Genesis(**genesis))


def blob_transaction(count: int) -> L1Transaction:
    return account().blobs([bytes([index]) for index in range(count)])


def test_headers_have_the_fields_of_their_fork() -> None:
    l1 = FakeL1(l1_chain_config({"cancun": 24, "prague": 36}), L1Genesis(shanghai_time=1_700_000_012))
    london, shanghai, cancun, prague = [l1.head.header, *(l1.extend().header for _ in range(3))]
    assert london.base_fee_per_gas is not None
    assert london.withdrawals_root is None
    assert shanghai.withdrawals_root is not None
    assert shanghai.excess_blob_gas is None
    assert (cancun.blob_gas_used, cancun.excess_blob_gas) == (0, 0)
    assert cancun.parent_beacon_block_root is not None
    assert cancun.requests_hash is None
    assert prague.requests_hash is not None


def test_a_block_commits_to_what_is_in_it() -> None:
    l1 = make(ALL_TIME)
    deposits = DepositMaker(PORTAL, Random(1))
    logged = L1Transaction(account().calldata(b"x").raw, logs=tuple(deposits.logs()))
    block = l1.extend(
        [logged, blob_transaction(2), L1Transaction(account().calldata(b"y", legacy=True).raw, succeeded=False)]
    )
    header = block.header
    assert block.receipts is not None
    receipts = [decode_receipt(raw) for raw in block.receipts]
    assert block.hash == keccak256(encode_header(header))
    assert header.transactions_root == ordered_trie_root(block.transactions)
    assert header.receipts_root == ordered_trie_root(block.receipts)
    assert header.logs_bloom == logs_bloom(logged.logs)
    assert [receipt.succeeded for receipt in receipts] == [True, True, False]
    assert [receipt.type for receipt in receipts] == [2, 3, 0]
    assert 0 < receipts[0].cumulative_gas_used < receipts[1].cumulative_gas_used < receipts[2].cumulative_gas_used
    assert header.gas_used == receipts[2].cumulative_gas_used <= GAS_LIMIT
    assert header.blob_gas_used == 2 * GAS_PER_BLOB


def test_base_fee_and_excess_blob_gas_follow_their_rules() -> None:
    l1 = make(ALL_TIME, base_fee=8_000, excess_blob_gas=10 * GAS_PER_BLOB)
    empty = l1.extend().header
    assert empty.base_fee_per_gas == 7_000  # 8,000 less an eighth: the genesis block used no gas
    assert empty.excess_blob_gas == 4 * GAS_PER_BLOB  # Prague's target is 6
    full = l1.extend([blob_transaction(3)]).header
    after = l1.extend().header
    assert full.excess_blob_gas == 0
    assert after.excess_blob_gas == 0
    target = GAS_LIMIT // 2
    assert full.base_fee_per_gas is not None
    assert after.base_fee_per_gas is not None
    assert (after.base_fee_per_gas > full.base_fee_per_gas) == (full.gas_used > target)


def test_excess_blob_gas_falls_slower_in_osaka_where_execution_is_dear() -> None:
    l1 = make({"cancun": 0, "osaka": 0}, base_fee=10**12, excess_blob_gas=10 * GAS_PER_BLOB)
    l1.extend([blob_transaction(3)])
    before = l1.head.header
    after = l1.extend().header
    assert before.excess_blob_gas is not None
    assert before.excess_blob_gas == 10 * GAS_PER_BLOB  # 0 used of it: the reserve price holds it up
    assert after.excess_blob_gas == before.excess_blob_gas + 3 * GAS_PER_BLOB * 3 // 9


def test_a_reorg_makes_siblings_and_is_seen_in_the_events() -> None:
    l1 = make(ALL_TIME)
    first = [l1.extend() for _ in range(3)]
    removed = l1.rewind(2)
    sibling = l1.extend()
    assert list(removed) == first[1:]
    assert sibling.header.number == first[1].header.number
    assert sibling.hash != first[1].hash
    assert sibling.header.parent_hash == first[0].hash
    assert l1.by_number(first[1].header.number) is sibling
    assert l1.block(first[1].id) is first[1]
    hashes = [event.block.hash for event in l1.events if isinstance(event, RecordedL1Block)]
    assert hashes == [l1.chain[0].hash, *(block.hash for block in first), sibling.hash]


def test_no_reorg_below_the_finalized_block() -> None:
    l1 = make(ALL_TIME, number=5)
    for _ in range(4):
        l1.extend()
    l1.label(safe_lag=1, finalized_lag=2)
    assert l1.events[-1] == RecordedLabels(0, 8, 7)
    with pytest.raises(ValueError, match="below the finalized block 7"):
        l1.rewind(3)
    with pytest.raises(ValueError, match="a reorg of 5 blocks"):
        l1.rewind(5)
    l1.rewind(2)
    l1.label(safe_lag=1, finalized_lag=2)
    assert l1.events[-1] == RecordedLabels(0, 7, 7)  # labels do not go back
    with pytest.raises(ValueError, match="0 seconds"):
        l1.extend(seconds=0)


def test_the_same_calls_make_the_same_chain() -> None:
    def hashes() -> list[bytes]:
        l1 = make(ALL_TIME)
        l1.extend([blob_transaction(1)])
        l1.rewind(1)
        l1.extend(seconds=13)
        return list(l1.by_hash)

    assert hashes() == hashes()


def test_receipts_that_nobody_needs_are_left_out() -> None:
    l1 = FakeL1(l1_chain_config(ALL_TIME), receipts_needed_by=[PORTAL])
    plain = account().calldata(b"")
    log = l1_logs.deposit_log(PORTAL, DepositMaker(PORTAL, Random(2)).deposit())
    assert l1.extend([plain]).receipts is None
    assert l1.extend([L1Transaction(plain.raw, logs=(log,))]).receipts is not None
    assert len(l1.receipts[l1.chain[1].hash]) == 1


def test_faults_end() -> None:
    l1 = make(ALL_TIME, number=1)
    block = l1.extend([blob_transaction(2)])
    l1.extend()
    names = list(l1.blobs)
    faults = Faults(hidden_blocks=1, numbers={1: 1}, blocks={block.hash: 2}, blobs={names[1]: 1})
    faulty = FaultyL1(l1, faults)
    assert [faulty.by_number(1) is None for _ in range(3)] == [True, False, False]
    assert faulty.by_number(2) is block
    assert faulty.by_number(3) is None
    faults.hidden_blocks = 0
    assert faulty.by_number(3) is l1.head
    assert [faulty.block(block.id) for _ in range(3)] == [None, None, block]
    assert faulty.blobs_of(names[:1]) == (l1.blobs[names[0]],)
    assert faulty.blobs_of(names) is None
    assert faulty.blobs_of(names) == tuple(l1.blobs[name] for name in names)
    assert faulty.blobs_of([bytes(32)]) is None


def test_deposit_logs_decode_to_what_was_asked_for() -> None:
    maker = DepositMaker(PORTAL, Random(3))
    for index in range(50):
        deposit = maker.deposit()
        decoded = decode_deposit_log(l1_logs.deposit_log(PORTAL, deposit), bytes(32), index)
        assert decoded.to == (None if deposit.is_creation else deposit.to)
        assert (decoded.sender, decoded.mint, decoded.value) == (deposit.sender, deposit.mint, deposit.value)
        assert (decoded.gas_limit, decoded.data) == (deposit.gas_limit, deposit.data)
    logs = [log for _ in range(50) for log in maker.logs()]
    assert any(log.address != PORTAL for log in logs)
    assert any(log.topics[:1] != (TRANSACTION_DEPOSITED_TOPIC,) for log in logs)


def test_config_updates_cover_every_field_and_malformed_ones_change_nothing() -> None:
    scenario = Scenario(forks={"regolith": 0})
    l1 = make(ALL_TIME)
    config = make_head(scenario, l1, "").rollup_config
    batchers = [bytes([number]) * 20 for number in (1, 2)]
    maker = ConfigUpdateMaker(config, Random(4), batchers)
    before, problems = config.genesis.system_config, list[str]()
    changed = set()
    for _ in range(300):
        logs = maker.logs(1_700_000_000)
        receipt = Receipt(0, True, 0, bytes(256), tuple(logs))
        after, found = update_system_config(before, [receipt], config, l1_inclusion_timestamp=1_700_000_000)
        problems += found
        changed |= {name for name in after.to_json() if after.to_json()[name] != before.to_json()[name]}
        assert after.scalar[0] in (0, 1)  # others halt the chain at Ecotone
        assert after.scalar[0] == 0 or not any(after.scalar[1:24])
        assert after.batcher_address in (*batchers, config.genesis.system_config.batcher_address)
        before = after
    assert changed == set(before.to_json())
    assert len(problems) > 50


@pytest.mark.parametrize("update_type", l1_logs.UpdateType)
def test_each_kind_of_update_is_known_to_the_rollup(update_type: l1_logs.UpdateType) -> None:
    config = make_head(Scenario(), make(ALL_TIME), "").rollup_config
    words: Sequence[bytes] = [l1_logs.word(0)] * (2 if update_type == l1_logs.UpdateType.FEE_SCALARS else 1)
    log = l1_logs.config_update_log(config.l1_system_config_address, update_type, *words)
    apply_config_update(config.genesis.system_config, log, config, l1_inclusion_timestamp=0)


def test_strays_are_valid_transactions_of_every_type() -> None:
    config = make_head(Scenario(), make(ALL_TIME), "").rollup_config
    maker = StrayMaker(config, Random(5), STRANGER_KEY)
    assert Fork.ECOTONE not in config.fork_times
    types = set()
    for _ in range(60):
        for ecotone in (False, True):
            stray = maker.make(account(), b"\x00payload", ecotone=ecotone, prague=True)
            types.add((ecotone, type(decode_transaction(stray.raw)).__name__))
    kinds = {name for ecotone, name in types if ecotone}
    assert kinds == {"DynamicFeeTransaction", "LegacyTransaction", "SetCodeTransaction", "BlobTransaction"}
    assert (False, "BlobTransaction") not in types  # before Ecotone its calldata would count

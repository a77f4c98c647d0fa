"""The devnet's L1: what goes into blocks, what they cost, and that it goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from harness.fake_l1 import FakeL1, L1Genesis, L1Transaction
from tests.unit.devnet.devnet_chain import (
    ETHER,
    GENESIS_TIME,
    GWEI,
    SetClock,
    blob_transaction,
    encoded,
    l1_transaction,
    opened,
    some_blob,
    with_sidecar,
)
from trinode.devnet import l1_store
from trinode.devnet.accounts import (
    ACCOUNTS,
    BATCH_INBOX,
    BATCHER,
    BATCHER_BALANCE,
    FEE_RECIPIENT,
    FUNDED_BALANCE,
    L1_CHAIN_ID,
    OPTIMISM_PORTAL,
    SYSTEM_CONFIG,
)
from trinode.devnet.devnet import DevnetMismatch, open_devnet
from trinode.devnet.l1_rules import GAS_PER_BLOB, base_fee_after, excess_blob_gas_after
from trinode.devnet.l1_transactions import TransactionNotTaken
from trinode.kzg.commitments import blob_to_commitment
from trinode.protocol.header import Header
from trinode.protocol.rlp_codec import decode_list, encode
from trinode.protocol.transaction import (
    BlobTransaction,
    DynamicFeeTransaction,
    LegacyTransaction,
    SetCodeTransaction,
    SignedTransaction,
    encode_transaction,
    legacy_v,
    sign_transaction,
    transaction_hash,
)

TARGET = b"\x77" * 20


# ---- the devnet as a folder ----


def test_opened_again_it_is_the_same_chain(tmp_path: Path) -> None:
    clock = SetClock()
    devnet = opened(tmp_path, clock)
    devnet.l1.add_transaction(l1_transaction(OPTIMISM_PORTAL, value=ETHER))
    devnet.l1.add_transaction(blob_transaction([some_blob(1)])[0])
    first = devnet.l1.mine()
    devnet.l1.add_transaction(l1_transaction(TARGET, nonce=1, value=5))
    devnet.l1.add_transaction(blob_transaction([some_blob(2)], nonce=1)[0])
    clock.time += 3
    devnet.close()
    clock.time += 7 * 24 * 3600
    again = opened(tmp_path, clock)
    assert (again.rollup_config, again.genesis.hash) == (devnet.rollup_config, devnet.genesis.hash)
    assert again.l1.head == first and again.l1.block(1) == first and again.l1.block_by_hash(first.hash) == first
    assert again.clock() == first.header.timestamp + 3, "the clock stood still"
    second = again.l1.mine()
    assert [transaction_hash(raw) for raw in second.transactions] == [
        transaction_hash(l1_transaction(TARGET, nonce=1, value=5)),
        transaction_hash(encode_transaction(blob_transaction([some_blob(2)], nonce=1)[1])),
    ]
    assert [blob for _, blob in again.l1.blobs_at(first.header.timestamp) or ()] == [some_blob(1)]
    assert second.header.parent_hash == first.hash
    again.close()
    third = opened(tmp_path, clock)
    assert third.l1.head == second and third.l1.account(TARGET).balance == 5
    assert third.l1.mine().header.state_root == second.header.state_root, "the state is whole"
    third.close()


def test_another_block_time_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with pytest.raises(DevnetMismatch, match="a block every 2 s, not 1 s"):
        open_devnet(tmp_path / "l1", 1, SetClock())
    opened(tmp_path).close()
    with pytest.raises(ValueError, match="at least 1 s"):
        open_devnet(tmp_path / "other", 0, SetClock())


def test_killed_at_any_time_it_goes_on(tmp_path: Path) -> None:
    """kill -9 while it mines a block with a transaction as fast as it can."""
    program = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from tests.unit.devnet.devnet_chain import l1_transaction
        from trinode.devnet.devnet import open_devnet
        devnet = open_devnet(Path(sys.argv[1]), 2, time.time)
        nonce = devnet.l1.account(devnet.accounts[0].address).nonce
        print(devnet.l1.head.header.number, nonce, flush=True)
        for nonce in range(nonce, nonce + 100_000):
            devnet.l1.add_transaction(l1_transaction(b"w" * 20, nonce=nonce, value=1))
            print("taken", nonce, flush=True)
            if nonce % 3 == 0:
                devnet.l1.mine()
                print("mined", devnet.l1.head.header.number, flush=True)
    """)
    for _ in range(2):
        folder = str(tmp_path / "l1")
        root = Path(__file__).parents[3]
        process = subprocess.Popen([sys.executable, "-c", program, folder], stdout=subprocess.PIPE, text=True, cwd=root, env=os.environ)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(60)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
        process.wait()
        process.stdout.close()
        taken = max(int(line.split()[1]) for line in lines if line.startswith("taken"))
        mined = max(int(line.split()[1]) for line in lines if line.startswith("mined"))
        devnet = opened(tmp_path)
        assert devnet.l1.head.header.number >= mined
        assert devnet.l1.pending_nonce(ACCOUNTS[0].address) >= taken + 1, "what was accepted is there"
        devnet.l1.mine()
        assert devnet.l1.account(b"w" * 20).balance >= taken + 1
        devnet.close()


def test_old_blocks_and_blobs_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(l1_store, "BLOCKS_KEPT", 4)
    monkeypatch.setattr(l1_store, "BLOBS_KEPT", 2)
    devnet = opened(tmp_path)
    devnet.l1.add_transaction(blob_transaction([some_blob(1)])[0])
    first = devnet.l1.mine()
    hash = transaction_hash(first.transactions[0])
    devnet.l1.mine()
    assert devnet.l1.blobs_at(first.header.timestamp)
    devnet.l1.mine()
    assert devnet.l1.blobs_at(first.header.timestamp) is None and devnet.l1.transaction(hash) is not None
    for _ in range(2):
        devnet.l1.mine()
    assert devnet.l1.block(1) is None and devnet.l1.block_by_hash(first.hash) is None and devnet.l1.transaction(hash) is None
    assert devnet.l1.block(0) is not None and devnet.l1.block(2) is not None
    devnet.close()


async def test_it_mines_a_block_each_interval(tmp_path: Path, mock_clock: MockClock) -> None:
    began = mock_clock.current_time()
    devnet = open_devnet(tmp_path / "l1", 2, lambda: GENESIS_TIME + mock_clock.current_time() - began)
    async with trio.open_nursery() as nursery:
        await nursery.start(devnet.l1.run)
        for number in range(1, 4):
            await wait_all_tasks_blocked()
            assert devnet.l1.head.header.number == number - 1
            mock_clock.jump(3)
            while devnet.l1.head.header.number < number:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert [block.header.timestamp - GENESIS_TIME for number in range(4) if (block := devnet.l1.block(number))] == [0, 3, 6, 9]
    devnet.close()


# ---- headers ----


def test_fees_follow_the_rules_of_the_harness_l1(tmp_path: Path) -> None:
    """The harness's L1, which was written apart from this one, comes to the same fees from the same headers."""
    devnet = opened(tmp_path)
    blob_tx = BlobTransaction(L1_CHAIN_ID, 0, 1, 1, 1, TARGET, 0, b"", (), 1, tuple(bytes([1, index]) * 16 for index in range(21)), 0, 1, 1)
    raw = encode_transaction(blob_tx)
    fake = FakeL1(devnet.l1_chain_config, L1Genesis(timestamp=GENESIS_TIME, excess_blob_gas=200_000_000, base_fee=7))
    parents: list[Header] = []
    for index in range(40):
        parents.append(fake.head.header)
        fake.extend([L1Transaction(raw)] if index % 5 else [], seconds=3)
    assert len({header.base_fee_per_gas for header in parents}) > 3 and len({header.excess_blob_gas for header in parents}) > 15
    config = devnet.l1_chain_config
    for parent, block in zip(parents, fake.chain[1:], strict=True):
        assert excess_blob_gas_after(config, parent, block.header.timestamp) == block.header.excess_blob_gas
        assert base_fee_after(parent) == block.header.base_fee_per_gas
    devnet.close()


def test_money_is_kept(tmp_path: Path) -> None:
    """Nothing is made; what is gone was burnt, by base fee and blobs."""
    devnet = opened(tmp_path)
    l1, total = devnet.l1, 10 * FUNDED_BALANCE + BATCHER_BALANCE
    l1.add_transaction(blob_transaction([some_blob(1), some_blob(2)])[0])
    l1.add_transaction(l1_transaction(TARGET, value=3 * ETHER))
    l1.add_transaction(l1_transaction(OPTIMISM_PORTAL, account=1, value=ETHER))
    l1.add_transaction(l1_transaction(SYSTEM_CONFIG, account=2, data=encoded("setGasLimit(uint64)", 40_000_000)))  # not the owner
    header = l1.mine().header
    everyone = [account.address for account in ACCOUNTS] + [BATCHER.address, TARGET, OPTIMISM_PORTAL, SYSTEM_CONFIG, FEE_RECIPIENT]
    burnt = header.gas_used * (header.base_fee_per_gas or 0) + 2 * GAS_PER_BLOB
    assert sum(l1.account(address).balance for address in everyone) == total - burnt
    assert l1.account(TARGET).balance == 3 * ETHER and l1.account(OPTIMISM_PORTAL).balance == ETHER
    assert [receipt.succeeded for receipt in l1.head.decoded_receipts] == [True, True, True, False]
    assert header.blob_gas_used == 2 * GAS_PER_BLOB
    devnet.close()


# ---- transactions ----


def test_transactions_go_in_by_nonce_and_wait_for_those_before_them(tmp_path: Path) -> None:
    devnet = opened(tmp_path)
    l1, sender = devnet.l1, ACCOUNTS[0].address
    l1.add_transaction(l1_transaction(TARGET, nonce=1))
    assert l1.mine().transactions == () and l1.pending_nonce(sender) == 0
    l1.add_transaction(l1_transaction(TARGET, nonce=0))
    assert l1.pending_nonce(sender) == 2
    assert l1.mine().transactions == (l1_transaction(TARGET, nonce=0), l1_transaction(TARGET, nonce=1))
    for raw, words in (
        (l1_transaction(TARGET, nonce=1), "nonce too low"),
        (l1_transaction(TARGET, nonce=5_000), "nonce too high"),
        (l1_transaction(TARGET, nonce=2, value=FUNDED_BALANCE), "insufficient funds"),
        (l1_transaction(TARGET, nonce=2, gas=20_999), "intrinsic gas too low"),
        (l1_transaction(TARGET, nonce=2, gas=2**24 + 1), "gas limit too high"),
        (b"\x02\x01", "rlp: "),
        (b"", "rlp: "),
    ):
        with pytest.raises(TransactionNotTaken, match=words):
            l1.add_transaction(raw)
    devnet.close()


def test_a_replacement_must_pay_a_tenth_more(tmp_path: Path) -> None:
    devnet = opened(tmp_path)
    devnet.l1.add_transaction(l1_transaction(TARGET, fee=GWEI // 2))
    assert devnet.l1.mine().transactions == (), "its fee is below the base fee"
    with pytest.raises(TransactionNotTaken, match="already known"):
        devnet.l1.add_transaction(l1_transaction(TARGET, fee=GWEI // 2))
    with pytest.raises(TransactionNotTaken, match="replacement transaction underpriced"):
        devnet.l1.add_transaction(l1_transaction(TARGET, fee=GWEI // 2 + 100))
    new = l1_transaction(TARGET, fee=2 * GWEI)
    devnet.l1.add_transaction(new)
    devnet.close()
    again = opened(tmp_path)
    assert again.l1.mine().transactions == (new,)
    again.close()


def test_what_only_a_real_l1_can_do_is_refused_by_name(tmp_path: Path) -> None:
    devnet = opened(tmp_path)
    key = ACCOUNTS[0].key
    wrong: list[tuple[SignedTransaction, str]] = [
        (DynamicFeeTransaction(L1_CHAIN_ID, 0, 1, 10 * GWEI, 100_000, None, 0, b"\xfe"), "no contract creations"),
        (SetCodeTransaction(L1_CHAIN_ID, 0, 1, 10 * GWEI, 100_000, TARGET, 0, b"", (), ()), "no set-code transactions"),
        (DynamicFeeTransaction(901, 0, 1, 10 * GWEI, 100_000, TARGET, 0, b""), "have 901 want 900"),
        (LegacyTransaction(0, 10 * GWEI, 100_000, TARGET, 0, b""), "have None want 900"),
        (DynamicFeeTransaction(L1_CHAIN_ID, 0, 2, 1, 100_000, TARGET, 0, b""), "priority fee per gas higher"),
    ]
    for unsigned, words in wrong:
        with pytest.raises(TransactionNotTaken, match=words):
            devnet.l1.add_transaction(encode_transaction(sign_transaction(unsigned, key)))
    legacy = sign_transaction(LegacyTransaction(0, 10 * GWEI, 100_000, TARGET, 1, b"", legacy_v(L1_CHAIN_ID)), key)
    devnet.l1.add_transaction(encode_transaction(legacy))
    assert devnet.l1.mine().transactions == (encode_transaction(legacy),)
    devnet.close()


def test_blobs_must_be_what_was_signed(tmp_path: Path) -> None:
    devnet = opened(tmp_path)
    blob, other = some_blob(1), some_blob(2)
    wire, tx = blob_transaction([blob])
    commitment = blob_to_commitment(blob)
    infinity = b"\xc0" + bytes(47)
    for raw, words in (
        (encode_transaction(tx), "missing sidecar"),
        (with_sidecar(tx, [other], [blob_to_commitment(other)], [infinity]), "invalid blob 0 in sidecar: it is not what"),
        (with_sidecar(tx, [other], [commitment], [infinity]), "invalid blob 0 in sidecar: it is not what"),
        (with_sidecar(tx, [blob], [commitment], [infinity]), "invalid blob proof 0"),
        (with_sidecar(tx, [blob, blob], [commitment], [infinity]), "2 blobs, 1 commitments and 1 proofs"),
        (with_sidecar(tx, [b"\xff" * 131_072], [commitment], [infinity]), "invalid blob 0 in sidecar: a field element"),
        (with_sidecar(tx, [blob]), "2 parts in a blob transaction"),
    ):
        with pytest.raises(TransactionNotTaken, match=words):
            devnet.l1.add_transaction(raw)
    devnet.l1.add_transaction(wire)
    unsigned = replace(tx, blob_versioned_hashes=tx.blob_versioned_hashes * 7)
    with pytest.raises(TransactionNotTaken, match="7 blobs in a transaction"):
        devnet.l1.add_transaction(with_sidecar(sign_and_check(unsigned), [blob] * 7, [commitment] * 7, [infinity] * 7))
    assert len(devnet.l1.mine().transactions) == 1
    devnet.close()


def sign_and_check(unsigned: BlobTransaction) -> BlobTransaction:
    tx = sign_transaction(unsigned, BATCHER.key)
    assert isinstance(tx, BlobTransaction)
    return tx


def test_a_block_has_no_more_blobs_than_its_schedule_allows(tmp_path: Path) -> None:
    devnet = opened(tmp_path)
    blob = some_blob(1)
    commitment = blob_to_commitment(blob)
    _, one = blob_transaction([blob])
    cells = [commitment] * (6 * 128)  # of cell proofs only the number counts
    for nonce in range(4):
        tx = sign_and_check(replace(one, nonce=nonce, blob_versioned_hashes=one.blob_versioned_hashes * 6))
        body = with_sidecar(tx, [blob] * 6, [commitment] * 6, cells)
        devnet.l1.add_transaction(_with_version(body))
    first, second = devnet.l1.mine(), devnet.l1.mine()
    assert [len(block.blob_hashes) for block in (first, second)] == [18, 6]
    assert devnet.l1_chain_config.blob_schedule[0].max == 21
    assert (second.header.excess_blob_gas or 0) > 0 and one.to == BATCH_INBOX
    devnet.close()


def _with_version(body: bytes) -> bytes:
    """The sidecar's second version has its number behind the transaction."""
    fields = decode_list(body[1:])
    return b"\x03" + encode([fields[0], b"\x01", *fields[1:]])

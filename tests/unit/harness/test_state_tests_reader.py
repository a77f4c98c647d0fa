"""The reader and the judge of state tests, on an archive with a transfer whose outcome is worked out by hand."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.state_tests.__main__ import main
from harness.state_tests.exceptions import rules_meant
from harness.state_tests.fixture import Alloc, FixtureError, StateTest, files_of, state_of, state_tests_of
from harness.state_tests.rules import ethereum_rules
from harness.state_tests.run import judge, tries_of
from harness.state_tests.sweep import Choice, Tally, judge_file, sweep
from trinode.execution import precompiles
from trinode.execution.evm.engine import FastEngine
from trinode.execution.rules import EvmFork
from trinode.protocol.transaction import (
    BlobTransaction,
    LegacyTransaction,
    SignedTransaction,
    encode_transaction,
    legacy_v,
    recover_sender,
    sign_transaction,
)

NO_LOGS = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
KEY = bytes(31) + b"\x01"
TO = bytes.fromhex("00000000000000000000000000000000000a11ce")
COINBASE = bytes.fromhex("000000000000000000000000000000000000c01b")
TRANSFER = LegacyTransaction(
    nonce=0, gas_price=10, gas_limit=21_000, to=TO, value=5, data=b"", v=legacy_v(1, 0), r=0, s=0
)
BLOB = BlobTransaction(
    chain_id=1,
    nonce=0,
    max_priority_fee_per_gas=1,
    max_fee_per_gas=10,
    gas_limit=21_000,
    to=TO,
    value=0,
    data=b"",
    access_list=(),
    max_fee_per_blob_gas=1,
    blob_versioned_hashes=(b"\x01" + bytes(31),),
    y_parity=0,
    r=0,
    s=0,
)
ETHER = 10**18


def account(balance: int, nonce: int = 0) -> dict[str, Any]:
    return {"nonce": hex(nonce), "balance": hex(balance), "code": "0x", "storage": {}}


def entry(transaction: SignedTransaction = TRANSFER, **changes: Any) -> dict[str, Any]:
    """A file's only test: the transfer pays 7 of 10 wei a unit of gas to nobody, 3 to the fee recipient."""
    signed = sign_transaction(transaction, KEY)
    sender = "0x" + recover_sender(signed).hex()
    post = {
        sender: account(ETHER - 210_005, nonce=1),
        "0x" + TO.hex(): account(5),
        "0x" + COINBASE.hex(): account(63_000),
    }
    expected = {
        "hash": "0x" + root_of(post).hex(),
        "logs": NO_LOGS,
        "txbytes": "0x" + encode_transaction(signed).hex(),
        "indexes": {"data": 0, "gas": 0, "value": 0},
        "state": post,
    }
    fork = changes.pop("fork", "Cancun")
    return {
        "env": {
            "currentCoinbase": "0x" + COINBASE.hex(),
            "currentGasLimit": changes.pop("block_gas_limit", "0x1c9c380"),
            "currentNumber": "0x01",
            "currentTimestamp": "0x03e8",
            "currentRandom": "0x" + "00" * 32,
            "currentDifficulty": "0x00",
            "currentBaseFee": "0x07",
            "currentExcessBlobGas": "0x00",
        },
        "pre": {sender: account(ETHER)},
        "transaction": {"sender": sender},
        "post": {fork: [{**expected, **changes}]},
        "config": {
            "blobSchedule": {
                "Cancun": {"target": "0x03", "max": "0x06", "baseFeeUpdateFraction": "0x32f0ed"}
            },
            "chainid": "0x01",
        },
    }


def root_of(alloc: dict[str, Any]) -> bytes:
    pre = {**entry_without_alloc(), "pre": alloc}
    (test,) = state_tests_of("made.json", json.dumps({"made": pre}).encode())
    return tries_of(state_of(test.pre)).root


def entry_without_alloc() -> dict[str, Any]:
    post = {"hash": "0x", "logs": "0x", "txbytes": "0x", "state": {}}
    env = {"currentCoinbase": "0x", "currentGasLimit": "0x0", "currentNumber": "0x0", "currentTimestamp": "0x0"}
    return {"env": env, "transaction": {"sender": "0x"}, "post": {"Paris": [post]}, "config": {"chainid": "0x1"}}


def state_test(transaction: SignedTransaction = TRANSFER, **changes: Any) -> StateTest:
    (test,) = state_tests_of("a/transfer.json", json.dumps({"transfer": entry(transaction, **changes)}).encode())
    return test


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def transfer_file(**changes: Any) -> bytes:
    return json.dumps({"transfer": entry(**changes)}).encode()


def refused(**changes: Any) -> dict[str, Any]:
    """The fields of a test whose transaction changes nothing."""
    test = state_test()
    return {"hash": "0x" + tries_of(state_of(test.pre)).root.hex(), "state": alloc_as_json(test.pre), **changes}


def alloc_as_json(alloc: Alloc) -> dict[str, Any]:
    return {
        address: {"nonce": fields.nonce, "balance": fields.balance, "code": fields.code, "storage": fields.storage}
        for address, fields in alloc.items()
    }


def test_reads_what_a_test_holds() -> None:
    test = state_test()
    assert (test.file, test.name, test.fork, test.index, test.chain_id) == ("a/transfer.json", "transfer", "Cancun", 0, 1)
    assert test.blob_base_fee_update_fraction == 3_338_477
    assert test.raw == encode_transaction(sign_transaction(TRANSFER, KEY))
    assert test.exception is None


def test_streams_json_files_only(tmp_path: Path) -> None:
    path = archive(tmp_path / "tests.tar.gz", {"a/x.json": b"{}", "README": b"no", "b/y.json": b"{}"})
    assert list(files_of(path)) == [("a/x.json", b"{}"), ("b/y.json", b"{}")]


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tests.tar.gz"
    path.write_bytes(b"not a tar")
    with pytest.raises(FixtureError, match=r"tests\.tar\.gz"):
        list(files_of(path))
    with pytest.raises(FixtureError):
        list(files_of(tmp_path / "absent"))


@pytest.mark.parametrize("content", [b"", b"[]", b'{"t": {"env": {}}}', transfer_file(txbytes="0xzz"), transfer_file(hash=5)])
def test_what_is_no_state_test_is_refused(content: bytes) -> None:
    with pytest.raises(FixtureError, match=r"a/x\.json"):
        list(state_tests_of("a/x.json", content))


def test_a_missing_file_is_excluded_by_name() -> None:
    (verdict,) = judge_file("a/x.json", LFS_POINTER, FastEngine, Choice().has_test)
    assert (verdict.outcome, verdict.reason) == ("excluded", "git_lfs_pointer")


def test_shards_part_the_files() -> None:
    files = [f"folder/{number}.json" for number in range(200)]
    shards = [[file for file in files if Choice(shard=(number, 3)).has_file(file)] for number in (1, 2, 3)]
    assert sorted(file for shard in shards for file in shard) == sorted(files)
    assert all(shards)


def test_choice_by_fork_and_text() -> None:
    test = state_test()
    assert Choice(forks=frozenset({"Cancun"}), text="transfer.json::tran").has_test(test)
    assert not Choice(forks=frozenset({"Prague"})).has_test(test)
    assert not Choice(text="selfdestruct").has_test(test)


@pytest.mark.parametrize("fork", ["Paris", "Shanghai", "Cancun", "Prague", "Osaka"])
def test_a_transfer_passes_on_each_fork(fork: str) -> None:
    verdict = judge(replace(state_test(fork=fork), blob_base_fee_update_fraction=5_007_716), FastEngine())
    assert (verdict.outcome, verdict.problems) == ("passed", ())


def test_forks_before_paris_are_excluded() -> None:
    verdict = judge(state_test(fork="Berlin"), FastEngine())
    assert (verdict.outcome, verdict.reason) == ("excluded", "before_paris")


def test_a_fork_of_the_future_fails() -> None:
    assert judge(state_test(fork="Amsterdam"), FastEngine()).outcome == "failed"


def test_a_wrong_state_is_told_by_account() -> None:
    test = state_test(hash="0x" + "11" * 32)
    next(iter(test.post.values())).nonce = "0x7"
    verdict = judge(test, FastEngine())
    assert verdict.outcome == "failed"
    assert any("state root" in problem and "11" * 32 in problem for problem in verdict.problems)
    assert any(f"account 0x{test.sender.hex()}: nonce 1, expected 7" in problem for problem in verdict.problems)


def test_a_wrong_root_of_the_right_state_is_told() -> None:
    assert any("no account differs" in problem for problem in judge(state_test(hash="0x" + "11" * 32), FastEngine()).problems)


def test_wrong_logs_fail() -> None:
    verdict = judge(state_test(logs="0x" + "22" * 32), FastEngine())
    assert verdict.outcome == "failed" and "logs hash" in verdict.problems[0]


def test_another_sender_fails() -> None:
    assert judge(replace(state_test(), sender=bytes(20)), FastEngine()).outcome == "failed"


@pytest.mark.parametrize(
    ("transaction", "block_gas_limit", "exception"),
    [
        (replace(TRANSFER, gas_limit=20_999), "0x1c9c380", "INTRINSIC_GAS_TOO_LOW"),
        (replace(TRANSFER, value=ETHER), "0x1c9c380", "INSUFFICIENT_ACCOUNT_FUNDS"),
        (replace(TRANSFER, gas_price=6), "0x1c9c380", "INSUFFICIENT_MAX_FEE_PER_GAS"),
        (TRANSFER, "0x5207", "GAS_ALLOWANCE_EXCEEDED"),
        (TRANSFER, "0x5207", "NONCE_IS_MAX|TransactionException.GAS_ALLOWANCE_EXCEEDED"),
    ],
)
def test_a_refused_transaction_passes_by_its_rule(transaction: LegacyTransaction, block_gas_limit: str, exception: str) -> None:
    expected = refused(expectException=f"TransactionException.{exception}", block_gas_limit=block_gas_limit)
    verdict = judge(state_test(transaction, **expected), FastEngine())
    assert (verdict.outcome, verdict.problems) == ("passed", ())


def test_a_refusal_by_another_rule_fails() -> None:
    expected = refused(expectException="TransactionException.NONCE_IS_MAX")
    (problem,) = judge(state_test(replace(TRANSFER, gas_limit=20_999), **expected), FastEngine()).problems
    assert "refused by intrinsic_gas, expected TransactionException.NONCE_IS_MAX" in problem


def test_a_valid_transaction_that_should_be_refused_fails() -> None:
    problems = judge(state_test(expectException="TransactionException.NONCE_IS_MAX"), FastEngine()).problems
    assert any("refused by None" in problem for problem in problems)


def test_a_refused_transaction_that_should_be_valid_fails() -> None:
    problems = judge(state_test(replace(TRANSFER, gas_limit=20_999)), FastEngine()).problems
    assert "refused by intrinsic_gas, expected to be valid" in problems


@pytest.mark.parametrize("exception", [None, "TransactionException.TYPE_3_TX_ZERO_BLOBS", "TransactionException.NONCE_IS_MAX"])
def test_a_blob_transaction_is_excluded_once_it_was_refused(exception: str | None) -> None:
    verdict = judge(state_test(BLOB, expectException=exception), FastEngine())
    assert (verdict.outcome, verdict.reason) == ("excluded", "blob_transaction")


def test_a_blob_transaction_that_is_not_refused_by_its_rule_fails() -> None:
    test = replace(state_test(BLOB), raw=b"\x03" + b"\xc0")
    (problem,) = judge(test, FastEngine()).problems
    assert "a blob transaction, refused by decoding" in problem


def test_unknown_exceptions_are_refused() -> None:
    with pytest.raises(FixtureError, match="MADE_UP"):
        rules_meant("TransactionException.NONCE_IS_MAX|TransactionException.MADE_UP")
    assert judge(state_test(expectException="TransactionException.MADE_UP"), FastEngine()).outcome == "failed"


def test_sweep_and_tally() -> None:
    files = [("a/x.json", transfer_file()), ("a/y.json", LFS_POINTER), ("a/z.json", transfer_file(fork="London"))]
    tally = Tally()
    for verdicts in sweep(files, FastEngine, Choice(), jobs=1):
        tally.add(verdicts)
    assert (tally.files, tally.count("passed"), tally.count("failed"), tally.count("excluded")) == (3, 1, 0, 1)
    assert (tally.excluded, tally.missing_files) == ({"before_paris": 1}, {"git_lfs_pointer": 1})


def test_the_command_counts_and_ends(tmp_path: Path) -> None:
    path = archive(tmp_path / "t.tar.gz", {"a/good.json": transfer_file(), "a/bad.json": transfer_file(logs="0x" + "22" * 32)})

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["--archive", str(path), "--jobs", "1", *arguments])
        return result.exit_code, result.output

    assert run("--filter", "good")[0] == 0
    status, output = run()
    assert status == 1 and "FAILED a/bad.json" in output and "1 passed, 1 failed" in output
    status, output = run("--json")
    failure, counts = [json.loads(line) for line in output.splitlines()]
    assert status == 1 and failure["failed"]["file"] == "a/bad.json" and (counts["passed"], counts["failed"]) == (1, 1)
    assert run("--filter", "good", "--compile-after", "1")[0] == 0
    assert run("--engine", "py-evm", "--compile-after", "1")[0] == 2
    assert run("--fork", "Osaka")[0] == 2
    assert run("--shard", "3/2")[0] == 2


def test_rules_of_ethereum() -> None:
    p256verify = precompiles.address(0x0100)
    for evm in EvmFork:
        rules = ethereum_rules(evm)
        assert rules.evm is evm
        assert (rules.l1_cost, rules.operator_fee, rules.base_fee_recipient) == (None, None, None)
        assert (p256verify in rules.precompiles) == (evm is EvmFork.OSAKA)
        assert rules.transaction_gas_cap == (2**24 if evm is EvmFork.OSAKA else None)
    # 301 pairs of points at infinity: more than Karst lets through.
    pairing = ethereum_rules(EvmFork.OSAKA).precompiles[precompiles.address(0x08)]
    assert pairing.run(bytes(301 * 192)) == bytes(31) + b"\x01"

"""The generator of random programs, transactions and blocks: the same for the same seed, and not trivial."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from harness.engine_differential.assembler import OPCODES, Assembler, Place
from harness.engine_differential.blocks import BlockMaker
from harness.engine_differential.chain import BLOCK_TIME, GENESIS_TIME, SCHEDULES, fork_times
from harness.engine_differential.ours import OurChain, Rejection, created_contracts, disagreement
from harness.engine_differential.predeploys import BEACON_ROOTS, BLOCK_HISTORY, predeployed_code
from harness.engine_differential.signing import sign_authorization
from harness.engine_differential.values import WORD, random_word
from trinode.engine.api.codec import encode_attributes
from trinode.execution.block import ExecutedBlock
from trinode.execution.engine import PreparedTransaction, TransactionResult
from trinode.execution.evm.engine import FastEngine, FastSession
from trinode.execution.pyevm.session import PyEvmEngine
from trinode.execution.recovery import recover_authority
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.keccak import keccak256
from trinode.protocol.l1_info import decode_l1_info
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.transaction import BlobTransaction, SetCodeTransaction, decode_transaction
from trinode.rollup.fork import Fork

MAX_TRIES = 20


def make_blocks(schedule: str, seed: int, blocks: int) -> tuple[list[ExecutedBlock], list[PayloadAttributes], list[Rejection]]:
    """A chain by the fast engine, the attributes as they were asked for first, and the refusals."""
    maker = BlockMaker(schedule, seed, blocks)
    ours = OurChain(maker.chain, FastEngine())
    executed, asked, refused = [], [], []
    for _ in range(blocks):
        attributes = maker.attributes(ours.header, ours.state)
        asked.append(attributes)
        for _ in range(MAX_TRIES):
            block = ours.attempt(attributes)
            if isinstance(block, ExecutedBlock):
                break
            refused.append(block)
            attributes = maker.smaller(attributes, block)
        assert isinstance(block, ExecutedBlock)
        ours.adopt(block)
        maker.created(created_contracts(block))
        executed.append(block)
    return executed, asked, refused


def test_the_same_seed_makes_the_same_blocks() -> None:
    first, second = (make_blocks("random", 5, 6)[0] for _ in range(2))
    assert [block.hash for block in first] == [block.hash for block in second]
    assert make_blocks("random", 6, 6)[0][-1].hash != first[-1].hash


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_is_one_that_a_chain_may_have(schedule: str) -> None:
    for seed in range(20):
        times = fork_times(schedule, 100, Random(seed))
        assert list(times) == sorted(times)
        assert list(times.values()) == sorted(times.values())
        assert all(time == 0 or (time > GENESIS_TIME and (time - GENESIS_TIME) % BLOCK_TIME == 0) for time in times.values())
    if schedule == "all":
        assert len(set(times.values())) == Fork.KARST


def test_blocks_are_mostly_valid_and_of_all_kinds() -> None:
    executed, asked, refused = make_blocks("karst", 1, 25)
    kinds: Counter[str] = Counter()
    outcomes: Counter[tuple[bool, bool]] = Counter()
    for block in executed:
        for prepared, result in zip(block.prepared, block.results, strict=True):
            kinds[type(prepared.transaction).__name__] += 1
            outcomes[isinstance(prepared.transaction, DepositTransaction), result.succeeded] += 1
    assert set(kinds) == {"LegacyTransaction", "AccessListTransaction", "DynamicFeeTransaction", "SetCodeTransaction", "DepositTransaction"}
    assert all(outcomes[deposit, succeeded] >= 10 for deposit in (True, False) for succeeded in (True, False))
    assert 0 < len(refused) < len(asked)
    assert sum(len(block.transactions) for block in executed) > 0.7 * sum(len(attributes.transactions) for attributes in asked)
    assert any(block.receipts[index].logs for block in executed for index in range(len(block.receipts)))


def test_every_block_begins_with_l1_attributes_and_changes_them() -> None:
    _, asked, _ = make_blocks("all", 2, 22)
    infos = []
    for attributes in asked:
        first = decode_transaction(attributes.transactions[0])
        assert isinstance(first, DepositTransaction)
        infos.append(decode_l1_info(first.data))
    assert {info.format.value for info in infos} == {"bedrock", "ecotone", "isthmus", "jovian"}
    assert 2 < len({info.hash for info in infos}) < len(infos)


def test_programs_use_every_instruction() -> None:
    maker = BlockMaker("karst", 3, 1)
    seen: Counter[int] = Counter()
    for _ in range(400):
        seen.update(_instructions(maker.chain.programs.program()))
    assert [name for name, opcode in OPCODES.items() if opcode not in seen] == []
    assert set(range(256)) - set(OPCODES.values()) & set(seen), "instructions that are none, too"


def _instructions(code: bytes) -> list[int]:
    result, position = [], 0
    while position < len(code):
        result.append(code[position])
        position += 1 + max(0, code[position] - 0x5F if 0x60 <= code[position] <= 0x7F else 0)
    return result


def test_contracts_op_geth_has_wrong_in_karst_are_left_out_only_there() -> None:
    modexp = bytes(19) + b"\x05"
    assert modexp in BlockMaker("jovian", 1, 1).chain.accounts.precompiles
    assert modexp not in BlockMaker("karst", 1, 1).chain.accounts.precompiles


def test_blob_transactions_come_too() -> None:
    maker = BlockMaker("isthmus", 4, 1)
    ours = OurChain(maker.chain, FastEngine())
    kinds: Counter[type] = Counter()
    for _ in range(400):
        for raw in maker.attributes(ours.header, ours.state).transactions:
            kinds[type(decode_transaction(raw))] += 1
    assert kinds[BlobTransaction] > 0
    assert kinds[SetCodeTransaction] > 100


def test_authorizations_are_those_of_their_signers() -> None:
    key = keccak256(b"engine differential 0")
    user = BlockMaker("karst", 1, 1).chain.accounts.users[0]
    assert recover_authority(sign_authorization(901, bytes(20), 7, key)) == user


def test_assembled_code() -> None:
    again = Place()
    code = Assembler().push(3).put(again).push(1).op("SWAP1", "SUB", "DUP1").push_place(again).op("JUMPI", "STOP").assemble()
    assert code.hex() == "60035b6001900380610002570" + "0"
    assert Assembler().copy_data(b"\xaa\xbb", 0).assemble().hex() == "600261000960003" + "9fe" + "aabb"


def test_system_contracts_are_the_real_ones() -> None:
    codes = predeployed_code(Fork.ISTHMUS)
    assert [codes[BEACON_ROOTS][:3].hex(), codes[BLOCK_HISTORY][:3].hex()] == ["3373ff", "3373ff"]
    assert not predeployed_code(Fork.CANYON).keys() & {BEACON_ROOTS, BLOCK_HISTORY}


def test_random_words_are_words() -> None:
    random = Random(1)
    assert all(0 <= random_word(random) < WORD for _ in range(2000))


def test_attributes_have_the_fields_of_their_fork() -> None:
    fields = {}
    for fork in (Fork.BEDROCK, Fork.CANYON, Fork.ECOTONE, Fork.HOLOCENE, Fork.JOVIAN):
        _, asked, _ = make_blocks(fork.label, 1, 1)
        fields[fork] = set(encode_attributes(asked[0]))
    common = fields[Fork.BEDROCK]
    assert fields[Fork.CANYON] - common == {"withdrawals"}
    assert fields[Fork.ECOTONE] - fields[Fork.CANYON] == {"parentBeaconBlockRoot"}
    assert fields[Fork.JOVIAN] - fields[Fork.ECOTONE] == {"eip1559Params", "minBaseFee"}
    assert fields[Fork.HOLOCENE] - fields[Fork.ECOTONE] == {"eip1559Params"}


def test_two_engines_that_differ_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert disagreement("canyon", 3, 2, FastEngine(), FastEngine()) is None
    apply = FastSession.apply

    def wrong(session: FastSession, prepared: PreparedTransaction) -> TransactionResult:
        result = apply(session, prepared)
        return result._replace(logs=()) if result.logs else result

    monkeypatch.setattr(FastSession, "apply", wrong)
    found = disagreement("canyon", 3, 40, FastEngine(), PyEvmEngine())
    assert found is not None
    assert "logs" in found.what

"""Our engines beside op-geth, on random blocks through its Engine API: `tox -e peers`.

Long runs: `python -m harness.engine_differential`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.engine_differential.chain import SCHEDULES
from harness.engine_differential.comparison import Comparison, Difference
from harness.engine_differential.op_geth import find_geth
from harness.execution.configs import ENGINES, engine_named
from harness.execution.deep_stack import with_deep_stack
from trinode.execution.engine import PreparedTransaction, TransactionResult
from trinode.execution.evm.engine import FastEngine, FastSession

pytestmark = pytest.mark.peers

BLOCKS = {"fast": 270, "py-evm": 60}
"""Of each chain. More than 256, so that BLOCKHASH comes to the end of what it knows."""
SEEDS = {"fast": 1001, "py-evm": 2001}


@pytest.fixture
def program() -> Path:
    found = find_geth()
    if found is None:
        pytest.skip("geth (op-geth) is not in TRINODE_PEERS or on PATH")
    return found


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("engine", ENGINES)
def test_random_blocks_are_those_of_op_geth(program: Path, engine: str, schedule: str) -> None:
    comparison = Comparison(program, engine_named(engine), schedule, SEEDS[engine], BLOCKS[engine])
    assert with_deep_stack(lambda: sum(1 for _ in comparison.run())) == BLOCKS[engine]
    assert comparison.counts["refused blocks"] > 0
    assert comparison.counts["DynamicFeeTransaction succeeded"] > 0 < comparison.counts["DynamicFeeTransaction failed"]


def test_a_wrong_engine_is_found_out(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = FastSession.apply

    def wrong(session: FastSession, prepared: PreparedTransaction) -> TransactionResult:
        result = apply(session, prepared)
        return result._replace(gas_used=result.gas_used + 1)

    monkeypatch.setattr(FastSession, "apply", wrong)
    comparison = Comparison(program, FastEngine(), "granite", 1, 3)
    with pytest.raises(Difference, match=r"(?s)--seeds 1 --fork granite --blocks 3, block 1 .*gas_used: .*transaction 0: gas \d+ here"):
        with_deep_stack(lambda: list(comparison.run()))

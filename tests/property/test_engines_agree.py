"""Random programs, transactions and blocks: equal state root, receipts, results and gas on the fast engine and on stock py-evm."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.engine_differential.chain import SCHEDULES
from harness.engine_differential.ours import disagreement
from harness.execution.deep_stack import with_deep_stack
from trinode.execution.evm.engine import FastEngine
from trinode.execution.pyevm.session import PyEvmEngine

BLOCKS = 4


@given(schedule=st.sampled_from(SCHEDULES), seed=st.integers(min_value=0, max_value=2**32), compile_after=st.sampled_from([1, 40]))
def test_both_engines_make_the_same_blocks(schedule: str, seed: int, compile_after: int) -> None:
    assert with_deep_stack(lambda: disagreement(schedule, seed, BLOCKS, FastEngine(compile_after), PyEvmEngine())) is None

"""The test cases of ethereum/execution-apis, of which the folder `TRINODE_EXECUTION_APIS` is a clone (docs/rpc-compatibility.md)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.execution_apis.__main__ import read_forms
from harness.execution_apis.chain import ExecutedChain
from harness.execution_apis.ethereum import rules_of_ethereum
from harness.execution_apis.exceptions import EXEMPT, REASONS
from harness.execution_apis.files import read_cases, read_chain
from harness.execution_apis.methods import dispatcher_over
from harness.execution_apis.run import judge_all
from trinode.execution.forks import execution_rules_of
from trinode.execution.rules import BASE_FEE_VAULT
from trinode.rollup.fork import Fork

VARIABLE = "TRINODE_EXECUTION_APIS"


@pytest.fixture(scope="module")
def folder() -> Path:
    if not os.environ.get(VARIABLE):
        pytest.skip(f"{VARIABLE} is not set: it is the folder of a clone of ethereum/execution-apis")
    return Path(os.environ[VARIABLE])


async def test_every_case_is_answered_as_recorded(folder: Path) -> None:
    """The chain executes to the roots of its headers, before and after the merge; else there is an exception."""
    chain = ExecutedChain(read_chain(folder / "tests"))
    with rules_of_ethereum():
        verdicts = await judge_all(dispatcher_over(chain), read_cases(folder / "tests"), read_forms(folder))
    assert [verdict for verdict in verdicts if verdict.outcome == "failed"] == []
    assert sum(verdict.outcome == "passed" for verdict in verdicts) >= 190


def test_exemptions_say_why() -> None:
    assert {exempt.reason for exempt in EXEMPT.values()} == set(REASONS)


def test_rules_are_ethereums_only_while_they_are_asked_for() -> None:
    before = execution_rules_of(Fork.KARST)
    with rules_of_ethereum():
        ethereum = execution_rules_of(Fork.KARST)
        assert (ethereum.evm, ethereum.l1_cost, ethereum.base_fee_recipient) == (before.evm, None, None)
    after = execution_rules_of(Fork.KARST)
    assert (after.l1_cost, after.base_fee_recipient) == (before.l1_cost, BASE_FEE_VAULT)

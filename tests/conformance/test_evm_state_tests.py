"""A choice of Ethereum's execution-spec state tests on the fast engine: some of every folder and fork, by the hash of their
names, so that it is always the same. All of them: `tox -e evm`.

Tests are too short for code to become hot in them, so that for half of the files all code is compiled at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import TypeAlias

import pytest

from harness.state_tests.fixture import StateTest, files_of, is_lfs_pointer, state_tests_of
from harness.state_tests.run import EVM_FORKS, FORKS_BEFORE_PARIS, Verdict
from harness.state_tests.sweep import judge_file, rank
from tests.shared import shared
from trinode.execution.evm.engine import FastEngine

FILES_PER_FOLDER = 3
TESTS_PER_FILE_AND_FORK = 2
ENGINES = (FastEngine, partial(FastEngine, compile_after=1))

Verdicts: TypeAlias = Mapping[str, list[Verdict]]
"""By fork; those of whole files under the empty name."""


def chosen_files() -> dict[str, bytes]:
    """The files of each folder whose names rank lowest, without reading more than their names of the others."""
    folders: dict[str, dict[str, bytes]] = defaultdict(dict)
    for file, content in files_of(shared("data/evm/eest_v5.4.0_state_tests.tar.gz")):
        folder = folders[file.rpartition("/")[0]]
        folder[file] = content
        if len(folder) > FILES_PER_FOLDER:
            del folder[max(folder, key=rank)]
    return {file: content for folder in folders.values() for file, content in folder.items()}


def chosen_tests(file: str, content: bytes) -> set[tuple[str, str]]:
    """Names and forks of the tests of a file that run."""
    names: dict[str, list[str]] = defaultdict(list)
    if not is_lfs_pointer(content):
        for test in state_tests_of(file, content):
            if test.fork not in FORKS_BEFORE_PARIS:
                names[test.fork].append(test.name)
    return {(name, fork) for fork, those in names.items() for name in sorted(those, key=rank)[:TESTS_PER_FILE_AND_FORK]}


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    by_fork: dict[str, list[Verdict]] = defaultdict(list)
    for file, content in chosen_files().items():
        names = chosen_tests(file, content)

        def is_chosen(test: StateTest, names: set[tuple[str, str]] = names) -> bool:
            return (test.name, test.fork) in names

        for verdict in judge_file(file, content, ENGINES[rank(file) % len(ENGINES)], is_chosen):
            by_fork[verdict.fork].append(verdict)
    return by_fork


@pytest.mark.parametrize("fork", EVM_FORKS)
def test_state_tests(verdicts: Verdicts, fork: str) -> None:
    failed = [verdict for verdict in verdicts[fork] if verdict.outcome == "failed"]
    assert not failed, "\n".join([line for verdict in failed for line in (f"{verdict.file} {verdict.name}", *verdict.problems)])
    assert [verdict for verdict in verdicts[fork] if verdict.outcome == "passed"]


def test_what_is_excluded_is_excluded_for_a_known_reason(verdicts: Verdicts) -> None:
    reasons = {verdict.reason for those in verdicts.values() for verdict in those if verdict.outcome == "excluded"}
    assert reasons <= {"blob_transaction", "git_lfs_pointer"}
    assert {verdict.file for verdict in verdicts[""]} <= {"state_tests/static/state_tests/stStackTests/underflowTest.json"}

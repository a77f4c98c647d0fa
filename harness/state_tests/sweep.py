"""All tests of an archive that are asked for, file by file, in one process or in several."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from multiprocessing import get_context

from harness.execution.deep_stack import with_deep_stack
from harness.state_tests.fixture import StateTest, is_lfs_pointer, state_tests_of
from harness.state_tests.run import Verdict, judge
from trinode.execution.engine import Engine

_WAITING_PER_JOB = 4
"""Files that wait for a process: enough to keep it busy, not enough to hold the archive in memory."""


def rank(name: str) -> int:
    """A number for a name that is the same everywhere, and has nothing to do with its meaning."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tests run. `shard`: i of n, by file; `text`: a part of `file::name`; `forks`: empty for all of them."""

    shard: tuple[int, int] = (1, 1)
    text: str = ""
    forks: frozenset[str] = field(default_factory=frozenset)

    def has_file(self, file: str) -> bool:
        """Whether the file is of this shard: each file is of one."""
        number, count = self.shard
        return rank(file) % count == number - 1

    def has_test(self, test: StateTest) -> bool:
        return (not self.forks or test.fork in self.forks) and self.text in f"{test.file}::{test.name}"


def judge_file(file: str, content: bytes, new_engine: Callable[[], Engine], has_test: Callable[[StateTest], bool]) -> list[Verdict]:
    """Execute the chosen tests of a file, all on one new engine: what it keeps from one test to the next does not depend on
    the shard. Raises FixtureError.
    """
    if is_lfs_pointer(content):
        return [Verdict(file, "", "", 0, "excluded", "git_lfs_pointer")]
    tests = [test for test in state_tests_of(file, content) if has_test(test)]
    engine = new_engine()
    return with_deep_stack(lambda: [judge(test, engine) for test in tests])


def sweep(files: Iterable[tuple[str, bytes]], new_engine: Callable[[], Engine], choice: Choice, jobs: int) -> Iterator[list[Verdict]]:
    """The verdicts of each file of the choice's shard, in order, as they come; `new_engine` must pickle. Raises
    FixtureError.
    """
    chosen = ((file, content) for file, content in files if choice.has_file(file))
    if jobs == 1:
        for file, content in chosen:
            yield judge_file(file, content, new_engine, choice.has_test)
        return
    waiting: deque[Future[list[Verdict]]] = deque()
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for file, content in chosen:
            waiting.append(pool.submit(judge_file, file, content, new_engine, choice.has_test))
            if len(waiting) >= jobs * _WAITING_PER_JOB:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@dataclass
class Tally:
    """Counts of a sweep. `tests`: by fork and outcome; a file that is not there counts as a file only."""

    files: int = 0
    tests: Counter[tuple[str, str]] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    missing_files: Counter[str] = field(default_factory=Counter)

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Count the verdicts of one file."""
        self.files += 1
        for verdict in verdicts:
            if not verdict.fork:
                self.missing_files[verdict.reason] += 1
                continue
            self.tests[verdict.fork, verdict.outcome] += 1
            if verdict.outcome == "excluded":
                self.excluded[verdict.reason] += 1

    def count(self, outcome: str) -> int:
        """Tests with that outcome."""
        return sum(count for (_, each), count in self.tests.items() if each == outcome)

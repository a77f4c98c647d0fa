"""`python -m harness.execution_apis FOLDER`: all cases of ethereum/execution-apis, of which FOLDER is a clone.

Where FOLDER has an openrpc.json (`make build` makes it there; branch `assembled-spec-main` has it), results of which only the form is said are
held against it.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import trio

from harness.execution_apis.chain import ExecutedChain
from harness.execution_apis.ethereum import rules_of_ethereum
from harness.execution_apis.exceptions import EXEMPT, REASONS
from harness.execution_apis.files import read_cases, read_chain
from harness.execution_apis.methods import dispatcher_over
from harness.execution_apis.run import Forms, Verdict, forms_of, judge_all


def run(folder: Path) -> list[Verdict]:
    """Executes the chain and judges all cases. Raises OSError, and what reading and executing raise."""
    chain = ExecutedChain(read_chain(folder / "tests"))
    cases = read_cases(folder / "tests")
    with rules_of_ethereum():
        return trio.run(judge_all, dispatcher_over(chain), cases, read_forms(folder))


def read_forms(folder: Path) -> Forms | None:
    """The schemas of results; None: there is no openrpc.json."""
    document = folder / "openrpc.json"
    return forms_of(json.loads(document.read_bytes())) if document.is_file() else None


def _report(verdicts: Sequence[Verdict]) -> None:
    for verdict in verdicts:
        if verdict.outcome in ("failed", "unchecked"):
            print(f"{verdict.outcome}: {verdict.name}", *verdict.problems[:20], sep="\n    ")
    for verdict in verdicts:
        for words in verdict.words:
            print(f"other words: {verdict.name}: {words}")
    reasons = Counter(EXEMPT[verdict.name].reason for verdict in verdicts if verdict.outcome == "exempt")
    for reason, count in sorted(reasons.items()):
        print(f"exempt: {count} {reason}: {REASONS[reason]}")
    counts = Counter(verdict.outcome for verdict in verdicts)
    print(f"{len(verdicts)} cases: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))


def main(words: Sequence[str] | None = None) -> int:
    """0: none failed."""
    parser = argparse.ArgumentParser(prog="python -m harness.execution_apis", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a clone of ethereum/execution-apis")
    verdicts = run(parser.parse_args(words).folder)
    _report(verdicts)
    return 1 if any(verdict.outcome == "failed" for verdict in verdicts) else 0


if __name__ == "__main__":
    raise SystemExit(main())

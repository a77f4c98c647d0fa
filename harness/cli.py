"""`trinode-harness`: record, generate, replay and explain L1 recordings, and execute blocks."""

from __future__ import annotations

import click

from harness.compare_command import compare
from harness.execute_command import execute
from harness.explain_command import explain
from harness.generate import generate
from harness.record_command import record
from harness.replay_command import replay


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trinode")
def main() -> None:
    """Deterministic tools around derivation: record an L1, make one up, replay it, explain what became of its data.

    A recording is one gzip-compressed JSON Lines file: the L1 blocks that a rollup node saw, in order, and the L2 blocks that must be
    derived from them.

    Exit status: 0 all well, 1 what was derived differs, 2 bad input.
    """


main.add_command(replay)
main.add_command(explain)
main.add_command(record)
main.add_command(generate)
main.add_command(compare)
main.add_command(execute)

"""`python -m bench [part ...]`: all parts without arguments. The options are for some of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import accounts, derivation, execution, memory, p2p, real_blocks, rpc, stages, steady, store, sync

PARTS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "derivation": lambda options: derivation.main(),
    "stages": lambda options: stages.main(),
    "memory": lambda options: memory.main(),
    "execution": lambda options: execution.main(options.rounds),
    "cliffs": lambda options: execution.cliffs_main(options.rounds),
    "blocks": lambda options: real_blocks.main(),
    "accounts": lambda options: accounts.main(),
    "store": lambda options: store.main(options.keys, options.folder),
    "steady": lambda options: steady.main(options.profile),
    "rpc": lambda _: rpc.main(),
    "p2p": lambda options: p2p.main(),
    "sync": lambda options: sync.main(options.rounds),
}


def main() -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="bench", description="Print figures.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which ones: {', '.join(PARTS)} (all)")
    parser.add_argument("--rounds", type=int, default=5, help="execution, cliffs, sync: how often each side runs (%(default)s)")
    parser.add_argument("--keys", type=int, default=store.DEFAULT_KEYS, help="store: accounts and slots, 60000000 are 5 GB (%(default)s)")
    parser.add_argument("--folder", type=Path, help="store: where to make it (the system's folder for temporary files)")
    parser.add_argument("--profile", action="store_true", help="steady: also say which functions take the time")
    options = parser.parse_args()
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    for name in options.parts or PARTS:
        PARTS[name](options)


main()

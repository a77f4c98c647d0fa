"""`python -m bench [derivation|stages|memory ...]`: all of them without arguments."""

from __future__ import annotations

import sys

from bench import derivation, memory, stages

PARTS = {"derivation": derivation.main, "stages": stages.main, "memory": memory.main}


def main() -> None:
    """Run the parts that are named, or all."""
    names = sys.argv[1:] or list(PARTS)
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        sys.exit(f"bench: no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    for name in names:
        PARTS[name]()


main()

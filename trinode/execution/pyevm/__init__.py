"""The reference engine: py-evm's interpreter under rules of our own, exactly right and not fast.

It is the oracle of the fast engine (`execution.evm`), so it shares nothing with it but the boundary (`execution.engine`),
the tables of rules and the precompiled contracts. Of py-evm it uses the interpreter (`State`, `Computation`, opcodes)
with deltas only, and none of its chains, blocks, transactions and databases.

    account_db     the state under py-evm: a journal over a `StateReader`
    opcodes        py-evm's opcode tables, corrected, and Osaka's
    machines       py-evm's state and computation classes, corrected, one pair for each fork of the EVM
    intrinsic      gas that a transaction costs before it runs
    fees           what a transaction pays besides gas: L1 fee, operator fee
    validity       what makes a transaction invalid
    delegation     EIP-7702
    session        the transactions of one block

A call that nests takes some Python frames a level, and C stack with some of them: whoever executes blocks does it in a
thread with a stack of at least 16 MiB (`threading.stack_size`) and a recursion limit of at least 20,000
(`sys.setrecursionlimit`). This package starts no threads.
"""

from __future__ import annotations

import sys

# py-evm and py_ecc raise the recursion limit of the whole process when they are imported. Nothing that recurses in C, such as
# a JSON decoder on hostile input, would be stopped in time by theirs.
_limit = sys.getrecursionlimit()
import eth  # noqa: E402, F401
import py_ecc  # noqa: E402, F401

sys.setrecursionlimit(_limit)

"""What can be wrong with a block, a transaction or a state, each in a type of its own.

`InvalidBlock` and `InvalidTransaction` are the block's (or its sender's) fault, `MissingState` is the fault of whoever
keeps the state. Anything else that escapes is a bug of ours.
"""

from __future__ import annotations


class ExecutionError(Exception):
    """Why something cannot be executed."""


class MissingState(ExecutionError):
    """A node, code or header is asked for that the state (or the witness) at hand does not have."""


class UnknownFork(ExecutionError):
    """A fork whose rules this version does not have: it must not execute past its time."""


class InvalidTransaction(ExecutionError):
    """A transaction that no block may hold at this place. `rule` names the rule in snake case, for counting."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule


class InvalidAttributes(ExecutionError):
    """Payload attributes that no block can be built from: a field is missing, of another fork, or out of range."""


class InvalidBlock(ExecutionError):
    """A block that is not what its parent and its transactions make. `field` is the first header field that differs, or
    `transaction <index>`.
    """

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field


class PrecompileFailure(ExecutionError):
    """A precompiled contract refuses its input: the call fails and takes all its gas."""

"""What can be wrong with an execution client that gives witnesses. Every message is one line."""

from __future__ import annotations


class StatelessError(Exception):
    """Why the stateless engine cannot begin or go on."""


class AnchorRefused(StatelessError):
    """The block to begin with is not the one that is vouched for, or the folder is of another chain."""


class RemoteFault(StatelessError):
    """A remote did not give what was asked; the message names endpoint, method, field where there is one, and block."""

    def __init__(self, endpoint: str, method: str, field: str, block: str, problem: str) -> None:
        super().__init__(": ".join(part for part in (endpoint, method, field, block, problem) if part))
        self.endpoint = endpoint
        self.method = method
        self.field = field
        self.block = block


class RemoteLies(RemoteFault):
    """The answer is malformed, or contradicts a hash that is known."""


class RemoteBehind(RemoteFault):
    """The remote does not have the block yet, which is no fault."""

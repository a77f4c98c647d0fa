"""The two errors that leave the derivation pipeline; everything else that L1 data can do is a `Dropped` notice."""

from __future__ import annotations


class ResetRequired(Exception):
    """The pipeline no longer stands on the canonical L1 chain: call `Pipeline.reset` and go on from there."""


class UnsupportedChain(Exception):
    """The chain follows rules that this pipeline does not know: deriving it would be wrong from some block on."""


class CriticalError(Exception):
    """Derivation cannot go on: the chain's configuration contradicts what L1 or the engine holds."""

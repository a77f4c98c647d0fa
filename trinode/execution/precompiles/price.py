"""The two prices that several precompiles share (Yellow Paper, appendix E). Made for `functools.partial`, so that a
`Precompile` pickles."""

from __future__ import annotations


def flat(gas: int, data: bytes) -> int:
    """The same for every input."""
    return gas


def per_word(base: int, word: int, data: bytes) -> int:
    """`base`, and `word` for every 32 bytes begun."""
    return base + word * ((len(data) + 31) // 32)

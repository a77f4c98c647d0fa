"""Whose signature counts when L1 names another signer: what real op-node v1.19.6 did when its L1 did the same, step by step."""

from __future__ import annotations

from trinode.p2p.blocks.signers import GRACE, BlockSigners, ExpectedSigners

A, B, C, D = (bytes([number]) * 20 for number in range(1, 5))


class Clock:
    """Seconds, as a test says."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def test_until_l1_is_asked_nobody_counts() -> None:
    signers = BlockSigners(Clock())
    assert signers.expected() == ExpectedSigners(None, None)
    signers.name(A)
    assert signers.expected() == ExpectedSigners(A, None)


def test_the_one_before_counts_until_the_new_one_is_heard() -> None:
    signers = BlockSigners(Clock())
    signers.name(A)
    signers.name(B)
    signers.heard(A)
    assert signers.expected() == ExpectedSigners(B, A)
    signers.heard(B)
    assert signers.expected() == ExpectedSigners(B, None)


def test_the_one_before_counts_for_three_hours() -> None:
    clock = Clock()
    signers = BlockSigners(clock)
    signers.name(A)
    signers.name(B)
    clock.time += GRACE - 1
    signers.name(B)  # L1 says the same again
    assert signers.expected() == ExpectedSigners(B, A)
    clock.time += 1
    assert signers.expected() == ExpectedSigners(B, None)


def test_only_the_last_one_before_counts() -> None:
    signers = BlockSigners(Clock())
    for signer in (A, B, C):
        signers.name(signer)
    assert signers.expected() == ExpectedSigners(C, B)
    signers.name(B)  # taken back
    assert signers.expected() == ExpectedSigners(B, C)


def test_while_l1_names_nobody() -> None:
    clock = Clock()
    signers = BlockSigners(clock)
    signers.name(A)
    signers.name(None)
    assert signers.expected().present is None
    clock.time += GRACE / 2
    signers.name(D)
    assert signers.expected() == ExpectedSigners(D, A)
    clock.time += GRACE / 2
    assert signers.expected() == ExpectedSigners(D, None)

"""What an application says of a gossiped message (libp2p: gossipsub v1.1, "Extended Validators")."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """ACCEPT: passed on and used. IGNORE: dropped, and nobody's fault. REJECT: dropped, and held against who sent it."""

    ACCEPT = "accept"
    IGNORE = "ignore"
    REJECT = "reject"

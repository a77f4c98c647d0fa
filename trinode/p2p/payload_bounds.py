"""What is held of every payload that peers send, by gossip or when asked, before anything of it is hashed."""

from __future__ import annotations

MOST_TRANSACTIONS = 1 << 16
"""Of a block: as many transfers as 1.3 Ggas pay for. Hashing as many as 10 MiB can say there are would take many seconds."""

"""The recordings that are measured: those of ../shared if they are there, else our own fixtures."""

from __future__ import annotations

from pathlib import Path

from harness.recording import RecordedItem, RecordedL1Block, RecordingHead, open_recording

ROOT = Path(__file__).parent.parent


def recordings() -> list[Path]:
    """Recordings by name, the real OP Mainnet one first where it is there."""
    shared = ROOT.parent / "shared" / "recordings"
    folder = shared if shared.is_dir() else ROOT / "fixtures" / "devnet"
    return sorted(folder.glob("*.jsonl.gz"), key=lambda path: (not path.name.startswith("op-"), path.name))


def load(path: Path) -> tuple[RecordingHead, list[RecordedItem]]:
    """A whole recording in memory, its roots and blobs unchecked."""
    with open_recording(path, check=False) as reader:
        return reader.head, list(reader)


def l1_bytes(items: list[RecordedItem]) -> int:
    """Raw bytes of L1 transactions, receipts and blobs."""
    total = 0
    for item in items:
        if isinstance(item, RecordedL1Block):
            total += sum(map(len, item.block.transactions)) + sum(map(len, item.block.receipts or ()))
            total += sum(map(len, item.blobs.values()))
    return total

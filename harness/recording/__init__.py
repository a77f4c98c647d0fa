"""L1 recordings: what a rollup node saw of L1, in order, and what it must derive from it (one gzip-compressed JSON Lines file).

`open_recording` reads one as a stream and checks every hash in it; `RecordingWriter` writes one, whole or not at all.
"""

from harness.recording.errors import RecordingError
from harness.recording.format import (
    L2Start,
    Note,
    RecordedItem,
    RecordedL1Block,
    RecordedL2Block,
    RecordedLabels,
    RecordingHead,
)
from harness.recording.reader import RecordingReader, open_recording
from harness.recording.writer import RecordingWriter

__all__ = [
    "L2Start",
    "Note",
    "RecordedItem",
    "RecordedL1Block",
    "RecordedL2Block",
    "RecordedLabels",
    "RecordingError",
    "RecordingHead",
    "RecordingReader",
    "RecordingWriter",
    "open_recording",
]

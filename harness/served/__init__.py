"""A recording served as an L1: JSON-RPC of its execution client and REST of its beacon node, in a process of its own, as slow as is wanted.

`python -m harness.served RECORDING` serves one for whoever asks; `served` does for a test, or for a measurement.
"""

from harness.served.process import ServedRecording, node_options, served

__all__ = ["ServedRecording", "node_options", "served"]

"""What random blocks are made of: instructions executed and how calls ended, counted by op-geth's tracer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from harness.engine_differential.op_geth import OpGeth

_TRACER = """{
  opcodes: {}, ends: {}, deepest: 0,
  step: function(log) {
    var name = log.op.toString();
    this.opcodes[name] = (this.opcodes[name] || 0) + 1;
    if (log.getDepth() > this.deepest) this.deepest = log.getDepth();
  },
  fault: function(log) {
    var why = String(log.getError()).replace(/[0-9(].*/, "");
    this.ends[why] = (this.ends[why] || 0) + 1;
  },
  enter: function(frame) {
    var kind = "frame " + frame.getType();
    this.ends[kind] = (this.ends[kind] || 0) + 1;
  },
  exit: function(result) {
    var why = "frame: " + (result.getError() ? String(result.getError()).replace(/[0-9(].*/, "") : "success");
    this.ends[why] = (this.ends[why] || 0) + 1;
  },
  result: function() { return {opcodes: this.opcodes, ends: this.ends, deepest: this.deepest}; }
}"""

_OTHER_NAMES = {"DIFFICULTY": "PREVRANDAO"}


@dataclass(slots=True)
class Coverage:
    """Counts over the blocks that were traced; `deepest` call, 1 being the transaction's own."""

    opcodes: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    deepest: int = 0

    def trace(self, geth: OpGeth, number: int) -> None:
        """Counts in the block of that number."""
        for traced in geth.debug("debug_traceBlockByNumber", hex(number), {"tracer": _TRACER}):
            if "result" not in traced:
                # The tracer's library cannot take a frame without a value.
                self.ends["not traced"] += 1
                continue
            result = traced["result"]
            self.opcodes.update({_OTHER_NAMES.get(name, name): count for name, count in result["opcodes"].items()})
            self.ends.update(result["ends"])
            self.deepest = max(self.deepest, result["deepest"])

    def add(self, other: Coverage) -> None:
        """Counts what `other` counted."""
        self.opcodes.update(other.opcodes)
        self.ends.update(other.ends)
        self.deepest = max(self.deepest, other.deepest)

"""Records L1 and the L2 blocks derived from it from live endpoints, into the format of `harness.recording`.

HTTP with retries, JSON-RPC and the beacon API are trinode's own (`trinode.l1`). `l1_source`, `l2_source`: what each is asked, and the
proof that the answer is right. `journal`: what survives an interruption. `run`: the workers. `assemble`: the journal into a recording.
"""

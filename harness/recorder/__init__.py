"""Records L1 and the L2 blocks derived from it from live endpoints, into the format of `harness.recording`.

`endpoint`, `json_rpc`, `beacon`: HTTP with retries. `l1_source`, `l2_source`, `rollup_node`: what each is asked, and the proof that
the answer is right. `journal`: what survives an interruption. `run`: the workers. `assemble`: the journal into a recording.
"""

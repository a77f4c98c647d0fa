"""The error of a node that has no endpoint for what is before Bedrock (op-geth's code and words)."""

from __future__ import annotations

from trinode.jsonrpc.requests import RpcError

NO_HISTORICAL_RPC = -32801


def no_endpoint(*, execution: bool) -> RpcError:
    """`execution`: it needs a state. op-geth has the blocks themselves; this node does not."""
    return RpcError(NO_HISTORICAL_RPC, f"no historical RPC is available for this historical (pre-bedrock) {'execution ' if execution else ''}request")

"""Traces in geth's JSON, to compare them with its replies."""

from __future__ import annotations

from typing import Any

from trinode.execution.tracing.call_tracer import CallFrame
from trinode.execution.tracing.prestate import AccountState, PrestateTracer
from trinode.execution.tracing.struct_logs import StructLog, StructTrace


def struct_json(trace: StructTrace) -> dict[str, Any]:
    return_value = "0x" + trace.return_value.hex()
    return {"gas": trace.gas, "failed": trace.failed, "returnValue": return_value, "structLogs": [_log(log) for log in trace.struct_logs]}


def _log(log: StructLog) -> dict[str, Any]:
    found: dict[str, Any] = {"pc": log.pc, "op": log.op, "gas": log.gas, "gasCost": log.gas_cost, "depth": log.depth}
    if log.stack is not None:
        found["stack"] = [hex(word) for word in log.stack]
    if log.storage is not None:
        found["storage"] = {f"{slot:064x}": f"{value:064x}" for slot, value in log.storage.items()}
    if log.memory is not None:
        found["memory"] = ["0x" + log.memory[at : at + 32].hex() for at in range(0, len(log.memory), 32)]
    if log.error is not None:
        found["error"] = log.error
    if log.refund:
        found["refund"] = log.refund
    return found


def call_json(call: CallFrame) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": call.kind,
        "from": "0x" + call.sender.hex(),
        "gas": hex(call.gas),
        "gasUsed": hex(call.gas_used),
        "input": "0x" + call.data.hex(),
    }
    if call.to is not None:
        found["to"] = "0x" + call.to.hex()
    if call.value is not None:
        found["value"] = hex(call.value)
    if call.output:
        found["output"] = "0x" + call.output.hex()
    if call.error is not None:
        found["error"] = call.error
    if call.revert_reason is not None:
        found["revertReason"] = call.revert_reason
    if call.calls:
        found["calls"] = [call_json(inner) for inner in call.calls]
    if call.logs:
        found["logs"] = [
            {
                "address": "0x" + each.log.address.hex(),
                "topics": ["0x" + topic.hex() for topic in each.log.topics],
                "data": "0x" + each.log.data.hex(),
                "index": hex(each.index),
                "position": hex(each.position),
            }
            for each in call.logs
        ]
    return found


def prestate_json(tracer: PrestateTracer, *, diff_mode: bool) -> dict[str, Any]:
    pre = {"0x" + address.hex(): _account(account) for address, account in tracer.pre.items()}
    post = {"0x" + address.hex(): _account(account) for address, account in tracer.post.items()}
    return {"pre": pre, "post": post} if diff_mode else pre


def _account(account: AccountState) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if account.balance is not None:
        found["balance"] = hex(account.balance)
    if account.nonce:
        found["nonce"] = account.nonce
    if account.code:
        found["code"] = "0x" + account.code.hex()
    if account.code_hash is not None:
        found["codeHash"] = "0x" + account.code_hash.hex()
    if account.storage:
        found["storage"] = {f"0x{slot:064x}": f"0x{value:064x}" for slot, value in account.storage.items()}
    return found

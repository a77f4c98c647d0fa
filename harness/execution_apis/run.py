"""Asks our methods what each case asks, and holds the replies against what the suite says.

A reply must be the recorded one; of errors, the code and the data: the words are each client's own (as hive's rpc-compat has it). Where the
suite says `speconly`, the result must be of the form that the OpenRPC document has for the method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from harness.execution_apis.exceptions import EXEMPT, Exempt
from harness.execution_apis.files import Case
from trinode.rpc.dispatch import Dispatcher

Outcome: TypeAlias = Literal["passed", "form", "exempt", "failed", "unchecked"]
"""`form`: the form is right, and more is not asked for. `unchecked`: there is no OpenRPC document to hold it against."""

Forms: TypeAlias = Mapping[str, Mapping[str, Any]]
"""JSON Schemas of results, by method."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case; `problems`: what differs, a line each. `words`: errors whose message is another than recorded."""

    name: str
    outcome: Outcome
    problems: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def forms_of(openrpc: Mapping[str, Any]) -> Forms:
    """The results' schemas of an OpenRPC document without references."""
    return {method["name"]: method["result"]["schema"] for method in openrpc["methods"] if "result" in method}


async def judge_all(dispatcher: Dispatcher, cases: Sequence[Case], forms: Forms | None) -> list[Verdict]:
    """One case after the other, in their order: transactions that some hand in stay in the pool."""
    return [await _judge(dispatcher, case, forms) for case in cases]


async def _judge(dispatcher: Dispatcher, case: Case, forms: Forms | None) -> Verdict:
    replies = [msgspec.json.decode(await dispatcher.answer(msgspec.json.encode(request))) for request, _ in case.exchanges]
    recorded = [reply for _, reply in case.exchanges]
    problems = list(_differences_of(replies, recorded))
    words = tuple(_other_words(replies, recorded))
    if not problems:
        listed = ("it is answered as recorded: it must not be exempt",) if case.name in EXEMPT else ()
        return Verdict(case.name, "failed" if listed else "passed", listed, words)
    exempt = EXEMPT.get(case.name)
    if exempt is not None:
        others = _beyond(exempt, replies, recorded)
        return Verdict(case.name, "failed" if others else "exempt", tuple(others), words)
    if not case.spec_only:
        return Verdict(case.name, "failed", tuple(problems), words)
    if forms is None:
        return Verdict(case.name, "unchecked")
    wrong = [each for (request, _), reply in zip(case.exchanges, replies, strict=True) for each in _wrong_form(request, reply, forms)]
    return Verdict(case.name, "failed" if wrong else "form", tuple(wrong), words)


def _differences_of(replies: Sequence[Any], recorded: Sequence[Any]) -> Iterator[str]:
    for ours, theirs in zip(replies, recorded, strict=True):
        yield from differences(_without_words(ours), _without_words(theirs))


def _beyond(exempt: Exempt, replies: Sequence[Any], recorded: Sequence[Any]) -> list[str]:
    """What differs beyond what is exempt."""
    if not exempt.fields:
        return []
    return list(_differences_of(*([_without(each, exempt.fields) for each in side] for side in (replies, recorded))))


def _without(value: Any, fields: Sequence[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(each, fields) for name, each in value.items() if name not in fields}
    return [_without(each, fields) for each in value] if isinstance(value, list) else value


def _without_words(reply: dict[str, Any]) -> dict[str, Any]:
    return reply | {"error": _without(reply["error"], ("message",))} if "error" in reply else reply


def _other_words(replies: Sequence[Any], recorded: Sequence[Any]) -> Iterator[str]:
    for ours, theirs in zip(replies, recorded, strict=True):
        if "error" in ours and "error" in theirs and ours["error"]["message"] != theirs["error"]["message"]:
            yield f"{ours['error']['message']!r}, recorded: {theirs['error']['message']!r}"


def _wrong_form(request: Mapping[str, Any], reply: Mapping[str, Any], forms: Forms) -> Iterator[str]:
    method = request["method"]
    if "result" not in reply:
        yield f"{method}: {reply['error']}"
    elif method not in forms:
        yield f"{method}: it is not in the OpenRPC document"
    else:
        for error in Draft202012Validator(forms[method]).iter_errors(reply["result"]):
            yield f"{method}: {error.json_path}: {error.message[:200]}"


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ, and how."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(name, "(missing)"), theirs.get(name, "(missing)"), f"{path}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, f"{path}[{index}]")
    elif ours != theirs or type(ours) is not type(theirs):
        yield f"{path}: {str(ours)[:200]}, recorded: {str(theirs)[:200]}"

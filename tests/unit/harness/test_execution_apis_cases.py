"""Cases of ethereum/execution-apis: how their files are read, and how replies are judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.execution_apis.exceptions import EXEMPT
from harness.execution_apis.files import Case, CaseFileError, read_cases
from harness.execution_apis.run import Forms, Verdict, differences, judge_all
from trinode.rpc.dispatch import Dispatcher
from trinode.rpc.net import NetNamespace

RECORDED = '<< {"jsonrpc":"2.0","id":1,"result":"7"}'
REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "net_version"}


async def verdict(
    result: Any = None, *, error: dict[str, Any] | None = None, spec_only: bool = False, forms: Forms | None = None, **other: Any
) -> Verdict:
    """Of a case about a chain whose number is 7. `other`: of the request."""
    reply = {"jsonrpc": "2.0", "id": 1} | ({"result": result} if error is None else {"error": error})
    case = Case(other.pop("name", "net_version/get"), ((REQUEST | other, reply),), spec_only)
    dispatcher = Dispatcher([NetNamespace(7, lambda: 0)], ["net"])
    return (await judge_all(dispatcher, [case], forms))[0]


def test_files(tmp_path: Path) -> None:
    folder = tmp_path / "net_version"
    folder.mkdir()
    (folder / "b.io").write_text(f'// about\n// speconly: whatever\n>> {{"id":1}}\n{RECORDED}\n>> {{"id":2}}\n{RECORDED}\n')
    (folder / "a.io").write_text(f'>> {{"id":3}}\n{RECORDED}\n')
    (folder / "other.txt").write_text("")
    first, second = read_cases(tmp_path)
    assert (first.name, first.method, first.spec_only) == ("net_version/a", "net_version", False)
    assert second.spec_only
    assert [request["id"] for request, _ in second.exchanges] == [1, 2]
    assert first.exchanges[0][1]["result"] == "7"
    (folder / "a.io").write_text(">> {}\n")
    with pytest.raises(CaseFileError, match="1 requests and 0 replies"):
        read_cases(tmp_path)


async def test_what_must_be_as_recorded() -> None:
    assert (await verdict("7")).outcome == "passed"
    other = await verdict("8")
    assert (other.outcome, other.problems) == ("failed", (".result: 7, recorded: 8",))


async def test_words_of_errors_are_each_clients_own() -> None:
    unknown = await verdict(error={"code": -32601, "message": "no"}, method="net_unknown")
    assert unknown.outcome == "passed"
    assert len(unknown.words) == 1
    assert (await verdict(error={"code": -32000, "message": "no"}, method="net_unknown")).outcome == "failed"


async def test_forms() -> None:
    forms = {"net_version": {"type": "string", "pattern": "^[0-9]+$"}}
    assert (await verdict("8", spec_only=True, forms=forms)).outcome == "form"
    assert (await verdict("8", spec_only=True)).outcome == "unchecked"
    for wrong in ({"net_version": {"type": "integer"}}, {}):
        assert (await verdict("8", spec_only=True, forms=wrong)).outcome == "failed"
    assert (await verdict("8", spec_only=True, forms=forms, method="net_unknown")).outcome == "failed"


async def test_exemptions() -> None:
    """They hold for what they name alone, and must go when they are not needed."""
    name = next(name for name, exempt in EXEMPT.items() if exempt.fields == ("code",))
    error = {"code": -32000, "message": "no", "data": "0x"}
    assert (await verdict(error=error, method="net_unknown", name=name)).outcome == "failed"
    assert (await verdict(error={"code": -32000, "message": "no"}, method="net_unknown", name=name)).outcome == "exempt"
    assert (await verdict("7", name=name)).problems == ("it is answered as recorded: it must not be exempt",)


def test_differences() -> None:
    assert list(differences({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]})) == []
    assert list(differences({"a": [1], "c": False}, {"a": [1, 2], "c": 0})) == [".a: [1], recorded: [1, 2]", ".c: False, recorded: 0"]
    assert list(differences({}, {"a": None})) == [".a: (missing), recorded: None"]

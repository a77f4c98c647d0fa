"""The OpenRPC document: all that is served is in it, and it stands on its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.unit.rpc.scripted_node import Served
from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import QUANTITY, QUANTITY_RESULT, STRING_RESULT, custom, record_of
from trinode.rpc.discover import openrpc_document
from trinode.rpc.reference import all_methods


async def nothing() -> None:
    return None


def references_in(value: Any) -> Iterator[str]:
    """All of them."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for each in value.values():
            yield from references_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from references_in(each)


async def test_it_tells_of_all_that_is_served() -> None:
    served = Served()
    document = await served.call("rpc.discover")
    assert [method["name"] for method in document["methods"]] == sorted(served.dispatcher.methods)
    assert document["info"]["title"] == "trinode"
    assert await served.call("rpc.discover") == document
    (sha3,) = [method for method in document["methods"] if method["name"] == "web3_sha3"]
    assert sha3 == {
        "name": "web3_sha3",
        "summary": "The Keccak-256 hash of data",
        "paramStructure": "by-position",
        "params": [{"name": "data", "required": True, "schema": {"type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$"}}],
        "result": {"name": "result", "schema": {"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"}},
    }


def test_it_stands_on_its_own() -> None:
    document = msgspec.json.decode(msgspec.json.encode(openrpc_document(all_methods(), "1.2.3")))
    assert document["openrpc"].startswith("1.3.")
    assert document["info"]["version"] == "1.2.3"
    schemas = document["components"]["schemas"]
    assert set(references_in(document)) == {f"#/components/schemas/{name}" for name in schemas}
    assert all(re.fullmatch(r"[a-zA-Z0-9.\-_]+", name) for name in schemas)
    for method in document["methods"]:
        names = [param["name"] for param in method["params"]]
        assert len(names) == len(set(names)), method["name"]
        assert method["summary"]
        assert "|" not in method["summary"]


def test_its_schemas_are_schemas() -> None:
    from tests.declared_schemas import checked, jsonschema  # noqa: PLC0415 - skips where there is no validator

    document = openrpc_document(all_methods(), "1")
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft7Validator.check_schema(schema)
        assert schema["title"] == name
    for method in all_methods().values():
        checked(method)


def test_one_name_for_two_schemas_is_refused() -> None:
    first = declare(nothing, "One", result=record_of("Thing", {"a": QUANTITY_RESULT}))
    same = declare(nothing, "The same", result=record_of("Thing", {"a": QUANTITY_RESULT}))
    other = declare(nothing, "Another", result=record_of("Thing", {"a": STRING_RESULT}))
    assert openrpc_document({"x_a": first, "x_b": same}, "1")["components"]["schemas"].keys() == {"Thing"}
    with pytest.raises(ValueError, match="two schemas are called Thing"):
        openrpc_document({"x_a": first, "x_b": other}, "1")


def test_a_property_may_be_called_title() -> None:
    method = declare(nothing, "One", result=record_of("Book", {"title": STRING_RESULT}))
    document = openrpc_document({"x_a": method}, "1")
    assert document["components"]["schemas"]["Book"]["properties"] == {"title": STRING_RESULT}


def test_a_default_is_told_of() -> None:
    async def latest(block: object) -> None:
        return None

    method = declare(latest, "One", Param("block", QUANTITY, required=False, default="latest"), result=STRING_RESULT)
    (described,) = openrpc_document({"x_a": method}, "1")["methods"]
    assert described["params"] == [{"name": "block", "required": False, "schema": QUANTITY.schema, "description": "latest if it is missing"}]


def test_required_parameters_stand_first() -> None:
    number = custom({"type": "number"}, lambda value, path: value)
    with pytest.raises(ValueError, match="a required parameter stands after an optional one"):
        Declared(nothing, "Never", (Param("a", number, required=False), Param("b", number)), QUANTITY_RESULT)


def test_the_validator_sees_what_is_wrong() -> None:
    from tests.declared_schemas import checked  # noqa: PLC0415

    method = declare(nothing, "One", Param("a", QUANTITY), result=record_of("Thing", {"a": QUANTITY_RESULT}))
    assert checked(method).result({"a": "0x1"}) == []
    assert checked(method).params(["0x1"]) == []
    for wrong in ({}, {"a": "0x01"}, {"a": 1}, {"a": "0x1", "b": "0x1"}, None):
        assert checked(method).result(wrong) != []
    for params in ([], [None], ["1"], ["0x1", "0x1"]):
        assert checked(method).params(params) != []

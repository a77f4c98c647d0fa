"""The document of `rpc.discover`: which methods are served, made of their declarations (OpenRPC 1.3; JSON Schema draft 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trinode.jsonrpc.declared import Declared, Param, Schema
from trinode.jsonrpc.kinds import ANY_OBJECT, STRING_RESULT, list_of, object_of

OPENRPC = "1.3.2"
"""The version of the specification."""

OPENRPC_RESULT: Schema = object_of({"openrpc": STRING_RESULT, "info": ANY_OBJECT, "methods": list_of(ANY_OBJECT), "components": ANY_OBJECT})
"""What the document looks like; the specification has a schema of its own for it."""

_REFERENCE = "#/components/schemas/"


def openrpc_document(methods: Mapping[str, Declared], version: str) -> dict[str, Any]:
    """The document; `version`: of our software. Schemas with a `title` stand in it once. Raises ValueError if two of them share one."""
    components = _Components()
    described = [_method(name, methods[name], components) for name in sorted(methods)]
    return {
        "openrpc": OPENRPC,
        "info": {"title": "trinode", "description": "An OP Stack node: its JSON-RPC", "version": version},
        "methods": described,
        "components": {"schemas": dict(sorted(components.schemas.items()))},
    }


def _method(name: str, method: Declared, components: _Components) -> dict[str, Any]:
    return {
        "name": name,
        "summary": method.summary,
        "paramStructure": "by-position",
        "params": [_param(param, components) for param in method.params],
        "result": {"name": "result", "schema": components.refer(method.result)},
    }


def _param(param: Param, components: _Components) -> dict[str, Any]:
    told = {"description": f"{param.default} if it is missing"} if isinstance(param.default, str | int) else {}
    return {"name": param.name, "required": param.required, "schema": components.refer(param.kind.schema)} | told


class _Components:
    """The schemas that have a title, by that; `schemas` has references in place of those inside."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}

    def refer(self, value: Any) -> Any:
        """A schema, or a part of one, with references in place of what has a title."""
        if isinstance(value, Mapping):
            inner = {name: self.refer(each) for name, each in value.items()}
            title = value.get("title")
            return self._note(title, inner) if isinstance(title, str) else inner
        return [self.refer(each) for each in value] if isinstance(value, list) else value

    def _note(self, title: str, schema: dict[str, Any]) -> dict[str, str]:
        if self.schemas.setdefault(title, schema) != schema:
            raise ValueError(f"two schemas are called {title}")
        return {"$ref": _REFERENCE + title}

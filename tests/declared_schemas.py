"""JSON values held against declared schemas, by a validator that is not ours (jsonschema, draft 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from trinode.jsonrpc.declared import Declared, Schema

jsonschema = pytest.importorskip("jsonschema")


class Checked:
    """A declared method's schemas. One that is no schema raises jsonschema.SchemaError."""

    def __init__(self, method: Declared) -> None:
        self._params = [_validator(param.kind.schema) for param in method.params]
        self._required = [param.required for param in method.params]
        self._result = _validator(method.result)

    def result(self, value: Any) -> list[str]:
        """Where a result is not as it was declared; in words."""
        return list(_problems(self._result, value, "result"))

    def params(self, values: Sequence[Any]) -> list[str]:
        """The same of parameters."""
        given = zip(self._params, self._required, [*values, *[None] * len(self._params)], strict=False)
        found = [f"{len(values)} parameters"] if len(values) > len(self._params) else []
        for index, (validator, required, value) in enumerate(given):
            if value is not None or required:
                found += _problems(validator, value, f"params[{index}]")
        return found


_MADE: dict[int, tuple[Declared, Checked]] = {}


def checked(method: Declared) -> Checked:
    """Of a method, made once; the method is kept, so that its identity stays its own."""
    if id(method) not in _MADE:
        _MADE[id(method)] = method, Checked(method)
    return _MADE[id(method)][1]


def _validator(schema: Schema) -> Any:
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def _problems(validator: Any, value: Any, path: str) -> Iterator[str]:
    for error in validator.iter_errors(value):
        yield f"{path}{error.json_path[1:]}: {error.message[:200]}"

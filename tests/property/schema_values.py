"""JSON values drawn from JSON Schemas (those words of draft 7 that our declarations use), and the same with something wrong in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

_NUMBERS = {"integer": st.integers, "number": lambda low, high: st.floats(low, high, allow_nan=False, allow_infinity=False) | st.integers()}
_KNOWN_WORDS = {"title", "description", "type", "const", "enum", "anyOf", "pattern", "minimum", "maximum", "items", "maxItems", "minItems"}
_KNOWN_WORDS |= {"properties", "required", "additionalProperties", "propertyNames", "minProperties"}
_DATA = re.compile(r"0x\[0-9a-fA-F\]\{(\d+)\}")
_QUANTITY = re.compile(r"0x\(0\|\[1-9a-fA-F\]\[0-9a-fA-F\]\{0,(\d+)\}\)")
_AT_ONCE = 3
"""Optional properties."""
_REFERENCE = "#/components/schemas/"

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(["0x", "0x0", "0x1", "0x01", "latest", "0x" + 64 * "f", "0x" + 65 * "1", "0x" + 40 * "0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


class SchemaValues:
    """Values for the schemas of one OpenRPC document. `familiar`: strings that mean something to who is asked, taken where they fit."""

    def __init__(self, document: Mapping[str, Any], familiar: Sequence[str]) -> None:
        self._components = document["components"]["schemas"]
        self._familiar = familiar
        self._made: dict[str, st.SearchStrategy[Any]] = {}

    def of(self, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        """Values that the schema allows."""
        if "$ref" in schema:
            return self._component(schema["$ref"].removeprefix(_REFERENCE))
        unknown = schema.keys() - _KNOWN_WORDS
        assert not unknown, f"no values are made for {unknown}"
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if "anyOf" in schema:
            return st.one_of([self.of(each) for each in schema["anyOf"]])
        match schema.get("type"):
            case "string":
                return self._string(schema.get("pattern"))
            case "object":
                return self._object(schema)
            case "array":
                return st.lists(self.of(schema.get("items", {})), min_size=schema.get("minItems", 0), max_size=min(schema.get("maxItems", 3), 4))
            case "integer" | "number" as kind:
                return _NUMBERS[kind](schema.get("minimum"), schema.get("maximum"))
            case "boolean":
                return st.booleans()
            case "null":
                return st.none()
            case None:
                return ANY_JSON
        raise AssertionError(f"no values are made for {schema}")

    def _component(self, name: str) -> st.SearchStrategy[Any]:
        if name not in self._made:
            self._made[name] = st.deferred(lambda: self.of(self._components[name]))
        return self._made[name]

    def _string(self, pattern: str | None) -> st.SearchStrategy[str]:
        if pattern is None:
            return st.text(max_size=8) | st.sampled_from(self._familiar)
        bare = pattern.removeprefix("^").removesuffix("$")
        fitting = [each for each in self._familiar if re.fullmatch(bare, each)]
        return st.one_of(st.sampled_from(fitting), _matching(bare)) if fitting else _matching(bare)

    def _object(self, schema: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
        properties = {name: self.of(each) for name, each in schema.get("properties", {}).items()}
        required = schema.get("required", ())
        optional = [name for name in properties if name not in required]
        # Few at once: with many, there is always one that does not go with another.
        chosen = st.lists(st.sampled_from(optional), unique=True, max_size=_AT_ONCE) if optional else st.just([])
        named = chosen.flatmap(lambda names: st.fixed_dictionaries({name: properties[name] for name in (*required, *names)}))
        others = schema.get("additionalProperties", False)  # nothing is gained by what is passed over
        if others is False:
            return named
        names = self.of(schema.get("propertyNames", {"type": "string"}))
        more = st.dictionaries(names, self.of({} if others is True else others), min_size=schema.get("minProperties", 0), max_size=2)
        return st.tuples(more, named).map(lambda both: both[0] | both[1])


def _matching(pattern: str) -> st.SearchStrategy[str]:
    """What matches; bytes and numbers in hex are drawn as such, which takes less time than digit by digit."""
    data, quantity = _DATA.fullmatch(pattern), _QUANTITY.fullmatch(pattern)
    if data is not None:
        size = int(data[1]) // 2
        return st.binary(min_size=size, max_size=size).map(lambda value: "0x" + value.hex())
    if quantity is not None:
        return st.integers(0, 16 ** (int(quantity[1]) + 1) - 1).map(hex)
    return st.from_regex(pattern, fullmatch=True)


@st.composite
def damaged(draw: st.DrawFn, value: Any) -> Any:
    """A value with one place in it replaced, left out or doubled."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(value)))
        if draw(st.booleans()):
            return {key: each for key, each in value.items() if key != name}
        return value | {name: draw(damaged(value[name]))}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        index = draw(st.integers(0, len(value) - 1))
        middle = draw(st.sampled_from([[], [value[index]] * 2]) | damaged(value[index]).map(lambda each: [each]))
        return value[:index] + middle + value[index + 1 :]
    if isinstance(value, str) and value and draw(st.booleans()):
        index = draw(st.integers(0, len(value) - 1))
        return value[:index] + draw(st.text(max_size=2)) + value[index + draw(st.integers(0, 2)) :]
    return draw(ANY_JSON)

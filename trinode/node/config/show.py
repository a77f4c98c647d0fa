"""What `trinode config show` prints: every option, its value without secrets, and where it comes from."""

from __future__ import annotations

import json

from trinode.node.config.model import NodeConfig, Setting


def shown(setting: Setting) -> str | list[str] | None:
    """The value as text, secrets hidden: a list for options that are lists, None if nothing is set."""
    show = setting.option.kind.show
    if setting.option.many:
        return [show(value) for value in setting.value]
    return None if setting.value is None else show(setting.value)


def show_text(config: NodeConfig) -> str:
    """A table of name, value and source."""
    rows = [("OPTION", "VALUE", "FROM")]
    for setting in config.settings:
        value = shown(setting)
        if isinstance(value, list):
            value = ",".join(value)
        rows.append((setting.option.name, value or setting.option.unset, setting.source))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(f"{name.ljust(widths[0])}  {value.ljust(widths[1])}  {source}".rstrip() for name, value, source in rows)


def show_json(config: NodeConfig) -> str:
    """A list of objects with `name`, `value` (text, list of texts or null) and `from`."""
    rows = [{"name": setting.option.name, "value": shown(setting), "from": setting.source} for setting in config.settings]
    return json.dumps(rows, indent=2)

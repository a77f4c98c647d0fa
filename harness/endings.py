"""How the commands of `trinode-harness` end: exit statuses, and the one line that says why."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

EXIT_DIFFERENT = 1
EXIT_BAD_INPUT = 2


def fail(message: str, status: int = EXIT_BAD_INPUT) -> NoReturn:
    """End with one line on stderr."""
    click.echo(f"trinode-harness: {message}", err=True)
    sys.exit(status)

"""Puts the client libraries of Ethereum developers into a folder, where the tests look for them: viem, ethers and cast from npm, web3.py from
PyPI, in the versions that `package-lock.json` and `requirements.txt` name.

    python -m harness.clients.install FOLDER        then: TRINODE_PEERS=FOLDER tox -e peers

It needs npm, and takes about two minutes and 280 MB.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click

from harness.clients import SCRIPTS


def install(folder: Path) -> None:
    """Fills the folder. Raises subprocess.CalledProcessError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SCRIPTS / name, folder / name)
    # `npm ci` would want the lock file to have cast's programs for every system, also those that a registry does not have
    subprocess.run(["npm", "install", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"], cwd=folder, check=True)
    environment = folder / "web3"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin" / "pip", "install", "--quiet", "-r", SCRIPTS / "requirements.txt"], check=True)


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def main(folder: Path) -> None:
    """The command."""
    if shutil.which("npm") is None:
        raise click.ClickException("npm is not on PATH")
    try:
        install(folder)
    except subprocess.CalledProcessError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()

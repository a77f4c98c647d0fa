"""Puts the client libraries of Ethereum developers into a folder, where the tests look for them: viem, ethers and cast from npm, web3.py from
PyPI, in the versions that `package-lock.json` and `requirements.txt` name.

    python -m harness.clients.install FOLDER        then: TRINODE_PEERS=FOLDER tox -e peers

It needs npm, and takes about two minutes and 280 MB.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.clients import SCRIPTS
from harness.npm import install_command, install_packages


def install(folder: Path) -> None:
    """Fills the folder. Raises subprocess.CalledProcessError."""
    install_packages(SCRIPTS, folder)
    environment = folder / "web3"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin" / "pip", "install", "--quiet", "-r", SCRIPTS / "requirements.txt"], check=True)


main = install_command(install, __doc__)

if __name__ == "__main__":
    main()

"""The datadir is one process's, and what is wrong with it is said in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trinode.node import datadir


def test_it_is_made_and_says_who_holds_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with datadir.held(folder):
        assert (folder / "LOCK").read_text() == f"{os.getpid()}\n"
    with datadir.held(folder):
        pass


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from trinode.node import datadir\nwith datadir.held(Path({str(tmp_path)!r})): pass"
    with datadir.held(tmp_path):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"another trinode uses it (process {os.getpid()})" in done.stderr


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("")
    with pytest.raises(datadir.DatadirError, match=r"data: cannot be written to: File exists\. Give another folder"), datadir.held(path):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(datadir.DatadirError, match="Permission denied"), datadir.held(tmp_path / "data"):
        pass

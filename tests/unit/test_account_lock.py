"""One worker for each account."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from veriframe.account_lock import account_lock, holder
from veriframe.disk import try_lock
from veriframe.errors import SettingsError

HOLD = """
import sys
from pathlib import Path
from veriframe.account_lock import account_lock
with account_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_worker_is_refused_with_the_first_ones_process(tmp_path: Path) -> None:
    """fault_49: one clear sentence with the process and the remedy; the lock stays with the first."""
    file = tmp_path / "folder" / "worker.lock"
    with account_lock(file):
        for _ in range(2):
            sentence = f"process {os.getpid()}.*account worker.*--account"
            with pytest.raises(SettingsError, match=sentence), account_lock(file):
                pytest.fail("two workers for one account")


def test_the_lock_is_free_afterwards(tmp_path: Path) -> None:
    """Also after an error."""
    file = tmp_path / "worker.lock"
    with pytest.raises(KeyError), account_lock(file):
        raise KeyError
    with account_lock(file):
        assert file.read_text() == str(os.getpid())


def test_the_lock_is_released_when_its_process_dies(tmp_path: Path) -> None:
    """fault_49: a killed worker leaves no lock behind, and its process id is replaced by the next one's."""
    file = tmp_path / "worker.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(SettingsError, match=f"process {holder.pid}"), account_lock(file):
        pytest.fail("two workers for one account")
    holder.kill()
    holder.communicate()
    with account_lock(file):
        assert file.read_text() == str(os.getpid())


def test_other_accounts_work_at_the_same_time(tmp_path: Path) -> None:
    """The lock is for an account, not for the machine."""
    with account_lock(tmp_path / "one.lock"), account_lock(tmp_path / "two.lock"):
        assert (tmp_path / "two.lock").exists()


def test_a_lock_that_cannot_be_made_names_the_remedy(tmp_path: Path) -> None:
    """fault_189: a file is in the place of the folder: a restart of the service would change nothing."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="Set home"), account_lock(tmp_path / "file" / "a.lock"):
        pytest.fail("no lock can be there")


def test_the_holder_is_told_without_taking_the_lock(tmp_path: Path) -> None:
    """None while there is none, also after one; a worker may start afterwards."""
    file = tmp_path / "worker.lock"
    assert holder(file) is None
    for _ in range(2):
        with account_lock(file):
            assert holder(file) == str(os.getpid())
        assert holder(file) is None


def test_a_worker_starts_while_somebody_asks_for_the_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_185: who asks has the lock for a moment."""
    file = tmp_path / "worker.lock"
    file.touch()
    asking = os.open(file, os.O_RDONLY)
    assert try_lock(asking, shared=True)
    monkeypatch.setattr("time.sleep", lambda _seconds: os.close(asking))
    with account_lock(file):
        assert holder(file) == str(os.getpid())

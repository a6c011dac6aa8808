"""A worker with a second node: both have the result before the submission, and neither after the pay."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.e2e.embedded import WAIT_SECONDS, Embedded, wait_for
from tests.e2e.test_kill_ipfs import posted
from tests.nodes import Kubo, kubo
from tests.scenes.blend_bytes import blend, block

from veriframe.model.attempt.attempt import Stage

pytestmark = pytest.mark.slow


def pinned(node: Kubo, cid: str) -> bool:
    """Whether a node pins this content as a result."""
    return f"veriframe:{cid}:job-result-" in node.run("pin", "ls", "--names", "--type=recursive").decode()


def test_a_result_is_kept_twice_until_it_is_paid(embedded: Embedded, tmp_path: Path) -> None:
    """fault_54, fault_56: by the settings alone; the log reports the copy."""
    scene = embedded.home / "scene.blend"
    scene.write_bytes(blend(block(b"TEST")))
    with kubo(tmp_path / "one") as one, kubo(tmp_path / "two") as two:
        posted(embedded, one, scene)
        settings = (f"ipfs_api={one.api_url}", f"ipfs_replica_api={two.api_url}", "replica_required=true")
        worker = embedded.start({}, *(word for setting in settings for word in ("--set", setting)), "worker")
        wait_for(lambda: embedded.stages() == [Stage.SUBMITTED])
        (attempt,) = embedded.attempts()
        assert (pinned(one, attempt.result_cid), pinned(two, attempt.result_cid)) == (True, True)
        assert '"event": "copy_confirmed"' in embedded.log()
        embedded.accept_all()
        wait_for(lambda: embedded.stages() == [Stage.PAID])
        wait_for(lambda: not pinned(two, attempt.result_cid))
        assert not pinned(one, attempt.result_cid)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(WAIT_SECONDS) == 0

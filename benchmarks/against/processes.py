"""Processes of a revision: commands that post jobs, and a worker with its log."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.against import log
from benchmarks.against.revisions import Revision

START_SECONDS = 180.0
STOP_SECONDS = 10.0
TERMS = ("--reward", "1", "--yes", "--json")
CREATORS = "creator"
FIRST_CREATOR = f"{CREATORS}-0"


class Failed(Exception):
    """A process of a revision did not do what was measured; the message says what it did."""


@dataclass(frozen=True)
class Home:
    """A home folder of a revision, and the variables of its account."""

    revision: Revision
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its processes."""
        return self.revision.environment(self.folder, self.variables)

    @property
    def is_on_chain(self) -> bool:
        """Whether its registry is on StarkNet."""
        return "STARKNET_RPC" in self.variables

    def run(self, *commands: Sequence[str | Path]) -> tuple[list[log.Event], str]:
        """Run commands. Returns the events on stderr, and stdout. Raises `Failed`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        ran = subprocess.run(
            self.revision.command(*commands, chain=self.is_on_chain),
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            words = " ".join(map(str, commands[0]))
            raise Failed(f"{self.revision.name}: `veriframe {words}` failed: {ran.stderr.strip()[-500:]}")
        return log.parse(ran.stderr.splitlines()), ran.stdout

    def post(self, scenes: Sequence[Path], creators: str = CREATORS) -> list[log.Event]:
        """Post a job for each scene, each by another creator; their names begin with `creators`.

        Nothing is known of them, so that a worker treats all alike. Returns the `order_created` events, in
        the same order. Raises `Failed`.
        """
        commands: list[Sequence[str | Path]] = [
            ("--account", f"{creators}-{number}", "job", "create", scene, *TERMS, *self.revision.unchecked)
            for number, scene in enumerate(scenes)
        ]
        events, _ = self.run(*commands)
        return [event for event in events if event["event"] == "order_created"]


class Worker:
    """A running worker process."""

    def __init__(self, home: Home, process: subprocess.Popen[bytes], file: Path, started_at: float) -> None:
        self.home, self.pid, self.started_at = home, process.pid, started_at
        self._process, self._file = process, file

    @property
    def events(self) -> list[log.Event]:
        """All events so far."""
        return log.parse(self._file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True))

    def wait_for(self, stage: str, jobs: Collection[int], seconds: float) -> Mapping[int, float]:
        """When each of these jobs reached the stage. Raises `Failed`, `TimeoutError`."""
        end = time.monotonic() + seconds
        while missing := set(jobs) - (times := log.reached(events := self.events, stage)).keys():
            if lost := [told for job_id, told in log.given_up(events).items() if job_id in missing]:
                raise Failed(f"{self.home.revision.name}: {'; '.join(lost[:3])}")
            self._require_running()
            if time.monotonic() > end:
                raise TimeoutError(f"{self.home.revision.name}: {len(missing)} jobs did not reach {stage}")
            time.sleep(0.1)
        return times

    def wait_until_started(self) -> None:
        """Wait until the worker says that it works. Raises `Failed`."""
        end = time.monotonic() + START_SECONDS
        while not any(event["event"] == "worker_started" for event in self.events):
            self._require_running()
            if time.monotonic() > end:
                raise Failed(f"{self.home.revision.name}: the worker did not start")
            time.sleep(0.1)

    def _require_running(self) -> None:
        if self._process.poll() is not None:
            text = self._file.read_text(encoding="utf-8", errors="replace")[-1000:]
            raise Failed(f"{self.home.revision.name}: the worker ended: {text}")


@contextmanager
def working(home: Home, **options: object) -> Iterator[Worker]:
    """A worker of this home, with the probes of `driven.py`. It is stopped at once at the end."""
    home.folder.mkdir(parents=True, exist_ok=True)
    file = home.folder / "worker.log"
    with file.open("ab") as stream:
        started_at = time.time()
        process = subprocess.Popen(
            home.revision.command(("worker",), chain=home.is_on_chain, **options),
            env=home.environment,
            cwd=home.folder,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    try:
        worker = Worker(home, process, file, started_at)
        worker.wait_until_started()
        yield worker
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The first signal would let claimed jobs finish, the second stops them."""
    for seconds in (0.5, STOP_SECONDS):
        process.terminate()
        try:
            process.wait(seconds)
            return
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait()


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            parents[int(folder.name)] = int(fields[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def processor_seconds(pid: int) -> float:
    """What a process and its descendants have used. Ended ones count for the parent that awaited them."""
    ticks = sum(sum(map(int, fields[11:15])) for one in family(pid) if (fields := _stat(one)))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_bytes(pids: Sequence[int]) -> int:
    """The memory of processes: their shares of shared pages (PSS), or their RSS if that is not readable."""
    return sum(_pss(pid) or _rss(pid) for pid in pids)


def _pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def _rss(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def _stat(pid: int) -> list[str]:
    """The fields after the name, from the state on; empty if the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()

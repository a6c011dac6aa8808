"""A shell for the tests of `veriframe job`: commands on fakes, with or without a person at the keyboard."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.fakes.registry import FakeRegistry, Shared
from tests.fakes.renderer import FakeRenderer
from tests.scenes.blend_bytes import blend, block
from tests.unit.creator.stage import ARTIST, PNG, STRK, Stage
from typer import testing
from typer.testing import Result

from veriframe.cli import context, job
from veriframe.errors import SettingsError, VeriFrameError
from veriframe.ports.registry import Snapshot

SCENE = blend(block(b"REND", b"x" * 72))


class Acting(FakeRegistry):
    """Runs the next of `acts` before each poll of a job, as other accounts would do meanwhile."""

    def __init__(self, account: int, shared: Shared, wallet_fri: int = 0) -> None:
        super().__init__(account, shared, wallet_fri=wallet_fri)
        self.acts: list[Callable[[], Awaitable[object]]] = []

    async def snapshot(self, first: int, count: int) -> Snapshot:
        """Some jobs, after the next act."""
        if self.acts and count:
            await self.acts.pop(0)()
        return await super().snapshot(first, count)


class Keyboard(io.BytesIO):
    """The input of a person at a terminal."""

    def isatty(self) -> bool:
        """Always true."""
        return True


class Shell:
    """Runs commands as the creator and records the accounts that the wiring was asked for."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.app = job.app
        self.creator_registry = Acting(ARTIST, stage.shared)
        self.accounts: list[str] = []
        self.renderer = FakeRenderer()
        self.no_blender: SettingsError | None = None

    def registry(self, _settings: object, account: str, _on_new_account: object) -> FakeRegistry:
        """Replaces `registries.embedded`."""
        self.accounts.append(account)
        return self.creator_registry

    def reader(self, _settings: object, account: str) -> FakeRegistry:
        """Replaces `registries.reader`."""
        return self.registry(_settings, account, None)

    async def build_renderer(self, _settings: object) -> FakeRenderer:
        """Replaces `renderers.build_for_one`."""
        if self.no_blender is not None:
            raise self.no_blender
        return self.renderer

    def run(self, *arguments: str, typed: str | None = None) -> Result:
        """Run a command, without a terminal unless `typed` is given."""
        with pytest.MonkeyPatch.context() as patched:
            if typed is not None:
                keyboard = Keyboard(typed.encode())
                patched.setattr(testing, "make_input_stream", lambda _input, _charset: keyboard)
            return testing.CliRunner().invoke(self.app, arguments)

    def object(self, *arguments: str) -> dict[str, Any]:
        """Run a command that prints one JSON object and nothing else on stdout."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.exception
        answer = json.loads(result.stdout)
        assert isinstance(answer, dict)
        return answer

    def refusal(self, *arguments: str) -> VeriFrameError:
        """Run a command that ends with a `VeriFrameError`, which `main` turns into a sentence and a code."""
        result = self.run(*arguments)
        assert isinstance(result.exception, VeriFrameError), result.output
        return result.exception

    def create(self, *arguments: str) -> Result:
        """Post the scene."""
        return self.run("create", str(self.stage.scene), "--reward", "5", "--yes", *arguments)


def plain(result: Result) -> str:
    """The output with single spaces, without the line breaks of a terminal."""
    return " ".join(result.output.split())


def lines(result: Result) -> list[dict[str, Any]]:
    """The JSON objects of the output, one a line."""
    return [json.loads(line) for line in result.stdout.splitlines()]


async def claim_first(shell: Shell) -> None:
    """Claim job 1 as the worker."""
    await claim(shell, 1)


async def claim(shell: Shell, job_id: int) -> None:
    """Claim a job as the worker."""
    await shell.stage.worker.deposit(STRK)
    await shell.stage.worker.claim(job_id)


def submit(shell: Shell, *job_ids: int) -> None:
    """Claim jobs as the worker, and submit a picture for each."""

    async def work() -> None:
        for job_id in job_ids:
            await claim(shell, job_id)
            await shell.stage.worker.submit_result(job_id, shell.stage.store.keep(PNG))

    context.run(work())

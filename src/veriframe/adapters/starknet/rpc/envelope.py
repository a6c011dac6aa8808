"""Parses the envelope of JSON-RPC 2.0 strictly: answers from nodes are untrusted input."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, NoReturn

RESPONSE_MAX_BYTES = 16 * 1024 * 1024
"""The largest answer. A full read of 10 000 jobs is 4 MB."""
PAUSE_CAP_SECONDS = 300.0
"""The longest `Retry-After` that is followed."""

_THREAD_BYTES = 256 * 1024
_INVALID_PARAMS = -32602
_TEXT_MAX = 2000


class RpcError(Exception):
    """A node's error: `code` of the StarkNet specification, `data` as JSON."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{message} (code {code})")
        self.code = code
        self.message = message
        self.data = data


class EndpointFailed(Exception):
    """An endpoint returned no valid answer; another may. `pause_seconds`: the pause that it requests."""

    def __init__(self, reason: str, pause_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.pause_seconds = pause_seconds


async def parse_answers(body: bytes, first_id: int, count: int) -> Sequence[Any]:
    """Returns the results of the calls `first_id` …, in order, with an `RpcError` for each that failed.

    Raises `EndpointFailed` if the body is not exactly the answers to these calls, or if an error is the
    server's own (-32768 … -32000) and not an answer.
    """
    try:
        # Large bodies are parsed in a thread, so that the event loop is not blocked.
        parsed = await asyncio.to_thread(_parse, body) if len(body) > _THREAD_BYTES else _parse(body)
    except (ValueError, RecursionError) as error:
        raise EndpointFailed("its answer is not JSON") from error
    answers = parsed if isinstance(parsed, list) and count > 1 else [parsed]
    by_id = {id_of(answer): answer for answer in answers}
    wanted = range(first_id, first_id + count)
    if len(answers) != count or set(by_id) != set(wanted):
        for answer in answers:
            _read_error(answer)  # An error about the request as a whole has no id.
        raise EndpointFailed("its answer has the wrong id")
    return [_result(by_id[number]) for number in wanted]


def parse_pause(text: str | None) -> float | None:
    """Returns the seconds of a `Retry-After`, capped; `None` if it is not a number."""
    if text is None or not text.strip().isascii() or not text.strip().isdigit():
        return None
    return min(float(text.strip()[:9]), PAUSE_CAP_SECONDS)


def id_of(answer: object) -> int | None:
    """Returns the id of an answer of the right version; `None` for everything else."""
    if not isinstance(answer, dict) or answer.get("jsonrpc") != "2.0":
        return None
    number = answer.get("id")
    return number if type(number) is int else None


def _parse(body: bytes) -> object:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(body.decode("utf-8"), parse_constant=refuse)


def _result(answer: object) -> Any:  # noqa: ANN401 - JSON
    assert isinstance(answer, dict), "it has an id"
    if ("result" in answer) == ("error" in answer):
        raise EndpointFailed("its answer has neither a result nor an error, or both")
    if "result" in answer:
        return answer["result"]
    if (error := _read_error(answer)) is None:
        raise EndpointFailed("its error has no code")
    return error


def _read_error(answer: object) -> RpcError | None:
    """Returns the error in an answer. Raises `EndpointFailed` if it is the server's own error."""
    error = answer.get("error") if isinstance(answer, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    if not isinstance(error, dict) or type(code) is not int:
        return None
    message = "".join(c for c in str(error.get("message", ""))[:_TEXT_MAX] if c.isprintable())
    if -32768 <= code <= -32000 and code != _INVALID_PARAMS:
        raise EndpointFailed(f"the server has an error (code {code}: {message[:200]})")
    return RpcError(code, message, error.get("data"))

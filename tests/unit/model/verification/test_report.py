"""`verification.json`: written as it is read, free of places, and refused if it is anything else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from veriframe.errors import Code, ValidationFailed
from veriframe.model.rendering.frames import Region
from veriframe.model.verification import report
from veriframe.model.verification.findings import (
    Conclusion,
    FrameFinding,
    JobFinding,
    Subject,
    TileFinding,
)
from veriframe.model.verification.report import parse_report, public, schema, write_report
from veriframe.model.verification.rule import Differences

HERE = Region(left=64, top=0, width=64, height=36)
WRONG = TileFinding(
    tile=1,
    region=HERE,
    subject=Subject.NOISY,
    conclusion=Conclusion.WRONG,
    reason="it differs",
    worker=Differences((0.25, 0.5, 1.0), 0.5),
    honest=Differences((1e-7, 2e-7, 3e-7)),
    early=Differences((0.01, 0.02, 0.03), 0.5),
)
EXACT = TileFinding(tile=0, region=HERE, subject=Subject.DELIVERED, conclusion=Conclusion.EXACT)
JOB = JobFinding(
    job=12,
    order=3,
    asset_cid="bafyasset",
    result_cid="bafyresult",
    seed_block=70,
    seed="ab" * 32,
    blender="4.5.15 LTS",
    build_hash="abc",
    machine_class="x/CPU",
    worker_class="y/CPU",
    frames=(FrameFinding(number=1, tiles=(EXACT, WRONG)), FrameFinding(number=7, tiles=(EXACT,))),
    notes=("a note",),
    seconds=1.5,
    fetched_bytes=1000,
    tiles_of_frame=2,
    frames_of_job=10,
)

texts = st.text(max_size=60) | st.from_regex(r"[a-z /~.:@\\\[\]0-9-]{0,40}", fullmatch=True)
counts = st.integers(0, 2**64 - 1)
differences = st.builds(Differences, st.tuples(*[st.floats(0, 2)] * 3), st.floats(0, 1))
regions = st.builds(
    Region,
    left=st.integers(0, 999),
    top=st.integers(0, 999),
    width=st.integers(1, 64),
    height=st.integers(1, 64),
)
tiles = st.builds(
    TileFinding,
    tile=st.integers(-1, 2**20 - 1),
    region=regions,
    subject=st.sampled_from(Subject),
    conclusion=st.sampled_from(Conclusion),
    reason=texts,
    worker=st.none() | differences,
    honest=st.none() | differences,
    early=st.none() | differences,
)
frames = st.builds(
    FrameFinding,
    number=st.integers(0, 1000),
    tiles=st.lists(tiles, max_size=3).map(tuple),
    conclusion_of_its_own=st.sampled_from(Conclusion),
    reason=texts,
    is_whole=st.booleans(),
)
jobs = st.builds(
    JobFinding,
    job=counts,
    order=counts,
    asset_cid=texts,
    result_cid=texts,
    seed_block=counts,
    seed=st.just("0f" * 32),
    blender=texts,
    build_hash=texts,
    machine_class=texts,
    worker_class=texts,
    frames=st.lists(frames, max_size=3, unique_by=lambda frame: frame.number).map(tuple),
    conclusion_of_its_own=st.sampled_from(Conclusion),
    reason=texts,
    notes=st.lists(texts, max_size=20).map(tuple),
    seconds=st.floats(0, 1e6),
    fetched_bytes=counts,
    tiles_of_frame=st.integers(0, 100),
    frames_of_job=st.integers(0, 100),
    are_named=st.booleans(),
)


@given(st.lists(jobs, max_size=3, unique_by=lambda job: job.job))
@settings(deadline=None, max_examples=50)
def test_it_is_written_as_it_is_read(findings: list[JobFinding]) -> None:
    """Whatever the texts are: the findings without their places, and the same bytes again."""
    content = write_report(findings)
    parsed = parse_report(content)
    assert parsed == tuple(map(public, findings))
    assert write_report(parsed) == content


def test_what_it_says() -> None:
    """Its kind, and of each job the conclusion with its sentence and the reason."""
    told = json.loads(write_report([JOB]))
    assert (told["veriframe"], told["kind"]) == (1, "verification")
    assert list(told) == sorted(told)
    (job,) = told["jobs"]
    assert list(job) == sorted(job)
    assert job["conclusion"] == "WRONG"
    assert job["sentence"].endswith("Frame 1, tile 1, at pixel 64, 0: it differs")
    assert [frame["conclusion"] for frame in job["frames"]] == ["WRONG", "EXACT"]
    assert parse_report(write_report([JOB])) == (JOB,)


@pytest.mark.parametrize(
    "place",
    [
        "/home/jane/scene.blend",
        "/home/Jane van Doe/scene.blend",
        "~jane/scene.blend",
        "../jane/scene.blend",
        "C:\\Users\\Jane Doe\\scene.blend",
        "\\\\jane\\share",
        "http://jane:5001/api",
        "jane@10.0.0.7",
        "10.0.0.7:5001",
        "[fe80::7]:5001",
        "localhost:5001",
    ],
)
def test_places_are_left_out(place: str) -> None:
    """fault_260: the text of an error names a path, a host or a user of the verifier's machine."""
    text = f"it cannot be rendered here: “{place}” is missing"
    tile = replace(WRONG, reason=text)
    frame = FrameFinding(number=1, tiles=(tile,), conclusion_of_its_own=Conclusion.WRONG, reason=text)
    content = write_report([replace(JOB, frames=(frame,), reason=text, notes=(text,))]).decode().lower()
    assert not any(
        word in content for word in ("jane", "doe", "scene.blend", "10.0.0.7", "fe80", "localhost")
    )
    assert content.count("it cannot be rendered here: ") == 5


def changed(path: str, value: Any) -> bytes:
    """A report in which one thing is another; `path` leads to it, such as `jobs.0.seed`."""
    told = json.loads(write_report([JOB]))
    *way, last = path.split(".")
    at = told
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    at[last] = value
    return json.dumps(told).encode()


TILE = "jobs.0.frames.0.tiles.1"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("veriframe", 2),
        ("kind", "manifest"),
        ("extra", 1),
        ("jobs.0.extra", 1),
        ("jobs.0.job", -1),
        ("jobs.0.job", 2**64),
        ("jobs.0.job", "12"),
        ("jobs.0.job", True),
        ("jobs.0.seed", "ab" * 31),
        ("jobs.0.seed", "ab" * 32 + "\n"),
        ("jobs.0.reason", "x" * 1001),
        ("jobs.0.reason", "right\u202eto left"),
        ("jobs.0.worker_class", "two\nlines"),
        ("jobs.0.result_cid", "b" * 129),
        ("jobs.0.notes", ["x"] * 17),
        ("jobs.0.seconds", -1),
        ("jobs.0.frames.0.number", -1),
        ("jobs.0.frames.0.number", 2_000_000),
        ("jobs.0.frames.0.number", 7),
        (f"{TILE}.tile", -2),
        (f"{TILE}.tile", 2**20),
        (f"{TILE}.subject", "another"),
        (f"{TILE}.conclusion", "RIGHT"),
        (f"{TILE}.region.width", 0),
        (f"{TILE}.region.left", 10**9),
        (f"{TILE}.worker.quantiles", [0.1, 0.2]),
        (f"{TILE}.worker.quantiles", [0.1, 0.2, 2.5]),
        (f"{TILE}.worker.outliers", 1.5),
    ],
)
def test_what_is_refused(path: str, value: object) -> None:
    """fault_261: a report that another party wrote is strange, huge, or no report."""
    assert parse_report(changed("jobs.0.seconds", 2)) == (replace(JOB, seconds=2.0),)
    with pytest.raises(ValidationFailed) as refused:
        parse_report(changed(path, value))
    assert refused.value.code is Code.BAD_REPORT


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-1e999"])
def test_numbers_that_are_none(number: str) -> None:
    """Python's JSON would read them."""
    content = write_report([JOB]).replace(b'"outliers":0.5', f'"outliers":{number}'.encode())
    with pytest.raises(ValidationFailed):
        parse_report(content)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("jobs.0.conclusion", "EXACT"),
        ("jobs.0.frames.0.conclusion", "EXACT"),
        ("jobs.0.frames.1.conclusion", "WRONG"),
        (f"{TILE}.conclusion", "EXACT"),
    ],
)
def test_conclusions_follow_from_tiles(path: str, value: str) -> None:
    """fault_262: a report says another thing above than below."""
    with pytest.raises(ValidationFailed, match="does not follow"):
        parse_report(changed(path, value))


def test_a_job_twice() -> None:
    """One of them might be taken for the other."""
    with pytest.raises(ValidationFailed, match="a job is named twice"):
        parse_report(write_report([JOB, JOB]))


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff", b"1", b"{}"])
def test_what_is_no_report(content: bytes) -> None:
    """Whatever lies there, one sentence tells."""
    with pytest.raises(ValidationFailed) as refused:
        parse_report(content)
    assert refused.value.code is Code.BAD_REPORT


def test_a_report_that_is_too_long() -> None:
    """Even if the rest is only space."""
    with pytest.raises(ValidationFailed, match="longer"):
        parse_report(write_report([JOB]).ljust(report.MOST_BYTES + 1))


def test_a_key_twice() -> None:
    """Two programs might each take another one."""
    with pytest.raises(ValidationFailed, match="twice"):
        parse_report(write_report([JOB]).replace(b'"seconds":', b'"seconds":9,"seconds":'))


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({str(number): 0 for number in range(10_000)}).encode(),
        changed("jobs.0.frames.0.tiles", [0] * 10_000),
        changed("jobs.0.frames", [0] * 10_000),
        changed("jobs", [0] * 1000),
    ],
)
def test_many_faults_cost_as_much_as_one(content: bytes) -> None:
    """A report of millions of faults takes no gigabytes to refuse."""
    with pytest.raises(ValidationFailed) as refused:
        parse_report(content)
    cause = refused.value.__context__
    assert isinstance(cause, ValueError)
    assert not isinstance(cause, ValidationError) or cause.error_count() == 1


def test_a_report_that_nobody_would_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused where it is written, with the remedy."""
    monkeypatch.setattr(report, "MOST_BYTES", 1000)
    with pytest.raises(ValidationFailed, match="fewer") as refused:
        write_report([JOB])
    assert refused.value.code is Code.BAD_REPORT


def test_the_schema() -> None:
    """The published schema is as strict as the program."""
    assert schema()["additionalProperties"] is False
    assert all(
        part["additionalProperties"] is False for part in schema()["$defs"].values() if "properties" in part
    )
    assert set(json.loads(write_report([JOB]))) == set(schema()["required"])

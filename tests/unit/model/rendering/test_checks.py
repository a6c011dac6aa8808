"""The scene check: versions, reports from inside the sandbox, and the limits of a scene."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.renderer import INSPECTION

from veriframe.errors import Code, JobRejected
from veriframe.model.rendering.checks import (
    MOST_CHARACTERS,
    MOST_NAMES,
    check_version,
    judge,
    parse_inspection,
    with_still,
)
from veriframe.model.rendering.scene import (
    BlenderVersion,
    MissingFile,
    SceneHeader,
    SceneLimits,
    Wrapping,
)
from veriframe.model.text import printable, some_names

HEADER = SceneHeader(version=BlenderVersion(4, 5), wrapping=Wrapping.ZSTD, blocks=9, unpacked_bytes=999)
GOOD = replace(INSPECTION, width=1920, height=1080, samples=128)
RAW: dict[str, Any] = json.loads(json.dumps(asdict(GOOD)))
HOSTILE = "a\x1b[31m\u202egnp.\n\u2028\ud800\x00b"
SHOWN = "a\ufffd[31m\ufffdgnp.\ufffd\ufffd\ufffd\ufffdb"


def _missing(path: str, *, used: bool = True) -> MissingFile:
    return MissingFile(kind="image", name="wood", path=path, used=used)


def _refusal(**changes: Any) -> JobRejected:
    with pytest.raises(JobRejected) as raised:
        judge(HEADER, replace(GOOD, **changes), SceneLimits())
    return raised.value


def _warnings(**changes: Any) -> tuple[str, ...]:
    return judge(HEADER, replace(GOOD, **changes), SceneLimits()).warnings


def test_scenes_of_the_renderers_own_release_line_fit() -> None:
    """Both numbers of the version agree."""
    check_version(HEADER.version, BlenderVersion(4, 5))


@pytest.mark.parametrize("renderer", [BlenderVersion(4, 4), BlenderVersion(4, 6), BlenderVersion(5, 0)])
def test_other_release_lines_are_refused_with_the_remedy(renderer: BlenderVersion) -> None:
    """fault_19: both older and newer ones; the sentence has both versions and the remedy."""
    with pytest.raises(JobRejected) as raised:
        check_version(HEADER.version, renderer)
    assert raised.value.code == Code.VERSION
    assert re.search(rf"4\.5.*{renderer}.*BLENDER_PATH", str(raised.value))


def test_settings_that_are_turned_off_are_told() -> None:
    """fault_198: a border of a crop was rendered as the whole picture, without a word."""
    (warning,) = _warnings(ignored=("Render Region", "Stereoscopy"))
    assert ("Render Region" in warning, "Stereoscopy" in warning) == (True, True)


@pytest.mark.parametrize(
    ("first", "last", "warned"), [(1, 250, False), (1, 1, False), (2, 9, True), (-9, 0, True)]
)
def test_a_still_outside_the_scenes_range_is_told(first: int, last: int, warned: bool) -> None:
    """fault_198: frame 1 of an animation that begins later may show nothing."""
    verdict = judge(HEADER, replace(GOOD, frame_start=first, frame_end=last), SceneLimits())
    assert bool(with_still(verdict).warnings) is warned


def test_a_hopeless_frame_is_refused() -> None:
    """fault_199: before a claim, and by the samples of what is rendered; other engines take none of paths."""
    limits = SceneLimits(frame_samples=1920 * 1080 * 128)
    assert judge(HEADER, replace(GOOD, engine="CYCLES"), limits)
    dear = replace(GOOD, engine="CYCLES", samples=129)
    with pytest.raises(JobRejected) as raised:
        judge(HEADER, dear, limits)
    assert (raised.value.code, "frame_seconds" in str(raised.value)) == (Code.SAMPLES, True)
    assert judge(HEADER, dear, limits, pixels=1920)
    assert judge(HEADER, replace(dear, engine="BLENDER_WORKBENCH"), limits)
    assert judge(HEADER, dear, SceneLimits())


def test_a_good_scene_passes_without_a_warning() -> None:
    """The verdict has header and inspection; Blender's default output path causes no warning."""
    verdict = judge(HEADER, GOOD, SceneLimits())
    assert (verdict.header, verdict.inspection, verdict.warnings) == (HEADER, GOOD, ())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"camera": ""}, Code.NO_CAMERA, id="fault_21"),
        pytest.param({"view_layers": ()}, Code.NO_RENDER_LAYER, id="no layer"),
        pytest.param({"missing": (_missing("//wood.png"),)}, Code.MISSING_FILES, id="fault_22"),
        pytest.param({"missing": (_missing("/proc/self/environ"),)}, Code.MISSING_FILES, id="fault_23"),
        pytest.param({"width": 65_536, "height": 65_536}, Code.RESOLUTION, id="fault_30 huge"),
        pytest.param({"width": 64_000_001, "height": 1}, Code.RESOLUTION, id="fault_30 long"),
        pytest.param({"width": 0}, Code.RESOLUTION, id="nothing wide"),
        pytest.param({"height": 0}, Code.RESOLUTION, id="nothing high"),
        pytest.param({"width": -8000, "height": -8000}, Code.RESOLUTION, id="less than nothing"),
        pytest.param({"samples": 10**9}, Code.SAMPLES, id="fault_30 samples"),
        pytest.param({"samples": 65_537}, Code.SAMPLES, id="one sample too many"),
        pytest.param({"samples": -1}, Code.SAMPLES, id="less than no samples"),
        pytest.param({"engine": "BLENDER_GAME"}, Code.ENGINE, id="another engine"),
        pytest.param({"uses_sequencer": True}, Code.NOT_STILL, id="fault_33 sequencer"),
        pytest.param({"output_is_movie": True}, Code.NOT_STILL, id="fault_33 movie"),
        pytest.param({"unrepeatable": ("unbaked simulation Cloth",)}, Code.UNREPEATABLE, id="unbaked"),
    ],
)
def test_unfit_scenes_are_refused_with_a_code(changes: dict[str, Any], code: Code) -> None:
    """fault_21, fault_22, fault_23, fault_30, fault_33: each reason has its code and a printable sentence."""
    refusal = _refusal(**changes)
    assert refusal.code == code
    assert str(refusal).isprintable()


@pytest.mark.parametrize(
    "changes",
    [{"width": 8000, "height": 8000}, {"samples": 65_536}, {"samples": 0}, {"width": 1, "height": 1}],
)
def test_scenes_at_the_limits_pass(changes: dict[str, int]) -> None:
    """The limits themselves are allowed; Workbench reports no samples."""
    assert _warnings(**changes) == ()


def test_at_most_five_missing_files_are_listed() -> None:
    """fault_22: the creator learns which files to pack, without a screenful of names."""
    sentence = str(_refusal(missing=tuple(_missing(f"//{number}.png") for number in range(8))))
    assert (
        "“image //0.png”, “image //1.png”, “image //2.png”, “image //3.png”, “image //4.png” and 3 more"
        in sentence
    )
    assert "//5.png" not in sentence


def test_a_dependency_cycle_is_a_warning() -> None:
    """fault_360: the creator learns that no result of it is proved wrong."""
    (warning,) = _warnings(has_cycle=True)
    assert "Remove the cycle" in warning


def test_unused_missing_files_are_a_warning() -> None:
    """fault_22: they do not prevent the render."""
    assert _warnings(missing=(_missing("//old.png", used=False),)) == (
        "These files are missing, but no picture needs them: “image //old.png”.",
    )


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"scripts": ("text boot.py (runs on load)",)}, "boot.py"),
        ({"risky": ("File Output node Out",)}, "File Output node Out"),
        ({"outputs": ("/home/me/render/", "//ok/", "")}, "/home/me/render/"),
    ],
)
def test_features_that_are_harmless_in_the_sandbox_are_a_warning(changes: dict[str, Any], name: str) -> None:
    """fault_25, fault_26: scripts, nodes that write and outside paths are reported, not refused."""
    (warning,) = _warnings(**changes)
    assert name in warning


@pytest.mark.parametrize(
    "path", ["/etc/x", "//../x", "//a/../../x", "C:\\out\\", "..\\x", "~/x", "\\\\host\\share"]
)
def test_a_path_out_of_the_scenes_folder_is_outside(path: str) -> None:
    """fault_25: absolute, upwards, on a drive, in a home folder, on another machine."""
    assert len(_warnings(outputs=(path,))) == 1


@pytest.mark.parametrize("path", ["", "//", "/tmp/", "//renders/", "//a..b/", "renders/frame_"])
def test_a_path_below_the_scenes_folder_is_not(path: str) -> None:
    """`//` is the scene's own folder in Blender, and `/tmp/` is the default."""
    assert _warnings(outputs=(path,)) == ()


def test_untrusted_texts_are_printable_in_every_sentence() -> None:
    """fault_15, fault_36: escape sequences, line breaks and bidirectional characters become U+FFFD."""
    refusals = [
        _refusal(engine=HOSTILE),
        _refusal(scene=HOSTILE, camera=""),
        _refusal(missing=(_missing(HOSTILE),)),
        _refusal(unrepeatable=(HOSTILE,)),
    ]
    warnings = _warnings(
        scripts=(HOSTILE,),
        risky=(HOSTILE,),
        outputs=("/" + HOSTILE,),
        missing=(_missing(HOSTILE, used=False),),
    )
    sentences = [str(refusal) for refusal in refusals] + list(warnings)
    assert [SHOWN in sentence and sentence.isprintable() for sentence in sentences] == [True] * 8


def test_a_report_becomes_an_inspection() -> None:
    """The report of `inspect_scene.py`, with its event's kind, is accepted."""
    inspection = replace(GOOD, missing=(_missing("//wood.png"),), scripts=("a", "b"))
    raw = {"kind": "inspection", **json.loads(json.dumps(asdict(inspection)))}
    assert inspection == parse_inspection(raw)


def test_a_reports_texts_are_cut_and_made_printable() -> None:
    """fault_15: names need not be valid Unicode, but must not take megabytes."""
    inspection = parse_inspection(RAW | {"scene": HOSTILE, "camera": "x" * 10_000_000})
    assert (inspection.scene, len(inspection.camera)) == (SHOWN, MOST_CHARACTERS)


@pytest.mark.parametrize("key", sorted(RAW))
def test_an_incomplete_report_is_refused(key: str) -> None:
    """fault_20: there are no default values."""
    with pytest.raises(JobRejected) as raised:
        parse_inspection({name: value for name, value in RAW.items() if name != key})
    assert (raised.value.code, f"“{key}”" in str(raised.value)) == (Code.CORRUPT, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": "1920"},
        {"width": 1920.0},
        {"width": -1},
        {"width": True},
        {"samples": 2**31},
        {"frame_end": 10**400},
        {"camera": None},
        {"camera": ["Camera"]},
        {"uses_sequencer": 0},
        {"uses_sequencer": "false"},
        {"view_layers": "ViewLayer"},
        {"view_layers": [1]},
        {"scripts": ["x"] * (MOST_NAMES + 1)},
        {"missing": [{}]},
        {"missing": [{"kind": "image", "name": "n", "path": "p", "used": "no"}]},
        {"missing": {}},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": -1},
    ],
)
def test_a_report_of_other_types_or_ranges_is_refused(changes: dict[str, Any]) -> None:
    """fault_20: a script that a scene controls can send anything; no value is converted."""
    with pytest.raises(JobRejected) as raised:
        parse_inspection(RAW | changes)
    assert raised.value.code == Code.CORRUPT


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(RAW)) | st.text(), JSON))
def test_any_report_is_parsed_and_judged_or_refused(changes: dict[str, Any]) -> None:
    """fault_20: any JSON leads to a verdict or a refusal, with printable texts."""
    try:
        said = judge(HEADER, parse_inspection(RAW | changes), SceneLimits()).warnings
    except JobRejected as refusal:
        said = (str(refusal),)
    assert [line for line in said if not line.isprintable()] == []


@given(st.text(st.characters(), max_size=300), st.integers(1, 100))
def test_printable_text_is_short_and_on_one_line(text: str, limit: int) -> None:
    """fault_15: no control or invisible characters; a printable text is unchanged."""
    shown = printable(text, limit)
    assert len(shown) == min(len(text), limit)
    assert {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} == set()
    assert shown == text or len(text) > limit or not text.isprintable() or "\u00a0" in text


def test_some_names_counts_the_others() -> None:
    """The given number of names in quotes, and the number of the others."""
    assert [some_names(list("abc"), most) for most in (2, 3)] == ["“a”, “b” and 1 more", "“a”, “b”, “c”"]

"""The page for people: complete, in one file, and harmless whatever the texts are."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from tests.unit.verifier.made_up import JOB, frame, tile_of

from veriframe.model.verification import words
from veriframe.model.verification.findings import NOTHING_CHECKED, Conclusion, JobFinding, Subject
from veriframe.model.verification.rule import Differences
from veriframe.model.verification.tiles import TileGrid
from veriframe.verifier import page
from veriframe.verifier.heat_map import draw
from veriframe.verifier.page import section_of, write_page
from veriframe.verifier.values import Part, TilePicture
from veriframe.verifier.verifier import Verified

SIZE = TileGrid(640, 360)
BAD = replace(
    tile_of(SIZE, 13, Conclusion.WRONG),
    subject=Subject.NOISY,
    reason="it differs by more than honest processors do",
    worker=Differences((0.0123, 0.0456, 0.0789), 0.5),
    honest=Differences((1e-7, 2e-7, 3e-7)),
    early=Differences((0.011, 0.022, 0.033), 0.49),
)
FOUND = replace(JOB, frames=(frame(1, tile_of(SIZE, 2), BAD), frame(7, tile_of(SIZE, 5))), tiles_of_frame=60)
EVIL = "<script>alert(1)</script>\"'&\u202e"


class Read(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One more element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        """More text, unless it is the style."""
        if self.lasttag != "style":
            self.words += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all elements of this kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def picture(tile: int = 13, conclusion: Conclusion = Conclusion.WRONG, frame: int = 1) -> TilePicture:
    """Two tiles of four channels, which differ."""
    ours = np.full((64, 64, 4), 0.5, dtype=np.float32)
    part = Part(tile, SIZE.region(tile), Subject.NOISY)
    return TilePicture(frame, part, conclusion, ours, ours * np.float32(1.1))


def read(finding: JobFinding = FOUND, *pictures: TilePicture, photo: bytes = b"") -> Read:
    """The page of one job."""
    overviews = {1: photo} if photo else {}
    verified = Verified(
        finding=finding, pictures=pictures, overviews=overviews, size=(SIZE.width, SIZE.height)
    )
    return Read(write_page([section_of(verified)]))


def test_the_verdict_comes_first() -> None:
    """In words, then each job with what was checked."""
    found = read(FOUND, picture())
    assert found.words.index(words.verdict([FOUND])) < found.words.index("Job 12")
    told = (
        FOUND.why,
        words.MEANING[FOUND.conclusion],
        words.work(FOUND),
        "block 70",
        "ab" * 32,
        "1 MiB",
        "1m33s",
    )
    for text in (*told, "class-of-ours", "class-of-theirs", "bafyasset", "bafyresult", "4.5.15 LTS"):
        assert text in found.words, text


def test_the_odds_of_a_result_that_is_right() -> None:
    """With all tiles drawn they are certain; of a wrong result nobody asks for them."""
    right = replace(FOUND, frames=(frame(7, tile_of(SIZE, 5)),))
    odds = words.odds_of(right)
    assert odds
    assert all(words.percent(row.spread) in read(right).words for row in odds)
    assert "How likely" not in read(FOUND).words


def test_the_map_of_a_single_frame_is_wide() -> None:
    """Two or more share a row."""
    single = replace(FOUND, frames=FOUND.frames[:1])
    for finding, classes in ((single, "maps one"), (FOUND, "maps")):
        found = read(finding)
        assert [one["class"] for one in found.all("div") if "maps" in one["class"]] == [classes]
    assert ".one { grid-template-columns: minmax(0, 40rem); }" in write_page([])


def test_all_rows_are_explained() -> None:
    """By the names that they have in the table."""
    found = read(FOUND, picture())
    assert "grain" in found.words
    assert "“Grain” is how grainy" in found.words


def test_several_jobs() -> None:
    """One verdict, and one line for each, which leads to it."""
    other = replace(FOUND, job=13, frames=(frame(7, tile_of(SIZE, 5)),))
    found = Read(write_page([section_of(Verified(finding=one)) for one in (FOUND, other)]))
    assert words.verdict([FOUND, other]) in found.words
    assert {words.summary(one) in found.words for one in (FOUND, other)} == {True}
    targets = {section["id"] for section in found.all("section")}
    assert {link["href"][1:] for link in found.all("a")} == targets == {"job-12", "job-13"}


def test_the_drawn_tiles_are_marked() -> None:
    """By colour and sign, on the delivered picture if it is there, in the place that they have."""
    photo = b"\xff\xd8\xff picture"
    found = read(FOUND, photo=photo)
    assert [one["viewbox"] for one in found.all("svg")] == ["0 0 10.0 5.625"] * 2
    (shown,) = found.all("image")
    assert base64.b64decode(shown["href"].removeprefix("data:image/jpeg;base64,")) == photo
    marks = [one for one in found.all("rect") if one["class"] == "mark"]
    assert [(one["x"], one["y"]) for one in marks] == [("2", "0"), ("3", "1"), ("5", "0")]
    assert [one["class"] for one in found.all("g")] == ["EXACT", "WRONG", "EXACT"]
    assert page.SIGNS[Conclusion.WRONG] in found.words
    assert "undecided" not in found.words


def test_what_differs_is_shown() -> None:
    """Ours, theirs and the difference as pictures, and the numbers by which it was judged."""
    found = read(FOUND, picture())
    pictures = [one["src"] for one in found.all("img")]
    assert len(set(pictures)) == len(pictures) == 3
    assert all(
        base64.b64decode(one.removeprefix("data:image/png;base64,"))[:4] == b"\x89PNG" for one in pictures
    )
    for number in ("0.012", "0.046", "0.079", "1.0·10⁻⁷", "0.022", "50 %", "49 %"):
        assert number in found.words
    assert "What differs" not in read(FOUND).words


def test_equal_pictures_are_not_said_to_differ() -> None:
    """Nor is there a legend of colours that nothing has."""
    same = picture()
    found = read(FOUND, replace(same, theirs=same.ours))
    assert len(found.all("img")) == 3
    for text in ("What differs", "pale yellow"):
        assert text not in found.words
    for text in ("What was compared", "no difference to be seen"):
        assert text in found.words


def test_one_legend_for_all_parts() -> None:
    """Of light and of display values: one table, and each part names its column."""
    light, display = picture(), picture(2, Conclusion.EQUAL)
    shown = replace(display, part=replace(display.part, subject=Subject.DELIVERED))
    found = read(FOUND, light, shown)
    assert found.words.count("pale yellow") == found.words.count("Cyan") == 1
    assert len([one for one in found.all("table") if one.get("class") == "colours"]) == 1
    for kind in page.KINDS.values():
        assert found.words.count(kind) == 2


def test_noisy_images_have_their_channels_sorted() -> None:
    """A, B, G, R: a red tile is shown as red."""
    ours = np.zeros((64, 64, 4), dtype=np.float32)
    ours[:, :, 3] = 1e6
    red = replace(picture(), ours=ours, theirs=ours)
    src = read(FOUND, red).all("img")[0]["src"]
    content = base64.b64decode(src.removeprefix("data:image/png;base64,"))
    assert draw(ours, ours, is_display=False, colour=(3, 2, 1)).ours == content


def test_nothing_comes_from_elsewhere() -> None:
    """No script, and no address but data and places of the page; the policy allows no more."""
    content = write_page([section_of(Verified(finding=FOUND, pictures=(picture(),)))])
    found = Read(content)
    assert not found.all("script")
    assert not found.all("link")
    addresses = [
        value
        for _, attributes in found.elements
        for name, value in attributes.items()
        if name in {"src", "href"}
    ]
    assert addresses
    assert all(value.startswith(("data:image/", "#")) for value in addresses)
    assert not any(
        name.startswith("on") or name == "style" for _, attributes in found.elements for name in attributes
    )
    assert "url(" not in content
    assert "@import" not in content
    (policy,) = [meta["content"] for meta in found.all("meta") if meta.get("http-equiv")]
    (style,) = re.findall(r"<style>(.*?)</style>", content, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_texts_are_harmless() -> None:
    """Whatever a worker or a registry wrote: no element comes of it, and no hidden character."""
    names = ("asset_cid", "result_cid", "blender", "build_hash", "machine_class", "worker_class", "reason")
    texts: dict[str, Any] = dict.fromkeys(names, EVIL)
    evil = replace(
        FOUND,
        **texts,
        conclusion_of_its_own=Conclusion.WRONG,
        notes=(EVIL,),
        frames=(
            replace(frame(1, replace(BAD, reason=EVIL)), reason=EVIL, conclusion_of_its_own=Conclusion.WRONG),
        ),
    )
    content = write_page([section_of(Verified(finding=evil, pictures=(picture(),)))])
    found = Read(content)
    assert not found.all("script")
    assert found.words.count("<script>alert(1)</script>") >= 10
    assert "\u202e" not in content
    plain = replace(
        evil,
        frames=tuple(replace(one, tiles=(replace(BAD, reason="why"),), reason="why") for one in evil.frames),
    )
    elements = [name for name, _ in found.elements]
    harmless = Read(write_page([section_of(Verified(finding=plain, pictures=(picture(),)))]))
    assert elements == [name for name, _ in harmless.elements]


def test_nothing_checked() -> None:
    """It does not look as if it were right."""
    found = read(replace(JOB, tiles_of_frame=60))
    assert NOTHING_CHECKED in found.words
    assert {one["class"] for one in found.all("span") if "class" in one} == {"badge UNDECIDED"}
    assert not found.all("svg")


def test_large_results_stay_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst are shown, and the others counted."""
    monkeypatch.setattr(page, "MOST_MAPS", 2)
    monkeypatch.setattr(page, "MOST_PARTS", 1)
    many = replace(FOUND, frames=(*(frame(n, tile_of(SIZE, 5)) for n in range(10, 15)), frame(20, BAD)))
    found = read(many, picture(2, Conclusion.EQUAL), picture(frame=20))
    assert len(found.all("svg")) == 2
    assert len(found.all("img")) == 3
    assert "Frame 20, tile 13" in found.words
    assert "Frame 20: wrong" in found.words
    assert "4 more frames" in found.words
    assert "1 more part" in found.words


def test_light_and_dark() -> None:
    """By what the reader's screen wants."""
    content = write_page([])
    assert "color-scheme: light dark" in content
    assert "prefers-color-scheme: dark" in content

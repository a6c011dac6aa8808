"""`manifest.json`: what a result says of itself. Parsed strictly; nothing of it is believed unchecked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError

from veriframe.errors import Code, ValidationFailed
from veriframe.model.bundle.merkle import frames_root
from veriframe.model.others_json import first_fault, read_json
from veriframe.model.rendering.frames import LAST_FRAME, MAX_FRAMES
from veriframe.model.text import printable

FILE_NAME = "manifest.json"
PREVIEW_NAME = "preview.jpg"
FRAMES_FOLDER, PROOF_FOLDER = "frames", "proof"
MOST_BYTES = 16 * 2**20
"""The longest `manifest.json`: `MAX_FRAMES` frames take 5 MiB."""
_HEAD_BYTES = 2**17
"""All but the frames: 64 names of view layers take 113 KiB in escapes."""
_FRAME_BYTES, _CHANNELS_LENGTH = 2**11, 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The files by which a frame can be checked, and the Merkle root of its tiles, in hex."""

    tiles: str
    exr: str
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFrame:
    """One frame: its file within the result, its size in pixels, and the digest of its pixels, in hex.

    `channels` are as in the file, such as "R,G,B"; `depth` is in bits. `seconds` and `peak_memory_bytes` are
    as measured by the worker. `proof` is None if none was asked for.
    """

    number: int
    file: str
    width: int
    height: int
    channels: str
    depth: int
    size_bytes: int
    digest: str
    proof: Proof | None
    seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A bundle job's result.

    `worker` is an address, `machine_class` says which machines render the same bits ("" if it was not
    measured), `settings` are those that were rendered with, `root` is the Merkle root over the frames in hex.
    """

    job: int
    order: int
    part: int
    asset: str
    worker: str
    blender: str
    build_hash: str
    machine_class: str
    settings: dict[str, str | int | float | bool | list[int] | list[str] | None]
    frames: tuple[ManifestFrame, ...]
    root: str
    seconds: float


MOST_VIEW_LAYERS = 64
"""As many as a manifest may name."""


def named_layers(layers: Sequence[object]) -> list[str]:
    """The view layers that a manifest names, of those that are rendered."""
    return [str(name) for name in layers[:MOST_VIEW_LAYERS]]


def root_of(frames: tuple[ManifestFrame, ...]) -> str:
    """The Merkle root over the frames, in hex."""
    return frames_root([(frame.number, bytes.fromhex(frame.digest)) for frame in frames]).hex()


def write_manifest(manifest: Manifest) -> bytes:
    """The content of `manifest.json`: the same bytes for equal manifests."""
    return json.dumps({"veriframe": 1, **asdict(manifest)}, indent=1, sort_keys=True).encode("ascii") + b"\n"


def longest(frames: int, *, has_layers: bool) -> int:
    """The longest `manifest.json` of so many frames, in bytes. Names of layers' channels may be long."""
    return min(MOST_BYTES, _HEAD_BYTES + frames * (_FRAME_BYTES + has_layers * _CHANNELS_LENGTH))


def parse_manifest(content: bytes, most_frames: int = MAX_FRAMES) -> Manifest:
    """Parse `manifest.json`.

    Raises `ValidationFailed` (BAD_MANIFEST): it is not one, has more than `most_frames`, or its root is not
    that of its frames.
    """
    if len(content) > MOST_BYTES:
        raise _bad(f"it is longer than {MOST_BYTES} bytes")
    try:
        read = read_json(content)
        frames = read.get("frames") if isinstance(read, dict) else None
        if isinstance(frames, list) and len(frames) > most_frames:
            raise _bad(f"it has {len(frames)} frames, and may have {most_frames}")
        found = _Manifest.model_validate(read)
    except ValidationError as error:
        raise _bad(printable(first_fault(error), 300)) from None
    except (ValueError, RecursionError) as error:
        raise _bad(f"it is not JSON: {printable(str(error), 200)}") from None
    manifest = found.value()
    if len({frame.number for frame in manifest.frames}) != len(manifest.frames):
        raise _bad("a frame is named twice")
    if root_of(manifest.frames) != manifest.root:
        raise _bad("its root is not that of its frames")
    return manifest


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `manifest.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_Manifest.model_json_schema()}


def _bad(why: str) -> ValidationFailed:
    return ValidationFailed(
        Code.BAD_MANIFEST,
        f"The result's manifest.json cannot be used: {why}. Dispute the result if an arbiter is named.",
    )


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


_Text = Annotated[str, Field(max_length=300)]
_Integers = Annotated[list[int], Field(max_length=8)]
_Texts = Annotated[list[_Text], Field(max_length=64)]
_Setting = _Text | int | float | bool | _Integers | _Texts | None
_Count = Annotated[int, Field(ge=0, lt=2**64)]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Pixels = Annotated[int, Field(ge=1, le=65_536)]
_Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
_FrameFile = Annotated[str, Field(pattern=r"^frames/frame_[0-9]{4,7}\.(png|exr)$")]
_TilesFile = Annotated[str, Field(pattern=r"^proof/frame_[0-9]{4,7}\.tiles$")]
_ExrFile = Annotated[str, Field(pattern=r"^proof/frame_[0-9]{4,7}\.exr$")]


class _Proof(_Strict):
    tiles: _TilesFile
    exr: _ExrFile
    root: _Digest


class _Frame(_Strict):
    number: Annotated[int, Field(ge=0, le=LAST_FRAME)]
    file: _FrameFile
    width: _Pixels
    height: _Pixels
    channels: Annotated[str, Field(max_length=_CHANNELS_LENGTH)]
    depth: Literal[8, 16, 32]
    size_bytes: _Count
    digest: _Digest
    proof: _Proof | None
    seconds: _Seconds
    peak_memory_bytes: _Count

    def value(self) -> ManifestFrame:
        return ManifestFrame(
            **{**self.model_dump(exclude={"proof"}), "proof": self.proof and Proof(**self.proof.model_dump())}
        )


class _Manifest(_Strict):
    """What a result says of itself."""

    model_config = ConfigDict(title="VeriFrame manifest.json")

    veriframe: Literal[1]
    job: _Count
    order: _Count
    part: Annotated[int, Field(ge=0, lt=2**32)]
    asset: Annotated[str, Field(min_length=1, max_length=128)]
    worker: Annotated[str, Field(pattern=r"^0x[0-9a-f]{1,64}$")]
    blender: _Text
    build_hash: _Text
    machine_class: _Text
    settings: dict[Annotated[str, Field(max_length=40)], _Setting]
    frames: Annotated[list[_Frame], FailFast(), Field(min_length=1, max_length=MAX_FRAMES)]
    root: _Digest
    seconds: _Seconds

    def value(self) -> Manifest:
        return Manifest(
            **{
                **self.model_dump(exclude={"veriframe", "frames"}),
                "frames": tuple(frame.value() for frame in self.frames),
            }
        )

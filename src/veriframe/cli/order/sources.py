"""Where an order's bundle comes from: a scene that is packed now, a folder, or an earlier order."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from veriframe.cli import context
from veriframe.cli.job import bundle_options as wanted
from veriframe.cli.order import acting, checks
from veriframe.cli.order.checks import Checks
from veriframe.creator.orders.kept_frames import existing_frames
from veriframe.creator.orders.notes import OrderNote
from veriframe.creator.orders.orders import Orders
from veriframe.creator.orders.posting import read_bundle
from veriframe.creator.orders.repeats import EarlierOrder, Repeats
from veriframe.creator.orders.values import ChunkState, OrderStatus, missing_pieces
from veriframe.errors import SettingsError
from veriframe.model.attempt.chunk_limits import lease_of, with_frame_limit
from veriframe.model.bundle.chunks import Piece, of_pieces
from veriframe.model.bundle.estimate import Estimate
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.bundle.options import BundleOptions, class_warning, require_fit
from veriframe.model.registry.job import Terms
from veriframe.model.rendering.overrides import Overrides


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is posted: a folder, or the CID of an earlier one, and what is asked of it.

    `before` are the terms of the earlier order, `earlier_chunk` the frames of its chunks. `size_bytes` is 0
    if nothing is sent. `size` is the picture's in pixels, None if the scene was not opened.
    """

    place: Path | str
    bundle: Bundle
    note: OrderNote
    size_bytes: int = 0
    size: tuple[int, int] | None = None
    estimate: Estimate | None = None
    before: Terms | None = None
    earlier_chunk: int = 0
    warnings: tuple[str, ...] = ()

    def chunk_price_fri(self, frame_fri: int) -> int:
        """The reward of a chunk, or of a tile, by the price of a frame."""
        if self.bundle.split is not None:
            return -(-frame_fri // self.bundle.split.tiles)
        return frame_fri * min(self.bundle.chunk, len(self.bundle.frames))

    @property
    def earlier_reward_fri(self) -> int | None:
        """The reward of the earlier order, for as many frames as a chunk has now."""
        if self.before is None:
            return None
        if self.bundle.split is not None:
            return self.before.reward_fri
        frames = min(self.bundle.chunk, len(self.bundle.frames))
        return -(-self.before.reward_fri * frames // self.earlier_chunk)

    @property
    def lease_seconds(self) -> int | None:
        """The lease that is known to be long enough; None for the usual one."""
        if self.before is not None:
            return self.before.lease_seconds
        return None if self.estimate is None else lease_of(self.bundle, self.size, self.estimate)

    def limited(self, lease_seconds: int) -> Source:
        """The same with a limit for its frames that fits the lease, unless it has one."""
        return replace(self, bundle=with_frame_limit(self.bundle, self.size, lease_seconds))


def check_named(
    scene: Path | None, again: int | None, given: wanted.Given, skip_existing: Path | None
) -> None:
    """Raise `SettingsError` for arguments that cannot be used, before anything is asked or read."""
    if (scene is None) == (again is None):
        raise SettingsError("Pass a scene, or a folder with a bundle, or --again with an order's number.")
    given.options()
    if scene is not None and not scene.exists():
        raise SettingsError(f"There is no {scene}. Pass a .blend file, or a folder that `job pack` made.")
    if skip_existing is not None and not skip_existing.is_dir():
        raise SettingsError(f"--skip-existing {skip_existing} is not a folder. Pass one with frames.")


@contextmanager
def opened(
    scene: Path | None,
    again: int | None,
    given: wanted.Given,
    skip_existing: Path | None,
    how: Checks,
) -> Iterator[Source]:
    """The source of an order; what was packed for it is removed at the end.

    Raises `SettingsError`, and whatever packing, the check and the registry raise.
    """
    if again is not None:
        yield _earlier(again, given, skip_existing)
    elif scene is not None and scene.is_dir():
        yield _folder(scene, given, skip_existing, how)
    else:
        assert scene is not None
        with tempfile.TemporaryDirectory(prefix="veriframe-") as folder:
            yield _packed(scene, Path(folder) / "bundle", given, skip_existing, how)


def _packed(
    scene: Path, target: Path, given: wanted.Given, skip_existing: Path | None, how: Checks
) -> Source:
    # Imported here because a folder or an earlier order needs no Blender.
    from veriframe.cli.job import packing  # noqa: PLC0415

    packed, comparison, estimate = context.run(
        packing.pack_and_check(
            scene,
            target,
            given.options(),
            is_checked=how.in_sandbox,
            on_packed=lambda packed: checks.refuse_scripts(packed.verdict.inspection, how),
        )
    )
    if comparison is not None and not comparison.is_equal:
        from veriframe.cli.display.bundle_view import compared  # noqa: PLC0415

        raise SettingsError(f"{compared(comparison)} Correct that, or post it nevertheless with --no-check.")
    inspection = packed.verdict.inspection
    size = (inspection.width, inspection.height)
    note = OrderNote(
        name=scene.name,
        size=size,
        frames_per_second=inspection.frames_per_second,
        frame_seconds=estimate.frame_seconds if estimate else 0.0,
        loading_seconds=estimate.loading_seconds if estimate else 0.0,
    )
    traces = (f"the scene's data still name {trace}, which becomes public." for trace in packed.traces)
    return Source(
        place=packed.folder,
        bundle=_without_existing(packed.bundle, skip_existing, size),
        note=note,
        size_bytes=packed.size_bytes,
        size=size,
        estimate=estimate,
        warnings=(*packed.verdict.warnings, *traces, *checks.whole_range(packed.bundle, given)),
    )


def _folder(folder: Path, given: wanted.Given, skip_existing: Path | None, how: Checks) -> Source:
    bundle = _with_options(read_bundle(folder), given.options())
    note = OrderNote(name=bundle.scene.rpartition("/")[2])
    size, warnings = None, _class_warning(bundle)
    if (verdict := checks.checked(folder, bundle, how)) is not None:
        inspection, warnings = verdict.inspection, verdict.warnings
        size = (inspection.width, inspection.height)
        note = replace(note, size=size, frames_per_second=inspection.frames_per_second)
    return Source(
        place=folder,
        bundle=_without_existing(bundle, skip_existing, size),
        note=note,
        size_bytes=sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()),
        size=size,
        warnings=warnings,
    )


def _class_warning(bundle: Bundle) -> tuple[str, ...]:
    """Of a bundle that is not opened here, so that nothing is known of this machine's class."""
    other = class_warning(bundle, "")
    return (other,) if other else ()


def _earlier(number: int, given: wanted.Given, skip_existing: Path | None) -> Source:
    orders = acting.orders()
    status = context.run(orders.find(number))
    if status.bundle is None:
        raise SettingsError(f"Order {number} is of a bare scene. Post its file again.")
    before = status.bundle
    asked = given.options()
    wanted_bundle = _with_options(before, asked)
    note = status.note or OrderNote(name=status.name)
    note = replace(note, scene_key=note.scene_key or status.order.asset_cid)
    if asked.frames is None:
        later = _later(orders, status, note, wanted_bundle)
        lost = _lost(status, skip_existing, later)
        wanted_bundle = of_pieces(wanted_bundle, lost, has_tiles=asked.split is None)
    unknown = set(wanted_bundle.frames) - {frame for chunk in status.chunks for frame in chunk.frames}
    if unknown:
        raise SettingsError(f"Order {number} has no frame {min(unknown)}. Post the scene's file instead.")
    return Source(
        place=status.order.asset_cid,
        bundle=wanted_bundle,
        note=note,
        before=status.order.terms,
        warnings=_class_warning(wanted_bundle),
        earlier_chunk=min(before.chunk, len(before.frames)),
    )


def _later(orders: Orders, status: OrderStatus, note: OrderNote, bundle: Bundle) -> list[EarlierOrder]:
    """The orders that were posted again before."""
    repeats = Repeats(reader=orders.jobs.registry, notes=orders.notes, account=status.order.creator)
    return context.run(repeats.find(note.scene_key, bundle, after=status.orders[-1].id))


def _lost(
    status: OrderStatus, skip_existing: Path | None, later: Sequence[EarlierOrder]
) -> tuple[Piece, ...]:
    """What will not come: of refunded and expired chunks or, beside a folder, all it lacks.

    That of `later` orders is left out: all of it, or, beside a folder, what may still come. A tile that has
    come is not lost: `order fetch` merges it with those of later orders.
    """
    bundle, chunks = status.bundle, status.chunks
    assert bundle is not None
    lost: tuple[ChunkState, ...] = (ChunkState.REFUNDED, ChunkState.EXPIRED)
    there = frozenset[Piece]()
    if skip_existing is not None:
        lost += (ChunkState.FAULTY, ChunkState.DISPUTED)
        lost += () if bundle.split is not None else (ChunkState.PAID, ChunkState.THERE)
        every = tuple(frame for chunk in chunks for frame in chunk.frames)
        size = bundle.overrides.resolution or (status.note.size if status.note else None)
        kept = existing_frames(skip_existing, every, bundle.format, size)
        there = frozenset(piece for chunk in chunks for piece in chunk.pieces if piece[0] in kept)
    there = there.union(*(one.covered if skip_existing is None else one.live for one in later))
    pieces = missing_pieces(chunks, lost, there=there)
    if not pieces:
        raise SettingsError(
            f"Order {status.number} has no lost frames that no later order renders. Name some with --frames, "
            "or pass --skip-existing with the folder of those that you have."
        )
    return pieces


def _without_existing(bundle: Bundle, folder: Path | None, size: tuple[int, int] | None) -> Bundle:
    if folder is None:
        return bundle
    there = existing_frames(folder, bundle.frames, bundle.format, bundle.overrides.resolution or size)
    left = tuple(frame for frame in bundle.frames if frame not in there)
    if not left:
        raise SettingsError(f"All frames are in {folder} already.")
    return replace(bundle, frames=left)


def _with_options(bundle: Bundle, given: BundleOptions) -> Bundle:
    """The bundle with what was asked for on the command line in place of what its `job.json` says.

    Raises `SettingsError` for an option that does not fit.
    """
    plain = BundleOptions()
    overrides = {
        field.name: value
        for field in dataclasses.fields(Overrides)
        if (value := getattr(given.overrides, field.name)) != getattr(plain.overrides, field.name)
    }
    others = {
        name: getattr(given, name)
        for name in ("frames", "chunk", "format", "frame_seconds", "proof_tiles", "split")
        if getattr(given, name) != getattr(plain, name)
    }
    before = bundle.overrides
    # A number of samples belongs to its engine, and a depth to its format.
    if overrides.get("engine", before.engine) != before.engine:
        before = replace(before, samples=None)
    if others.get("format", bundle.format) != bundle.format:
        before = replace(before, color_depth=None)
    made = replace(bundle, overrides=replace(before, **overrides), **others)
    require_fit(made)
    return made

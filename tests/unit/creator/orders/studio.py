"""The stage of the orders' tests: an artist with a bundle, a worker who makes its frames, and a renderer."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from tests.decoding import script
from tests.fakes.renderer import FakeRenderer, Script
from tests.scenes.blend_bytes import blend, block
from tests.unit.creator.stage import STRK, Stage

from veriframe.creator.orders.deciding import Decisions
from veriframe.creator.orders.fetched import FetchedFrames
from veriframe.creator.orders.fetching import FrameFetching
from veriframe.creator.orders.kept_frames import KeptFrames
from veriframe.creator.orders.notes import OrderNote, OrderNotes
from veriframe.creator.orders.orders import Orders
from veriframe.creator.orders.posting import OrderPosting, PostedOrder, read_bundle
from veriframe.creator.orders.values import Chunk, OrderStatus
from veriframe.model.bundle.chunks import task_of
from veriframe.model.bundle.inspected import settings_of
from veriframe.model.bundle.job_file import Bundle, parse_job_file, write_job_file
from veriframe.model.bundle.manifest import FILE_NAME, Manifest, ManifestFrame, root_of, write_manifest
from veriframe.model.registry.job import JobState, format_address
from veriframe.model.registry.offer import Offer
from veriframe.model.rendering.frames import frame_file
from veriframe.model.rendering.overrides import overridden
from veriframe.ports.renderer import Renderer

BUNDLE = Bundle(scene="shot.blend", blender="4.5", frames=tuple(range(1, 11)), chunk=4, proof_tiles=0)
OFFER = Offer(reward_fri=STRK // 10)
RATE = 25.0
SIZE = 16, 8
INSPECTED = replace(Script().inspection, width=SIZE[0], height=SIZE[1])
SHOT = blend(block(b"REND", b"a shot".ljust(72)))


def picture(number: int, size: tuple[int, int] = (16, 8)) -> bytes:
    """A small PNG that differs by frame."""
    stream = io.BytesIO()
    Image.new("RGB", size, (number % 256, 20, 40)).save(stream, "PNG")
    return stream.getvalue()


def digest_of(content: bytes) -> str:
    """The digest of its pixels."""
    with Image.open(io.BytesIO(content)) as image:
        pixels = np.asarray(image.convert("RGB"))
    return str(script("pixel_digest").digest({name: pixels[:, :, n] for n, name in enumerate("RGB")}))


@dataclass
class Studio(Stage):
    """A stage with a bundle, and all that an order needs. The worker has money for its bonds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.notes = OrderNotes(self.folder / "home", "creator")
        self.orders = Orders(jobs=self.creator, notes=self.notes)
        self.posting = OrderPosting(creator=self.creator, notes=self.notes)
        self.decisions = Decisions(creator=self.creator, orders=self.orders)
        self.renderer = FakeRenderer()

    def bundle(self, bundle: Bundle = BUNDLE) -> Path:
        """A folder with a bundle."""
        folder = self.folder / "bundle"
        (folder / "textures").mkdir(parents=True, exist_ok=True)
        (folder / bundle.scene).write_bytes(SHOT)
        (folder / "textures" / "wood.png").write_bytes(b"wood")
        (folder / "job.json").write_bytes(write_job_file(bundle))
        return folder

    async def ordered(
        self, bundle: Bundle = BUNDLE, offer: Offer = OFFER, size: tuple[int, int] | None = SIZE
    ) -> PostedOrder:
        """Post an order of this bundle, whose frames have this size; None: nobody has looked."""
        folder = self.bundle(bundle)
        note = OrderNote(name="shot.blend", frame_seconds=30.0, size=size)
        return await self.posting.post(await self.posting.draft(folder, read_bundle(folder), offer, note))

    async def status(self, number: int) -> OrderStatus:
        """The order now."""
        return await self.orders.find(number)

    async def claim(self, *job_ids: int) -> None:
        """Claim jobs as the worker."""
        for job_id in job_ids:
            await self.worker.claim(job_id)

    def manifest(self, chunk: Chunk, pictures: Sequence[bytes], **changes: object) -> Manifest:
        """The manifest of a chunk with these pictures."""
        frames = tuple(
            ManifestFrame(
                number=number,
                file=f"frames/{frame_file(number, BUNDLE.format)}",
                width=16,
                height=8,
                channels="R,G,B",
                depth=8,
                size_bytes=len(content),
                digest=digest_of(content),
                proof=None,
                seconds=1.0,
                peak_memory_bytes=2**28,
            )
            for number, content in zip(chunk.frames, pictures, strict=True)
        )
        job = chunk.job
        bundle = parse_job_file(self.notes.read_orders()[job.order.asset_cid].job_file.encode())
        inspection = replace(overridden(INSPECTED, bundle.overrides), frames_per_second=RATE)
        manifest = Manifest(
            job=job.id,
            order=job.order.id,
            part=job.part,
            asset=job.order.asset_cid,
            worker=format_address(self.worker.account),
            blender="4.5.15",
            build_hash="0123456789ab",
            machine_class="",
            settings=settings_of(inspection, task_of(bundle, job.part, inspection)),
            frames=frames,
            root=root_of(frames),
            seconds=4.0,
        )
        changed = replace(manifest, **changes)  # type: ignore[arg-type]
        return replace(changed, root=root_of(changed.frames))

    async def deliver(self, chunk: Chunk, files: dict[str, bytes] | None = None, **changes: object) -> None:
        """Claim a chunk and submit its result, with other `files`, and `changes` of the manifest."""
        pictures = [picture(number) for number in chunk.frames]
        manifest = self.manifest(chunk, pictures, **changes)
        right = {
            f"frames/{frame_file(number, BUNDLE.format)}": content
            for number, content in zip(chunk.frames, pictures, strict=True)
        }
        content = {**right, "preview.jpg": b"a sheet", FILE_NAME: write_manifest(manifest), **(files or {})}
        cid = self.store.keep_folder({name: one for name, one in content.items() if one != b"gone"})
        if chunk.job.state is JobState.OPEN:
            await self.claim(chunk.job.id)
        await self.worker.submit_result(chunk.job.id, cid)

    async def fetch(
        self,
        number: int,
        *,
        renderer: Renderer | None = None,
        checked: bool = True,
        replace: bool = False,
        fetch_seconds: float = 60.0,
    ) -> FetchedFrames:
        """Fetch an order's frames to `out`."""
        fetching = FrameFetching(
            store=self.store,
            renderer=(renderer or self.renderer) if checked else None,
            kept=KeptFrames(self.folder / "out"),
            replace=replace,
            fetch_seconds=fetch_seconds,
            on_check=self.notes.note_check,
        )
        return await fetching.fetch(await self.status(number))

    def frames(self) -> list[str]:
        """The names in `out` that people see."""
        return sorted(path.name for path in (self.folder / "out").iterdir() if path.name[0] != ".")

"""The content store on IPFS: a Kubo node of one's own, and other sources where it does not have a file.

A node's word is never believed. What is added has the CID that is reckoned here; what is fetched has the
bytes of its CID, or is not there.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import to_thread
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from veriframe.adapters.kubo.adding.upload import (
    IMPORT_OPTIONS,
    ROOT_NAME,
    Upload,
    UploadPlan,
    folder_cid,
    one_part,
    plan_upload,
)
from veriframe.adapters.kubo.blocks.dag import BlockSource
from veriframe.adapters.kubo.blocks.tree import Tree
from veriframe.adapters.kubo.fetching.delivery import Delivery, FetchRequest
from veriframe.adapters.kubo.fetching.download import Timeouts
from veriframe.adapters.kubo.fetching.folders import FolderDelivery
from veriframe.adapters.kubo.files.partial import partial
from veriframe.adapters.kubo.files.staging import place_folder, staged
from veriframe.adapters.kubo.node.address import parse_address
from veriframe.adapters.kubo.node.api import Answer, KuboApi, NodeRefused, Query
from veriframe.adapters.kubo.node.disk import REMEDY, NodeDisk
from veriframe.adapters.kubo.node.pins import pin_folder, read_pin
from veriframe.adapters.kubo.removal.fetched import FetchedBlocks
from veriframe.errors import Code, JobError, JobRejected, SettingsError, StoreFull, StoreUnavailable
from veriframe.model.content.cid import canonical, parse_cid
from veriframe.model.content.folder import FolderLimits
from veriframe.ports.store import ContentStore, OnTransfer, Pin, StoreRoom, Transfer, ignore_transfer
from veriframe.threads import to_the_end

log = structlog.get_logger()

PIN_SECONDS = 600.0
"""For a node to walk through all of a file that it has and is to keep."""


class _Added(Answer):
    Name: str
    Hash: str


class _Pinned(Answer):
    Cid: str
    Name: str = ""


class _Pins(Answer):
    Pins: list[str]


class _Key(Answer):
    Key: str


class _Version(Answer):
    Version: str


class KuboStore(ContentStore):
    """Files on the Kubo node whose API is at `api_url`, a multiaddr or a URL; then from `sources`, in turn.

    Close it with `close`, or use it as a context. Any number of workers may share a node. Raises
    `SettingsError` for an address that is none.
    """

    def __init__(
        self,
        api_url: str,
        *,
        token: str | None = None,
        sources: Sequence[BlockSource] = (),
        timeouts: Timeouts | None = None,
    ) -> None:
        self._api = KuboApi(parse_address(api_url), token)
        self._disk = NodeDisk(self._api)
        self._fetched = FetchedBlocks(self._api)
        self._timeouts = timeouts or Timeouts()
        self.sources = tuple(sources)
        self._delivery = Delivery(self._api, self.sources, self._timeouts)
        self._folders = FolderDelivery(self._api, self.sources, self._timeouts)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections to the node. The sources are closed by whoever made them."""
        await self._fetched.close()
        await self._api.close()

    async def version(self) -> str:
        """The node's version, such as `0.42.0`. Raises `StoreUnavailable`."""
        return (await self._api.call("version", {}, _Version, 10.0)).Version

    async def add(self, source: Path, pin_name: str, on_progress: OnTransfer = ignore_transfer) -> str:
        """Keep a file or a folder, pinned as `pin_name`. Returns its CID.

        Raises `SettingsError` for what cannot be read or kept, and `JobError` (UPLOAD) where the node stored
        something else than was sent. Where the outcome is not known, the same is added once more.
        """
        started, plan = time.monotonic(), await to_thread(plan_upload, source)
        async with self._in_time(f"{source.name} could not be added"):
            try:
                cid = await self._add(source, plan, pin_name, on_progress)
            except NodeRefused as error:
                if error.is_fullness:
                    raise StoreFull(f"{error} {REMEDY}") from error
                raise
            except StoreUnavailable as error:
                log.info("store_add_again", reason=str(error))
                await self._wait_for_node(error)
                cid = await self._add(source, plan, pin_name, on_progress)
        _finish("store_added", cid, plan.size_bytes, started, on_progress)
        return cid

    async def fetch(
        self, cid: str, target: Path, limit_bytes: int, on_progress: OnTransfer = ignore_transfer
    ) -> int:
        """Put one file at `target`, checked, all of it or nothing. Returns its size in bytes.

        What a cut or a killed process left beside the target is gone on with. What the node did not have
        before is removed from it afterwards. Raises `HostUnavailable` where the target cannot be written.
        """
        started, wanted = time.monotonic(), parse_cid(cid)
        async with (
            self._fetched.fetching(wanted),
            self._in_time(f"{wanted} did not arrive"),
            partial(wanted, cid, target.parent) as part,
        ):
            size_bytes = await self._delivery.bring(
                FetchRequest(
                    cid=wanted, part=part, target=target, limit_bytes=limit_bytes, on_progress=on_progress
                )
            )
        _finish("store_fetched", cid, size_bytes, started, on_progress)
        return size_bytes

    async def fetch_folder(
        self, cid: str, target: Path, limits: FolderLimits, on_progress: OnTransfer = ignore_transfer
    ) -> int:
        """Put a folder at `target`, each block checked, all of it or nothing. Returns the bytes of its files.

        Raises and goes on like `fetch`; files by other import options than ours, such as large folders,
        are proved block by block all the same.
        """
        started, wanted = time.monotonic(), parse_cid(cid)
        async with (
            self._fetched.fetching(wanted),
            self._in_time(f"{wanted} did not arrive"),
            staged(wanted, target.parent) as folder,
        ):
            tree = await to_thread(Tree, wanted, folder, limits)
            await self._folders.bring(tree, folder, on_progress)
            await to_the_end(place_folder, folder, target)
        _finish("store_fetched", cid, tree.size_bytes, started, on_progress)
        return tree.size_bytes

    async def pin(self, pin: Pin) -> None:
        """Keep what the node has under one more name. Raises `StoreUnavailable` where it lacks any of it."""
        self._fetched.pins_made += 1
        folder = pin_folder(parse_cid(pin.cid), pin.name)
        query: Query = {"cid-codec": "dag-pb", "mhtype": "sha2-256", "mhlen": -1, "pin": "false"}
        async with self._api.post("block/put", query, PIN_SECONDS, body=one_part(folder.block)) as answer:
            answer.parse(await answer.body(), _Key)
        # Offline: a pin keeps what is there, and never waits for the network.
        options = {"arg": folder.cid, "name": folder.kubo_name, "recursive": "true", "offline": "true"}
        await self._api.call("pin/add", options, _Pins, PIN_SECONDS)
        self._fetched.pins_made += 1

    async def unpin(self, pin: Pin) -> None:
        """Release one name. Unknown pins are no error."""
        try:
            folder = pin_folder(parse_cid(pin.cid), pin.name)
        except (JobRejected, SettingsError):
            return
        try:
            await self._api.call("pin/rm", {"arg": folder.cid}, _Pins, PIN_SECONDS)
        except NodeRefused as error:
            if "not pinned" not in error.message:
                raise

    async def pins(self) -> Sequence[Pin]:
        """All pins of workers and creators on this node, by CID and name; the operator's own are not told."""
        query: Query = {"type": "recursive", "names": "true", "stream": "true"}
        found = list[Pin]()
        async with self._api.post("pin/ls", query, PIN_SECONDS) as answer:
            async for pinned in answer.objects(_Pinned):
                pin = read_pin(pinned.Cid, pinned.Name)
                if pin is not None:
                    found.append(pin)
        return sorted(found, key=lambda pin: (pin.cid, pin.name))

    async def room(self) -> StoreRoom:
        """The node's `StorageMax` without all that its repository has, pinned or not.

        What was fetched goes again; all else that is not pinned only where the node collects garbage. Where
        the repository is on this machine, never more than its disk has free.
        """
        return await self._disk.room()

    async def tidy(self) -> None:
        """Remove from the node, beside, what a process that was killed has fetched there."""
        self._fetched.tidy()

    async def _add(self, source: Path, plan: UploadPlan, pin_name: str, on_progress: OnTransfer) -> str:
        # A folder is hashed beside its sending: hash and bytes are compared through the node's own CID.
        expected = asyncio.create_task(to_thread(folder_cid, source)) if plan.is_folder else None
        try:
            upload, node_cid = await self._send(plan, on_progress)
            cid = upload.sent_cid if expected is None else await expected
        finally:
            if expected is not None:
                expected.cancel()
        if node_cid != cid:
            raise JobError(
                Code.UPLOAD,
                f"The IPFS node stored {node_cid[:80]!a} in place of {cid}: the bytes were changed, or the"
                " source was, on the way. Nothing of it is used.",
            )
        await self.pin(Pin(cid=cid, name=pin_name))
        return cid

    async def _send(self, plan: UploadPlan, on_progress: OnTransfer) -> tuple[Upload, str]:
        """Send it all once. Returns what was sent, and the CID that the node gives for it."""
        root = ""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeouts.quiet_seconds) as quiet:

                def on_bytes(done_bytes: int) -> None:
                    quiet.reschedule(loop.time() + self._timeouts.quiet_seconds)
                    on_progress(Transfer(done_bytes=done_bytes, total_bytes=plan.size_bytes))

                upload = Upload(plan, on_bytes)
                query: Query = {**IMPORT_OPTIONS, "pin": "false", "progress": "false"}
                async with self._api.post("add", query, None, body=upload.body()) as answer:
                    async for added in answer.objects(_Added):
                        quiet.reschedule(loop.time() + self._timeouts.quiet_seconds)
                        if added.Name == ROOT_NAME:
                            root = added.Hash
        except (TimeoutError, StoreUnavailable) as error:
            if upload.failure is not None:
                raise upload.failure from error
            if isinstance(error, TimeoutError):
                raise StoreUnavailable("The IPFS node takes no more bytes. See that it runs.") from error
            raise
        return upload, root

    async def _wait_for_node(self, reason: StoreUnavailable) -> None:
        """Until the node answers again. Raises `reason` where it stays away."""
        end = time.monotonic() + self._timeouts.away_seconds
        while True:
            with suppress(StoreUnavailable):
                await self.version()
                return
            if time.monotonic() > end:
                raise reason
            await asyncio.sleep(min(1.0, self._timeouts.away_seconds / 10))

    @asynccontextmanager
    async def _in_time(self, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeouts.total_seconds):
                yield
        except TimeoutError as error:
            raise StoreUnavailable(
                f"{what} within {self._timeouts.total_seconds:g} seconds. See that the IPFS node runs well."
            ) from error


def _finish(event: str, cid: str, size_bytes: int, started: float, on_progress: OnTransfer) -> None:
    on_progress(Transfer(done_bytes=size_bytes, total_bytes=size_bytes))
    seconds = time.monotonic() - started
    megabytes_per_second = round(size_bytes / 1e6 / max(seconds, 1e-6), 1)
    log.info(
        event,
        cid=canonical(cid),
        size_bytes=size_bytes,
        seconds=round(seconds, 3),
        megabytes_per_second=megabytes_per_second,
    )

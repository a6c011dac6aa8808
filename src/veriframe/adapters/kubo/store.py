"""The content store on IPFS: a Kubo node of your own, and other sources for files that it does not have.

The node is never trusted. The CID of added content is computed here; fetched content has the bytes of its
CID, or the fetch fails.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

import structlog

from veriframe.adapters.kubo.adding.changed_folder import folder_with
from veriframe.adapters.kubo.adding.upload import (
    IMPORT_OPTIONS,
    ROOT_NAME,
    Upload,
    UploadPlan,
    folder_cid,
    one_part,
    plan_upload,
)
from veriframe.adapters.kubo.fetching.fetcher import BlockSource, Fetcher
from veriframe.adapters.kubo.fetching.node import KuboNode
from veriframe.adapters.kubo.fetching.reading import read_range
from veriframe.adapters.kubo.fetching.timeouts import Timeouts
from veriframe.adapters.kubo.files.finished import finish
from veriframe.adapters.kubo.node.address import parse_address
from veriframe.adapters.kubo.node.answers import Added, Key, Pinned, Pins, Version
from veriframe.adapters.kubo.node.api import KuboApi, NodeRefused, Query
from veriframe.adapters.kubo.node.disk import REMEDY, NodeDisk
from veriframe.adapters.kubo.node.pins import part_of_name, pin_folder, read_pin
from veriframe.adapters.kubo.removal.fetched import FetchedBlocks
from veriframe.errors import Code, JobError, JobRejected, SettingsError, StoreFull, StoreUnavailable
from veriframe.model.content.cid import Cid, Codec, parse_cid
from veriframe.model.quantities import format_span
from veriframe.ports.store import (
    ContentStore,
    Fetched,
    FetchLimits,
    OnTransfer,
    Pin,
    StoreCheck,
    StoreRoom,
    Transfer,
    check_new_file,
    check_range,
    ignore_transfer,
)
from veriframe.threads import run_uninterrupted

log = structlog.get_logger()

READY_SECONDS, PIN_SECONDS = 10.0, 600.0
"""The second: for a node to walk through all blocks of a file that it is to pin."""


class KuboStore(ContentStore):
    """Files on the Kubo node whose API is at `api_url`, a multiaddr or a URL; then from `sources`, in turn.

    Close it with `close`, or use it as a context manager. Any number of workers may share a node. Raises
    `SettingsError` for an invalid address.
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
        self._node = KuboNode(self._api, self._timeouts)
        self._fetcher = Fetcher((self._node, *self.sources), self._timeouts)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections to the node and to the sources."""
        await self._fetched.close()
        await self._api.close()
        for source in self.sources:
            await source.close()

    def checks(self) -> Sequence[StoreCheck]:
        """Asks the sources, if there are any."""
        return [StoreCheck(name="gateways", tell=self._reach)] if self.sources else []

    async def _reach(self) -> Mapping[str, str]:
        reached = await asyncio.gather(*(source.reach() for source in self.sources))
        return {place: reason for reasons in reached for place, reason in reasons.items()}

    async def add(self, source: Path, pin_name: str, on_progress: OnTransfer = ignore_transfer) -> str:
        """Adds a file or a folder, pinned as `pin_name`. Returns its CID.

        Raises `SettingsError` if it cannot be read or stored, and `JobError` (UPLOAD) if the node stored
        something else than was sent. If the outcome is unknown, the same is added once more.
        """
        started, plan = time.monotonic(), await run_uninterrupted(plan_upload, source)
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
        finish("store_added", cid, plan.size_bytes, started, on_progress)
        return cid

    async def fetch(
        self,
        cid: str,
        target: Path,
        limits: FetchLimits,
        on_progress: OnTransfer = ignore_transfer,
        path: str = "",
    ) -> Fetched:
        """Fetches a file or a folder, or one entry of it, to `target`, each block checked, all or nothing.

        Resumes what an interrupted fetch left beside the target. What the node did not have before is removed
        from it afterwards. Any import options work.
        """
        started, wanted = time.monotonic(), parse_cid(cid)
        async with self._fetched.fetching(wanted), self._in_time(f"{wanted} did not arrive"):
            entry = await self._fetcher.find(wanted, path)
            fetched = await self._fetcher.fetch(entry, target, limits, on_progress)
        finish("store_fetched", str(entry), fetched.size_bytes, started, on_progress)
        return fetched

    async def read(self, cid: str, path: str, offset: int, length: int) -> bytes:
        """Reads a part of a file, each block checked; only its blocks and those above them are requested.

        What the node did not have before is removed from it afterwards.
        """
        check_range(offset, length)
        wanted = parse_cid(cid)
        async with self._fetched.fetching(wanted), self._in_time(f"{wanted} did not arrive"):
            file = await self._fetcher.find(wanted, path)
            return await read_range(file, offset, length, self._fetcher.block)

    async def with_file(self, folder_cid: str, name: str, content: bytes, pin_name: str) -> str:
        """Puts two blocks into the node: the file, and the folder with it. Returns the folder's CID."""
        check_new_file(name, content)
        folder = parse_cid(folder_cid)
        changed = folder_with(folder, await self._node.block(folder), name, content)
        self._fetched.pins_made += 1
        for cid, block in changed.blocks:
            await self._put(cid, block)
        await self.pin(Pin(cid=str(changed.cid), name=pin_name))
        return str(changed.cid)

    async def pin(self, pin: Pin) -> None:
        """Pins what the node has under one more name. Raises `StoreUnavailable` if it lacks any of it."""
        self._fetched.pins_made += 1
        folder = pin_folder(parse_cid(pin.cid), pin.name)
        await self._put(parse_cid(folder.cid), folder.block)
        # Offline: pinning must not wait for the network.
        options = {"arg": folder.cid, "name": folder.kubo_name, "recursive": "true", "offline": "true"}
        await self._api.call("pin/add", options, Pins, PIN_SECONDS)
        self._fetched.pins_made += 1

    async def unpin(self, pin: Pin) -> None:
        """Releases one name. Does nothing if the pin does not exist."""
        try:
            folder = pin_folder(parse_cid(pin.cid), pin.name)
        except (JobRejected, SettingsError):
            return
        try:
            await self._api.call("pin/rm", {"arg": folder.cid}, Pins, PIN_SECONDS)
        except NodeRefused as error:
            if "not pinned" not in error.message:
                raise

    async def pins(self, prefix: str = "") -> Sequence[Pin]:
        """Returns the pins of workers and creators on this node, by CID and name, but not the operator's."""
        query: Query = {"type": "recursive", "names": "true", "stream": "true", "name": part_of_name(prefix)}
        found = list[Pin]()
        async with self._api.post("pin/ls", query, PIN_SECONDS) as answer:
            async for pinned in answer.objects(Pinned):
                pin = read_pin(pinned.Cid, pinned.Name)
                # The node finds the text anywhere in its names.
                if pin is not None and pin.name.startswith(prefix):
                    found.append(pin)
        return sorted(found, key=lambda pin: (pin.cid, pin.name))

    async def ready(self) -> None:
        """Asks the node for its version."""
        await self._api.call("version", {}, Version, READY_SECONDS)

    async def room(self) -> StoreRoom:
        """Returns the node's `StorageMax` less the size of its repository, pinned or not.

        Fetched content is removed again; other unpinned content only if the node collects garbage. If the
        repository is on this machine, the free space of its disk is the limit.
        """
        return await self._disk.room()

    async def tidy(self) -> None:
        """Removes from the node, in the background, what killed processes fetched there."""
        self._fetched.tidy()

    async def _put(self, cid: Cid, block: bytes) -> None:
        codec = "raw" if cid.codec is Codec.RAW else "dag-pb"
        query: Query = {"cid-codec": codec, "mhtype": "sha2-256", "mhlen": -1, "pin": "false"}
        async with self._api.post("block/put", query, PIN_SECONDS, body=one_part(block)) as answer:
            answer.parse(await answer.body(), Key)

    async def _add(self, source: Path, plan: UploadPlan, pin_name: str, on_progress: OnTransfer) -> str:
        # A folder is hashed while it is sent: the node's own CID shows whether both saw the same bytes.
        expected = asyncio.create_task(run_uninterrupted(folder_cid, source)) if plan.is_folder else None
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
                " source was changed, during the upload. The upload is not used.",
            )
        await self.pin(Pin(cid=cid, name=pin_name))
        return cid

    async def _send(self, plan: UploadPlan, on_progress: OnTransfer) -> tuple[Upload, str]:
        """Sends everything once. Returns the upload, and the CID that the node reports."""
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
                    async for added in answer.objects(Added):
                        quiet.reschedule(loop.time() + self._timeouts.quiet_seconds)
                        if added.Name == ROOT_NAME:
                            root = added.Hash
        except (TimeoutError, StoreUnavailable) as error:
            if upload.failure is not None:
                raise upload.failure from error
            if isinstance(error, TimeoutError):
                raise StoreUnavailable("The IPFS node accepts no more bytes. Check that it runs.") from error
            raise
        return upload, root

    async def _wait_for_node(self, reason: StoreUnavailable) -> None:
        """Waits until the node answers again. Raises `reason` if it does not."""
        end = time.monotonic() + self._timeouts.away_seconds
        while True:
            with suppress(StoreUnavailable):
                await self.ready()
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
                f"{what} within {format_span(self._timeouts.total_seconds)}. Check that the IPFS node works."
            ) from error

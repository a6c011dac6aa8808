"""An asset that was inspected: what each of its jobs renders, and the settings that its manifest names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from veriframe.errors import JobRejected
from veriframe.model.bundle.chunks import check_parts, task_of
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.registry.job import Job
from veriframe.model.rendering.frames import RenderTask
from veriframe.model.rendering.scene import SceneInspection

Setting = str | int | float | bool | list[int] | list[str] | None
Settings = Mapping[str, Setting]


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedAsset:
    """The scene as it will be rendered, and the bundle that it lies in; None for a bare scene."""

    inspection: SceneInspection
    bundle: Bundle | None = None

    def task(self, job: Job) -> RenderTask:
        """What to render for a job. Raises `JobRejected` (PARTS) if its order cannot be of this bundle."""
        if self.bundle is None:
            # A bare `.blend` is rendered as frame 1, whatever range the scene itself has.
            return RenderTask(size=(self.inspection.width, self.inspection.height))
        check_parts(self.bundle, job.order.jobs)
        return task_of(self.bundle, job.part, self.inspection)

    def objection(self, job: Job) -> str:
        """Why a job cannot be of this asset, as one clause, or an empty text."""
        try:
            self.task(job)
        except JobRejected:
            return "its order does not have one job for each part of its bundle"
        return ""


def settings_of(inspection: SceneInspection, task: RenderTask) -> dict[str, Setting]:
    """The settings that a task is rendered with, by the names of `job.json` where it has them.

    `inspection` is of the scene with the task's overrides. A `seed` of None is an animated one.
    """
    region = task.region
    return {
        "engine": inspection.engine,
        "resolution": [inspection.width, inspection.height],
        "samples": inspection.samples,
        "seed": inspection.seed,
        "denoise": inspection.denoises and not task.is_denoised_later,
        "camera": inspection.camera,
        "view_layers": list(inspection.view_layers),
        "format": task.format.value,
        "color_depth": task.overrides.color_depth,
        "passes": list(task.overrides.passes),
        "region": None if region is None else [region.left, region.top, region.width, region.height],
        "frames_per_second": inspection.frames_per_second,
    }

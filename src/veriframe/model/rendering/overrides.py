"""Settings that a job has in place of its scene's own, and what the scene would be with them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from veriframe.errors import Code, JobRejected
from veriframe.model.rendering.scene import SceneInspection
from veriframe.model.text import printable, some_names

PASSES: tuple[str, ...] = (
    "z",
    "mist",
    "position",
    "normal",
    "vector",
    "uv",
    "object_index",
    "material_index",
    "diffuse_direct",
    "diffuse_indirect",
    "diffuse_color",
    "glossy_direct",
    "glossy_indirect",
    "glossy_color",
    "transmission_direct",
    "transmission_indirect",
    "transmission_color",
    "emit",
    "environment",
    "shadow",
    "ambient_occlusion",
)
"""Passes that may be asked for, by the names of Blender's `ViewLayer.use_pass_…`."""

_EEVEE_PASSES = (
    *("z", "mist", "position", "normal", "vector", "emit", "environment", "shadow", "ambient_occlusion"),
    *("diffuse_direct", "diffuse_color", "glossy_direct", "glossy_color"),
)


def passes_of(engine: str) -> tuple[str, ...]:
    """The passes that an engine has. Blender leaves out any other without a word."""
    if engine == "CYCLES":
        return tuple(name for name in PASSES if name != "shadow")
    return _EEVEE_PASSES if engine.startswith("BLENDER_EEVEE") else ("z",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What a job asks for instead of the scene's own settings. None: the scene's own value.

    `resolution` is width and height in pixels, at 100 percent. `samples` are per pixel. `seed` also ends an
    animated seed. `color_depth` is in bits a channel. `passes` are further ones, written with the picture
    into a multilayer EXR.
    """

    camera: str | None = None
    view_layer: str | None = None
    engine: str | None = None
    resolution: tuple[int, int] | None = None
    samples: int | None = None
    seed: int | None = None
    denoise: bool | None = None
    color_depth: int | None = None
    passes: tuple[str, ...] = ()


def overridden(inspection: SceneInspection, overrides: Overrides) -> SceneInspection:
    """The inspection of the scene as it will be rendered.

    Raises `JobRejected` (OVERRIDE): the scene has no such camera or view layer, or the engine that renders
    it has no such setting or pass.
    """
    asked = overrides
    camera, layers = inspection.camera, inspection.view_layers
    if asked.camera is not None:
        camera = _one_of("camera", asked.camera, inspection.cameras)
    if asked.view_layer is not None:
        layers = (_one_of("view layer", asked.view_layer, inspection.all_view_layers),)
    engine = asked.engine or inspection.engine
    if engine != "CYCLES":
        for name in ("seed", "denoise"):
            if getattr(asked, name) is not None:
                raise JobRejected(
                    Code.OVERRIDE,
                    f"{name} is a setting of Cycles, and {printable(engine)} renders the scene.",
                )
    if engine == "BLENDER_WORKBENCH" and asked.samples is not None:
        raise JobRejected(Code.OVERRIDE, "Workbench renders the scene, and has no number of samples.")
    if lacking := [name for name in asked.passes if name not in passes_of(engine)]:
        raise JobRejected(
            Code.OVERRIDE,
            f"{printable(engine)} renders the scene, and has no pass {some_names(lacking)}. Leave it out.",
        )
    seed = inspection.seed if asked.seed is None else asked.seed
    denoised = inspection.denoised_layers
    if asked.denoise is not None:
        denoised = layers if asked.denoise else ()
    width, height = asked.resolution or (inspection.width, inspection.height)
    samples = inspection.samples if asked.samples is None else asked.samples
    return replace(
        inspection,
        camera=camera,
        view_layers=layers,
        engine=engine,
        width=width,
        height=height,
        samples=samples,
        seed=seed if engine == "CYCLES" else None,
        denoised_layers=denoised,
    )


def _one_of(kind: str, name: str, names: Collection[str]) -> str:
    if name in names:
        return name
    known = some_names(sorted(names)) if names else "none"
    raise JobRejected(
        Code.OVERRIDE,
        f"The scene has no {kind} “{printable(name)}”; it has {known}. Name one of these, or none.",
    )

"""Why a worker gave a job back, in words: what its reason code means, and what the creator can do."""

from __future__ import annotations

from collections.abc import Mapping

from veriframe.errors import Code
from veriframe.model.text import printable

ANOTHER = "Nothing to do: the job waits for another worker."
_AT_HOME = "Render it with `veriframe scene render FILE`"
_AGAIN = "then post again"

WORDS: Mapping[Code, tuple[str, str]] = {
    Code.LOST: ("the claim was lost", ANOTHER),
    Code.CANCELLED: ("the job was cancelled", ""),
    Code.BAD_CID: ("the scene's CID cannot be used", "Post the file with `veriframe job create`."),
    Code.NOT_A_FILE: ("the CID names a folder, not a scene", "Post the .blend itself."),
    Code.TOO_LARGE: (
        "the scene's file is larger than the worker takes",
        f"Purge unused data (File > Clean Up), save with compression, {_AGAIN}.",
    ),
    Code.NOT_FOUND: (
        "the scene did not arrive from IPFS",
        "Keep the node that holds it running, and see with `veriframe doctor` that others reach it.",
    ),
    Code.NOT_BLEND: ("the file is not a .blend", "Post a file that Blender saved."),
    Code.TRUNCATED: ("the scene's file is cut off", f"Save it again, {_AGAIN}."),
    Code.BOMB: (
        "the scene's file unpacks to more than the worker takes",
        f"Purge unused data (File > Clean Up), {_AGAIN}.",
    ),
    Code.VERSION: (
        "the scene was saved by another Blender release than the worker's",
        f"Save it with the release that workers have, {_AGAIN}; or wait for a worker with yours.",
    ),
    Code.CORRUPT: ("the scene's file cannot be opened", f"Open and save it in Blender, {_AGAIN}."),
    Code.NO_CAMERA: ("the scene has no active camera", f"Set one (View > Cameras), {_AGAIN}."),
    Code.NO_RENDER_LAYER: (
        "no view layer is used for rendering",
        f"Turn one on (View Layer > Use for Rendering), {_AGAIN}.",
    ),
    Code.MISSING_FILES: (
        "the scene needs files that are not in it",
        f"Pack the textures: File > External Data > Pack Resources, {_AGAIN}.",
    ),
    Code.RESOLUTION: ("the picture is larger than the worker renders", f"Lower the resolution, {_AGAIN}."),
    Code.SAMPLES: ("the scene asks for more samples than the worker renders", f"Lower them, {_AGAIN}."),
    Code.ENGINE: (
        "the worker does not render with the scene's engine",
        f"Choose Cycles or EEVEE, {_AGAIN}; or wait for a worker that has it.",
    ),
    Code.NOT_STILL: ("the scene's output is a movie", f"Choose an image format in Output, {_AGAIN}."),
    Code.UNREPEATABLE: (
        "two renders of the scene would differ",
        f"Bake simulations, limit samples instead of time, {_AGAIN}.",
    ),
    Code.FRAME_RANGE: ("the frame to render is not in the scene", f"Set frame 1 to what you want, {_AGAIN}."),
    Code.BAD_BUNDLE: (
        "the bundle's job.json cannot be used",
        "Pack the scene again with: veriframe job pack.",
    ),
    Code.PARTS: (
        "the order does not have one job for each part of its bundle",
        "Post it with: veriframe order create.",
    ),
    Code.CLASS: (
        "the bundle accepts other classes of machine only",
        "Name the worker's class in job.json, or “any”; `veriframe doctor` shows that of a machine.",
    ),
    Code.OVERRIDE: (
        "the bundle asks for a camera, view layer or setting that its scene does not have",
        "Pack the scene again with: veriframe job pack.",
    ),
    Code.CRASH: ("Blender crashed", f"{_AT_HOME}; if it crashes there, too, simplify the scene."),
    Code.OOM: (
        "the render needed more memory than the worker gives it",
        f"Use smaller textures, fewer subdivisions or a lower resolution, {_AGAIN}.",
    ),
    Code.TIMEOUT: (
        "the frame took longer than the worker allows",
        f"Lower samples or resolution, {_AGAIN}; or wait for a faster worker.",
    ),
    Code.PIDS: ("the render started more processes than the worker allows", ANOTHER),
    Code.DISK: ("the worker's disk was full", ANOTHER),
    Code.OUTPUT_LIMIT: ("the render wrote more than the worker allows", f"Turn off extra outputs, {_AGAIN}."),
    Code.GPU: ("the worker's GPU failed", ANOTHER),
    Code.LOG_FLOOD: ("Blender wrote endless messages", f"{_AT_HOME}, mend what it reports, {_AGAIN}."),
    Code.NO_OUTPUT: ("Blender left no picture", f"{_AT_HOME}, and see that a picture comes out."),
    Code.EXTRA_OUTPUT: (
        "the render left files that nobody asked for",
        f"Remove File Output nodes from the compositor, {_AGAIN}.",
    ),
    Code.TAMPER: ("the render's output was tampered with", f"Remove scripts from the scene, {_AGAIN}."),
    Code.BLENDER_ERROR: ("Blender reported an error", f"{_AT_HOME}, mend what it reports, {_AGAIN}."),
    Code.SANDBOX: ("the worker's sandbox failed", ANOTHER),
    Code.NOT_IMAGE: ("the render's output was no picture", f"{_AT_HOME}, and look at what comes out."),
    Code.WRONG_SIZE: (
        "the picture did not have the scene's size",
        f"See that no script or compositor node changes the size, {_AGAIN}.",
    ),
    Code.BLACK: (
        "the picture was all black",
        f"See that camera, lights and compositor give a picture, {_AGAIN}.",
    ),
    Code.MISMATCH: ("a part of the picture came out otherwise when the worker rendered it again", ANOTHER),
    Code.BAD_MANIFEST: (
        "the result's manifest is not what its format asks for",
        "Dispute the result if an arbiter is named.",
    ),
    Code.BAD_REPORT: (
        "a verification report is not what its format asks for",
        "Verify the result again, or ask for another report.",
    ),
    Code.NOT_FINITE: (
        "the picture has values that are not numbers",
        f"Look for a division by zero in the compositor or a shader, {_AGAIN}.",
    ),
    Code.UPLOAD: ("the worker could not store the picture", ANOTHER),
    Code.LEASE: (
        "the lease was too short for the render",
        "Post with a longer --lease, or with fewer samples.",
    ),
    Code.STOPPED: ("the worker was stopped", ANOTHER),
}
"""By reason code: what it means, and the remedy for the creator, which is empty where there is none."""


def words(reason: str) -> tuple[str, str]:
    """What a release's reason means, and the remedy. A reason may be any text: workers give it."""
    if reason in Code.__members__:
        meaning, remedy = WORDS[Code(reason)]
        return f"{meaning} [{reason}]", remedy
    return f"for a reason that is not known here: “{printable(reason, 40)}”", ""

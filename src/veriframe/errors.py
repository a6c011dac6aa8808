"""Every error that VeriFrame raises on purpose, sorted by what the caller does next.

::

    VeriFrameError
    ├── SettingsError            stop, exit 2, one clear line
    ├── Unavailable              try again later; the job is untouched
    │   ├── RegistryUnavailable
    │   │   └── AccountNotDeployed   the account is not on the chain yet
    │   ├── StoreUnavailable
    │   │   └── StoreFull        it has no room; waiting helps only if something is removed
    │   └── HostUnavailable      this machine cannot continue: disk full, Blender missing
    ├── OutputGone               nobody reads the output any more: end without a word
    ├── MoveRefused              the registry refuses: the move is not legal now
    └── JobError (code)          this job ends; the worker continues
        ├── JobLost              the job is no longer ours; nothing to release
        │   ├── JobCancelled     its creator cancelled it before our claim
        │   ├── NoRoom           no room for its result now; not claimed, may be tried later
        │   └── SceneDelayed     its scene does not arrive, and others wait; may be tried later
        ├── JobRejected          the creator's asset or scene is at fault
        ├── RenderFailed         Blender or the sandbox failed
        └── ValidationFailed     the frames are not what the job asked for

Any other exception is a bug.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Why a job ended. Stable: on chain as a short string (at most 31 ASCII characters), in logs, in JSON."""

    # the registry's side
    LOST = "LOST"
    CANCELLED = "CANCELLED"
    # the asset
    BAD_CID = "BAD_CID"
    NOT_A_FILE = "NOT_A_FILE"
    TOO_LARGE = "TOO_LARGE"
    NOT_FOUND = "NOT_FOUND"
    # the header check: the scene file, read without Blender
    NOT_BLEND = "NOT_BLEND"
    TRUNCATED = "TRUNCATED"
    BOMB = "BOMB"
    VERSION = "VERSION"
    CORRUPT = "CORRUPT"
    # the inspection: the scene, read by Blender
    NO_CAMERA = "NO_CAMERA"
    NO_RENDER_LAYER = "NO_RENDER_LAYER"
    MISSING_FILES = "MISSING_FILES"
    RESOLUTION = "RESOLUTION"
    SAMPLES = "SAMPLES"
    ENGINE = "ENGINE"
    NOT_STILL = "NOT_STILL"
    UNREPEATABLE = "UNREPEATABLE"
    FRAME_RANGE = "FRAME_RANGE"
    # a bundle's description of the job
    BAD_BUNDLE = "BAD_BUNDLE"
    OVERRIDE = "OVERRIDE"
    PARTS = "PARTS"
    CLASS = "CLASS"
    # Blender's side
    CRASH = "CRASH"
    OOM = "OOM"
    TIMEOUT = "TIMEOUT"
    PIDS = "PIDS"
    DISK = "DISK"
    OUTPUT_LIMIT = "OUTPUT_LIMIT"
    GPU = "GPU"
    LOG_FLOOD = "LOG_FLOOD"
    NO_OUTPUT = "NO_OUTPUT"
    EXTRA_OUTPUT = "EXTRA_OUTPUT"
    TAMPER = "TAMPER"
    BLENDER_ERROR = "BLENDER_ERROR"
    SANDBOX = "SANDBOX"
    # the frames
    NOT_IMAGE = "NOT_IMAGE"
    WRONG_SIZE = "WRONG_SIZE"
    BLACK = "BLACK"
    NOT_FINITE = "NOT_FINITE"
    MISMATCH = "MISMATCH"
    BAD_MANIFEST = "BAD_MANIFEST"
    BAD_REPORT = "BAD_REPORT"
    UPLOAD = "UPLOAD"
    # the worker's own reasons
    LEASE = "LEASE"
    STOPPED = "STOPPED"


class VeriFrameError(Exception):
    """The base of all errors. Its text is one clear sentence, with the remedy if there is one."""


class SettingsError(VeriFrameError):
    """The operator's input cannot be used. Stop with exit code 2."""


class Unavailable(VeriFrameError):
    """An external part does not answer now. Try again later; the job is untouched."""


class RegistryUnavailable(Unavailable):
    """The job registry does not answer."""


class AccountNotDeployed(RegistryUnavailable):
    """The account is not on the chain yet, so that it can make no move."""


class StoreUnavailable(Unavailable):
    """The content store does not answer."""


class StoreFull(StoreUnavailable):
    """The content store has no room. The text says how to make some."""


class StoreDamaged(StoreUnavailable):
    """A file of our own content store is not what it was. Nobody else is at fault."""


class HostUnavailable(Unavailable):
    """This machine cannot continue now: disk full, Blender missing, or journal not writable."""


class OutputGone(VeriFrameError):
    """Nobody reads standard output any more, as after `| head`. End without a word, with exit code 141."""


class MoveRefused(VeriFrameError):
    """The registry refuses a move; nothing changed. `rule` is the contract's name for the reason.

    `fee_fri` is the fee that the refusal cost: 0 if nothing was sent.
    """

    def __init__(self, rule: str, sentence: str, *, fee_fri: int = 0) -> None:
        super().__init__(sentence)
        self.rule = rule
        self.fee_fri = fee_fri


class JobError(VeriFrameError):
    """This job ends here with a stable `code`; the worker continues.

    `fees_fri` is the cost of the refused moves that led here; `lost_fri` is the burned part of the bond.
    """

    def __init__(self, code: Code, sentence: str, *, fees_fri: int = 0, lost_fri: int = 0) -> None:
        super().__init__(sentence)
        self.code = code
        self.fees_fri = fees_fri
        self.lost_fri = lost_fri


class JobLost(JobError):
    """The job is no longer ours: the claim lapsed or another worker was faster. Nothing to release."""

    def __init__(self, sentence: str, *, fees_fri: int = 0, lost_fri: int = 0) -> None:
        super().__init__(Code.LOST, sentence, fees_fri=fees_fri, lost_fri=lost_fri)


class JobCancelled(JobLost):
    """The creator cancelled the job before our claim."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.code = Code.CANCELLED


class NoRoom(JobLost):
    """The store has no room for the job's result now. Raised before a claim; the job may be tried again."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.code = Code.DISK


class SceneDelayed(JobLost):
    """Nothing of the scene arrives, and other jobs need its place. Raised before a claim."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.code = Code.NOT_FOUND


class JobRejected(JobError):
    """The creator's asset or scene is at fault. A job is refused before its claim, and fails after it."""


class RenderFailed(JobError):
    """Blender or the sandbox failed to produce the frames."""


class ValidationFailed(JobError):
    """The frames exist but are not what the job asked for."""

"""Draws docs/pictures/worker.svg: the screen of `veriframe worker` with three jobs, as the program draws it.

`python -m tools.worker_picture` writes it; a test compares the committed picture with a new one.
"""

from __future__ import annotations

import io
import re
from datetime import datetime
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from veriframe.cli.worker import drawing
from veriframe.model.attempt.attempt import Stage
from veriframe.worker.overview.overview import Due, Happening, JobAtWork, Overview, Sums, Who

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "worker.svg"
COLUMNS = 110
STRK = 10**18
# The same time of day wherever the picture is drawn.
NOW = datetime(2026, 11, 30, 14, 5, 10).astimezone().timestamp()

EVENTS = (
    (200, "job 11: inspected it with Blender in the sandbox (0.31s)", False),
    (199, "job 11: claimed the job: its bond is in escrow (0.06s)", False),
    (112, "job 9: received 5 STRK, 10m2s after the submission", False),
    (95, "job 10: rendered it (6m48s)", False),
    (94, "job 10: validated the picture in a clean sandbox (0.84s)", False),
    (93, "job 10: put the picture into the store (0.12s)", False),
    (92, "job 10: submitted the picture's CID (0.05s)", False),
    (30, "job 13 is left: it pays 0.1 STRK, less than minimum_reward_strk", False),
)
"""Seconds ago, the event, and whether it is bad."""


def example() -> Overview:
    """A worker in the middle of its work."""
    return Overview(
        who=Who(
            account="worker",
            address="0x5f3c1d2e4b6a79880",
            home="~/.veriframe",
            registry="embedded, ~/.veriframe/registry.sqlite",
            store="embedded",
            blender="4.5.15 LTS (bpy wheel)",
            sandbox="STRICT",
            slots=1,
            log="~/.veriframe/workers/worker/worker.log",
        ),
        now=NOW,
        started_at=NOW - 11_535,
        busy_percent=87.4,
        jobs=[
            JobAtWork(
                job_id=11,
                stage=Stage.CLAIMED,
                doing="rendering",
                since=NOW - 199,
                due_at=int(NOW) + 3401,
                share=0.63,
                seconds_left=117,
                frame=1,
                frames=1,
                memory_bytes=1_288_490_188,
                reward_fri=5 * STRK,
                bond_fri=STRK // 2,
            ),
            JobAtWork(
                job_id=12,
                stage=Stage.CHECKED,
                doing="claiming",
                since=NOW - 131,
                waits_for="a renderer",
                waits_since=NOW - 131,
                reward_fri=5 * STRK,
                bond_fri=STRK // 2,
            ),
            JobAtWork(
                job_id=14,
                stage=Stage.SEEN,
                doing="fetching",
                since=NOW - 12,
                share=0.31,
                done_bytes=998_244_352,
                total_bytes=3_221_225_472,
                reward_fri=5 * STRK,
                bond_fri=STRK // 2,
            ),
        ],
        happened=[Happening(at=NOW - ago, text=text, is_bad=bad) for ago, text, bad in EVENTS],
        today=Sums(paid_jobs=9, paid_fri=45 * STRK, lost_fri=STRK // 20),
        due=[Due(job_id=10, reward_fri=5 * STRK, due_at=int(NOW) + 508)],
    )


def draw() -> str:
    """The picture: events above, the overview below, as on a terminal."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    overview = example()
    for happening in overview.happened:
        console.print(drawing.event_line(happening))
    console.print(drawing.draw(overview, COLUMNS))
    # Without the fonts that rich would load from the web.
    form = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="veriframe worker", code_format=form, unique_id="worker")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")

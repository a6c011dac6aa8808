"""`veriframe verify`: renders drawn tiles of results again and says whether they are right."""

from __future__ import annotations

from veriframe.cli import context
from veriframe.cli.display import job_view
from veriframe.cli.display.activity import activity
from veriframe.cli.job import acting
from veriframe.cli.job import options as job_options
from veriframe.cli.verification import options
from veriframe.cli.verification.running import Output, verify_jobs
from veriframe.creator.orders.notes import OrderNotes
from veriframe.wiring.orders import build_orders


def verify(
    numbers: job_options.JobIds,
    tiles: options.Tiles = None,
    frames: options.Frames = None,
    every: options.Every = False,
    thorough: options.Thorough = False,
    report: options.Report = None,
    publish: options.Publish = False,
    as_json: job_options.AsJson = False,
) -> None:
    """Render drawn tiles of jobs' results again, and say whether the results are right.

    Exits with 0 if they are, 10 if one is wrong, 11 if one is withheld, 12 if it cannot be decided here: the
    first of these that occurs.
    """
    request = options.request(tiles, frames, every=every, thorough=thorough)
    output = Output(folder=report, publish=publish, as_json=as_json)
    with activity("opening the registry"):
        jobs = acting.jobs()
    notes = OrderNotes(context.current().settings.home, context.account(job_view.DEFAULT_ACCOUNT))
    verify_jobs(build_orders(jobs, notes), job_options.distinct(numbers), request, output)

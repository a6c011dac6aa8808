"""`veriframe job accept`, `cancel` and `dispute`: the creator's decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from veriframe.cli import context
from veriframe.cli.display import consent, job_view
from veriframe.cli.job import acting, options

PUBLIC_EVIDENCE = "The evidence becomes public: anyone who knows its CID can read it. This cannot be undone."


def accept(job_id: options.JobId, as_json: options.AsJson = False) -> None:
    """Accept the result: the worker is paid now. This cannot be undone."""
    job_view.print_job(context.run(acting.creator().accept(job_id)), as_json=as_json)


def cancel(job_id: options.JobId, as_json: options.AsJson = False) -> None:
    """Cancel a job that no worker has claimed; the reward becomes credit again."""
    job_view.print_job(context.run(acting.creator().cancel(job_id)), as_json=as_json)


def dispute(
    job_id: options.JobId,
    evidence: Annotated[
        Path | None, typer.Option(help="A file for the arbiter, which becomes public. [default: the result]")
    ] = None,
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """Dispute the result before the review ends. This binds a bond as high as the worker's."""
    if evidence is not None:
        consent.need_terminal(yes, "The file becomes public")
        consent.warn_and_ask(yes, PUBLIC_EVIDENCE, "Publish it and dispute?")
    job_view.print_job(context.run(acting.creator().dispute(job_id, evidence)), as_json=as_json)

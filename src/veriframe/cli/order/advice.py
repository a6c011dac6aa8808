"""What a creator should know of an order before it is posted, above all what workers would make of it."""

from __future__ import annotations

from collections.abc import Iterator

from veriframe.cli.order.sources import Source
from veriframe.creator.orders.posting import OrderDraft
from veriframe.model.attempt.chunk_limits import (
    LONGEST_CHUNK_SECONDS,
    RELEASE_FEE_SHARE,
    chunk_seconds,
    is_too_long,
    shortest_lease,
    unhurried_lease,
)
from veriframe.model.bundle.chunks import frames_of
from veriframe.model.quantities import format_span


def advice(source: Source, draft: OrderDraft) -> Iterator[str]:
    """All of it, as sentences."""
    yield from (warning.sentence for warning in draft.warnings)
    yield from source.warnings
    yield from _left_by_workers(source, draft)
    yield from _stopped_early(source, draft)


def _left_by_workers(source: Source, draft: OrderDraft) -> Iterator[str]:
    if is_too_long(source.bundle):
        most, allowed = (format_span(round(n)) for n in (chunk_seconds(source.bundle), LONGEST_CHUNK_SECONDS))
        yield (
            "Workers with default settings leave these chunks until you have paid them: by the limits of its"
            f" frames one may take {most}, and they allow {allowed}. Pass a lower --frame-seconds, or a"
            " smaller --chunk."
        )
    elif draft.terms.lease_seconds < (needed := shortest_lease(source.bundle, source.size)):
        yield (
            f"Workers with default settings leave these chunks: they need a lease of {format_span(needed)},"
            " or a lower --frame-seconds, or a smaller --chunk."
        )


def _stopped_early(source: Source, draft: OrderDraft) -> Iterator[str]:
    """Whether unpaid workers may stop a chunk before its lease is over: no estimate has set a longer one."""
    bundle, lease_seconds = source.bundle, draft.terms.lease_seconds
    is_known = source.estimate is not None or source.before is not None or not draft.terms.bond_fri
    if is_known or lease_seconds >= unhurried_lease(bundle, source.size):
        return
    fewer = ", or a smaller --chunk" if len(frames_of(bundle, 0)) > 1 else ""
    fewer = ", or more --tiles" if bundle.split is not None else fewer
    yield (
        f"If a chunk may take longer than {format_span(round(RELEASE_FEE_SHARE * lease_seconds))}, pass"
        f" --lease with ten times what it takes{fewer}: nothing was estimated, and workers that you have not"
        f" paid yet stop after a quarter of the lease of {format_span(lease_seconds)}."
    )

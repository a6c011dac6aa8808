"""`veriframe order create`: packs a scene, says what it will cost, and posts it as one order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from veriframe.cli import context, opening
from veriframe.cli.display import consent, order_draft_view, order_view, show
from veriframe.cli.display.transfer_bar import transfer_bar
from veriframe.cli.job import bundle_options as wanted
from veriframe.cli.job import options as terms_options
from veriframe.cli.job import posting as single
from veriframe.cli.order import acting, advice, options, sources
from veriframe.cli.order.checks import Checks
from veriframe.cli.order.sources import Source
from veriframe.creator.orders.posting import OrderDraft, OrderPosting, PostedOrder
from veriframe.creator.orders.repeats import EarlierOrder
from veriframe.errors import SettingsError
from veriframe.model.bundle.chunks import Piece
from veriframe.model.bundle.job_file import MOST_CHUNK_FRAMES
from veriframe.model.quantities import counted, plural
from veriframe.model.registry.offer import Offer
from veriframe.model.rendering.frames import format_frames

NO_PRICE = (
    "Pass what you pay: --price for a frame, or --reward for a chunk. The setting machine_hour_strk lets an "
    "estimate of a scene suggest a price."
)

PUBLIC_ORDER = (
    "The scene with all its files, and its frames, become public: anyone who knows a CID can read them. "
    "This cannot be undone."
)


def create(
    scene: Annotated[
        Path | None,
        typer.Argument(metavar="FILE.blend|DIR", help="The scene, or a folder that `job pack` made."),
    ] = None,
    price: Annotated[
        int | None, terms_options.strk("--price", "What you pay for a frame, such as 0.05.")
    ] = None,
    reward: Annotated[int | None, terms_options.strk("--reward", "What you pay for a chunk instead.")] = None,
    again: Annotated[
        int | None,
        typer.Option(
            metavar="ORDER",
            min=1,
            help="Post the lost frames of an order again: its scene is not sent again.",
        ),
    ] = None,
    skip_existing: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Leave out frames that are in this folder.")
    ] = None,
    frames: wanted.Frames = None,
    chunk: wanted.Chunk = None,
    tiles: wanted.Tiles = None,
    camera: wanted.Camera = None,
    view_layer: wanted.ViewLayer = None,
    engine: wanted.EngineOption = None,
    resolution: wanted.Resolution = None,
    samples: wanted.Samples = None,
    seed: wanted.Seed = None,
    denoise: wanted.Denoise = None,
    image_format: wanted.FormatOption = wanted.Format.PNG,
    depth: wanted.Depth = None,
    passes: wanted.Passes = None,
    proof_tiles: wanted.ProofTiles = 4,
    frame_seconds: wanted.FrameLimit = None,
    bond: Annotated[
        int | None,
        terms_options.strk("--bond", "A worker's bond for a chunk; by default a tenth of its reward."),
    ] = None,
    deadline: Annotated[int | None, terms_options.DEADLINE] = None,
    lease: Annotated[int | None, terms_options.LEASE] = None,
    review: Annotated[int | None, terms_options.REVIEW] = None,
    arbitration: Annotated[int | None, terms_options.ARBITRATION] = None,
    arbiter: Annotated[
        int | None,
        terms_options.address("--arbiter", "Who decides disputes; without an arbiter there are none."),
    ] = None,
    worker: Annotated[int | None, terms_options.address("--worker", "The only worker who may claim.")] = None,
    yes: options.Yes = False,
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway", help="Post frames that an order of yours renders, or has delivered: pay twice."
        ),
    ] = False,
    no_check: Annotated[
        bool,
        typer.Option("--no-check", help="No comparison, no estimate, and no check of a folder."),
    ] = False,
    without_scripts: Annotated[
        bool,
        typer.Option("--without-scripts", help="Post a scene whose scripts and drivers workers do not run."),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Pack a scene, show what it will cost, and post it: one upload, one transaction. It becomes public."""
    opening.refuse_other_makers("order")
    given = wanted.Given(
        frames=frames,
        chunk=chunk,
        tiles=tiles,
        camera=camera,
        view_layer=view_layer,
        engine=engine,
        resolution=resolution,
        samples=samples,
        seed=seed,
        denoise=denoise,
        image_format=image_format,
        depth=depth,
        passes=passes,
        proof_tiles=proof_tiles,
        frame_seconds=frame_seconds,
    )
    sources.check_named(scene, again, given, skip_existing)
    _check_money(price, reward)
    if scene is not None and price is None and reward is None:
        _need_price(scene, no_check=no_check)
    consent.need_terminal(yes, "The scene becomes public")
    terms = {
        "bond_fri": bond,
        "deadline_seconds": deadline,
        "lease_seconds": lease,
        "review_seconds": review,
        "arbitration_seconds": arbitration,
        "arbiter": arbiter,
        "worker": worker,
    }
    posting = acting.posting()
    if price is not None or reward is not None:
        least, chunks = _least(price, reward, given, every=skip_existing is None)
        context.run(posting.require_payable(single.offer_of(least, terms), chunks))
    how = Checks(in_sandbox=not no_check, without_scripts=without_scripts)
    with sources.opened(scene, again, given, skip_existing, how) as source:
        offer = _offer(source, price, reward, terms)
        limited = source.limited(offer.terms(0).lease_seconds)
        _draft_and_post(posting, limited, offer, yes=yes, anyway=anyway, as_json=as_json)


def _check_money(price: int | None, reward: int | None) -> None:
    if price is not None and reward is not None:
        raise SettingsError("--price is for a frame, and --reward for a chunk: pass one of them.")


def _need_price(scene: Path, *, no_check: bool) -> None:
    """Raise `SettingsError` if no estimate will suggest a price: before a scene is packed for one."""
    from veriframe.cli.job import packing  # noqa: PLC0415 - as in `sources`

    if no_check or scene.is_dir() or packing.hour_fri() is None:
        raise SettingsError(NO_PRICE)


def _least(price: int | None, reward: int | None, given: wanted.Given, *, every: bool) -> tuple[int, int]:
    """The least that an order of a scene pays for a chunk, and how many chunks it has at least.

    `every`: all frames that are named are ordered.
    """
    asked = given.options()
    frames = len(asked.frames) if asked.frames is not None and every else 1
    if asked.split is not None:
        tiles = asked.split.tiles
        return (-(-price // tiles) if price is not None else reward or 0), tiles
    if price is not None:
        # The chunks together pay for all frames, however many each has.
        return price, frames
    return reward or 0, -(-frames // (asked.chunk or MOST_CHUNK_FRAMES))


def _offer(source: Source, price: int | None, reward: int | None, terms: dict[str, int | None]) -> Offer:
    """The offer for a chunk. What was not given is as in the earlier order, or as the estimate says."""
    before, estimate = source.before, source.estimate
    if price is None and reward is None:
        if before is not None:
            reward = source.earlier_reward_fri
        elif estimate is not None and estimate.frame_price_fri is not None:
            price = estimate.frame_price_fri
        else:
            raise SettingsError(NO_PRICE)
    if reward is None:
        assert price is not None
        reward = source.chunk_price_fri(price)

    earlier = {"lease_seconds": source.lease_seconds}
    if before is not None:
        for name in ("review_seconds", "arbitration_seconds", "arbiter", "worker"):
            earlier[name] = getattr(before, name)
    asked = {name: value for name, value in terms.items() if value is not None}
    return single.offer_of(reward, terms | earlier | asked)


def _draft_and_post(
    posting: OrderPosting, source: Source, offer: Offer, *, yes: bool, anyway: bool, as_json: bool
) -> None:
    draft = context.run(posting.draft(source.place, source.bundle, offer, source.note))
    show.facts("", order_draft_view.facts(draft, source.size_bytes, source.estimate), show.err)
    for sentence in advice.advice(source, draft):
        show.err.print(f"Warning: {show.clean(sentence)}", style="yellow", markup=False)
    if not anyway:
        _ask_about_repeats(context.run(posting.earlier(draft)), draft, yes=yes)
    consent.warn_and_ask(yes, PUBLIC_ORDER, "Post it?")
    with transfer_bar(f"storing {draft.note.name}") as on_progress:
        posted = context.run(posting.post(draft, on_progress))
    _tell(posted, draft, as_json=as_json)


def _ask_about_repeats(earlier: Sequence[EarlierOrder], draft: OrderDraft, *, yes: bool) -> None:
    """Whether frames are to be paid twice, if other orders render them already, or have delivered them."""
    if not earlier:
        return
    words = " ".join(sentence for one in earlier for sentence in _repeated(one, draft))
    words = f"You have ordered the same scene with the same settings before. {words}"
    if yes:
        raise SettingsError(f"{words} Or pay for these frames twice with --anyway.")
    show.err.print(show.clean(words), style="yellow", markup=False)
    consent.ask(False, "Pay for these frames twice?", "Nothing was published.")


def _repeated(one: EarlierOrder, draft: OrderDraft) -> Iterator[str]:
    if there := draft.pieces & one.delivered:
        yield f"Order {one.number} has {_frames(there)}: `veriframe order fetch {one.number}` gets them."
    if awaited := draft.pieces & one.live - one.delivered:
        yield f"Order {one.number} renders {_frames(awaited)}: watch it, or cancel it."


def _frames(pieces: Collection[Piece]) -> str:
    numbers = {frame for frame, _ in pieces}
    return f"{plural(len(numbers), 'frame')} {format_frames(tuple(sorted(numbers)))}"


def _tell(posted: PostedOrder, draft: OrderDraft, *, as_json: bool) -> None:
    if as_json:
        show.as_json(order_draft_view.posted_object(posted, draft))
        return
    jobs = order_view.jobs_words(posted.jobs)
    if len(posted.jobs) > 1:
        jobs = f"{counted(len(posted.jobs), 'chunk')}, {jobs}"
    show.out.print(
        f"Posted as order {posted.number}: {jobs}. `veriframe order watch {posted.number}` follows it.",
        markup=False,
    )

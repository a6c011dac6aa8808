"""`veriframe registry`: deploys our contract on a chain, and shows which contract is deployed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from veriframe.cli import arguments, context, opening
from veriframe.cli.display import consent, show
from veriframe.errors import SettingsError
from veriframe.model.quantities import brief_strk, format_strk
from veriframe.model.registry.chain import format_chain_id
from veriframe.model.registry.job import format_address
from veriframe.ports.registry import RegistryFacts
from veriframe.settings import Settings, to_fri
from veriframe.wiring import registries

if TYPE_CHECKING:
    from veriframe.wiring.chain import Deployed, DeploymentPlan
    from veriframe.wiring.keys import Key

app = typer.Typer(help="The job registry itself.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object; amounts in fri, 10⁻¹⁸ STRK.")]

KINDS = {
    "embedded": "embedded, in a file",
    "ours": "VeriFrame's own contract",
    "foreign": "another contract",
}


@app.command()
def deploy(
    salt: Annotated[
        str | None, typer.Option(metavar="0x…", help="For a registry other than the chain's usual one.")
    ] = None,
    max_fee: Annotated[
        str | None,
        typer.Option(
            metavar="STRK", help="The most one transaction may cost; by default max_deploy_fee_strk."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Spend without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Deploy VeriFrame's contract on the network of STARKNET_RPC, for the token of starknet_token.

    Steps that are already done are skipped, so the command can be interrupted and repeated at any time.
    """
    consent.need_terminal(yes, "Deploying costs a fee")
    settings = context.current().settings
    limit_fri = to_fri(settings.max_deploy_fee_strk) if max_fee is None else arguments.strk(max_fee)
    key = opening.account_key(settings)
    _print(context.run(_deploy(settings, key, _salt(salt), limit_fri, yes=yes)), as_json=as_json)


@app.command("show")
def show_registry(as_json: AsJson = False) -> None:
    """Show the registry and its balances. No account is needed."""
    settings = context.current().settings
    facts = context.run(registries.registry_facts(settings))
    if as_json:
        show.as_json(_as_object(facts))
        return
    show.facts("", _lines(facts, settings))


async def _deploy(
    settings: Settings, key: Key | None, salt: int | None, limit_fri: int, *, yes: bool
) -> Deployed:
    from veriframe.wiring import chain  # noqa: PLC0415 - half a second

    deployer, close = await chain.open_deployer(settings, key, salt=salt, max_fee_fri=limit_fri)
    try:
        plan = await deployer.plan()
        if not plan.is_deployed:
            show.facts("", _plan_lines(plan, limit_fri), show.err)
            consent.ask(yes, "Pay this fee?", "Nothing was sent.")
        return await deployer.carry_out(plan)
    finally:
        await close()


def _salt(text: str | None) -> int | None:
    try:
        return None if text is None else int(arguments.address(text))
    except SettingsError:
        raise SettingsError(f"“{text}” is not a salt. Write it in hex, as 0x….") from None


def _plan_lines(plan: DeploymentPlan, limit_fri: int) -> dict[str, str]:
    missing = "the contract" if plan.is_declared else "the class, and the contract"
    return {
        "network": format_chain_id(plan.chain_id),
        "account": format_address(plan.account),
        "to deploy": missing,
        "address": format_address(plan.address),
        "class hash": f"{plan.class_hash:#x}",
        "token": format_address(plan.token),
        "fee": f"at most {brief_strk(plan.cost_fri)}, within the limit of {format_strk(limit_fri)} for each"
        " transaction",
    }


def _print(done: Deployed, *, as_json: bool) -> None:
    sent = [
        (name, receipt)
        for name, receipt in (("declared", done.declared), ("deployed", done.deployed))
        if receipt is not None
    ]
    fee_fri = sum(receipt.fee_fri for _, receipt in sent)
    result = {
        "address": format_address(done.address),
        "class_hash": f"{done.class_hash:#x}",
        "token": format_address(done.token),
        "deployed": "already" if done.deployed is None else "now",
        "declared": "already" if done.declared is None else "now",
    }
    hashes = {f"{name}_by": f"{receipt.hash:#x}" for name, receipt in sent}
    if as_json:
        show.as_json({**result, **hashes, "fee_fri": fee_fri})
        return
    show.facts("", {**result, **hashes, "fee": format_strk(fee_fri)})
    show.line(f"export JOB_REGISTRY_ADDRESS={format_address(done.address)}")


def _as_object(facts: RegistryFacts) -> dict[str, object]:
    result = asdict(facts) | {
        "class_hash": None if facts.class_hash is None else f"{facts.class_hash:#x}",
        "token": None if facts.token is None else format_address(facts.token),
    }
    totals = result.pop("totals") or {}
    return {**result, **totals}


def _lines(facts: RegistryFacts, settings: Settings) -> dict[str, str]:
    lines = {"registry": facts.place, "kind": KINDS[facts.kind]}
    if facts.class_hash is not None:
        lines["class hash"] = f"{facts.class_hash:#x}"
    if facts.token is not None:
        differs = facts.token != settings.starknet_token
        lines["token"] = format_address(facts.token) + (" (starknet_token names another)" if differs else "")
    lines["jobs"] = "unknown" if facts.jobs is None else str(facts.jobs)
    lines["holds"] = format_strk(facts.held_fri)
    if facts.totals is not None:
        lines["in escrow"] = format_strk(facts.totals.escrow_fri)
        lines["in credit"] = format_strk(facts.totals.credit_fri)
        lines["burned"] = format_strk(facts.totals.burned_fri)
    if facts.kind == "foreign":
        lines["offers"] = ", ".join(facts.offers) or "no function that a worker uses"
        lines["lacks"] = ", ".join(facts.lacks) or "nothing"
        lines["serves"] = facts.fault or "a worker can serve it"
    return lines

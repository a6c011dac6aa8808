"""`veriframe account`: keys, balances, and transfers in and out of the registry."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from veriframe.cli import arguments, context, earnings, opening, password
from veriframe.cli.display import show
from veriframe.cli.password import PasswordDescriptor, PasswordFile
from veriframe.errors import SettingsError
from veriframe.model.quantities import brief_strk, format_strk
from veriframe.model.registry.job import Address, format_address
from veriframe.ports.registry import Funds, WorkerRegistry
from veriframe.settings import to_fri
from veriframe.wiring import registries

if TYPE_CHECKING:
    from veriframe.wiring.keys import Key

app = typer.Typer(help="An account's key and money.", no_args_is_help=True)
app.command("earnings")(earnings.earnings)

Amount = Annotated[str, typer.Argument(metavar="STRK", help="An amount in STRK, such as 1.5.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]
NewKeystore = Annotated[Path, typer.Argument(metavar="KEYSTORE", help="The encrypted file to create.")]
Keystore = Annotated[
    Path | None, typer.Argument(help="The encrypted key; by default the setting “keystore”.")
]
ClassHash = Annotated[
    str | None, typer.Option(help="The account's class; by default OpenZeppelin's, release 1.0.0.")
]
Salt = Annotated[str | None, typer.Option(help="By default the public key.")]


@app.command("show")
def show_account(as_json: AsJson = False) -> None:
    """Show the account and its balances."""
    context.run(_show(_treasury(), as_json))


@app.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """List the embedded registry's accounts and their money, also what is in escrow for jobs."""
    settings = context.current().settings
    if settings.registry == "starknet":
        raise SettingsError(
            "On StarkNet an account belongs to a key. `veriframe account show` shows the one of the keystore."
        )
    found = context.run(registries.accounts(settings))
    held = context.run(registries.in_escrow(settings))
    if as_json:
        told = [
            {"account": name, **_money(funds), "in_escrow_fri": held.get(name, 0)} for name, funds in found
        ]
        show.as_json({"accounts": told})
        return
    if not found:
        show.err.print(f"{settings.home} has no account yet. The first command that acts makes one.")
        return
    rows = [
        (name, *map(format_strk, (funds.wallet_fri, funds.credit_fri, held.get(name, 0))))
        for name, funds in found
    ]
    show.table("Accounts", ("account", "wallet", "credit", "in escrow"), rows)


@app.command()
def deposit(amount: Amount, as_json: AsJson = False) -> None:
    """Move money from the wallet into the registry's credit, for bonds and rewards."""
    treasury = _treasury()
    context.run(treasury.deposit(_positive(amount)))
    context.run(_show(treasury, as_json))


@app.command()
def withdraw(
    amount: Amount,
    to: Annotated[
        str | None, typer.Option(help="The receiving address; by default the account's own wallet.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Move money from the registry's credit to a wallet."""
    treasury = _treasury()
    recipient = treasury.account if to is None else Address(arguments.address(to))
    context.run(treasury.withdraw(_positive(amount), recipient))
    context.run(_show(treasury, as_json))


@app.command()
def register(
    info: Annotated[str, typer.Argument(help="A description of this worker for the registry.")] = "VeriFrame",
    as_json: AsJson = False,
) -> None:
    """Register the account as a worker at a registry of another kind, and show its standing there."""
    opened = opening.open_registry(context.WORKER)
    if (membership := opened.membership) is None:
        _print({"standing": "this registry takes any worker: no registration is needed"}, as_json=as_json)
        return
    before = context.run(membership.standing())
    if before.may_register and not before.is_registered:
        context.run(membership.register(info))
    found = context.run(membership.standing())
    missing = found.missing(opened.worker.account)
    _print({"standing": found.words, **({"missing": missing} if missing else {})}, as_json=as_json)


@app.command()
def create(
    keystore: NewKeystore,
    password_file: PasswordFile = None,
    password_fd: PasswordDescriptor = None,
    as_json: AsJson = False,
) -> None:
    """Create a new StarkNet key and store it encrypted in KEYSTORE."""
    from veriframe.wiring import keys  # noqa: PLC0415 - half a second

    keys.prepare_new(keystore)
    secret = password.given(f"New password of {keystore}", password_file, password_fd, new=True)
    _keep(keys.Key.random(), keystore, secret, as_json=as_json)


@app.command("import")
def import_key(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A keystore, or sncast's accounts file.")],
    keystore: NewKeystore,
    name: Annotated[str | None, typer.Option(help="The account's name in sncast's file.")] = None,
    password_file: PasswordFile = None,
    password_fd: PasswordDescriptor = None,
    as_json: AsJson = False,
) -> None:
    """Copy a key from starkli's keystore, or sncast's accounts file, into a new KEYSTORE.

    A keystore's password stays the same. FILE is not changed; note that sncast's file is not encrypted.
    """
    from veriframe.wiring import keys  # noqa: PLC0415 - half a second

    keys.prepare_new(keystore)
    ask = partial(password.given, file=password_file, descriptor=password_fd)
    key, secret, address = keys.import_key(
        source,
        name,
        ask=partial(ask, f"Password of {source}"),
        ask_new=partial(ask, f"New password of {keystore}", new=True),
    )
    _keep(key, keystore, secret, address, as_json=as_json)


@app.command("address")
def show_address(
    keystore: Keystore = None,
    public_key: Annotated[str | None, typer.Option(help="A public key, instead of a keystore.")] = None,
    class_hash: ClassHash = None,
    salt: Salt = None,
    password_file: PasswordFile = None,
    password_fd: PasswordDescriptor = None,
    as_json: AsJson = False,
) -> None:
    """Show the address of the key's account on StarkNet. Money may be sent there before it is deployed."""
    from veriframe.wiring import keys  # noqa: PLC0415 - half a second

    chosen = keys.OPEN_ZEPPELIN_CLASS_HASH if class_hash is None else _felt(class_hash, "a class hash")
    number = None if salt is None else _felt(salt, "a salt")
    if public_key is not None and keystore is not None:
        raise SettingsError("Pass a keystore or --public-key, not both.")
    if public_key is not None:
        point = _felt(public_key, "a public key")
    else:
        point = password.unlock(_chosen(keystore), password_file, password_fd).public_key
    address = keys.account_address(point, chosen, number)
    facts = {
        "public_key": f"{point:#066x}",
        "class_hash": f"{chosen:#066x}",
        "address": format_address(address),
    }
    _print(facts, as_json=as_json)


@app.command()
def deploy(
    keystore: Keystore = None,
    class_hash: ClassHash = None,
    salt: Salt = None,
    max_fee: Annotated[
        str | None, typer.Option(metavar="STRK", help="The most it may cost; by default max_fee_strk.")
    ] = None,
    password_file: PasswordFile = None,
    password_fd: PasswordDescriptor = None,
    as_json: AsJson = False,
) -> None:
    """Deploy the key's account on StarkNet, paid with the STRK at its address."""
    from veriframe.wiring import keys  # noqa: PLC0415 - half a second

    settings = context.current().settings
    limit_fri = _positive(max_fee) if max_fee else to_fri(settings.max_fee_strk)
    chosen = keys.OPEN_ZEPPELIN_CLASS_HASH if class_hash is None else _felt(class_hash, "a class hash")
    number = None if salt is None else _felt(salt, "a salt")
    key = password.unlock(_chosen(keystore), password_file, password_fd)
    address, receipt = context.run(keys.deploy_account(settings, key, chosen, number, max_fee_fri=limit_fri))
    facts = {"address": format_address(address), "deployed": "already" if receipt is None else "now"}
    if receipt is not None:
        facts |= {"transaction": f"{receipt.hash:#x}", "fee": format_strk(receipt.fee_fri)}
    _print(facts, as_json=as_json)


def _keep(key: Key, keystore: Path, secret: bytes, address: Address | None = None, *, as_json: bool) -> None:
    from veriframe.wiring import keys  # noqa: PLC0415 - half a second

    kept = keys.keep(key, keystore, secret)
    shown = keys.account_address(kept.public_key) if address is None else address
    facts = {"keystore": str(keystore), "public_key": f"{kept.public_key:#066x}"}
    _print({**facts, "address": format_address(shown)}, as_json=as_json)


def _felt(text: str, what: str) -> int:
    try:
        return int(arguments.address(text))
    except SettingsError:
        raise SettingsError(f"“{text}” is not {what}. Write it in hex, as 0x….") from None


def _chosen(keystore: Path | None) -> Path:
    chosen = keystore or context.current().settings.keystore
    if chosen is None:
        raise SettingsError("Pass a keystore, or set keystore. `veriframe account create` creates one.")
    return chosen.expanduser()


def _print(facts: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        show.as_json(facts)
    else:
        show.facts("", facts)


def _money(funds: Funds) -> dict[str, int]:
    return {"wallet_fri": funds.wallet_fri, "credit_fri": funds.credit_fri}


def _treasury() -> WorkerRegistry:
    return opening.open_registry(context.WORKER).worker


async def _show(treasury: WorkerRegistry, as_json: bool) -> None:
    from veriframe.wiring import workers  # noqa: PLC0415 - most commands here do not need a worker's parts

    funds = await treasury.funds(treasury.account)
    name, address = context.account(context.WORKER), format_address(treasury.account)
    held = await workers.stakes(context.current().settings, name, treasury)
    if as_json:
        show.as_json(
            {
                "account": name,
                "address": address,
                **asdict(funds),
                "bound_fri": held.bound_fri,
                "loss_budget_fri": held.loss_budget_fri,
                "loss_budget_used_fri": held.charged_fri,
            }
        )
        return
    show.facts(
        "",
        {
            "account": name,
            "address": address,
            "wallet": format_strk(funds.wallet_fri),
            "credit": format_strk(funds.credit_fri),
            "bound": format_strk(held.bound_fri),
            "loss budget": f"{brief_strk(held.loss_budget_fri)} a day, {brief_strk(held.charged_fri)} used",
        },
    )


def _positive(text: str) -> int:
    if (amount_fri := arguments.strk(text)) == 0:
        raise SettingsError("The amount must not be zero. Pass an amount of STRK, such as 1.5.")
    return amount_fri

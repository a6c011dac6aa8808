"""`veriframe account`: keys, what an account holds, and moving money in and out of the registry."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from veriframe import wiring
from veriframe.cli import arguments, context, opening, password, show
from veriframe.cli.password import PasswordDescriptor, PasswordFile
from veriframe.errors import SettingsError
from veriframe.model.job import Address, format_address, format_strk
from veriframe.settings import to_fri

if TYPE_CHECKING:
    from veriframe.adapters.starknet.keystore import Key

app = typer.Typer(help="An account's key and money.", no_args_is_help=True)

Amount = Annotated[str, typer.Argument(metavar="STRK", help="An amount in STRK, such as 1.5.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]
NewKeystore = Annotated[Path, typer.Argument(metavar="KEYSTORE", help="The encrypted file to make.")]
Keystore = Annotated[
    Path | None, typer.Argument(help="The encrypted key; by default the setting “keystore”.")
]
ClassHash = Annotated[
    str | None, typer.Option(help="The account's class; by default OpenZeppelin's, release 1.0.0.")
]
Salt = Annotated[str | None, typer.Option(help="By default the public key.")]

DEFAULT = "worker"


@app.command("show")
def show_account(as_json: AsJson = False) -> None:
    """Who the account is and what it holds."""
    context.run(_show(_treasury(), as_json))


@app.command()
def deposit(amount: Amount, as_json: AsJson = False) -> None:
    """Move money from the wallet into the registry's credit, for bonds and rewards."""
    treasury = _treasury()
    context.run(treasury.deposit(_positive(amount)))
    context.run(_show(treasury, as_json))


@app.command()
def withdraw(
    amount: Amount,
    to: Annotated[str | None, typer.Option(help="The receiving address; the own wallet by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Move money from the registry's credit to a wallet."""
    treasury = _treasury()
    recipient = treasury.account if to is None else Address(arguments.address(to))
    context.run(treasury.withdraw(_positive(amount), recipient))
    context.run(_show(treasury, as_json))


@app.command()
def create(
    keystore: NewKeystore,
    password_file: PasswordFile = None,
    password_fd: PasswordDescriptor = None,
    as_json: AsJson = False,
) -> None:
    """Make a new StarkNet key and keep it encrypted in KEYSTORE."""
    from veriframe.adapters.starknet import keystore as keys  # noqa: PLC0415 - half a second

    keys.refuse_existing(keystore)
    keys.protect_process()
    secret = password.given(f"New password of {keystore}", password_file, password_fd, new=True)
    _keep(keys.Key.random(), keystore, secret, as_json=as_json)


@app.command("import")
def import_key(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A keystore, or sncast's accounts file.")],
    keystore: NewKeystore,
    name: Annotated[str | None, typer.Option(help="Which account of sncast's file.")] = None,
    password_file: PasswordFile = None,
    password_fd: PasswordDescriptor = None,
    as_json: AsJson = False,
) -> None:
    """Copy a key from starkli's keystore, or sncast's accounts file, into a new KEYSTORE.

    A keystore's password stays the same. FILE is left as it is: sncast's holds its keys in the open.
    """
    from veriframe.adapters.starknet import accounts  # noqa: PLC0415 - half a second
    from veriframe.adapters.starknet import keystore as keys  # noqa: PLC0415

    keys.refuse_existing(keystore)
    keys.protect_process()
    content = keys.read_private(source, "file")
    if keys.is_keystore(content):
        if name is not None:
            raise SettingsError(f"{source} is a keystore with one key: leave --name out.")
        secret = password.given(f"Password of {source}", password_file, password_fd)
        _keep(keys.decrypt(content, secret, str(source)), keystore, secret, as_json=as_json)
        return
    chosen = accounts.choose_account(accounts.read_accounts(content, str(source)), name, str(source))
    secret = password.given(f"New password of {keystore}", password_file, password_fd, new=True)
    _keep(chosen.key, keystore, secret, chosen.address, as_json=as_json)


@app.command("address")
def tell_address(
    keystore: Keystore = None,
    public_key: Annotated[str | None, typer.Option(help="A public key, in place of a keystore.")] = None,
    class_hash: ClassHash = None,
    salt: Salt = None,
    password_file: PasswordFile = None,
    password_fd: PasswordDescriptor = None,
    as_json: AsJson = False,
) -> None:
    """The address that the key's account will have on StarkNet. Money may be sent there before."""
    from veriframe.adapters.starknet import accounts  # noqa: PLC0415 - half a second

    chosen = accounts.OPEN_ZEPPELIN_CLASS_HASH if class_hash is None else _felt(class_hash, "a class hash")
    number = None if salt is None else _felt(salt, "a salt")
    if public_key is not None and keystore is not None:
        raise SettingsError("Give a keystore or --public-key, not both.")
    if public_key is not None:
        point = _felt(public_key, "a public key")
    else:
        point = password.unlock(_chosen(keystore), password_file, password_fd).public_key
    address = accounts.counterfactual_address(point, chosen, number)
    told = {
        "public_key": f"{point:#066x}",
        "class_hash": f"{chosen:#066x}",
        "address": format_address(address),
    }
    _tell(told, as_json=as_json)


@app.command()
def deploy(
    keystore: Keystore = None,
    class_hash: ClassHash = None,
    salt: Salt = None,
    max_fee: Annotated[
        str | None, typer.Option(metavar="STRK", help="The most that it may cost; by default max_fee_strk.")
    ] = None,
    password_file: PasswordFile = None,
    password_fd: PasswordDescriptor = None,
    as_json: AsJson = False,
) -> None:
    """Bring the key's account onto StarkNet, paid by the STRK that is at its address already."""
    from veriframe.adapters.starknet import accounts  # noqa: PLC0415 - half a second

    limit_fri = _positive(max_fee) if max_fee else to_fri(context.current().settings.max_fee_strk)
    chosen = accounts.OPEN_ZEPPELIN_CLASS_HASH if class_hash is None else _felt(class_hash, "a class hash")
    number = None if salt is None else _felt(salt, "a salt")
    key = password.unlock(_chosen(keystore), password_file, password_fd)
    told = context.run(_deploy(key, chosen, key.public_key if number is None else number, limit_fri))
    _tell(told, as_json=as_json)


async def _deploy(key: Key, class_hash: int, salt: int, limit_fri: int) -> dict[str, str]:
    from veriframe.adapters.starknet import deployment  # noqa: PLC0415 - half a second
    from veriframe.adapters.starknet.endpoints import Endpoints  # noqa: PLC0415

    nodes = Endpoints(context.current().settings.starknet_rpc)
    try:
        address, receipt = await deployment.deploy(nodes, key, class_hash, salt, max_fee_fri=limit_fri)
    finally:
        await nodes.close()
    told = {"address": format_address(address)}
    if receipt is None:
        return {**told, "deployed": "already"}
    return {
        **told,
        "deployed": "now",
        "transaction": f"{receipt.hash:#x}",
        "fee": format_strk(receipt.fee_fri),
    }


def _keep(key: Key, keystore: Path, secret: bytes, address: Address | None = None, *, as_json: bool) -> None:
    from veriframe.adapters.starknet import accounts  # noqa: PLC0415 - half a second
    from veriframe.adapters.starknet import keystore as keys  # noqa: PLC0415

    keys.write(keystore, key, secret)
    # A key that does not come back is lost money: the file is opened before anybody pays its address.
    kept = keys.read(keystore, secret)
    shown = accounts.counterfactual_address(kept.public_key) if address is None else address
    told = {"keystore": str(keystore), "public_key": f"{kept.public_key:#066x}"}
    _tell({**told, "address": format_address(shown)}, as_json=as_json)


def _felt(text: str, what: str) -> int:
    try:
        return int(arguments.address(text))
    except SettingsError:
        raise SettingsError(f"“{text}” is not {what}. Write it in hex, as 0x….") from None


def _chosen(keystore: Path | None) -> Path:
    chosen = keystore or context.current().settings.keystore
    if chosen is None:
        raise SettingsError("Name a keystore, or set keystore. `veriframe account create` makes one.")
    return chosen.expanduser()


def _tell(told: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        show.as_json(told)
    else:
        show.facts("", told)


def _treasury() -> wiring.Registry:
    return opening.open_registry(DEFAULT)


async def _show(treasury: wiring.Registry, as_json: bool) -> None:
    funds = await treasury.funds(treasury.account)
    name, address = context.account(DEFAULT), format_address(treasury.account)
    if as_json:
        show.as_json({"account": name, "address": address, **asdict(funds)})
        return
    show.facts(
        "",
        {
            "account": name,
            "address": address,
            "wallet": format_strk(funds.wallet_fri),
            "credit": format_strk(funds.credit_fri),
        },
    )


def _positive(text: str) -> int:
    if (amount_fri := arguments.strk(text)) == 0:
        raise SettingsError("Nothing cannot be moved. Name an amount of STRK, such as 1.5.")
    return amount_fri

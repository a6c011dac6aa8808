"""Settings: four sources, unknown names, values and origins."""

from __future__ import annotations

import errno
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from veriframe.errors import SettingsError
from veriframe.settings import CONFIG_NAME, Settings, load, shown, template, to_fri


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_classic_defaults_are_kept() -> None:
    """The classic names have the classic defaults, and the limit of a frame is five minutes."""
    settings = load({}, {}).settings
    assert settings.starknet_rpc == ("http://localhost:5050",)
    assert settings.ipfs_api == "/dns/ipfs-node/tcp/5001/http"
    assert settings.blender_path is None
    assert settings.frame_seconds == 300


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    """Each source overrides the later ones, and the origin says which one was used."""
    (tmp_path / "veriframe.toml").write_text("slots = 2\npids = 99\nframe_seconds = 7\n")
    loaded = load({"slots": "4"}, {"VERIFRAME_SLOTS": "3", "VERIFRAME_PIDS": "98"})
    assert (loaded.settings.slots, loaded.settings.pids, loaded.settings.frame_seconds) == (4, 98, 7)
    assert loaded.origins["slots"] == "flag"
    assert loaded.origins["pids"] == "environment VERIFRAME_PIDS"
    assert loaded.origins["frame_seconds"] == "file veriframe.toml"
    assert loaded.origins["poll_seconds"] == "default"
    assert loaded.is_default("poll_seconds")


def test_classic_names_work_without_prefix() -> None:
    """`BLENDER_PATH` and the other classic names need no prefix."""
    loaded = load({}, {"BLENDER_PATH": "/opt/blender/blender"})
    assert loaded.settings.blender_path == Path("/opt/blender/blender")
    assert loaded.origins["blender_path"] == "environment BLENDER_PATH"


@pytest.mark.parametrize(
    ("flags", "environ", "file"),
    [({"slotz": "1"}, {}, ""), ({}, {"VERIFRAME_SLOTZ": "1"}, ""), ({}, {}, "slotz = 1")],
)
def test_unknown_names_are_errors_in_every_source(
    tmp_path: Path, flags: dict[str, str], environ: dict[str, str], file: str
) -> None:
    """fault_78: a misspelt setting is never silently ignored; the sentence names it and the remedy."""
    (tmp_path / "veriframe.toml").write_text(file)
    with pytest.raises(SettingsError, match=r"(?i)slotz.*config show"):
        load(flags, environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [("slots", "0"), ("slots", "many"), ("memory_bytes", "lots"), ("sandbox", "paper"), ("account", "../x")],
)
def test_bad_values_name_setting_and_source(name: str, value: str) -> None:
    """fault_78: one clear line with the setting and where it came from."""
    with pytest.raises(SettingsError, match=rf"{name}.*VERIFRAME_{name.upper()}"):
        load({}, {f"VERIFRAME_{name.upper()}": value})


def test_sizes_lists_and_addresses_are_parsed() -> None:
    """`8GiB`, comma-separated lists and hex felts."""
    settings = load(
        {"memory_bytes": "8GiB", "engines": "CYCLES, X", "creators_denied": "0x1f,2"}, {}
    ).settings
    assert settings.memory_bytes == 8 * 2**30
    assert settings.engines == ("CYCLES", "X")
    assert settings.creators_denied == (0x1F, 2)


def test_a_chain_is_named_as_text_or_in_hex() -> None:
    """It is shown as text."""
    for text in ("SN_MAIN", "0x534e5f4d41494e"):
        assert load({"chain_id": text}, {}).settings.chain_id == "SN_MAIN"
    with pytest.raises(SettingsError, match="chain_id"):
        load({"chain_id": "S" * 32}, {})


def test_an_empty_variable_is_not_set() -> None:
    """Shells and compose files write `NAME=` for "not set"."""
    assert load({}, {"JOB_REGISTRY_ADDRESS": ""}).settings.job_registry_address is None


def test_an_empty_flag_is_not_set() -> None:
    """`--home "$UNSET"` must not make the working folder the home."""
    loaded = load({"home": "", "slots": ""}, {"VERIFRAME_SLOTS": "3"})
    assert loaded.is_default("home")
    assert loaded.settings.slots == 3


@pytest.mark.parametrize(
    ("flags", "environ", "registry", "store"),
    [
        ({}, {}, "local", "local"),
        ({}, {"JOB_REGISTRY_ADDRESS": "0x1"}, "starknet", "kubo"),
        ({"store": "local"}, {"JOB_REGISTRY_ADDRESS": "0x1"}, "starknet", "local"),
        ({"registry": "local"}, {"JOB_REGISTRY_ADDRESS": "0x1"}, "local", "local"),
    ],
)
def test_a_contract_address_selects_the_chain(
    flags: dict[str, str], environ: dict[str, str], registry: str, store: str
) -> None:
    """Together with IPFS, because others cannot fetch from a local folder; an explicit choice wins."""
    settings = load(flags, environ).settings
    assert (registry, store) == (settings.registry, settings.store)


def test_a_chain_without_a_contract_is_refused() -> None:
    """One sentence with the name to set."""
    with pytest.raises(SettingsError, match="JOB_REGISTRY_ADDRESS"):
        load({"registry": "starknet"}, {})


def test_several_nodes_are_given_in_their_order() -> None:
    """With commas between them."""
    settings = load({}, {"STARKNET_RPC": "http://one:5050, http://two:5050"}).settings
    assert settings.starknet_rpc == ("http://one:5050", "http://two:5050")


@pytest.mark.parametrize(
    ("flags", "environ", "store"),
    [
        ({}, {}, "local"),
        ({}, {"IPFS_API": "/ip4/127.0.0.1/tcp/5001"}, "kubo"),
        ({}, {"VERIFRAME_IPFS_API": "http://127.0.0.1:5001"}, "kubo"),
        ({"store": "kubo"}, {}, "kubo"),
        ({"store": "local"}, {"IPFS_API": "/ip4/127.0.0.1/tcp/5001"}, "local"),
    ],
)
def test_a_node_address_selects_the_node(flags: dict[str, str], environ: dict[str, str], store: str) -> None:
    """IPFS_API alone is enough; an explicit choice wins."""
    assert store == load(flags, environ).settings.store


def test_an_unreadable_file_is_one_sentence(tmp_path: Path) -> None:
    """A file passed with --config must exist and be TOML."""
    with pytest.raises(SettingsError, match=r"absent\.toml"):
        load({}, {}, tmp_path / "absent.toml")


def test_every_setting_has_a_meaning() -> None:
    """`config show` has a sentence for each."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("flags", "environ", "file", "meant"),
    [
        ({"slotz": "1"}, {}, "", "slots"),
        ({"memry": "1"}, {}, "", "memory_bytes"),
        ({}, {"VERIFRAME_MEMORY": "1"}, "", "VERIFRAME_MEMORY_BYTES"),
        ({}, {}, "max_fee = 1", "max_fee_strk"),
    ],
)
def test_the_nearest_name_is_offered(
    tmp_path: Path, flags: dict[str, str], environ: dict[str, str], file: str, meant: str
) -> None:
    """fault_122: as this source writes it."""
    (tmp_path / "veriframe.toml").write_text(file)
    with pytest.raises(SettingsError, match=f"mean {meant}[?]"):
        load(flags, environ)


def test_a_name_that_resembles_none_has_no_suggestion() -> None:
    """Rather than a wild guess."""
    with pytest.raises(SettingsError) as raised:
        load({"qqqqqq": "1"}, {})
    assert "mean" not in str(raised.value)


BAD_VALUES = [
    ("job_registry_address", "zzz", "0x"),
    ("creators_denied", "0x1,zzz", "0x"),
    ("slots", "many", "whole number"),
    ("slots", "0", "at least 1"),
    ("memory_bytes", "lots", "8 GiB"),
    ("memory_bytes", "1", "at least 256 MiB"),
    ("frame_seconds", "soon", "5m"),
    ("clock_skew_seconds", "2d", "at most 1d"),
    ("max_fee_strk", "0,5", "0.05 STRK"),
    ("max_fee_strk", "0.0000000000000000001", "18 decimals"),
    ("loss_budget_share", "2", "at most 1"),
    ("replica_required", "perhaps", "true or false"),
    ("sandbox", "paper", "strict, landlock"),
    ("account", "../x", "letters"),
    ("chain_id", "S" * 32, "SN_MAIN"),
    ("withdraw_to", "0x" + "f" * 64, "less than 0x1"),
]
LIBRARIES = ("invalid literal", "unable to parse", "Input should", "Value error", "[Errno", "pydantic")


@pytest.mark.parametrize(("name", "value", "remedy"), BAD_VALUES)
def test_a_bad_value_is_answered_in_our_words(name: str, value: str, remedy: str) -> None:
    """fault_121: with what the setting takes, and never with a library's text."""
    with pytest.raises(SettingsError) as raised:
        load({name: value}, {})
    said = str(raised.value)
    assert remedy in said
    assert [text for text in LIBRARIES if text in said] == []


def test_an_address_with_a_key_is_not_repeated(tmp_path: Path) -> None:
    """fault_79: a URL may hold a key, wherever it was put by mistake."""
    with pytest.raises(SettingsError) as raised:
        load({"slots": "https://node.example/secret-key"}, {})
    assert "secret-key" not in str(raised.value)


@pytest.mark.parametrize("content", ["slots 2", "slots = ", "\xff", 'home = "\0"'])
def test_a_file_that_is_not_toml_is_answered_in_our_words(tmp_path: Path, content: str) -> None:
    """fault_121: with the place in the file, if there is one."""
    path = tmp_path / "own.toml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError) as raised:
        load({}, {}, path)
    said = str(raised.value)
    assert (str(path) in said, "config init" in said) == (True, True)
    assert [text for text in ("Expected", "Invalid", "codec", "Illegal") if text in said] == []


def test_settings_are_read_as_they_are_shown() -> None:
    """Spans, sizes and money with their units; plain numbers are seconds, bytes and STRK."""
    units = load(
        {
            "memory_bytes": "8 GiB",
            "frame_seconds": "5m",
            "maximum_wait_seconds": "1d 12h",
            "max_fee_strk": "0.05 STRK",
        },
        {},
    ).settings
    plain = load(
        {
            "memory_bytes": str(8 * 2**30),
            "frame_seconds": "300",
            "maximum_wait_seconds": "129600",
            "max_fee_strk": "0.05",
        },
        {},
    ).settings
    assert units == plain


def test_a_folder_that_may_not_be_entered_has_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_194: as after `sudo -u`, which stays in the caller's folder; it ended in a traceback."""
    stat = os.stat

    def refuse(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        if str(path) == CONFIG_NAME:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refuse)
    assert load({}, {}).is_default("slots")


def test_every_default_survives_a_round_trip() -> None:
    """What is shown of a setting can be typed for it."""
    defaults = load({}, {}).settings
    texts = {name: shown(field, getattr(defaults, name)) for name, field in Settings.model_fields.items()}
    typed = {name: text for name, text in texts.items() if text not in {"not set", "none"}}
    assert load(typed, {}).settings == defaults
    assert [text for text in texts.values() if text == "None"] == []


def test_the_template_loads_with_every_line_uncommented(tmp_path: Path) -> None:
    """As it stands it sets nothing; without its marks it sets each setting to its default."""
    path = tmp_path / "own.toml"
    path.write_text(template())
    defaults = load({}, {})
    assert load({}, {}, path) == defaults
    path.write_text(re.sub(r"(?m)^# ", "", template()))
    path.chmod(0o600)
    loaded = load({}, {}, path)
    # A node that is named is used, even if the name is the default.
    assert loaded.settings == defaults.settings.model_copy(update={"store": "kubo"})
    unset = {name for name, value in defaults.settings if value is None}
    assert {name for name, origin in loaded.origins.items() if origin == "default"} == unset


def test_strk_to_fri_is_exact() -> None:
    """No float is used: 18 decimal places survive."""
    assert to_fri(Decimal("1.000000000000000001")) == 10**18 + 1

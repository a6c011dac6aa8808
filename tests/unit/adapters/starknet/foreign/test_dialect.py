"""The ABI decides how a registry is called; an unsupported one gives one line that says why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.adapters.starknet.cairo.abi import read_abi
from veriframe.adapters.starknet.foreign.dialect import Dialect, choose_dialect

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
Item = dict[str, object]


def function(name: str, inputs: list[str], outputs: list[str]) -> Item:
    """A function as in an ABI."""
    return {
        "type": "function",
        "name": name,
        "inputs": [{"name": f"p{at}", "type": kind} for at, kind in enumerate(inputs)],
        "outputs": [{"type": kind} for kind in outputs],
        "state_mutability": "view",
    }


def classic(
    job: str = "core::felt252", cid: tuple[str, ...] = ("core::byte_array::ByteArray",)
) -> list[Item]:
    """The five classic functions."""
    address = "core::starknet::contract_address::ContractAddress"
    return [
        function("get_job_creator", [job], [address]),
        function("get_job_worker", [job], [address]),
        function("get_job_reward", [job], ["core::integer::u256"]),
        function("get_job_asset_cid", [job], list(cid)),
        function("submit_result", [job, *cid], []),
    ]


def dialect(items: list[Item]) -> Dialect:
    """The dialect of a contract with these functions."""
    return choose_dialect(read_abi([{"type": "interface", "name": "a::IJobs", "items": items}]))


@pytest.mark.parametrize(
    ("job", "felts"),
    [("core::felt252", [7]), ("core::integer::u64", [7]), ("core::integer::u256", [7, 0]), ("felt", [7])],
)
def test_ids_are_encoded_as_in_the_abi(job: str, felts: list[int]) -> None:
    """A felt, a u64, a u256 of two felts."""
    spoken = dialect(classic(job=job))
    assert spoken.missing == ""
    assert spoken.calldata("creator", 7) == felts
    assert spoken.name("creator") == "get_job_creator"
    assert not spoken.has("claim")


PAIR = ("core::felt252", "core::felt252")
FORMS: list[tuple[str, ...]] = [
    ("core::byte_array::ByteArray",),
    PAIR,
    ("(core::felt252, core::felt252)",),
    ("core::array::Span::<core::felt252>",),
]


@pytest.mark.parametrize("form", FORMS)
@given(text=st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=1, max_size=62))
def test_a_cid_comes_back(form: tuple[str, ...], text: str) -> None:
    """The encoding for `submit_result` decodes to the same CID, in every form."""
    spoken = dialect(classic(cid=form))
    assert spoken.text("asset_cid", spoken.calldata("submit", 7, text)[1:]) == text


def test_two_short_strings_are_joined() -> None:
    """31 characters and the rest."""
    spoken = dialect(classic(cid=PAIR))
    words = [int.from_bytes(CID[:31].encode(), "big"), int.from_bytes(CID[31:].encode(), "big")]
    assert spoken.calldata("submit", 1, CID) == [1, *words]
    assert spoken.text("asset_cid", words) == CID


def test_a_pair_may_be_a_struct() -> None:
    """By its members' types, whatever their names."""
    items = classic(cid=("a::b::Cid",))
    members = [{"name": name, "type": "core::felt252"} for name in ("head", "tail")]
    spoken = choose_dialect(read_abi([*items, {"type": "struct", "name": "a::b::Cid", "members": members}]))
    assert spoken.missing == ""
    assert spoken.text("asset_cid", spoken.calldata("submit", 1, CID)[1:]) == CID


@pytest.mark.parametrize("job", ["core::felt252", "core::integer::u64", "core::integer::u256"])
@pytest.mark.parametrize("word", ["core::felt252", "core::bytes_31::bytes31"])
def test_a_registry_with_too_short_cids_is_not_supported(job: str, word: str) -> None:
    """One short string has 31 characters: an error before any job is rendered, never a truncated CID."""
    line = dialect(classic(job=job, cid=(word,))).missing
    assert line == (
        "This contract is no job registry that VeriFrame can serve: submit_result (one short string holds 31 "
        "characters, and a result's CID has 59)."
    )


def test_an_asset_may_be_a_short_string_where_results_are_not() -> None:
    """Old CIDs are shorter in other bases, and we never write the asset."""
    items = [item for item in classic(cid=PAIR) if item["name"] != "get_job_asset_cid"]
    spoken = dialect([*items, function("get_job_asset_cid", ["core::felt252"], ["core::felt252"])])
    assert spoken.missing == ""
    assert spoken.text("asset_cid", [int.from_bytes(b"QmShort", "big")]) == "QmShort"


@pytest.mark.parametrize(
    ("answer", "outputs", "numbers"),
    [
        (
            [1, 7, 2, 3],
            ["(core::bool, core::integer::u16, core::integer::u32, core::integer::u32)"],
            [1, 7, 2, 3],
        ),
        ([1, 7], ["core::bool", "core::integer::u16"], [1, 7]),
        ([1, 7], ["a::Status"], [1, 7]),
        ([1], ["core::integer::u8"], [1]),
    ],
)
def test_a_workers_status_is_read_in_any_form(
    answer: list[int], outputs: list[str], numbers: list[int]
) -> None:
    """A tuple, several outputs, a struct, one number."""
    members = [{"name": "verified", "type": "core::bool"}, {"name": "points", "type": "core::integer::u16"}]
    address = "core::starknet::contract_address::ContractAddress"
    items = [*classic(), function("get_worker_status", [address], outputs)]
    spoken = choose_dialect(read_abi([*items, {"type": "struct", "name": "a::Status", "members": members}]))
    assert spoken.numbers("status", answer) == numbers


@pytest.mark.parametrize("kind", ["core::bool", "core::integer::u8", "core::felt252"])
def test_a_boolean_may_be_a_number(kind: str) -> None:
    """Any number but 0 is true."""
    spoken = dialect([*classic(), function("is_job_completed", ["core::felt252"], [kind])])
    assert [spoken.number("completed", [felt]) for felt in (0, 1)] == [0, 1]


@pytest.mark.parametrize(
    ("inputs", "names", "order"),
    [
        (["ContractAddress", "felt252"], ["a", "b"], (0xD, 7)),
        (["felt252", "ContractAddress"], ["a", "b"], (7, 0xD)),
        (["felt252", "felt252"], ["worker", "job_id"], (0xD, 7)),
        (["felt252", "felt252"], ["job_id", "worker"], (7, 0xD)),
    ],
)
def test_the_account_is_passed_in_the_abi_s_position(
    inputs: list[str], names: list[str], order: tuple[int, int]
) -> None:
    """By type, and by name if both are felts."""
    asked = function("is_worker_eligible", inputs, ["core::bool"])
    asked["inputs"] = [{"name": name, "type": kind} for name, kind in zip(names, inputs, strict=True)]
    spoken = dialect([*classic(), asked])
    assert spoken.eligible_of(0xD, 7) == order


@pytest.mark.parametrize(
    ("inputs", "felts"),
    [([], []), (["core::felt252"], [0x6D65]), (["core::byte_array::ByteArray"], [0, 0x6D65, 2])],
)
def test_a_registration_is_encoded_as_in_the_abi(inputs: list[str], felts: list[int]) -> None:
    """Nothing, a short string, a text."""
    spoken = dialect([*classic(), function("register_worker", inputs, [])])
    assert (spoken.lets_register, spoken.registration("me")) == (True, felts)
    assert not dialect(classic()).lets_register


@pytest.mark.parametrize(
    ("inputs", "info", "message"),
    [
        (["core::integer::u64"], "me", r"register_worker.*\(u64\)"),
        (["core::felt252", "core::felt252"], "me", r"register_worker.*\(felt252, felt252\)"),
        (["core::felt252"], "a text of more than thirty-one characters", "short string"),
    ],
)
def test_an_unsupported_registration_is_reported(inputs: list[str], info: str, message: str) -> None:
    """With the types that it requires."""
    spoken = dialect([*classic(), function("register_worker", inputs, [])])
    assert spoken.lets_register is (len(info) > 31)
    with pytest.raises(ValueError, match=message):
        spoken.registration(info)


def test_of_several_names_the_first_that_fits_is_used() -> None:
    """A function of the same name with another shape does not matter."""
    items = [*classic(), function("get_job_result_cid", ["core::felt252"], ["core::bool"])]
    items += [
        function(name, ["core::felt252"], ["core::felt252"]) for name in ("get_result_cid", "get_job_result")
    ]
    assert dialect(items).name("result_cid") == "get_job_result"


def test_bytes_that_are_not_text_are_decoded() -> None:
    """One job's hostile bytes do not prevent reading the others; they are not a CID."""
    assert dialect(classic()).text("asset_cid", [0, 0xFF, 1]) == "\ufffd"


def test_an_abi_that_cannot_serve_says_what_is_missing() -> None:
    """One line with every function that is missing or has another shape."""
    items = [item for item in classic() if item["name"] not in ("get_job_reward", "submit_result")]
    line = dialect([*items, function("submit_result", ["core::felt252", "core::bool"], [])]).missing
    assert line == (
        "This contract is no job registry that VeriFrame can serve: get_job_reward (not there), "
        "submit_result (its shape (felt252, bool) -> nothing is not supported)."
    )
    assert "get_job_creator (not there)" in dialect([]).missing


def test_a_namesake_of_another_shape_is_not_used() -> None:
    """A `claim_job` with more parameters than the job's id is not used."""
    items = [*classic(), function("claim_job", ["core::felt252", "core::felt252"], [])]
    assert not dialect(items).has("claim")
    assert dialect([*classic(), function("claim_job", ["core::felt252"], [])]).has("claim")


JSON = st.recursive(
    st.none()
    | st.integers()
    | st.sampled_from(["function", "struct", "get_job_creator", "core::felt252", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "name", "items", "inputs", "outputs", "members"]), inner)
    ),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=4))
def test_any_abi_is_accepted(entries: list[object]) -> None:
    """Never an error: unknown entries are left out."""
    assert choose_dialect(read_abi(entries)).missing != ""

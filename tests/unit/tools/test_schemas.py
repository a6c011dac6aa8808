"""The published JSON Schemas: current, packaged, and of one mind with the parsers."""

from __future__ import annotations

import json
import tomllib

import pytest
from tests.fakes.bundles import files_of
from tools.schemas import FOLDERS, ROOT, schemas


@pytest.mark.parametrize("name", schemas())
def test_the_schemas_are_current(name: str) -> None:
    """`python -m tools.schemas` writes them, here and into the package."""
    for folder in FOLDERS:
        assert (folder / name).read_text(encoding="ascii") == schemas()[name]


def test_the_schemas_are_in_the_wheel() -> None:
    """As data of their package."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert "model/bundle/schemas/*.json" in data["veriframe"]


def test_a_schema_knows_each_key_that_is_written() -> None:
    """And no other may appear."""
    schema = json.loads(schemas()["job.schema.json"])
    assert schema["additionalProperties"] is False
    assert set(json.loads(files_of()["job.json"])) <= set(schema["properties"])
    assert set(schema["required"]) == {"veriframe", "scene", "blender"}

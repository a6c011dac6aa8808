"""Writes the JSON Schemas of what is published: for the documentation, and for the wheel.

`python -m tools.schemas` writes them; a test compares the committed ones with new ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from veriframe.model.bundle import job_file, manifest
from veriframe.model.verification import report

ROOT = Path(__file__).parents[1]
FOLDERS = (ROOT / "docs" / "schemas", ROOT / "src" / "veriframe" / "model" / "bundle" / "schemas")


def schemas() -> Mapping[str, str]:
    """The schemas' texts, by file name."""
    found = {
        "job.schema.json": job_file.schema(),
        "manifest.schema.json": manifest.schema(),
        "verification.schema.json": report.schema(),
    }
    return {name: json.dumps(schema, indent=2, sort_keys=True) + "\n" for name, schema in found.items()}


def main() -> None:
    """Writes them to both folders."""
    for folder in FOLDERS:
        folder.mkdir(exist_ok=True)
        for name, text in schemas().items():
            (folder / name).write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()

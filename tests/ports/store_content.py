"""Content that the stores' tests add."""

from __future__ import annotations

from pathlib import Path

from veriframe.ports.store import ContentStore

ABSENT = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"


def write(path: Path, content: bytes) -> Path:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


async def add(store: ContentStore, folder: Path, content: bytes, pin_name: str = "job-1-asset") -> str:
    """Keep bytes; returns their CID."""
    return await store.add(write(folder / "source", content), pin_name)

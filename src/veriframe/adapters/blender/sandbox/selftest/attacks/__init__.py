"""Attacks that a hostile scene would try, run in the sandbox by the self-test.

Every attack is real but harmless: it targets the self-test's decoys, never the host's own files or
processes. An attack returns a sentence about what it reached, or raises `OSError` if it was held. In the
sandbox, `attempt.py` runs them with only the files of this folder and the standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from veriframe.adapters.blender.sandbox.selftest.attacks import attempt, bombs, files, kernel, processes

DECOY_FILE = attempt.DECOY_FILE

ATTACKS: tuple[Callable[[Mapping[str, str]], str], ...] = (
    processes.inherit_files,  # first, since other attacks may open some
    files.read_secret,
    files.read_accounts,
    files.write_outside,
    files.write_shown,
    files.change_outside,
    files.make_set_uid,
    files.see_mounts,
    processes.read_environment,
    processes.see_processes,
    processes.watch_programs,
    processes.signal_outside,
    processes.limit_outside,
    processes.connect_network,
    processes.connect_unix,
    kernel.make_namespace,
    kernel.call_kernel,
    kernel.keep_privileges,
    kernel.lower_oom_score,
    kernel.attach_lists,
    processes.leave_process,
)
"""The quick attacks, in the order in which one process tries them."""

BOMBS: tuple[Callable[[Mapping[str, str]], str], ...] = (
    bombs.take_memory,
    bombs.hide_memory,
    bombs.fork_much,
    bombs.start_threads,
    bombs.fill_output,
    bombs.hide_output,
    files.nest_folders,
    bombs.run_for_ever,
)
"""Attacks that end their run, so each needs a run of its own."""

"""What confining a command costs, against starting it bare.

Run as ``python benchmarks/sandbox.py``. Each row is a command that does nothing, or a small test
run, with different walls. Figures are the least of several rounds, in milliseconds, because noise
only ever adds; the last column is what it costs more than the bare command.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import SubprocessCommands
from orchestrator.runtime.sandbox import SandboxPolicy

WALLS = {
    "both walls": SandboxPolicy(),
    "Landlock only": SandboxPolicy(namespaces=False),
    "namespaces only": SandboxPolicy(landlock=False),
    "limits only": SandboxPolicy(landlock=False, namespaces=False),
}
COMMANDS = {
    "true": (["/bin/true"], 30),
    "python -c pass": ([sys.executable, "-c", "pass"], 20),
    "pytest, one test": ([sys.executable, "-m", "pytest", "-q", "test_one.py"], 5),
}


def least(rounds: int, deed: Callable[[], object]) -> float:
    """Return the shortest of several times that something took, in ms."""
    times = []
    for _ in range(rounds):
        begun = perf_counter()
        deed()
        times.append(perf_counter() - begun)
    return 1000 * min(times)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        cwd, tmp = Path(name, "copy"), Path(name, "tmp")
        cwd.mkdir()
        (cwd / "test_one.py").write_text("def test_one():\n    assert 1 + 1 == 2\n")
        blobs = BlobStore(Path(name, "blobs"), durable=False)
        for title, (words, rounds) in COMMANDS.items():
            bare = least(rounds, partial(subprocess.run, words, cwd=cwd, capture_output=True))
            print(f"{title:18} {'bare':16} {bare:8.1f}")
            for walls, policy in WALLS.items():
                commands = SubprocessCommands(blobs, policy=policy)
                run = partial(commands.run, words, cwd, timeout=60, tmp=tmp)
                run()  # the first one looks for what can be enforced
                took = least(rounds, run)
                more = f"{took - bare:+8.1f} ms  {took / bare:6.2f} times"
                print(f"{title:18} {walls:16} {took:8.1f} {more}")


if __name__ == "__main__":
    main()

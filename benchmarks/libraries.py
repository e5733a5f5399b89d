"""Libraries that nobody here wrote: fetched, unpacked, judged by their own tests.

What ``benchmarks/real.py`` and ``benchmarks/experiment.py`` have in common. Archives are kept in a
cache of their own and never belong into version control.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_COUNTS = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")


@dataclass(frozen=True, slots=True)
class Library:
    """A library to be written anew.

    Attributes:
        name: on the package index, and of the package.
        version: the release that is taken.
        folder: where its package is imported from.
        tests: what the judge runs.
        without: files left out of the tree.
        patient: what is replaced in its tests before any is run: file, old text, new text.
    """

    name: str
    version: str
    folder: str
    tests: str
    without: tuple[str, ...] = ()
    patient: tuple[tuple[str, str, str], ...] = ()


LIBRARIES = (
    # Its benchmark asks for a plugin of pytest; its documents are tested with another.
    Library("simpy", "4.1.2", "src", "tests", ("tests/test_benchmark.py", "docs")),
    Library("docstring_parser", "0.18.0", ".", "docstring_parser/tests"),
    # Some of its tests compare times. Four workers share the processors, so the limits are lifted,
    # for upstream's own run as well.
    Library(
        "mistune",
        "3.4.0",
        "src",
        "tests",
        ("benchmark", "docs"),
        (
            ("tests/perf_utils.py", "noise_seconds: float = 0.02", "noise_seconds: float = 600.0"),
            (
                "tests/test_misc.py",
                "perf_counter() - start, 2.0)",
                "perf_counter() - start, 600.0)",
            ),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a test run said: counts by outcome."""

    counts: Mapping[str, int]

    @property
    def passed(self) -> int:
        """Tests that passed."""
        return self.counts.get("passed", 0)

    @property
    def wrong(self) -> int:
        """Tests that failed or could not be run."""
        return sum(self.counts.get(name, 0) for name in ("failed", "error", "errors"))


def library(name: str) -> Library:
    """Return the library of this name."""
    return next(one for one in LIBRARIES if one.name == name)


def cache_folder() -> Path:
    """Return where archives are kept unless another place is named."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "orchestrator" / "real"


def fetch(library: Library, cache: Path) -> Path:
    """Return the source archive of a library, from the cache or the package index.

    Raises:
        SystemExit: pip cannot fetch it.
    """
    wanted = f"{library.name}-{library.version}.tar.gz"
    if not (cache / wanted).is_file():
        cache.mkdir(parents=True, exist_ok=True)
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--no-binary", ":all:", "--dest", str(cache), f"{library.name}=={library.version}"),
        ]
        done = subprocess.run(command, check=False)
        if done.returncode or not (cache / wanted).is_file():
            raise SystemExit(f"pip could not fetch {library.name} {library.version}")
    return cache / wanted


def unpack(archive: Path, library: Library, into: Path) -> Path:
    """Unpack an archive, leave out what the judge does not need, and return the tree."""
    with tarfile.open(archive) as packed:
        packed.extractall(into, filter="data")
    (into / f"{library.name}-{library.version}").rename(into / "original")
    tree = into / "original"
    for path in library.without:
        place = tree / path
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()
    for path, old, new in library.patient:
        text = (tree / path).read_text(encoding="utf-8")
        if old not in text:
            raise SystemExit(f"{library.name}: {path} does not say {old!r}")
        (tree / path).write_text(text.replace(old, new), encoding="utf-8")
    return tree


def judge(tree: Path, library: Library) -> Judged:
    """Run a library's own tests on a tree."""
    command = [
        *(sys.executable, "-B", "-m", "pytest", "-q", "--tb=no", "--color=no"),
        *("-p", "no:cacheprovider", "-o", f"pythonpath={library.folder}", library.tests),
    ]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    last = done.stdout.strip().rpartition("\n")[2]
    return Judged({word: int(number) for number, word in _COUNTS.findall(last)})

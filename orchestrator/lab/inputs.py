"""What an experiment was made from, kept beside its data: plans, the profile, the experiment file.

The manifest has digests of them; whoever repeats the experiment needs the files themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from orchestrator.lab.experiment import Experiment
from orchestrator.runtime.redaction import make_redactor

FOLDER = "inputs"
"""Directory of the copies, below that of the experiment."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Copies of files, by names below the directory of the experiment; None: there is no copy.

    Attributes:
        texts: name to content, without secrets.
        plans: case and decomposition to name.
        profile: of the profile of agents; None also when it is a packaged one, or none.
        file: of the experiment file.
    """

    texts: dict[str, str] = field(default_factory=dict)
    plans: dict[tuple[str, str], str | None] = field(default_factory=dict)
    profile: str | None = None
    file: str | None = None


def read_inputs(experiment: Experiment) -> Inputs:
    """Return copies of the files that an experiment was made from.

    A plan that was built in code has none, nor has one whose file has changed since it was read:
    the trials did not run that.
    """
    redactor = make_redactor(dict(experiment.options))
    texts: dict[str, str] = {}

    def keep(place: Path | None, stem: str, digest: str = "") -> str | None:
        try:
            data = place.read_bytes() if place else None
        except OSError:  # gone since: the digest in the manifest is all that is left
            return None
        if place is None or data is None or (digest and sha256(data).hexdigest() != digest):
            return None
        name = _unused(f"{FOLDER}/{_plain(stem)}", place.suffix, texts)
        texts[name] = redactor.text(data.decode(errors="replace"))
        return name

    return Inputs(
        texts,
        {
            (case.name, label): keep(plan.path, f"{case.name}-{label}".strip("-"), plan.digest)
            for case in experiment.cases
            for label, plan in case.plans.items()
        },
        keep(_profile(experiment), "profile"),
        keep(experiment.file, "experiment"),
    )


def write_inputs(inputs: Inputs, out: Path) -> None:
    """Write the copies below the directory of an experiment; others that are there stay.

    Raises:
        OSError: they cannot be written.
    """
    for name, text in inputs.texts.items():
        place = out / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8", newline="")


def _profile(experiment: Experiment) -> Path | None:
    """Return the file of the profile; None when it is a packaged one, as `find_profile` tells."""
    name = dict(experiment.options).get("profile", "")
    is_file = "/" in name or name.endswith((".yaml", ".yml"))
    return Path.cwd() / name if is_file else None


def _plain(text: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in text)


def _unused(stem: str, suffix: str, used: Iterable[str]) -> str:
    """Return a name that none has yet, also where file systems do not tell A from a."""
    taken = {name.lower() for name in used}
    name, number = f"{stem}{suffix}", 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}{suffix}"
    return name

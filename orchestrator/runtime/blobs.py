"""Contents by digest: versions of files, outputs of commands, transcripts.

A content is stored once, under its SHA-256, and never changes; so any number of threads and
processes may put and get at the same time without a lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from orchestrator.errors import LogError, OrchestratorError
from orchestrator.runtime.redaction import make_redactor
from orchestrator.secrets import Redactor


class BlobStore:
    """A folder of contents.

    Args:
        root: the folder; made when it is first needed.
        durable: wait until the disk has what was put, so that it survives a power cut.
        redactor: takes out secrets; None: it knows those of this process's environment.

    Attributes:
        redactor: for whoever puts what was said: `put` keeps files, and those stay as they are.
        on_failure: called, before it is raised, with the error that a content cannot be stored:
            whoever puts may take it for a failure of its own, and the run must not go on.
    """

    def __init__(self, root: Path, durable: bool = True, redactor: Redactor | None = None) -> None:
        self.root = root
        self.durable = durable
        self.redactor = redactor or make_redactor()
        self.on_failure: Callable[[OrchestratorError], object] | None = None

    def path(self, digest: str) -> Path:
        """Return where the content with this digest is or would be."""
        return self.root / digest[:2] / digest[2:]

    def has(self, digest: str) -> bool:
        """Whether the content with this digest is stored."""
        return self.path(digest).exists()

    def put(self, data: bytes) -> str:
        """Store a content, unless it is there already.

        Returns:
            Its digest: SHA-256, 64 hexadecimal digits.

        Raises:
            LogError: it cannot be written.
        """
        digest = sha256(data).hexdigest()
        place = self.path(digest)
        try:
            if _size(place) != len(data):
                self._write(place, data)
        except OSError as error:
            failure = LogError(
                "a content cannot be stored",
                str(place),
                str(error),
                "free some space, or make the run's folder writable; then resume the run",
            )
            if self.on_failure is not None:
                self.on_failure(failure)
            raise failure from error
        return digest

    def put_json(self, text: str) -> str:
        """Store a text of JSON that records what was said, without secrets; return its digest.

        Raises:
            LogError: it cannot be written.
        """
        return self.put(self.redactor.json(text).encode(errors="replace"))

    def get(self, digest: str) -> bytes:
        """Return the content with this digest.

        Raises:
            LogError: it is not there, or what is there does not have this digest.
        """
        place = self.path(digest)
        try:
            data = place.read_bytes()
        except OSError as error:
            raise LogError(
                f"content {digest[:12]} is not in the run's folder",
                str(place),
                str(error),
                "restore the run's folder `blobs` from a copy",
            ) from error
        if sha256(data).hexdigest() != digest:
            raise LogError(
                f"content {digest[:12]} is damaged",
                str(place),
                "its bytes do not have the digest under which they are stored",
                "delete this file, or restore it from a copy",
            )
        return data

    def _write(self, place: Path, data: bytes) -> None:
        new = not place.parent.exists()
        place.parent.mkdir(parents=True, exist_ok=True)
        # Not named by the process: the one that goes on after a crash may have the same number.
        draft = place.with_name(f".{place.name}.{token_hex(8)}")
        try:
            with draft.open("xb") as file:
                file.write(data)
                if self.durable:
                    file.flush()
                    os.fsync(file.fileno())
            draft.replace(place)
        finally:
            draft.unlink(missing_ok=True)
        if self.durable:
            _sync_folder(place.parent)
            if new:
                _sync_folder(self.root)


def _size(place: Path) -> int | None:
    # A content that was put without `durable` may be cut short after a power cut: then the size
    # differs, and putting it again heals it.
    try:
        return place.stat().st_size
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

from __future__ import annotations

import threading
from hashlib import sha256
from pathlib import Path

import pytest

from orchestrator.errors import LogError
from orchestrator.runtime.blobs import BlobStore


@pytest.fixture(params=[True, False], ids=["durable", "quick"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs", durable=request.param)


def files(blobs: BlobStore) -> list[Path]:
    return [path for path in blobs.root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("data", [b"", b"hello", b"\0\xff" * 100_000])
def test_what_is_put_is_got(blobs: BlobStore, data: bytes) -> None:
    digest = blobs.put(data)
    assert digest == sha256(data).hexdigest()
    assert blobs.get(digest) == data
    assert blobs.has(digest)
    assert blobs.path(digest).read_bytes() == data


def test_what_was_not_put_is_not_there(blobs: BlobStore) -> None:
    digest = sha256(b"never").hexdigest()
    assert not blobs.has(digest)
    with pytest.raises(LogError, match="is not in the run's folder"):
        blobs.get(digest)


def test_the_same_content_is_written_once(blobs: BlobStore) -> None:
    digest = blobs.put(b"same")
    before = blobs.path(digest).stat()
    assert blobs.put(b"same") == digest
    after = blobs.path(digest).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_contents_are_spread_over_folders(blobs: BlobStore) -> None:
    for number in range(20):
        blobs.put(str(number).encode())
    assert len(list(blobs.root.iterdir())) > 10


def test_a_damaged_content_is_never_handed_out(blobs: BlobStore) -> None:
    digest = blobs.put(b"right")
    blobs.path(digest).write_bytes(b"wrong")
    with pytest.raises(LogError, match="is damaged"):
        blobs.get(digest)


def test_putting_a_content_again_heals_one_that_was_cut_short(blobs: BlobStore) -> None:
    digest = blobs.put(b"whole")
    blobs.path(digest).write_bytes(b"")
    blobs.put(b"whole")
    assert blobs.get(digest) == b"whole"


def test_many_threads_put_the_same_contents(blobs: BlobStore) -> None:
    start = threading.Barrier(8)
    digests: list[list[str]] = []

    def work() -> None:
        start.wait()
        digests.append([blobs.put(bytes([n]) * 1000) for n in range(10)])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 8
    assert all(row == digests[0] for row in digests)
    assert len(files(blobs)) == 10
    assert [blobs.get(digest)[0] for digest in digests[0]] == list(range(10))


def test_a_store_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file, not a folder")
    with pytest.raises(LogError, match="cannot be stored") as caught:
        BlobStore(tmp_path / "blobs").put(b"x")
    assert caught.value.fix

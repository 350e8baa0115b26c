"""Folders in a store against a real S3 server: whole or not there, whatever happens on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from tests.s3_site import BUCKET, SECRET, Road, S3Site, credentials, folder_of, locked, road_to, s3_site
from workers.node.manifest import MANIFEST, ManifestError
from workers.node.store import Store
from workers.node.store_files import StoreError

ROOT = Path(__file__).resolve().parents[2]
FILES = {"adapter.bin": os.urandom(300_000), "a/b/config.json": b"{}", "empty": b"", "a name with ü.txt": b"x"}


@pytest.fixture(scope="module")
def server() -> Iterator[S3Site]:
    with s3_site() as running, credentials(running):
        yield running


@pytest.fixture
def site(server: S3Site) -> S3Site:
    server.empty()
    return server


@pytest.fixture
def road(site: S3Site) -> Iterator[Road]:
    with road_to(site) as way:
        yield way


@pytest.fixture
def store(site: S3Site) -> Store:
    return Store(site.url, site.endpoint_url)


def found(site: S3Site) -> list[str]:
    return list(site.keys())


def in_time(seconds: float) -> float:
    return time.monotonic() + seconds


def test_a_folder_comes_back_as_it_was(site: S3Site, store: Store, tmp_path: Path) -> None:
    sent = store.upload_folder(folder_of(tmp_path / "here", FILES), "run/out")
    assert site.keys() == {f"run/out/{path}": len(content) for path, content in FILES.items()} | {
        f"run/out/{MANIFEST}": len(sent.encoded())
    }
    assert store.download_folder("run/out", tmp_path / "there") == sent
    for path, content in FILES.items():
        assert (tmp_path / "there" / path).read_bytes() == content
    assert sorted(each.name for each in tmp_path.iterdir()) == ["here", "there"]


def test_an_upload_that_is_killed_in_the_middle_never_looks_complete(
    site: S3Site, store: Store, road: Road, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "checkpoint-4", {"big.bin": os.urandom(40 << 20), **FILES})
    code = (
        "import sys; from pathlib import Path; from workers.node.store import Store; "
        "Store(sys.argv[1], sys.argv[2]).upload_folder(Path(sys.argv[3]), 'run/out/checkpoint-4')"
    )
    road.state, road.bytes_per_second = "slow", 20e6
    command = [sys.executable, "-c", code, site.url, road.endpoint_url, str(folder)]
    uploader = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    give_up_at = in_time(60)
    while not any(key.endswith("adapter.bin") for key in found(site)):
        assert time.monotonic() < give_up_at
        assert uploader.poll() is None
        time.sleep(0.05)
    uploader.kill()
    uploader.wait()
    assert not any(key.endswith(("big.bin", MANIFEST)) for key in found(site))
    assert store.newest_complete("run/out") is None
    assert store.manifest("run/out/checkpoint-4") is None
    with pytest.raises(StoreError, match="not complete"):
        store.download_folder("run/out/checkpoint-4", tmp_path / "there")
    assert not (tmp_path / "there").exists()

    store.upload_folder(folder, "run/out/checkpoint-4")
    assert store.newest_complete("run/out") == "checkpoint-4"


def test_an_upload_over_an_older_one_is_incomplete_until_its_end(
    site: S3Site, store: Store, road: Road, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "out", FILES)
    store.upload_folder(folder, "run/out")
    (folder / "empty").write_bytes(b"no more")
    cut = Store(site.url, road.endpoint_url, left=lambda: 6.0)
    road.state, road.breaks_after = "breaking", 100_000
    with pytest.raises(StoreError, match="sending"):
        cut.upload_folder(folder, "run/out")
    assert store.manifest("run/out") is None
    assert store.upload_folder(folder, "run/out") == store.manifest("run/out")


def test_a_flipped_byte_is_found(site: S3Site, store: Store, tmp_path: Path) -> None:
    store.upload_folder(folder_of(tmp_path / "here", FILES), "run/out")
    damaged = bytearray(FILES["adapter.bin"])
    damaged[150_000] ^= 1
    site.put("run/out/adapter.bin", bytes(damaged))
    with pytest.raises(ManifestError, match=r"adapter\.bin is not what was uploaded"):
        store.download_folder("run/out", tmp_path / "there")
    assert [each.name for each in tmp_path.iterdir()] == ["here"]


def test_a_checkpoint_that_lost_a_file_is_passed_over_for_an_older_one(
    site: S3Site, store: Store, tmp_path: Path
) -> None:
    for step in (2, 10, 9):
        store.upload_folder(folder_of(tmp_path / str(step), FILES), f"run/out/checkpoint-{step}")
    assert store.newest_complete("run/out") == "checkpoint-10"
    site.client.delete_object(Bucket=BUCKET, Key="runs/run/out/checkpoint-10/adapter.bin")
    assert store.newest_complete("run/out") == "checkpoint-9"
    store.prune("run/out", "checkpoint-9")
    assert {key.split("/")[2] for key in found(site)} == {"checkpoint-9", "checkpoint-10"}
    store.forget("run/out")
    assert store.newest_complete("run/out") is None


def test_a_server_that_comes_back_is_waited_for(site: S3Site, road: Road, tmp_path: Path) -> None:
    road.state = "closed"
    threading.Timer(2.0, lambda: setattr(road, "state", "open")).start()
    patient = Store(site.url, road.endpoint_url)
    patient.upload_folder(folder_of(tmp_path / "here", FILES), "run/out")
    assert patient.manifest("run/out") is not None


def test_a_server_that_stays_away_is_an_error_in_the_time_that_there_is(
    road: Road, site: S3Site, tmp_path: Path
) -> None:
    road.state = "closed"
    end = in_time(3)
    begun = time.monotonic()
    with pytest.raises(StoreError, match=f"reading run/out/{MANIFEST} in {site.url}") as caught:
        Store(site.url, road.endpoint_url, lambda: end - time.monotonic()).upload_folder(
            folder_of(tmp_path / "here", FILES), "run/out"
        )
    assert caught.value.temporary
    assert time.monotonic() - begun < 4
    assert road.connections >= 3


def test_a_large_file_is_given_up_when_time_is_up(road: Road, site: S3Site, store: Store, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "here", {"big.bin": os.urandom(60 << 20)})
    road.state, road.bytes_per_second = "slow", 2.5e6  # on each of its connections
    end = in_time(6)
    with pytest.raises(StoreError, match="no time is left"):
        Store(site.url, road.endpoint_url, lambda: end - time.monotonic()).upload_folder(folder, "run/out")
    assert time.monotonic() < end + 10  # the parts under way are waited for
    assert site.keys() == {}


def test_wrong_credentials_are_said_at_once_and_told_to_nobody(
    site: S3Site, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path / "here", FILES)
    with locked(site):
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "quite-another-secret")
        begun = time.monotonic()
        with pytest.raises(StoreError, match="credentials are taken from the environment") as caught:
            Store(site.url, site.endpoint_url).upload_folder(folder, "run/out")
        assert time.monotonic() - begun < 3
        assert not caught.value.temporary
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with pytest.raises(StoreError, match="Unable to locate credentials") as none:
            Store(site.url, site.endpoint_url).upload_folder(folder, "run/out")
    for said in (str(caught.value), str(none.value)):
        assert "secret" not in said
        assert SECRET not in said


def test_a_bucket_that_does_not_exist_is_said_and_not_made(site: S3Site, tmp_path: Path) -> None:
    elsewhere = Store("s3://no-such-bucket/runs", site.endpoint_url)
    folder = folder_of(tmp_path / "here", FILES)
    for act in (
        lambda: elsewhere.upload_folder(folder, "run/out"),
        lambda: elsewhere.newest_complete("run/out"),
        lambda: elsewhere.download_folder("run/out", tmp_path / "there"),
    ):
        with pytest.raises(StoreError, match="bucket does not exist") as caught:
            act()
        assert not caught.value.temporary
    assert [each["Name"] for each in site.client.list_buckets()["Buckets"]] == [BUCKET]


def test_a_reader_meets_a_whole_checkpoint_or_an_error_while_they_come_and_go(
    site: S3Site, store: Store, tmp_path: Path
) -> None:
    done, read, missed = threading.Event(), [], []

    def reader() -> None:
        mine = Store(site.url, site.endpoint_url)
        while not done.is_set():
            name = mine.newest_complete("run/out")
            if name is None:
                continue
            try:
                mine.download_folder(f"run/out/{name}", tmp_path / f"read-{len(read)}")
            except StoreError as error:  # deleted while it was read
                missed.append(str(error))
                continue
            read.append((name, (tmp_path / f"read-{len(read)}" / "step").read_bytes()))

    thread = threading.Thread(target=reader)
    thread.start()
    for step in range(1, 16):
        files = {"step": f"checkpoint-{step}".encode(), "big": os.urandom(200_000)}
        store.upload_folder(folder_of(tmp_path / f"checkpoint-{step}", files), f"run/out/checkpoint-{step}")
        store.prune("run/out", f"checkpoint-{step}")
    time.sleep(0.5)
    done.set()
    thread.join()
    print(f"{len(read)} whole checkpoints were read, {len(missed)} were gone before their end")
    assert read[-1][0] == "checkpoint-15"
    assert all(name.encode() == content for name, content in read)


MEASURED = """
import re, sys, time
from pathlib import Path
from workers.node.store import Store

def megabytes(name):
    return int(re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

store = Store(sys.argv[1], sys.argv[2])
store.newest_complete("warm-up")
before, begun = megabytes("VmRSS"), time.monotonic()
if sys.argv[3] == "up":
    store.upload_folder(Path(sys.argv[4]), "run/out")
else:
    store.download_folder("run/out", Path(sys.argv[4]))
print(megabytes("VmHWM") - before, time.monotonic() - begun)
"""


def measured(site: S3Site, way: str, folder: Path) -> tuple[float, float]:
    """Megabytes of memory at the peak, above those before, and seconds, of a process that moves a folder."""
    command = [sys.executable, "-c", MEASURED, site.url, site.endpoint_url, way, str(folder)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    megabytes, seconds = map(float, done.stdout.split())
    print(f"{way}: {megabytes:.0f} MiB more at the peak, {seconds:.1f} s")
    return megabytes, seconds


def test_a_large_file_is_never_in_memory_as_a_whole(site: S3Site, tmp_path: Path) -> None:
    big = os.urandom(100 << 20)
    assert measured(site, "up", folder_of(tmp_path / "here", {"big.bin": big}))[0] < 70
    assert measured(site, "down", tmp_path / "there")[0] < 70
    assert (tmp_path / "there" / "big.bin").read_bytes() == big


def test_ten_thousand_small_files_need_little_memory(site: S3Site, store: Store, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "here", {f"{number % 97}/{number}": b"some bytes" for number in range(10_000)})
    assert measured(site, "up", folder)[0] < 100
    manifest = store.manifest("run/out")
    assert manifest is not None
    assert len(manifest.entries) == 10_000
    assert manifest.unmet({key.removeprefix("run/out/"): size for key, size in site.keys().items()}) is None

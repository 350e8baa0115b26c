"""A refresh replaces what is stored, whole or not at all."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.adapters.catalog.origins import read_origin
from orchestrator.adapters.catalog.prices import FETCHED, SNAPSHOT, CatalogPrices, CatalogSources
from orchestrator.adapters.memory.clock import START, ManualClock
from orchestrator.domain.errors import InvalidInputError, StorageError

LIST = "provider,region,instance_type,accelerator,count,price_per_hour\nacme,eu,box,H200,4,12.50\n"
CATALOGUE = (
    "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice\n"
    "1x,H200,1,12,188,4.59,US,,\n8x,H200,8,12,188,36.72,US,,\n"
)
Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """A web server on loopback that answers as it is told; gives its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, format: str, *args: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def sending(content: str | bytes, status: int = 200, promised: int | None = None) -> Answer:
    body = content.encode() if isinstance(content, str) else content

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body) if promised is None else promised))
        request.end_headers()
        request.wfile.write(body)

    return answer


def catalog(home: Path, **sources: object) -> CatalogPrices:
    return CatalogPrices(CatalogSources(home / "prices" / "current.json", **sources), ManualClock())  # type: ignore[arg-type]


def ids(prices: CatalogPrices) -> set[str]:
    return {offer.id for offer in prices.offers()}


def test_a_list_from_a_file_is_taken_in_and_kept(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(LIST)
    found = catalog(tmp_path).refresh(str(tmp_path / "list.csv"))
    assert found.by_source[FETCHED] == 1
    assert found.offers == 1 + found.by_source[SNAPSHOT]

    (tmp_path / "list.csv").unlink()
    assert "acme/eu/box:4:on-demand" in ids(catalog(tmp_path)), "another process sees it too"
    assert catalog(tmp_path).refresh().by_source[FETCHED] == 1, "and a refresh without an origin keeps it"


def test_a_list_and_a_clouds_catalogue_come_from_an_address(tmp_path: Path, serve: Callable[[Answer], str]) -> None:
    prices = catalog(tmp_path)
    prices.refresh(f"{serve(sending(LIST))}/list.csv")
    assert "acme/eu/box:4:on-demand" in ids(prices)
    prices.refresh(f"{serve(sending(CATALOGUE))}/v8/lumen/vms.csv?raw=true")
    assert {"lumen/US/1x:1:on-demand", "lumen/US/8x:8:on-demand"} <= ids(prices)
    assert "acme/eu/box:4:on-demand" not in ids(prices), "what was fetched before is replaced"


BROKEN: dict[str, tuple[Answer, str]] = {
    "not found": (sending("gone", 404), "answers 404 instead of prices"),
    "a failure": (sending("oh", 500), "answers 500 instead of prices"),
    "a web page": (sending("<!doctype html><title>Prices</title>"), "is a web page and not a price list"),
    "nothing": (sending(""), "is empty"),
    "half, as told": (sending(CATALOGUE[:-40], promised=len(CATALOGUE)), "cannot be read"),
    "half, not told": (sending(CATALOGUE[:-12]), "1 rows could not be read"),
    "half a list": (sending(LIST[:-7]), "has 5 cells where the header has 6"),
    "a negative price": (sending(LIST.replace("12.50", "-12.50")), "price_per_hour must be above zero"),
    "other bytes": (sending(b"\x89PNG\xff\xfe"), "is not in UTF-8"),
    "too much": (sending(LIST + "#" * (11 * 1024 * 1024)), "must be at most 10 MB"),
    "a circle": (
        lambda request: (request.send_response(302), request.send_header("Location", request.path),
                         request.send_header("Content-Length", "0"), request.end_headers(), None)[-1],
        "cannot be read",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_refresh_says_why_and_keeps_the_old_prices(
    tmp_path: Path, serve: Callable[[Answer], str], how: str
) -> None:
    answer, why = BROKEN[how]
    prices = catalog(tmp_path)
    prices.refresh(f"{serve(sending(LIST))}/list.csv")
    before, stored = prices.offers(), (tmp_path / "prices" / "current.json").read_bytes()

    with pytest.raises(InvalidInputError, match=why) as caught:
        prices.refresh(f"{serve(answer)}/lumen/vms.csv")
    assert all(each.field.split(":")[0] == "prices" for each in caught.value.problems)
    assert prices.offers() is before
    assert [each.name for each in (tmp_path / "prices").iterdir()] == ["current.json"]
    assert (tmp_path / "prices" / "current.json").read_bytes() == stored


def test_an_address_that_does_not_answer_in_time_is_refused(serve: Callable[[Answer], str]) -> None:
    slow = serve(lambda request: time.sleep(1))
    with pytest.raises(InvalidInputError, match=r"did not answer within 0\.1 s"):
        read_origin(f"{slow}/list.csv", START.date(), timeout_seconds=0.1)


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:9/list.csv", "http://[", "https://", "nowhere.csv", "/", "a\0b", "ftp://x/y.csv"]
)
def test_where_there_is_nothing_to_read_is_said(tmp_path: Path, origin: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        catalog(tmp_path).refresh(origin)
    assert caught.value.problems[0].field == "prices"
    assert not (tmp_path / "prices").exists()


@pytest.mark.parametrize("source", ["price_file", "skypilot"])
def test_a_source_that_broke_since_fails_the_whole_refresh(tmp_path: Path, source: str) -> None:
    place = tmp_path / "own.csv" if source == "price_file" else tmp_path / "sky" / "lumen" / "vms.csv"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(LIST if source == "price_file" else CATALOGUE)
    sources = {source: place if source == "price_file" else tmp_path / "sky"}
    catalog(tmp_path, **sources).refresh()
    good = ids(catalog(tmp_path, **sources))

    place.write_text("<html>")
    broken = catalog(tmp_path, **sources)
    with pytest.raises(InvalidInputError):
        broken.refresh()
    assert ids(broken) == good, "a process that starts now still has what was stored"
    assert broken.remarks()


def test_a_disk_that_takes_nothing_keeps_the_old_prices(tmp_path: Path) -> None:
    (tmp_path / "prices").write_text("a file where the folder should be")
    with pytest.raises(StorageError):
        catalog(tmp_path).refresh()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"refreshed_at": 3}', "[" * 100_000])
def test_stored_prices_that_someone_spoilt_are_left_out_and_replaced_by_a_refresh(tmp_path: Path, content: str) -> None:
    file = tmp_path / "prices" / "current.json"
    file.parent.mkdir()
    file.write_text(content)
    prices = catalog(tmp_path)
    assert prices.offers()
    assert "the stored prices cannot be read" in prices.remarks()[0]
    prices.refresh()
    assert json.loads(file.read_text())["refreshed_at"] == START.isoformat()
    assert not any("stored" in each for each in prices.remarks())

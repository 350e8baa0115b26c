"""Uploads: looked at row by row, kept whole or not at all, once for the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from anyio.from_thread import BlockingPortal

from api.app import create_app
from tests.unit.api.serving import WISH, Client, Service, fields, make_service

LINES = {"Content-Type": "application/x-ndjson"}
ROW = {"instruction": "Say hello.", "output": "Hello."}
PAIR = {"instruction": "Say hello.", "chosen": "Hello.", "rejected": "No."}


def lines(*rows: object) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(*rows: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), stream)
    return stream.getvalue()


def left(service: Service) -> list[str]:
    """The names of all that lies where uploads are kept."""
    folder = service.home / "datasets"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_an_upload_is_kept_and_told_and_a_run_may_name_it(client: Client, service: Service) -> None:
    body = lines(*[ROW] * 40)
    answer = client.post("/datasets", params={"name": "greetings"}, content=body, headers=LINES)
    digest = hashlib.sha256(body).hexdigest()
    kept = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/datasets/{kept['id']}")
    assert kept["id"] == f"ds_{digest[:16]}"
    assert (kept["name"], kept["format"], kept["rows"], kept["bytes"], kept["sha256"], kept["media_type"]) == (
        "greetings", "alpaca", 40, len(body), digest, "application/x-ndjson",
    )  # fmt: skip
    assert client.get(answer.headers["location"]).json() == kept
    assert client.get("/datasets").json() == {"datasets": [kept], "bytes": len(body)}
    run = client.submit(dataset=kept["id"])
    source = service.home / "datasets" / kept["id"] / "rows.jsonl"
    assert (run["dataset"]["source"], run["dataset"]["rows"]) == (str(source), 40)
    assert source.read_bytes() == body


@pytest.mark.parametrize(
    ("body", "media_type", "row_format"),
    [
        (lines(PAIR, PAIR), "application/jsonl", "alpaca_pairs"),
        (lines({"text": "a"}), "application/octet-stream", "completion"),
        (parquet(PAIR, PAIR), "application/vnd.apache.parquet", "alpaca_pairs"),
        (parquet({"text": "a"}), "application/octet-stream", "completion"),
        (parquet({"text": "a"}), "application/x-ndjson; charset=utf-8", "completion"),
    ],
)
def test_what_the_bytes_are_decides_and_not_what_they_are_called(
    client: Client, body: bytes, media_type: str, row_format: str
) -> None:
    answer = client.post("/datasets", content=body, headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()["format"]) == (201, row_format)
    is_parquet = body.startswith(b"PAR1")
    assert (answer.json()["media_type"] == "application/vnd.apache.parquet") == is_parquet


def test_the_same_bytes_are_kept_once_under_the_name_they_came_by_first(client: Client, service: Service) -> None:
    first = client.post("/datasets", params={"name": "one"}, content=lines(ROW), headers=LINES)
    again = client.post("/datasets", params={"name": "two"}, content=lines(ROW), headers=LINES)
    assert (first.status_code, again.status_code, first.json()) == (201, 201, again.json())
    assert left(service) == [first.json()["id"]]


def test_uploads_at_the_same_time_do_not_disturb_each_other(client: Client, service: Service) -> None:
    bodies = [lines(*[{**ROW, "output": f"Hello {index % 3}."}] * 2000) for index in range(9)]
    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda body: client.post("/datasets", content=body, headers=LINES), bodies))
    assert {answer.status_code for answer in answers} == {201}
    assert left(service) == sorted({answer.json()["id"] for answer in answers})
    assert len(left(service)) == 3


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (b"", "dataset", "has no rows"),
        (lines(ROW, {"instruction": "a"}), "dataset:2", "'output' is missing"),
        (lines(PAIR, {**PAIR, "rejected": "Hello."}), "dataset:2", "'chosen' equals 'rejected'"),
        (lines(ROW) + b'{"instruction": "\xff"}\n', "dataset:2", "not UTF-8"),
        (lines(ROW) + b"a" * (3 << 20), "dataset:2", "longer than 1 MiB"),
        (lines({"question": "a"}), "dataset:1", "known formats are"),
        (b"\x1f\x8b" + bytes(100), "dataset", "is a gzip archive"),
        (b"PK\x03\x04" + bytes(100), "dataset", "is a zip archive"),
        (parquet(ROW, {**ROW, "output": None}), "dataset:2", "'output' is missing"),
        (parquet(ROW)[:-8], "dataset", "no Parquet file that can be read"),
    ],
)
def test_bad_rows_are_told_by_their_lines_and_nothing_is_kept(
    client: Client, service: Service, body: bytes, field: str, reason: str
) -> None:
    answer = client.post("/datasets", content=body, headers=LINES)
    assert answer.status_code == 422, answer.text
    assert reason in fields(answer)[field]
    assert left(service) == []
    assert client.get("/datasets").json() == {"datasets": [], "bytes": 0}


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/json"}, {"Content-Type": "multipart/form-data"},
                                     {"Content-Type": ";"}, {**LINES, "Content-Encoding": "gzip"}])  # fmt: skip
def test_only_rows_are_taken_as_a_dataset(client: Client, service: Service, headers: dict[str, str]) -> None:
    assert client.post("/datasets", content=lines(ROW), headers=headers).status_code == 415
    assert left(service) == []


@pytest.mark.parametrize(("query", "field"), [({"name": "x" * 121}, "name"), ({"name": "a\tb"}, "name"),
                                              ({"nmae": "x"}, "nmae")])  # fmt: skip
def test_a_name_that_cannot_be_shown_is_refused(
    client: Client, service: Service, query: dict[str, str], field: str
) -> None:
    answer = client.post("/datasets", params=query, content=lines(ROW), headers=LINES)
    assert (answer.status_code, list(fields(answer))) == (422, [field])
    assert left(service) == []


@pytest.mark.parametrize("name", ["ds_0000000000000000", "ds_", "ds_000000000000000G", "nonsense", "%2e%2e", "ds_%00"])
def test_a_dataset_that_is_not_there_is_not_found(client: Client, name: str) -> None:
    assert client.get(f"/datasets/{name}").status_code == 404


def test_a_run_on_a_dataset_that_was_not_uploaded_is_refused_by_its_field(client: Client) -> None:
    for field in ("dataset", "heldout"):
        answer = client.post("/quotes", json={**WISH, field: "ds_0000000000000000"})
        assert (answer.status_code, fields(answer)[field]) == (422, "no dataset ds_0000000000000000 was uploaded")


def test_an_uploaded_dataset_may_be_held_out_if_it_can_be_compared(client: Client) -> None:
    pairs = client.post("/datasets", content=lines(PAIR, PAIR), headers=LINES).json()["id"]
    text = client.post("/datasets", content=lines({"text": "a"}), headers=LINES).json()["id"]
    told = client.post("/quotes", json={**WISH, "heldout": pairs}).json()["dataset"]
    assert (told["heldout_rows"], told["heldout_format"]) == (2, "alpaca_pairs")
    refused = client.post("/quotes", json={**WISH, "heldout": text})
    assert "is completion; what can be compared is alpaca or alpaca_pairs" in fields(refused)["heldout"]


def test_a_body_beyond_the_limit_is_refused_by_what_it_declares_and_by_what_comes(
    tmp_path: Path, portal: BlockingPortal
) -> None:
    service = make_service(tmp_path, max_upload_megabytes=1)
    with Client(service, portal) as client:
        assert client.post("/datasets", content=lines(ROW) * 20_000, headers=LINES).status_code == 201
        much = lines(ROW) * 30_000
        declared = client.post("/datasets", content=much, headers=LINES)
        counted = client.post("/datasets", content=iter([much[:500_000], much[500_000:]]), headers=LINES)
        assert (declared.status_code, counted.status_code) == (413, 413)
        assert "at most 1048576 bytes" in declared.json()["detail"]
    assert len(left(service)) == 1


def test_an_upload_may_be_larger_than_other_bodies(client: Client) -> None:
    assert client.post("/datasets", content=lines(ROW) * 40_000, headers=LINES).json()["rows"] == 40_000


def test_a_client_that_goes_away_halfway_leaves_nothing(service: Service, portal: BlockingPortal) -> None:
    app = create_app(service.application)
    seen: list[list[str]] = []
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": lines(ROW) * 40_000, "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        seen.append(left(service))
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": "/datasets",
        "raw_path": b"/datasets", "query_string": b"", "root_path": "", "scheme": "http", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000), "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/jsonl")],
    }  # fmt: skip
    portal.call(app, scope, receive, send)
    assert len(seen[1]) == 1
    assert seen[1][0].startswith(".arriving-")
    assert left(service) == []
    assert sent[0]["status"] == 400


@contextmanager
def disk_of(most_bytes: int) -> Iterator[None]:
    """Files that may grow to `most_bytes`: to a writer the same as a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more_is_said_to_be_so_and_nothing_is_kept(client: Client, service: Service) -> None:
    with disk_of(2 << 20):
        answer = client.post("/datasets", content=lines(ROW) * 60_000, headers=LINES)
    assert (answer.status_code, answer.json()["type"]) == (507, "/problems/insufficient-storage")
    assert left(service) == []
    assert client.post("/datasets", content=lines(ROW) * 60_000, headers=LINES).status_code == 201


def test_what_a_process_that_died_left_is_removed_after_a_day(client: Client, service: Service) -> None:
    for name, mtime in ((".arriving-old", 1_000_000_000), (".arriving-new", None)):
        folder = service.home / "datasets" / name
        folder.mkdir(parents=True)
        (folder / "rows").write_bytes(b"half a li")
        if mtime is not None:
            os.utime(folder / "rows", (mtime, mtime))
            os.utime(folder, (mtime, mtime))
    kept = client.post("/datasets", content=lines(ROW), headers=LINES).json()["id"]
    assert left(service) == [".arriving-new", kept]
    assert [each["id"] for each in client.get("/datasets").json()["datasets"]] == [kept]


def test_a_foreign_page_cannot_upload(client: Client, service: Service) -> None:
    answer = client.post("/datasets", content=lines(ROW), headers={**LINES, "Origin": "http://evil.example"})
    assert (answer.status_code, left(service)) == (403, [])


def test_the_newest_dataset_is_listed_first(client: Client, service: Service) -> None:
    ids = []
    for text in ("a", "b", "c"):
        ids.append(client.post("/datasets", content=lines({"text": text}), headers=LINES).json()["id"])
        service.clock.advance(1)
    assert [each["id"] for each in client.get("/datasets").json()["datasets"]] == ids[::-1]


def test_a_request_without_a_body_is_an_upload_without_rows(client: Client) -> None:
    answer: httpx.Response = client.post("/datasets", headers=LINES)
    assert fields(answer) == {"dataset": "has no rows"}

"""Logs and artifacts."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.downloads import content_disposition, exactly
from api.negotiation import prefers
from tests.unit.api.serving import Client, Service, fields

TEXT = "erste Zeile: Prüfung\nsecond line\n"


@pytest.fixture
def run_id(client: Client, service: Service) -> str:
    """A run that left a log and two files."""
    run_id = str(client.submit()["id"])
    attempt = service.home / "runs" / run_id / "01-train" / "attempt-1"
    attempt.mkdir(parents=True)
    (attempt / "log.txt").write_text(TEXT)
    (attempt / 'odd "name" ü.bin').write_bytes(bytes(range(256)) * 10_000)
    return run_id


def test_a_log_is_read_on_from_where_it_was_left(client: Client, run_id: str) -> None:
    first = client.get(f"/runs/{run_id}/logs", params={"limit": 10}).json()
    rest = client.get(f"/runs/{run_id}/logs", params={"offset": first["next_offset"]}).json()
    assert first["text"] + rest["text"] == TEXT
    assert rest["next_offset"] == len(TEXT.encode())


def test_the_tail_of_a_log_is_its_last_bytes(client: Client, run_id: str) -> None:
    assert client.get(f"/runs/{run_id}/logs", params={"tail": 12}).json()["text"] == "second line\n"
    assert client.get(f"/runs/{run_id}/logs", params={"tail": 1_000_000}).json()["text"] == TEXT


def test_a_log_is_plain_text_for_who_prefers_it(client: Client, run_id: str) -> None:
    answer = client.get(f"/runs/{run_id}/logs", headers={"Accept": "text/plain"})
    assert answer.text == TEXT
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-next-offset"] == str(len(TEXT.encode()))


@pytest.mark.parametrize(
    ("accept", "plain"),
    [
        ("text/plain", True),
        ("*/*", False),
        ("application/json", False),
        ("text/*", True),
        ("", False),
        ("nonsense", False),
        ("text/plain;q=0.5, application/json", False),
        ("text/plain, */*;q=0.1", True),
        ("text/plain;q=x", True),
    ],
)
def test_the_quality_of_a_media_type_decides(accept: str, plain: bool) -> None:
    assert prefers(accept, "text/plain", over="application/json") is plain


def test_a_run_without_a_log_has_an_empty_one(client: Client) -> None:
    assert client.get(f"/runs/{client.submit()['id']}/logs").json() == {"text": "", "next_offset": 0}


@pytest.mark.parametrize(
    "params", [{"limit": "0"}, {"limit": "9" * 30}, {"offset": "-1"}, {"tail": "0"}, {"tail": "5", "offset": "0"}]
)
def test_a_log_cannot_be_read_outside_itself(client: Client, run_id: str, params: dict[str, str]) -> None:
    answer = client.get(f"/runs/{run_id}/logs", params=params)
    assert answer.status_code == 422
    assert fields(answer).keys() & params.keys()


def test_every_file_of_a_run_is_listed_and_downloads_byte_for_byte(
    client: Client, service: Service, run_id: str
) -> None:
    listed = client.get(f"/runs/{run_id}/artifacts").json()
    assert len(listed["artifacts"]) == 2
    assert listed["bytes"] == sum(each["size"] for each in listed["artifacts"])
    for each in listed["artifacts"]:
        answer = client.get(each["href"])
        assert answer.content == (service.home / "runs" / run_id / each["path"]).read_bytes()
        assert answer.headers["content-length"] == str(each["size"])
        assert answer.headers["content-disposition"].startswith("attachment; ")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["nothing", "01-train", "../../rows.jsonl", "%2e%2e/%2e%2e/rows.jsonl", "/etc/passwd", "%00",
     "01-train//attempt-1/log.txt", "01-train/%2e%2e/01-train/attempt-1/log.txt", "x" * 5000],
)  # fmt: skip
def test_what_is_not_listed_cannot_be_downloaded(client: Client, run_id: str, path: str) -> None:
    assert client.get(f"/runs/{run_id}/artifacts/{path}").status_code == 404


def test_a_link_out_of_the_run_leads_nowhere(client: Client, service: Service, run_id: str) -> None:
    (service.home / "runs" / run_id / "secret").symlink_to(Path("/etc/passwd"))
    assert client.get(f"/runs/{run_id}/artifacts/secret").status_code == 404
    assert len(client.get(f"/runs/{run_id}/artifacts").json()["artifacts"]) == 2


def test_a_file_that_grows_is_cut_at_the_length_that_was_announced() -> None:
    assert b"".join(exactly(iter([b"abc", b"def", b"ghi"]), 4)) == b"abcd"


@pytest.mark.parametrize("name", ['a"; filename="b.html', "line\r\nbreak", "ü.txt", "50%.txt", "\\"])
def test_a_file_name_cannot_break_out_of_its_header(name: str) -> None:
    header = content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2

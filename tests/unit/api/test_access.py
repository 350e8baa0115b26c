"""Who may ask, and how much they may send."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from api.app import create_app
from api.limits import LARGEST_BODY_BYTES
from tests.unit.api.serving import WISH, Client, make_service

TOKEN = "correct horse battery staple"


@pytest.fixture
def guarded(tmp_path: Path, portal: BlockingPortal) -> Iterator[Client]:
    with Client(make_service(tmp_path, api_token=TOKEN), portal) as client:
        yield client


@pytest.mark.parametrize(
    "path", ["/runs", "/strategies", "/openapi.json", "/nonsense", "/runs/run_000000000001/events", "/"]
)
@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer é"])
def test_without_the_token_nothing_is_told(guarded: Client, path: str, given: str | None) -> None:
    headers = httpx.Headers([] if given is None else [(b"authorization", given.encode())])
    answer = guarded.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_with_the_token_everything_is_as_without_one(guarded: Client) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.post("/runs", json=WISH, headers=headers).status_code == 201
    assert guarded.post("/runs", json=WISH).status_code == 401


def test_health_is_told_to_everybody(guarded: Client) -> None:
    assert guarded.get("/healthz").status_code == 200
    assert guarded.get("/readyz").status_code == 503


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_page_of_another_site_changes_nothing(client: Client, headers: dict[str, str]) -> None:
    run_id = client.submit()["id"]
    assert client.post(f"/runs/{run_id}/cancel", headers=headers).status_code == 403
    assert client.get(f"/runs/{run_id}", headers=headers).json()["cancel_requested_at"] is None


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://127.0.0.1:8000"}, {}])
def test_our_own_page_may_change_things(client: Client, headers: dict[str, str]) -> None:
    assert client.post("/quotes", json=WISH, headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "127.0.0.2:1"])
def test_a_service_of_this_machine_answers_to_its_names(client: Client, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example", "", "[", "10.0.0.1"])
def test_a_foreign_name_that_leads_to_this_machine_is_refused(client: Client, host: str) -> None:
    assert client.get("/runs", headers={"Host": host}).status_code == 421


def test_a_service_that_is_open_to_a_network_answers_to_any_name(tmp_path: Path, portal: BlockingPortal) -> None:
    with Client(make_service(tmp_path, host="0.0.0.0"), portal) as client:
        assert client.get("/runs", headers={"Host": "forge.example"}).status_code == 200
        # A name that cannot even be parsed must not turn an error's answer into another error.
        assert client.get("/runs/nonsense", headers={"Host": "["}).status_code == 404


def test_a_body_that_says_that_it_is_too_large_is_refused_unread(client: Client) -> None:
    body = b'{"name": "' + b"x" * 10_000_000 + b'"}'
    answer = client.post("/runs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    for length in ("9" * 18, "9" * 5000):
        assert client.post("/runs", headers={"Content-Length": length}).status_code == 413


def test_the_largest_body_is_still_read(client: Client) -> None:
    body = b'{"strategy": "lora", "budget": 5}'.ljust(LARGEST_BODY_BYTES)
    answer = client.post("/quotes", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert client.post("/quotes", content=body + b" ", headers={"Content-Type": "application/json"}).status_code == 413


def test_a_body_that_does_not_say_how_large_it_is_is_counted(
    client: Client, tmp_path: Path, portal: BlockingPortal
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100_000_000:
            sent += 65536
            yield b" " * 65536

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(make_service(tmp_path / "other").application))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as sender:
            return await sender.post("/runs", content=endless(), headers={"Content-Type": "application/json"})

    answer = portal.call(ask)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert sent < 2 * LARGEST_BODY_BYTES

"""Asking for a push: what is accepted, what is refused and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal

from orchestrator.adapters.huggingface.hub import HuggingFaceHub
from orchestrator.bootstrap import open_ports
from orchestrator.settings import Settings
from tests.unit.api.serving import NO_HUB, Client, Service, fields, make_service
from tests.unit.api.test_results import ended

BODY = {"repo": "me/it"}


def test_a_push_is_accepted_and_waits_for_its_upload(client: Client, service: Service) -> None:
    run_id = ended(client, service)
    assert client.get(f"/runs/{run_id}").json()["published"] is None
    answer = client.post(f"/runs/{run_id}/push", json=BODY)
    assert answer.status_code == 202
    published = answer.json()["published"]
    assert (published["repo"], published["private"], published["status"]) == ("me/it", True, "queued")
    assert (published["url"], published["message"], published["attempt"]) == (None, "", 0)
    assert client.post(f"/runs/{run_id}/push", json=BODY).json()["published"] == published
    assert client.post(f"/runs/{run_id}/push", json={"repo": "me/other"}).status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [({"repo": "it"}, "repo"), ({"repo": 7}, "repo"), ({}, "repo"), ({"repo": "me/it", "private": "no"}, "private"),
     ({"repo": "me/it", "token": "hf_x"}, "token")],
)  # fmt: skip
def test_a_body_that_cannot_be_meant_is_refused_by_name(
    client: Client, service: Service, body: dict[str, object], field: str
) -> None:
    answer = client.post(f"/runs/{ended(client, service)}/push", json=body)
    assert answer.status_code == 422
    assert set(fields(answer)) == {field}


def test_a_run_that_goes_on_or_made_nothing_cannot_be_pushed(client: Client, service: Service) -> None:
    run_id = client.submit()["id"]
    assert "has not ended" in client.post(f"/runs/{run_id}/push", json=BODY).json()["detail"]
    client.post(f"/runs/{run_id}/cancel")
    service.until_ended(run_id)
    answer = client.post(f"/runs/{run_id}/push", json=BODY)
    assert answer.status_code == 409
    assert "without a result" in answer.json()["detail"]
    assert client.post("/runs/run_000000000099/push", json=BODY).status_code == 404


def test_a_service_without_a_token_says_how_to_give_it_one(tmp_path: Path, portal: BlockingPortal) -> None:
    service = make_service(tmp_path, hub=HuggingFaceHub(NO_HUB, None))
    with Client(service, portal) as client:
        answer = client.post(f"/runs/{ended(client, service)}/push", json=BODY)
    assert answer.status_code == 409
    assert "HF_TOKEN or LATTICEFORGE_HUB_TOKEN" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("environment", "ready"),
    [
        ({"HF_TOKEN": "hf_a"}, True),
        ({"LATTICEFORGE_HUB_TOKEN": "hf_a"}, True),
        ({"HF_TOKEN": ""}, False),
        ({"LATTICEFORGE_HUB_TOKEN": " \n"}, False),
        ({"LATTICEFORGE_HUB_TOKEN": "", "HF_TOKEN": "hf_a"}, True),
        ({}, False),
    ],
)
def test_the_token_comes_from_the_environment_and_an_empty_one_is_none(
    environment: dict[str, str], ready: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "LATTICEFORGE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings(home=tmp_path, local_gpus=0)
    assert open_ports(settings).hub.is_ready() is ready
    assert "hf_a" not in repr(settings)


def test_the_endpoint_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert Settings().hub_endpoint == "http://127.0.0.1:1"
    monkeypatch.delenv("HF_ENDPOINT")
    assert Settings().hub_endpoint == "https://huggingface.co"

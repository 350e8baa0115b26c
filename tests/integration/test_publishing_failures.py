"""Publishing when something is wrong: what is told, what is tried again, what stays secret."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.domain.publication import MAX_ATTEMPTS, PublicationStatus
from tests.integration.hub_server import SIGNATURE, TOKEN, Fault, Hub, serving
from tests.integration.publishing_site import RUN, WEIGHTS, Site, site_at

# The Hub's client sends a file in a way that httpx would rather see spelt otherwise.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Use 'content=<...>' to upload raw bytes/text content:DeprecationWarning"
)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as hub:
        yield hub


@pytest.fixture
def site(tmp_path: Path, hub: Hub) -> Iterator[Site]:
    with site_at(tmp_path, hub) as site:
        yield site


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own waits between its tries, which are longer than a test may be, take no time."""
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)


@pytest.mark.parametrize("link", ["adapter_model.safetensors", "tokenizer.json"])
def test_a_link_in_the_result_is_refused_and_nothing_is_sent(site: Site, link: str) -> None:
    real = site.put("data/elsewhere", b"x")
    place = site.home / "runs" / RUN / "01-train" / "output" / link
    place.unlink()
    place.symlink_to(real)
    refused = site.push()
    assert refused.status is PublicationStatus.FAILED
    assert link in refused.message
    assert site.hub.requests == []


def test_a_result_whose_weights_are_gone_is_told(site: Site) -> None:
    (site.home / "runs" / RUN / "01-train" / "output" / "adapter_model.safetensors").unlink()
    assert "weights are not among the run's files" in site.push().message
    assert site.hub.requests == []


def test_a_token_that_is_not_taken_is_told_at_once_and_the_next_push_begins_anew(site: Site) -> None:
    site.token = "hf_wrong"
    refused = site.push()
    assert (refused.status, refused.attempt) == (PublicationStatus.FAILED, 1)
    assert "HTTP 401" in refused.message
    assert "does not take the service's token" in refused.message
    assert refused.message in site.notes[-1]
    site.token = TOKEN
    assert site.push().status is PublicationStatus.DONE


def test_a_hub_that_fails_is_asked_again_after_a_wait(site: Site) -> None:
    site.hub.faults = [Fault("/repos/create", 503, times=2, body={"error": "maintenance"})]
    first = site.push()
    assert (first.status, first.attempt) == (PublicationStatus.QUEUED, 1)
    assert "HTTP 503" in first.message
    assert site.upload() == first, "it is not due yet"
    site.clock.advance(5)
    assert site.upload().attempt == 2
    site.clock.advance(10)
    done = site.upload()
    assert (done.status, done.attempt, done.message) == (PublicationStatus.DONE, 3, "")
    assert sum("is tried again" in note for note in site.notes) == 2


def test_a_hub_that_stays_away_is_given_up_in_the_end(site: Site) -> None:
    site.hub.faults = [Fault("/repos/create", 500)]
    publication = site.push()
    for _ in range(MAX_ATTEMPTS):
        site.clock.advance(1000)
        publication = site.upload()
    assert (publication.status, publication.attempt) == (PublicationStatus.FAILED, MAX_ATTEMPTS)
    assert "given up after 8 attempts" in publication.message


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("where", ["/storage/", "/commit/", "/preupload/", "/batch", "/repos/create"])
def test_a_connection_that_breaks_halfway_is_told_and_the_next_attempt_succeeds(site: Site, where: str) -> None:
    cut = Fault(where, cut_after=50)
    site.hub.faults = [cut]
    broken = site.push()
    assert broken.status is PublicationStatus.QUEUED
    assert "the connection to the hub broke" in broken.message
    assert all(not repo.files for repo in site.hub.repos.values())
    cut.times = 0
    site.clock.advance(60)
    assert site.upload().status is PublicationStatus.DONE
    assert site.hub.repos["me/it"].files["adapter_model.safetensors"] == WEIGHTS


@pytest.mark.usefixtures("impatient")
def test_the_client_itself_sends_a_file_again_whose_connection_broke_once(site: Site) -> None:
    site.hub.faults = [Fault("/storage/", cut_after=1_000_000, times=1)]
    done = site.push()
    assert (done.status, done.attempt) == (PublicationStatus.DONE, 1)
    assert site.hub.repos["me/it"].files["adapter_model.safetensors"] == WEIGHTS


def test_a_server_that_is_not_there_is_told(site: Site) -> None:
    site.hub.url = "http://127.0.0.1:9"
    away = site.push()
    assert away.status is PublicationStatus.QUEUED
    assert "the connection to the hub broke: ConnectError" in away.message


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "fault",
    [
        Fault("/repos/create", 401, body={"error": f"token {TOKEN} is not known"}),
        Fault("/commit/", 403, body={"error": f"no: {TOKEN}"}),
        Fault("/repos/create", 500, body={"error": f"Bearer {TOKEN} crashed the server"}),
        Fault("/storage/", 403, body={"error": f"{TOKEN}"}),
        Fault("/storage/", 503),
        Fault("/storage/", cut_after=10),
        Fault("/nothing", 500),
    ],
)
def test_no_secret_is_kept_or_told_anywhere(
    site: Site, fault: Fault, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    site.hub.faults = [fault]
    with caplog.at_level(logging.DEBUG):
        site.push()
    site.store.database.close()
    captured = capfd.readouterr()
    kept = b"".join(each.read_bytes() for each in site.home.glob("runs.db*"))
    for secret in (TOKEN, SIGNATURE):
        assert secret.encode() not in kept
        for told in (caplog.text, captured.out, captured.err, *site.notes, site.publication.message):
            assert secret not in told
    assert all(TOKEN.encode() not in content for repo in site.hub.repos.values() for content in repo.files.values())

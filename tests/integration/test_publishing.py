"""Publishing through the Hub's own client to a server on loopback: what arrives, and who brings it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.db.store import SqlStore
from orchestrator.adapters.memory.clock import ManualClock
from orchestrator.domain.errors import ConflictError
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.domain.publication import CLAIM, MAX_ATTEMPTS, Publication, PublicationStatus
from orchestrator.domain.stages import StageKind
from orchestrator.ports.store import RunChange
from orchestrator.services.sweep import Sweep
from tests.integration.hub_server import Hub, serving
from tests.integration.publishing_site import KEPT, RUN, WEIGHTS, Site, site_at
from tests.unit.domain.card_examples import facts

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


def test_the_result_arrives_byte_for_byte_and_nothing_else_does(site: Site) -> None:
    done = site.push()
    assert (done.status, done.url, done.message) == (PublicationStatus.DONE, f"{site.hub.url}/me/it", "")
    repo = site.hub.repos["me/it"]
    assert repo.private
    assert repo.files.pop("README.md").startswith(b"---\nlibrary_name: peft\n")
    assert repo.files == {
        "adapter_model.safetensors": WEIGHTS,
        "adapter_config.json": KEPT["01-train/output/adapter_config.json"],
        "tokenizer.json": KEPT["01-train/output/tokenizer.json"],
        "tokenizer_config.json": b"{}",
        "configs/01-train.yaml": b"lora_r: 8\n",
    }
    assert site.notes == ["a private push to me/it was asked for", f"pushed to {site.hub.url}/me/it"]


def test_the_card_names_its_repository(site: Site) -> None:
    site.push()
    card = site.hub.repos["me/it"].files["README.md"].decode()
    assert 'PeftModel.from_pretrained(base, "me/it")' in card
    assert "Settled 0.111112 dollars" in card


def test_a_repeated_push_changes_nothing_and_sends_no_weights_again(site: Site) -> None:
    site.push()
    repo = site.hub.repos["me/it"]
    commits, stored = list(repo.commits), list(site.hub.stored)
    site.clock.advance(1000)
    again = site.push()
    assert (again.status, again.number) == (PublicationStatus.DONE, 2)
    assert (repo.commits, site.hub.stored) == (commits, stored)


def test_a_base_that_the_run_made_travels_with_its_adapter(site: Site) -> None:
    stages = site.store.load(RUN).run.stages
    merged = str(site.put("02-merge/output/merged/model.safetensors", b"merged weights").parent)
    site.put("02-merge/output/merged/config.json", b"{}")
    relora = facts(stages[0].checkpoint or "", merged, str(site.put("03-train/output/adapter_model.safetensors",
                   b"second").parent), strategy="relora")  # fmt: skip
    site.change(spec=relora.run.spec, stages=relora.run.stages)
    assert site.push().status is PublicationStatus.DONE
    files = site.hub.repos["me/it"].files
    assert files["adapter_model.safetensors"] == b"second"
    assert (files["base/model.safetensors"], files["base/config.json"]) == (b"merged weights", b"{}")


def test_a_public_push_makes_a_public_repository(site: Site) -> None:
    assert site.push(private=False).status is PublicationStatus.DONE
    assert not site.hub.repos["me/it"].private


def test_a_private_push_never_goes_into_a_public_repository(site: Site) -> None:
    site.push(private=False)
    before = dict(site.hub.repos["me/it"].files)
    site.put("01-train/output/adapter_model.safetensors", b"other weights")
    refused = site.push()
    assert refused.status is PublicationStatus.FAILED
    assert "me/it is public" in refused.message
    assert site.hub.repos["me/it"].files == before


def test_a_lost_task_is_picked_up_by_the_sweep(site: Site) -> None:
    site.ask()
    site.wakeup.take_uploads()
    Sweep(site.store, site.clock, site.wakeup).execute()
    assert site.wakeup.take_uploads() == (RUN,)
    assert site.upload().status is PublicationStatus.DONE
    Sweep(site.store, site.clock, site.wakeup).execute()
    assert site.wakeup.take_uploads() == ()


def test_an_uploader_that_died_is_replaced_when_its_claim_ends_and_no_sooner(site: Site) -> None:
    site.ask()
    site.change(publication=site.publication.claimed(site.clock.now()))
    assert site.upload().status is PublicationStatus.UPLOADING
    assert site.hub.requests == []
    site.clock.advance(CLAIM.total_seconds())
    done = site.upload()
    assert (done.status, done.attempt) == (PublicationStatus.DONE, 2)


def test_a_publication_that_kills_every_uploader_is_given_up(site: Site) -> None:
    site.ask()
    for _ in range(MAX_ATTEMPTS):
        site.change(publication=site.publication.claimed(site.clock.now() - 2 * CLAIM))
    assert "8 uploaders died over it" in site.upload().message


class _SlowClock(ManualClock):
    """Every look at it takes a while."""

    def now(self) -> Any:
        self.advance(25)
        return super().now()


def test_an_upload_that_gets_on_renews_its_claim(site: Site) -> None:
    site.ask()
    site.clock = _SlowClock()
    renewed: list[Publication] = []

    class Watching(SqlStore):
        def save(self, change: RunChange) -> Any:
            if change.run.publication is not None:
                renewed.append(change.run.publication)
            return super().save(change)

    store, site.store = site.store, Watching(str(site.store.database.url))
    try:
        assert site.upload().status is PublicationStatus.DONE
    finally:
        site.store.database.close()
        site.store = store
    uploading = [each for each in renewed if each.status is PublicationStatus.UPLOADING]
    assert len(uploading) > 1
    due = [each.due_at for each in uploading if each.due_at is not None]
    assert due == sorted(due)
    assert due[-1] - due[0] >= timedelta(seconds=20)


def test_a_run_that_goes_on_is_not_pushed(site: Site) -> None:
    site.ask()
    site.change(status=RunStatus.QUEUED)
    assert "push its result again when it has ended" in site.upload().message
    with pytest.raises(ConflictError, match="has not ended"):
        site.ask()
    assert site.hub.requests == []


def test_a_run_without_a_result_or_a_service_without_a_token_is_refused(site: Site) -> None:
    site.token = ""
    with pytest.raises(ConflictError, match="HF_TOKEN or LATTICEFORGE_HUB_TOKEN"):
        site.ask()
    stages = site.store.load(RUN).run.stages
    bare = tuple(replace(each, checkpoint=None) if each.kind is StageKind.TRAIN else each for each in stages)
    site.change(stages=bare)
    with pytest.raises(ConflictError, match="without a result"):
        site.ask()


def test_asking_again_while_it_is_on_its_way_changes_nothing_and_elsewhere_is_refused(site: Site) -> None:
    site.ask()
    version = site.store.load(RUN).run.version
    site.ask()
    assert site.store.load(RUN).run.version == version
    with pytest.raises(ConflictError, match="is being pushed to me/it already"):
        site.ask("me/other")

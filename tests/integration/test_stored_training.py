"""A real training whose machine is lost: another one, with an empty disk, goes on from what the store holds."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from node_jobs import TRAINER_PYTHON, NodeJob
from technique_runs import STEPS, TECHNIQUES, TechniqueRuns, prepared

from tests.s3_site import S3Site, credentials, s3_site
from workers.node.manifest import MANIFEST
from workers.node.store import Store

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Site]:
    with s3_site() as running, credentials(running):
        yield running


@pytest.fixture
def site(server: S3Site) -> S3Site:
    server.empty()
    return server


def with_store(job: NodeJob, site: S3Site) -> NodeJob:
    """The job with a store in its document; the run's folder is the one above the job's."""
    path = job.folder / "job.json"
    place = {"url": site.url, "prefix": "run_1", "run_dir": str(job.folder.parent), "endpoint_url": site.endpoint_url}
    path.write_text(json.dumps({**json.loads(path.read_text()), "store": place}))
    return job


def worst_difference(job_events: list[dict[str, float]], unbroken: NodeJob) -> float:
    expected = unbroken.events("step")
    assert [event["step"] for event in job_events] == list(range(1, STEPS + 1))
    for key in ("grad_norm", "learning_rate", "tokens"):
        assert [each[key] for each in job_events] == pytest.approx([each[key] for each in expected], rel=1e-5), key
    return max(abs(a["loss"] / e["loss"] - 1) for a, e in zip(job_events, expected, strict=True))


@pytest.mark.parametrize("name", ["lora", "strategy_a"])
def test_a_training_whose_machine_dies_goes_on_elsewhere_with_the_losses_of_an_unbroken_one(
    techniques: TechniqueRuns, site: S3Site, tmp_path: Path, name: str
) -> None:
    lost = tmp_path / "lost"
    first = with_store(prepared(lost / "first", techniques.model, **TECHNIQUES[name]), site)
    (first.folder / "hold_at").write_text("6")
    first.start()
    first.wait_until(lambda: f"run_1/output/checkpoint-4/{MANIFEST}" in site.keys(), 400, "the stored checkpoint")  # noqa: SIM118
    assert first.process is not None
    first.process.kill()
    first.process.wait()
    give_up_at = time.monotonic() + 10
    while first.left_running() and time.monotonic() < give_up_at:
        time.sleep(0.05)
    assert first.left_running() == []
    before = first.events("step")
    shutil.rmtree(lost)
    assert Store(site.url, site.endpoint_url).newest_complete("run_1/output") == "checkpoint-4"

    second = with_store(
        prepared(tmp_path / "found" / "second", techniques.model, resume=True, **TECHNIQUES[name]), site
    )
    resumed = second.start().finish()
    assert resumed["cause"] == "completed", resumed["message"]
    assert second.events("begin")[0]["step"] == 4
    assert [event["folder"] for event in second.events("restored")] == ["checkpoint-4"]
    steps = [*(event for event in before if event["step"] <= 4), *second.events("step")]
    worst = worst_difference(steps, techniques.unbroken(name))
    print(f"{name}: resumed from step 4 of the store; losses differ by {worst:.1e} at most")
    assert worst < 1e-5
    assert resumed["store"] | {"uploads": 0, "url": "", "prefix": ""} == {
        "checkpoint": f"checkpoint-{STEPS}", "result": True, "marker": True, "uploads": 0, "url": "", "prefix": "",
        "message": "",
    }  # fmt: skip
    here = tmp_path / "found" / "output" / "adapter_model.safetensors"
    assert site.content("run_1/output/adapter_model.safetensors") == here.read_bytes()
    stored = {key.split("/")[2] for key in site.keys() if "checkpoint-" in key}  # noqa: SIM118
    assert stored == {f"checkpoint-{STEPS}"}

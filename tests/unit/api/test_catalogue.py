"""Quotes, strategies, offers, health and problem types."""

from __future__ import annotations

from orchestrator.domain.techniques import TECHNIQUES
from tests.unit.api.serving import WISH, Client, Service


def test_a_quote_says_what_a_run_would_do_and_starts_nothing(client: Client) -> None:
    quote = client.post("/quotes", json={**WISH, "overrides": {"lora_r": 4}}).json()

    plan = quote["plan"]
    assert [stage["kind"] for stage in quote["stages"]] == ["train", "evaluate"]
    assert quote["stages"][0]["recipe"]["lora_r"] == 4
    assert plan["seconds"]["p50"] <= plan["seconds"]["p90"] <= plan["seconds"]["worst"]
    assert float(plan["cost"]["p50"]) <= float(plan["cost"]["p90"]) <= float(plan["cost"]["worst"]) <= 0.5
    assert {"dollars_per_hour", "seconds_per_step"} <= {each["name"] for each in plan["assumptions"]}
    assert plan["stages"][0]["seconds"] > plan["stages"][0]["expected_seconds"] > 0
    assert client.get("/runs").json()["runs"] == []


def test_the_strategies_are_listed_with_their_papers_claims_and_settings(client: Client) -> None:
    document = client.get("/strategies").json()
    listed = {each["key"]: each for each in document["strategies"]}
    techniques = {each["key"]: each for each in document["techniques"]}

    assert listed["dora_neftune"]["techniques"][:2] == ["lora", "dora"]
    assert listed["dora_neftune"]["stages"][0]["recipe"]["peft_use_dora"] is True
    assert [stage["kind"] for stage in listed["relora"]["stages"]] == ["train", "merge"] * 3 + ["evaluate"]
    assert {each["name"]: each["default"] for each in listed["relora"]["parameters"]}.items() >= {
        ("iterations", 3), ("rank", 64)
    }  # fmt: skip
    assert set(techniques) == set(TECHNIQUES) >= {key for each in listed.values() for key in each["techniques"]}
    assert all(each["paper"].startswith("https://") for each in techniques.values())
    assert techniques["dora"]["book"] == {"lora_use_dora": "peft_use_dora"}
    assert "orpo" in techniques["neftune"]["excludes"]


def test_the_offers_are_listed_with_their_prices(client: Client) -> None:
    (offer,) = client.get("/offers").json()["offers"]
    assert (offer["accelerator"], offer["dollars_per_hour"], offer["priced_on"]) == ("CPU", "4.00", "2026-01-01")


def test_the_api_is_alive_though_the_service_is_not_ready(client: Client, service: Service) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    silent = client.get("/readyz")
    assert (silent.status_code, silent.json()["ready"]) == (503, False)

    for part in ("worker", "beat", "guard"):
        service.store.beat(part, service.clock.now())
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)


def test_the_type_of_a_problem_leads_to_its_meaning(client: Client) -> None:
    problem = client.get("/runs/run_000000000009").json()
    meaning = client.get(problem["type"]).json()
    assert (meaning["type"], meaning["status"]) == (problem["type"], 404)
    assert client.get("/problems/nonsense").status_code == 404

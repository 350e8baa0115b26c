"""Submitting, listing, reading, cancelling and topping up runs."""

from __future__ import annotations

import pytest

from tests.unit.api.serving import WISH, Client, Service, fields


def test_strategy_and_budget_are_enough_to_start_a_run(client: Client) -> None:
    answer = client.post("/runs", json={"strategy": "A", "budget": 50})

    assert answer.status_code == 201
    run = answer.json()
    assert answer.headers["location"] == f"/runs/{run['id']}"
    assert (run["strategy"], run["status"], run["budget"]["cap"]) == ("dora_neftune", "queued", "50.00")
    assert run["created_at"] == "2026-01-01T00:00:00Z"
    assert client.get(answer.headers["location"]).json() == run


@pytest.mark.parametrize("budget", [0.05, "0.05", 0.5, "12.345678", 50, 1e3])
def test_a_budget_may_be_a_number_or_a_decimal_string(client: Client, budget: object) -> None:
    run = client.submit(budget=budget)
    assert float(run["budget"]["cap"]) == float(str(budget))


def test_everything_that_was_asked_for_is_shown(client: Client) -> None:
    run = client.submit(name="first", seed=7, max_hours=1.5, gpus=1, overrides={"lora_r": 8})

    assert (run["name"], run["seed"], run["max_hours"], run["gpus"]) == ("first", 7, 1.5, 1)
    assert run["stages"][0]["recipe"]["lora_r"] == 8
    assert run["dataset"]["train_rows"] + run["dataset"]["heldout_rows"] == run["dataset"]["rows"] == 40


def test_the_same_idempotency_key_makes_one_run(client: Client) -> None:
    key = {"Idempotency-Key": "order-1"}
    first = client.post("/runs", json=WISH, headers=key)
    second = client.post("/runs", json=WISH, headers=key)
    other = client.post("/runs", json={**WISH, "budget": 1}, headers=key)

    assert first.json() == second.json()
    assert (second.status_code, other.status_code) == (201, 409)
    assert len(client.get("/runs").json()["runs"]) == 1


def test_runs_are_listed_newest_first_page_by_page(client: Client, service: Service) -> None:
    made = []
    for _ in range(5):
        made.append(client.submit()["id"])
        service.clock.advance(1)

    seen, after = [], ""
    while True:
        page = client.get("/runs", params={"limit": 2, **({"after": after} if after else {})}).json()
        seen.extend(run["id"] for run in page["runs"])
        after = page["next"]
        if after is None:
            break
    assert seen == list(reversed(made))


def test_runs_are_filtered_by_status_and_strategy(client: Client) -> None:
    lora, dora = client.submit()["id"], client.submit(strategy="dora_neftune")["id"]
    client.post(f"/runs/{lora}/cancel")

    def ids(**params: str) -> list[str]:
        return [run["id"] for run in client.get("/runs", params=params).json()["runs"]]

    assert ids(strategy="A") == [dora]
    assert ids(strategy="lora", status="queued") == [lora]
    assert ids(status="ended") == []


def test_a_running_run_shows_its_plan_its_stages_its_money_and_its_progress(client: Client, service: Service) -> None:
    run_id = client.submit()["id"]
    service.until_training(run_id)

    run = client.get(f"/runs/{run_id}").json()
    assert run["status"] == "running"
    assert run["plan"]["cost"]["worst"] == run["budget"]["reserved"] == "0.50"
    assert [stage["kind"] for stage in run["stages"]] == ["train", "evaluate"]
    assert 0 < run["progress"]["step"] < run["progress"]["max_steps"]
    assert run["progress"]["seconds_left"] > 0
    assert 0 < float(run["budget"]["accrued"]) == float(run["budget"]["spent"]) < 0.5
    assert run["plan"]["gone_by"].endswith("Z")


def test_an_ended_run_shows_its_outcome_and_a_balance_that_adds_up(client: Client, service: Service) -> None:
    run_id = client.submit()["id"]
    service.until_ended(run_id)

    run, ledger = client.get(f"/runs/{run_id}").json(), client.get(f"/runs/{run_id}/ledger").json()
    assert (run["status"], run["outcome"]) == ("ended", "completed")
    assert [result["subject"] for result in run["stages"][1]["results"]] == ["base", "tuned"]
    assert (run["progress"]["seconds_left"], run["budget"]["reserved"], ledger["total"]) == (None, "0.00", "0.00")
    assert ledger["balance"]["funder"] == "-0.50"
    assert [posting["kind"] for posting in ledger["postings"]] == ["grant", "reserve", "settle", "void"]
    assert ledger["balance"]["spent"] == run["budget"]["spent"] == run["budget"]["settled"]


def test_a_run_that_was_cancelled_ends_and_cannot_be_cancelled_again(client: Client, service: Service) -> None:
    run_id = client.submit()["id"]
    asked = client.post(f"/runs/{run_id}/cancel")
    again = client.post(f"/runs/{run_id}/cancel")
    service.until_ended(run_id)

    assert (asked.status_code, again.status_code) == (202, 202)
    assert asked.json()["cancel_requested_at"] == "2026-01-01T00:00:00Z"
    assert client.get(f"/runs/{run_id}").json()["outcome"] == "cancelled"
    assert client.post(f"/runs/{run_id}/cancel").status_code == 409


def test_a_top_up_raises_the_cap_once_for_each_key(client: Client) -> None:
    path = f"/runs/{client.submit()['id']}/budget"
    for _ in range(2):
        answer = client.post(path, json={"amount": 5}, headers={"Idempotency-Key": "more"})
        assert (answer.status_code, answer.json()["budget"]["cap"]) == (200, "5.50")
    assert client.post(path, json={"amount": 6}, headers={"Idempotency-Key": "more"}).status_code == 409
    assert client.post(path, json={"amount": "0.25"}).json()["budget"]["cap"] == "5.75"


def test_a_completed_run_takes_no_more_money(client: Client, service: Service) -> None:
    run_id = client.submit()["id"]
    service.until_ended(run_id)
    assert client.post(f"/runs/{run_id}/budget", json={"amount": 5}).status_code == 409


def test_a_top_up_without_an_amount_is_refused(client: Client) -> None:
    path = f"/runs/{client.submit()['id']}/budget"
    assert fields(client.post(path, json={})) == {"amount": "is required"}
    assert fields(client.post(path, json={"amout": 5}))["amout"] == "is not known; did you mean amount?"
    for amount in (0, -1, True, None, "NaN", "much", 1e12, [], {}):
        assert "amount" in fields(client.post(path, json={"amount": amount}))


def test_a_budget_that_buys_nothing_is_answered_with_the_cheapest_that_does(client: Client) -> None:
    refused = client.post("/runs", json={**WISH, "budget": "0.01"})

    assert refused.status_code == 402
    cheapest = refused.json()["cheapest_budget"]
    assert refused.json()["refusals"]
    assert client.post("/runs", json={**WISH, "budget": cheapest}).status_code == 201


def test_limits_that_no_money_can_meet_are_no_question_of_payment(client: Client) -> None:
    refused = client.post("/runs", json={**WISH, "max_hours": 0.001})
    assert refused.status_code == 422
    assert "cheapest_budget" not in refused.json()
    assert refused.json()["refusals"]
    assert client.get("/runs").json()["runs"] == []


def test_a_chain_is_submitted_with_its_parameters_and_shown_stage_by_stage(client: Client) -> None:
    run = client.submit(strategy="C", budget=5, parameters={"iterations": 2, "rank": 8})
    assert [stage["kind"] for stage in run["stages"]] == ["train", "merge", "train", "merge", "evaluate"]
    assert [stage["recipe"]["lora_r"] for stage in run["stages"] if stage["kind"] == "train"] == [8, 8]
    assert run["parameters"] == {"iterations": 2, "rank": 8}
    assert run["techniques"] == ["lora", "relora"]


def test_an_override_of_one_technique_goes_to_the_trainings_that_use_it(client: Client) -> None:
    wish = {**WISH, "budget": 5, "strategy": "custom", "techniques": ["dora"], "overrides": {"peft_use_dora": False}}
    quote = client.post("/quotes", json=wish).json()
    assert quote["stages"][0]["recipe"]["peft_use_dora"] is False


def test_a_single_training_has_overrides_of_its_own_after_those_of_all(client: Client) -> None:
    wish = {**WISH, "budget": 5, "strategy": "relora", "overrides": {"num_epochs": 6, "lora_dropout": 0.1}}
    quote = client.post("/quotes", json={**wish, "training_overrides": {"2": {"learning_rate": 1e-5}}}).json()
    trainings = [stage["recipe"] for stage in quote["stages"] if stage["kind"] == "train"]
    assert [recipe["learning_rate"] for recipe in trainings] == [2e-4, 1e-5, 2e-4]
    assert [recipe["num_epochs"] for recipe in trainings] == [2, 2, 2]
    assert {recipe["lora_dropout"] for recipe in trainings} == {0.1}


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"strategy": "relora", "parameters": {"iterations": 99}}, "parameters.iterations"),
        ({"strategy": "relora", "parameters": {"itterations": 3}}, "parameters.itterations"),
        ({"strategy": "custom"}, "techniques"),
        ({"strategy": "custom", "techniques": ["galore", "dora"]}, "techniques"),
        ({"strategy": "custom", "techniques": "dora"}, "techniques"),
        ({"strategy": "lora", "techniques": ["dora"]}, "techniques"),
        ({"strategy": "lora", "preferences": "pairs.jsonl"}, "preferences"),
        (
            {
                "strategy": "custom",
                "recipe": {"adapter": "lora", "lora_r": 4, "lora_alpha": 8, "micro_batch_size": 2.0},
            },
            "recipe.micro_batch_size",
        ),
        ({"strategy": "lora", "training_overrides": {"2": {}}}, "training_overrides.2"),
        ({"strategy": "lora", "training_overrides": {"1": 7}}, "training_overrides.1"),
        ({"strategy": "lora", "training_overrides": {"first": {}}}, "training_overrides.first"),
        ({"strategy": "lora", "training_overrides": {"1": {"lora_rr": 4}}}, "training_overrides.1.lora_rr"),
        ({"strategy": "lora", "training_overrides": {"1": {"num_epochs": 0}}}, "training_overrides.1.num_epochs"),
        ({"strategy": "lora", "harness": {"tasks": []}}, "harness.tasks"),
        ({"strategy": "lora", "harness": {"tasks": ["a"], "limit": 0}}, "harness.limit"),
        ({"strategy": "lora", "harness": {"tasks": ["a"], "folder": "x"}}, "harness.folder"),
        ({"strategy": "lora", "harness": {"tasks": ["../etc"]}}, "harness.tasks"),
    ],
)
def test_a_wish_that_does_not_go_together_is_refused_by_its_field(
    client: Client, wish: dict[str, object], field: str
) -> None:
    refused = client.post("/runs", json={**WISH, **wish})
    assert refused.status_code == 422
    assert set(fields(refused)) == {field}
    assert client.get("/runs").json()["runs"] == []

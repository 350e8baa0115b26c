"""What a recipe says of the run itself: its model, its rows and its seed, and who wins when the request says more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.api.serving import Client, Service, fields

LORA: dict[str, Any] = {"adapter": "lora", "lora_r": 4, "lora_alpha": 8}
MESSAGES = {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]}
PAIR = {"instruction": "greet", "chosen": "hello", "rejected": "go"}


def write(service: Service, name: str, row: dict[str, Any]) -> str:
    path = service.home / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{json.dumps(row)}\n" * 20)
    return name


def recipe(path: str, kind: str = "alpaca", **more: Any) -> dict[str, Any]:
    return {**LORA, "datasets": [{"path": path, "type": kind}], **more}


def spec(client: Client, **wish: Any) -> dict[str, Any]:
    answer = client.post("/quotes", json={"budget": "0.50", **wish})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("seed", ["7.0", "1e9", "true"])
def test_a_seed_that_is_no_whole_number_is_refused(client: Client, seed: str) -> None:
    answer = client.post("/quotes", json={"budget": "0.50", "recipe": f"adapter: lora\nlora_r: 4\nseed: {seed}"})
    assert list(fields(answer)) == ["recipe.seed"]


def test_what_the_request_names_itself_is_not_said_to_be_the_recipes(client: Client, service: Service) -> None:
    rows, model = write(service, "mine.jsonl", MESSAGES), str(service.home / "model")
    own = recipe("some/rows", base_model="some/model", seed=7)
    said = json.dumps(spec(client, recipe=own, model=model, dataset=rows, seed=8))
    for key, name in (("base_model", "model"), ("datasets", "dataset"), ("seed", "seed")):
        assert f"{key}: set aside; the request names the {name}" in said
    assert "seed: 7 is the run's seed" in json.dumps(spec(client, recipe=recipe("rows.jsonl", seed=7)))


@pytest.mark.parametrize(("kind", "row"), [("completion", MESSAGES), ("alpaca", MESSAGES), ("chat_template", PAIR)])
def test_rows_that_are_not_what_the_recipe_says_are_refused(
    client: Client, service: Service, kind: str, row: dict[str, Any]
) -> None:
    own = recipe(write(service, "mine.jsonl", row), kind)
    answer = client.post("/quotes", json={"budget": "0.50", "recipe": own})
    assert list(fields(answer)) == ["recipe.datasets"], answer.text


def test_pairs_of_either_format_are_what_orpo_asks_for_and_their_chosen_answers_are_alpaca(
    client: Client, service: Service
) -> None:
    pairs = write(service, "pairs.jsonl", PAIR)
    assert spec(client, recipe=recipe(pairs, "chat_template.argilla", rl="orpo"))
    assert spec(client, recipe=recipe(pairs, "alpaca"))


def test_a_recipe_may_name_an_uploaded_dataset_or_a_file_without_an_ending(client: Client, service: Service) -> None:
    local = json.dumps(spec(client, recipe=recipe(write(service, "data/train", MESSAGES), "chat_template")))
    assert str(service.home / "data" / "train") in local
    sent = client.post(
        "/datasets",
        content=f"{json.dumps(MESSAGES)}\n" * 20,
        headers={"Content-Type": "application/x-ndjson"},
    )
    uploaded = sent.json()["id"]
    assert uploaded in json.dumps(spec(client, recipe=recipe(uploaded, "chat_template")))

"""The dataset of a user's configuration: understood as the run's own, or refused where it asks for more."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from orchestrator.adapters.axolotl.adoption import adopt_recipe
from orchestrator.ports.trainer import AdoptedDataset, Adoption

LORA = {"adapter": "lora", "lora_r": 16, "lora_alpha": 32}


def adopt(*entries: Mapping[str, object], **more: object) -> Adoption:
    return adopt_recipe({**LORA, "datasets": list(entries), **more})


def problems(*entries: Mapping[str, object], **more: object) -> dict[str, str]:
    return {problem.field: problem.message for problem in adopt(*entries, **more).problems}


@pytest.mark.parametrize(
    ("entry", "source", "row_format"),
    [
        ({"path": "tatsu-lab/alpaca", "type": "alpaca"}, "tatsu-lab/alpaca", "alpaca"),
        ({"path": "rows.jsonl", "ds_type": "json", "type": "alpaca", "split": "train"}, "rows.jsonl", "alpaca"),
        ({"path": "json", "data_files": "rows.jsonl", "type": "completion"}, "rows.jsonl", "completion"),
        ({"path": "json", "data_files": ["/d/rows.jsonl"], "type": "alpaca"}, "/d/rows.jsonl", "alpaca"),
        ({"path": "parquet", "data_files": ["rows.parquet"], "type": "alpaca"}, "rows.parquet", "alpaca"),
        ({"path": "c4", "type": "completion", "field": "text"}, "c4", "completion"),
        ({"path": "chats", "type": "chat_template", "field_messages": "messages"}, "chats", "messages"),
        (
            {
                "path": "chats",
                "type": "chat_template",
                "message_property_mappings": {"role": "role", "content": "content"},
                "roles_to_train": ["assistant"],
                "train_on_eos": "turn",
                "name": None,
                "trust_remote_code": False,
            },
            "chats",
            "messages",
        ),
        ({"path": "chats", "type": "messages"}, "chats", "messages"),
    ],
)
def test_rows_that_the_service_reads_are_the_runs_dataset(
    entry: dict[str, object], source: str, row_format: str
) -> None:
    adopted = adopt(entry)
    assert adopted.problems == ()
    assert adopted.dataset == AdoptedDataset(source, row_format)


@pytest.mark.parametrize(
    ("entry", "key", "message"),
    [
        ({"path": "a", "type": "alpaca_w_system.load"}, "type", "must be alpaca, chat_template or completion"),
        ({"path": "a"}, "type", "must be alpaca, chat_template or completion"),
        ({"path": "a", "type": {"field_instruction": "q"}}, "type", "must be alpaca, chat_template or completion"),
        ({"path": "a", "type": "sharegpt"}, "type", "no longer read by Axolotl"),
        ({"path": "a", "type": "chat_template.argilla"}, "type", "trained on with rl: orpo"),
        ({"type": "alpaca"}, "path", "must name one file or one dataset"),
        ({"path": "json", "data_files": ["a", "b"], "type": "alpaca"}, "data_files", "must name one file"),
        ({"path": "some/hub", "data_files": "a.jsonl", "type": "alpaca"}, "data_files", "must name one file"),
        ({"path": "a", "type": "alpaca", "split": "train[:10%]"}, "split", "must be train"),
        ({"path": "a", "type": "alpaca", "ds_type": "csv"}, "ds_type", "must be json"),
        ({"path": "a", "type": "completion", "field": "body"}, "field", "must be text"),
        (
            {"path": "a", "type": "chat_template", "field_messages": "conversations"},
            "field_messages",
            "must be messages",
        ),
        ({"path": "a", "type": "chat_template", "roles_to_train": ["user"]}, "roles_to_train", 'must be ["assistant"]'),
        ({"path": "a", "type": "alpaca", "name": "subset"}, "name", "asks for something that the service does not do"),
        ({"path": "a", "type": "alpaca", "revision": "abc"}, "revision", "asks for something"),
        ({"path": "a", "type": "alpaca", "shards": 4}, "shards", "asks for something"),
        ({"path": "a", "type": "alpaca", "trust_remote_code": True}, "trust_remote_code", "must be false"),
    ],
)
def test_what_the_service_does_not_do_with_rows_is_refused_by_its_name(
    entry: dict[str, object], key: str, message: str
) -> None:
    found = problems(entry)
    assert list(found) == [f"recipe.datasets.0.{key}"]
    assert message in found[f"recipe.datasets.0.{key}"]


def test_several_datasets_are_refused() -> None:
    entry = {"path": "a", "type": "alpaca"}
    assert problems(entry, entry) == {
        "recipe.datasets": "names 2 datasets; a run trains on one: join their rows into one file"
    }


def test_a_misspelled_key_of_an_entry_is_refused_with_its_place() -> None:
    found = problems({"path": "a", "type": "alpaca", "splt": "train"})
    assert found == {"recipe.datasets.0.splt": "is not known here; did you mean split?"}


def test_orpo_reads_pairs_and_nothing_else() -> None:
    assert adopt({"path": "p", "type": "chat_template.argilla"}, rl="orpo").dataset == AdoptedDataset("p", "chat_pairs")
    assert (
        "rows with chosen and rejected"
        in problems({"path": "p", "type": "alpaca"}, rl="orpo")["recipe.datasets.0.type"]
    )


def test_a_chat_template_that_the_entry_names_is_the_recipes() -> None:
    entry = {"path": "a", "type": "chat_template", "chat_template": "chatml"}
    adopted = adopt(entry)
    assert adopted.settings["chat_template"] == "chatml"
    assert adopt(entry, chat_template="chatml").problems == ()
    path = "recipe.datasets.0.chat_template"
    assert "says something else than chat_template, which is llama3" in problems(entry, chat_template="llama3")[path]
    assert "cannot be" in problems({**entry, "chat_template": "jinja"})[path]
    assert list(problems({**entry, "chat_template_jinja": "{{ x }}"})) == [f"{path}_jinja"]


@pytest.mark.parametrize("nonsense", ["rows.jsonl", 3, [3], [[]], {"path": "a"}, [None]])
def test_nonsense_for_datasets_is_refused(nonsense: object) -> None:
    found = adopt_recipe({**LORA, "datasets": nonsense}).problems
    assert [problem.field for problem in found] == ["recipe.datasets"]

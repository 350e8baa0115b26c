"""Known models: which names they go by, and that their counts are the published ones."""

from __future__ import annotations

import pytest

from orchestrator.domain.cost.known import ENTRIES, known, known_names

PUBLISHED = [entry for entry in ENTRIES if entry.parameters is not None]


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.id)
def test_a_known_model_has_as_many_parameters_as_were_published(entry) -> None:  # type: ignore[no-untyped-def]
    found = known(entry.id)
    assert found is not None
    assert found.parameters == entry.parameters


def test_most_known_models_have_a_published_count() -> None:
    assert len(PUBLISHED) > 0.8 * len(ENTRIES)


@pytest.mark.parametrize("name", known_names())
def test_a_known_model_goes_by_its_id_however_it_is_spelt(name: str) -> None:
    found = known(name)
    assert found is not None
    assert found.name == name
    bare = name.rpartition("/")[2]
    for spelt in (name.upper(), bare, bare.lower(), f"{bare}-Instruct", f"unsloth/{bare}-bnb-4bit", f"{bare} chat"):
        assert known(spelt) == found, spelt


@pytest.mark.parametrize(
    ("name", "stands_for"),
    [
        ("llama3-8b-instruct", "meta-llama/Meta-Llama-3-8B"),
        ("llama3.1-8b", "meta-llama/Llama-3.1-8B"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B"),
        ("Llama_3.1_8B", "meta-llama/Llama-3.1-8B"),
        ("llama-2-7b", "meta-llama/Llama-2-7b-hf"),
        ("llama2-70b", "meta-llama/Llama-2-70b-hf"),
        ("meta-llama/Llama-2-7b-chat-hf", "meta-llama/Llama-2-7b-hf"),
        ("llama4-scout-109b-a17b", "meta-llama/Llama-4-Scout-17B-16E"),
        ("mistral-7b", "mistralai/Mistral-7B-v0.1"),
        ("mistral-7b-v0.2", "mistralai/Mistral-7B-v0.2"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "mistralai/Mistral-7B-v0.3"),
        ("mistralai/Mistral-Nemo-Instruct-2407", "mistralai/Mistral-Nemo-Base-2407"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mistralai/Mixtral-8x7B-v0.1"),
        ("qwen1-7b", "Qwen/Qwen-7B"),
        ("qwen-1_8b-chat", "Qwen/Qwen-1_8B"),
        ("qwen2.5-32b", "Qwen/Qwen2.5-32B"),
        ("Qwen/Qwen3-4B-Instruct-2507", "Qwen/Qwen3-4B"),
        ("phi-1.5", "microsoft/phi-1_5"),
        ("Phi-3-mini-4k-instruct", "microsoft/Phi-3-mini-4k-instruct"),
        ("stablelm-alpha-3b", "stabilityai/stablelm-base-alpha-3b"),
        ("stablelm-base-alpha-3b", "stabilityai/stablelm-base-alpha-3b"),
        ("tiny-llama", "TinyLlama/TinyLlama-1.1B-Chat-v1.0"),
        ("gemma-2-9b", "google/gemma-2-9b"),
        ("gemma-2b", "google/gemma-2b"),
        ("gemma-2-2b-it", "google/gemma-2-2b"),
        ("google/gemma-3-27b-it", "google/gemma-3-27b-pt"),
        ("yi-6b-chat", "01-ai/Yi-6B"),
        ("baichuan2-13b-chat", "baichuan-inc/Baichuan2-13B-Base"),
        ("chatglm3-6b", "THUDM/chatglm3-6b"),
        ("openbuddy-zephyr-7b-chat", "OpenBuddy/openbuddy-zephyr-7b-v14.1"),
        ("gpt2", "openai-community/gpt2"),
    ],
)
def test_a_loose_name_stands_for_the_model_it_means(name: str, stands_for: str) -> None:
    found = known(name)
    assert found is not None
    assert found.name == stands_for


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "llama",
        "llama3",
        "llama3.1-9b",
        "llama3.1-80b",
        "llama-3.18b",
        "llama-8b",
        "llama-3-8b-pruned",
        "llama-3-8b-instruct-262k",
        "qwen2.5-33b",
        "qwen-2b",
        "qwen3-30b",
        "gemma-9b",
        "gemma-3-2b",
        "mistral-small-2501",
        "mixtral-8x70b",
        "mixtral-7b",
        "phi-3",
        "pythia-1.4",
        "a" * 10**6,
    ],
)
def test_a_name_of_another_size_or_none_is_not_known(name: str) -> None:
    assert known(name) is None

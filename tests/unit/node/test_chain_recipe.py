"""The chain's command line and the configuration that it is given: wrong ones are named before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.node.chain.arguments import DEFAULT_CONFIG, Wish, parse
from workers.node.chain.machine import Machine
from workers.node.chain.recipe import PLUGIN, Recipe, RecipeError, cycle_config, device_config, read_recipe, remarks

GPU = Machine(1, ("adapter", "base_model", "datasets", "lora_r", "lora_alpha", "peft_use_dora", "relora", "rl", "seed",
                  "chat_template", "learning_rate", "plugins", "max_steps", "num_epochs", "output_dir",
                  "val_set_size"))  # fmt: skip
PLAIN: dict[str, Any] = {
    "base_model": "some/model",
    "datasets": [{"path": "some/rows", "type": "alpaca"}],
    "adapter": "lora",
    "lora_r": 64,
    "lora_alpha": 128,
}


def wish(tmp_path: Path, config: object, *options: str) -> Wish:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return parse(["--config", str(path), *options], "chain")


def recipe(tmp_path: Path, *options: str, **changes: object) -> Recipe:
    return read_recipe(wish(tmp_path, {**PLAIN, **changes}, *options), GPU)


def test_the_books_command_line_is_three_cycles_of_the_configuration_that_comes_with_it() -> None:
    asked = parse(["--iterations", "3", "--rank", "64"], "relora_train.sh")
    assert (asked.iterations, asked.rank, asked.config) == (3, 64, DEFAULT_CONFIG)
    assert DEFAULT_CONFIG.is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--iterations", "0"], "argument --iterations: must be a whole number from 1 to 100, not '0'"),
        (["--rank", "many"], "argument --rank: must be a whole number from 1 to 4096, not 'many'"),
        (["--steps", "1.5"], "argument --steps: must be a whole number"),
        (["--hours", "nan"], "argument --hours: must be a number of hours"),
        (["--format", "csv"], "argument --format: invalid choice: 'csv'"),
        (["--iteration", "3"], "unrecognized arguments: --iteration 3"),
        (["--rank"], "argument --rank: expected one argument"),
    ],
)
def test_a_wrong_option_is_named(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(options, "relora_train.sh")
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_the_command_line_stands_over_the_configuration(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.touch()
    read = recipe(tmp_path, "--model", "my/model", "--dataset", str(rows), "--format", "messages", "--steps", "50")
    assert (read.model, read.source, read.row_format) == ("my/model", str(rows), "messages")
    assert (read.settings["max_steps"], read.seed) == (50, 42)
    assert recipe(tmp_path, "--seed", "7", seed=3).seed == 7
    assert recipe(tmp_path, seed=3).seed == 3


def test_another_rank_keeps_the_adapters_scale(tmp_path: Path) -> None:
    changed = recipe(tmp_path, "--rank", "16").settings
    assert (changed["lora_r"], changed["lora_alpha"]) == (16, 32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adapter": None}, "adapter: must be lora or qlora"),
        ({"lora_use_dora": True}, "lora_use_dora is not a setting of Axolotl; did you mean peft_use_dora?"),
        ({"lora_rr": None}, "lora_rr is not a setting of Axolotl; did you mean lora_r?"),
        ({"plugins": ["my.Plugin"]}, "plugins: the chain's jobs load their own and no other"),
        ({"lora_rr": 4}, "lora_rr is not a setting of Axolotl; did you mean lora_r?"),
        ({"relora": True}, "relora: the chain makes the cycles itself"),
        ({"rl": "orpo"}, "rl: a cycle trains on answers"),
        ({"datasets": []}, "datasets: must be a list of one dataset"),
        ({"datasets": [{"path": "a", "type": "sharegpt"}]}, "datasets: type must be one of alpaca, chat_template"),
        ({"datasets": [{"path": "a", "type": "alpaca", "shards": 2}]}, "datasets: shards is not read by the chain"),
        ({"datasets": [{"type": "alpaca"}]}, "datasets: names nothing, and --dataset is not given"),
        ({"datasets": [{"path": "gone.jsonl", "type": "alpaca"}]}, "datasets: there is no gone.jsonl"),
        ({"base_model": "./gone"}, "base_model: there is no ./gone"),
        ({"seed": "x"}, "seed: must be a whole number"),
        ({"seed": True}, "seed: must be a whole number"),
        ({"seed": -5}, "seed: must be a whole number"),
        ({"lora_r": 0}, "lora_r: must be a whole number above 0"),
        ({"lora_alpha": float("inf")}, "lora_alpha: must be a number above 0"),
    ],
)
def test_a_configuration_that_cannot_be_chained_is_refused_by_its_key(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(RecipeError) as refused:
        recipe(tmp_path, **changes)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "must be a mapping"),
        ("a: [", "is not YAML"),
        ("max_steps: 0x_", "holds a value that cannot be read"),
        ("a: 2026-13-45", "holds a value that cannot be read"),
        ("a: " + "[" * 5000, "is nested too deep"),
        ("lora_r: 1\nlora_r: 2", "lora_r: is set twice"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        read_recipe(parse(["--config", str(path)], "chain"), GPU)
    with pytest.raises(RecipeError, match="No such file"):
        read_recipe(parse(["--config", str(tmp_path / "gone")], "chain"), GPU)


def test_a_cycles_configuration_is_the_users_with_the_jobs_folders(tmp_path: Path) -> None:
    read = recipe(tmp_path, "--format", "messages", learning_rate=1e-4)
    config = cycle_config(read, 2, "/merged", tmp_path / "out", tmp_path / "data")
    assert config["datasets"] == [
        {
            "path": f"{tmp_path}/data/train.jsonl",
            "ds_type": "json",
            "type": "chat_template",
            "field_messages": "messages",
        }
    ]
    assert config["plugins"] == [PLUGIN]
    assert (config["base_model"], config["output_dir"], config["seed"]) == ("/merged", f"{tmp_path}/out", 43)
    assert (config["learning_rate"], config["lora_r"]) == (1e-4, 64)
    assert config["chat_template"] == "tokenizer_default_fallback_chatml"


def test_a_machine_without_gpus_trains_in_full_precision_without_kernels() -> None:
    on_cpu = device_config(Machine(0, ()), 1)
    assert (on_cpu["bf16"], on_cpu["fp16"], on_cpu["lora_qkv_kernel"]) == (False, False, False)
    assert device_config(GPU, 1) == {}
    assert device_config(Machine(4, ()), 4) == {"ddp_find_unused_parameters": False}


def test_what_the_chain_decides_itself_is_said(tmp_path: Path) -> None:
    said = remarks(recipe(tmp_path, output_dir="./mine", val_set_size=0.1))
    assert [line.split(":")[0] for line in said] == ["output_dir", "val_set_size"]
    assert remarks(recipe(tmp_path)) == []

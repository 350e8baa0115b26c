"""ReLoRA by the project's own script, with the real trainer and the real merge, on a tiny model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from node_jobs import ROOT, TRAINER_PYTHON, write_rows

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
    pytest.mark.skipif(
        not (ROOT / "workers" / "node" / "merge.py").exists(), reason="needs the node's merge (workers/node/merge.py)"
    ),
]
RANK = 4
RANKS = """
import json, sys
from pathlib import Path
from safetensors.torch import load_file
import torch
first, last = (load_file(Path(folder) / "model.safetensors") for folder in sys.argv[1:3])
name = "model.layers.0.self_attn.q_proj.weight"
print(int(torch.linalg.matrix_rank(last[name].double() - first[name].double(), rtol=1e-4)))
"""


def trainer(*arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [str(TRAINER_PYTHON), *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain-model")
    trainer(str(Path(__file__).with_name("node_tiny_model.py")), str(folder))
    return folder


def start(folder: Path, model: Path, *options: str) -> subprocess.Popen[str]:
    """The script, with the recipe that comes with it made small."""
    whole = yaml.safe_load((ROOT / "recipes" / "config_relora.yaml").read_text(encoding="utf-8"))
    small = {"sequence_len": 128, "micro_batch_size": 2, "gradient_accumulation_steps": 1}
    (folder / "config.yaml").write_text(yaml.safe_dump({**whole, **small}), encoding="utf-8")
    rows = write_rows(folder / "rows.jsonl")
    command = [str(ROOT / "recipes" / "relora_train.sh"), "--config", "config.yaml", "--output", "out", *options]
    return subprocess.Popen(
        [*command, "--model", str(model), "--dataset", str(rows), "--rank", str(RANK)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_cycles_add_their_ranks_up_and_a_second_call_does_nothing_again(tmp_path: Path, model: Path) -> None:
    chain = start(tmp_path, model, "--iterations", "2", "--steps", "8")
    said, _ = chain.communicate(timeout=400)
    assert chain.returncode == 0, said
    merged = tmp_path / "out" / "cycle-02" / "merged"
    assert f"the model of 2 cycles is in {merged}" in said
    one, both = (int(trainer("-c", RANKS, str(model), str(folder))) for folder in (
        tmp_path / "out" / "cycle-01" / "merged", merged))  # fmt: skip
    assert one == RANK
    assert both == 2 * RANK

    begun = time.monotonic()
    again = start(tmp_path, model, "--iterations", "2", "--steps", "8")
    said, _ = again.communicate(timeout=100)
    assert again.returncode == 0, said
    assert "cycle 2 of 2 was done before" in said
    assert sorted(path.name for path in tmp_path.glob("out/cycle-*/*/attempt-*")) == ["attempt-1"] * 4
    print(f"a call with nothing left to do: {time.monotonic() - begun:.1f} s")


def test_ctrl_c_saves_a_checkpoint_and_the_same_command_goes_on_from_it(tmp_path: Path, model: Path) -> None:
    chain = start(tmp_path, model, "--iterations", "1", "--steps", "100000")
    metrics = tmp_path / "out" / "cycle-01" / "train" / "attempt-1" / "metrics.jsonl"
    give_up_at = time.monotonic() + 200
    while not metrics.exists() or metrics.read_text().count('"step"') < 8:
        assert chain.poll() is None, chain.communicate()[0]
        assert time.monotonic() < give_up_at
        time.sleep(0.1)
    chain.send_signal(signal.SIGINT)
    said, _ = chain.communicate(timeout=100)
    assert chain.returncode == 130, said
    assert "was stopped; the same command goes on from there" in said
    verdict = json.loads(metrics.with_name("exit.json").read_text())
    assert verdict["cause"] == "stop_requested"

    again = start(tmp_path, model, "--iterations", "1", "--steps", "100000")
    give_up_at = time.monotonic() + 200
    resumed = tmp_path / "out" / "cycle-01" / "train" / "attempt-2" / "metrics.jsonl"
    while not resumed.exists() or '"begin"' not in resumed.read_text():
        assert again.poll() is None, again.communicate()[0]
        assert time.monotonic() < give_up_at
        time.sleep(0.1)
    begin = next(json.loads(line) for line in resumed.read_text().splitlines() if '"begin"' in line)
    assert begin["step"] == verdict["last_step"]
    again.send_signal(signal.SIGTERM)
    said, _ = again.communicate(timeout=100)
    assert again.returncode == 130, said

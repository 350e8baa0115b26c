"""Job folders for the node's integration tests: as the control plane writes them, run by the real supervisor."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TRAINER_PYTHON = ROOT / ".trainer" / "bin" / "python"
LORA: dict[str, Any] = {
    "adapter": "lora",
    "lora_r": 8,
    "lora_alpha": 16,
    "lora_dropout": 0.05,
    "lora_target_linear": True,
    "lora_mlp_kernel": False,
    "lora_qkv_kernel": False,
    "lora_o_kernel": False,
    "lora_embedding_kernel": False,
}
STRATEGY_A: dict[str, Any] = {
    **LORA,
    "peft_use_dora": True,
    "peft_use_rslora": True,
    "loraplus_lr_ratio": 16,
    "neftune_noise_alpha": 5,
}


@dataclass
class NodeJob:
    """One job folder and, once started, its supervisor."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    deadlines: dict[str, float] = field(default_factory=dict)

    @property
    def lease_id(self) -> str:
        """Of this folder alone: other test runs on the machine have jobs of the same folder name."""
        return f"lf-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]}"

    def start(self) -> NodeJob:
        """Start the supervisor, detached as in production."""
        command = [str(TRAINER_PYTHON), "-m", "workers.node.supervisor", str(self.folder)]
        environment = {
            **os.environ,
            "LATTICEFORGE_LEASE_ID": self.lease_id,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }
        self.process = subprocess.Popen(command, env=environment, cwd=ROOT, start_new_session=True)
        return self

    def finish(self, timeout: float = 400) -> dict[str, Any]:
        """Wait for the supervisor and read its verdict."""
        assert self.process is not None
        self.process.wait(timeout)
        verdict: dict[str, Any] = json.loads((self.folder / "exit.json").read_text())
        assert not self.left_running(), "something of the job outlived its verdict"
        return verdict

    def order(self, **orders: Any) -> None:
        """Write control.json as the control plane does."""
        temporary = self.folder / "control.json.new"
        temporary.write_text(json.dumps(orders))
        temporary.replace(self.folder / "control.json")

    def events(self, name: str) -> list[dict[str, Any]]:
        """The journal's events of one name."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def wait_for(self, name: str, count: int = 1, timeout: float = 400) -> list[dict[str, Any]]:
        """Wait until the journal holds `count` events of that name."""
        self.wait_until(lambda: len(self.events(name)) >= count, timeout, f"{count} x {name}")
        return self.events(name)

    def wait_until(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        """Wait for anything, as long as the supervisor runs."""
        give_up_at = time.monotonic() + timeout
        while not condition():
            over = self.process is not None and self.process.poll() is not None and not condition()
            assert not over, f"ended while waiting for {what}: {self.log()[-2000:]}"
            assert time.monotonic() < give_up_at, f"timed out waiting for {what}: {self.log()[-2000:]}"
            time.sleep(0.05)

    def log(self) -> str:
        """All that the job's processes printed."""
        path = self.folder / "log.txt"
        return path.read_text(errors="replace") if path.exists() else ""

    def left_running(self) -> list[int]:
        """Pids that carry this job's mark in their environment, the supervisor's own included, zombies not."""
        mark = f"LATTICEFORGE_LEASE_ID={self.lease_id}\0".encode()
        return [pid for pid in _pids() if mark in _environment(pid)]


def make_job(folder: Path, rows: Path, *, soft: float = 600.0, hard: float = 630.0, **sections: Any) -> NodeJob:
    """Write `folder/job.json` with deadlines `soft` and `hard` seconds from now; `sections` override the document's."""
    folder.mkdir(parents=True)
    now = time.time()  # noqa: TID251 - a real job for a real machine
    deadlines = {"soft_deadline": now + soft, "hard_deadline": now + hard}
    document: dict[str, Any] = {
        "version": 2,
        "run_id": "run_1",
        "lease_id": folder.name,
        "stage_id": "01-train",
        "kind": "train",
        "attempt": 1,
        "job_dir": str(folder),
        "output_dir": str(folder.parent / "output"),
        "data_dir": str(folder.parent / "data"),
        **deadlines,
        "seed": 42,
        "dataset": {"source": str(rows), "format": "alpaca", "heldout_rows": 8, "heldout_source": None},
        "train": {"launcher": "python", "processes": 1, "resume_from": None, "pilot_steps": 6, "save_seconds": 1},
        **sections,
    }
    (folder / "job.json").write_text(json.dumps(document))
    return NodeJob(folder, deadlines=deadlines)


def write_config(job: NodeJob, model: Path, **keys: Any) -> None:
    """Write the config the control plane would have resolved for a CPU."""
    config: dict[str, Any] = {
        "base_model": str(model),
        "plugins": ["workers.node.plugin.LatticeForgePlugin"],
        "datasets": [{"path": str(job.folder.parent / "data" / "train.jsonl"), "ds_type": "json", "type": "alpaca"}],
        "output_dir": str(job.folder.parent / "output"),
        "dataset_prepared_path": str(job.folder.parent / "data" / "tokenised"),
        "dataset_num_proc": 1,
        "val_set_size": 0,
        "sequence_len": 128,
        "micro_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "max_steps": 12,
        "num_epochs": 1000,
        "learning_rate": 2e-4,
        "lr_scheduler": "cosine",
        "warmup_steps": 2,
        "optimizer": "adamw_torch",
        "max_grad_norm": 1.0,
        "logging_steps": 1,
        "save_steps": 5,
        "save_total_limit": 1,
        "bf16": False,
        "fp16": False,
        "tf32": False,
        "flash_attention": False,
        "seed": 42,
        **keys,
    }
    (job.folder / "config.yaml").write_text(yaml.safe_dump(config))


def write_rows(path: Path, count: int = 64) -> Path:
    """Sums in alpaca form."""
    rows = (
        {"instruction": "Add.", "input": f"{n} and {n + 3}", "output": f"The sum is {2 * n + 3}."} for n in range(count)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run_trainer_script(*arguments: str) -> str:
    """Run the trainer's Python to its end, offline, with the project on its path; returns what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [str(TRAINER_PYTHON), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""

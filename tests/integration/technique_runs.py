"""One unbroken training of each technique, made when first asked for and shared by the tests that judge it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from node_jobs import LORA, STRATEGY_A, NodeJob, make_job, run_trainer_script, write_config, write_rows

STEPS = 10
PLUGINS = ["workers.node.plugin.LatticeForgePlugin", "node_probe.ProbePlugin"]
GALORE: dict[str, Any] = {
    "optimizer": "galore_adamw",
    "optim_args": {"rank": 4, "update_proj_gap": 3, "scale": 0.25},
    "optim_target_modules": ["self_attn", "mlp"],
    "learning_rate": 1e-2,
}
ORPO: dict[str, Any] = {"rl": "orpo", "orpo_alpha": 0.1}
TECHNIQUES: dict[str, dict[str, Any]] = {
    "lora": LORA,
    "strategy_a": STRATEGY_A,
    "galore": GALORE,
    "full": {},
    "orpo": {**LORA, **ORPO},
    "orpo_full": ORPO,
    "orpo_strategy_a": {**STRATEGY_A, "neftune_noise_alpha": None, **ORPO},
    "qlora": {**LORA, "adapter": "qlora", "load_in_4bit": True},
}


@dataclass
class TechniqueRuns:
    """A tiny model in `folder/model`, and below `folder` one run a technique."""

    folder: Path
    done: dict[str, NodeJob] = field(default_factory=dict)

    @property
    def model(self) -> Path:
        """The base of every run; made on first use."""
        model = self.folder / "model"
        if not model.exists():
            run_trainer_script(str(Path(__file__).with_name("node_tiny_model.py")), str(model))
        return model

    def unbroken(self, name: str) -> NodeJob:
        """The technique trained for STEPS steps without a stop."""
        if name not in self.done:
            job = prepared(self.folder / name / "job", self.model, **TECHNIQUES[name])
            verdict = job.start().finish()
            assert verdict["cause"] == "completed", verdict["message"]
            self.done[name] = job
        return self.done[name]

    def probe(self, name: str) -> dict[str, Any]:
        """What the probe saw in that run."""
        return probed(self.unbroken(name))


def prepared(folder: Path, model: Path, resume: bool = False, **keys: Any) -> NodeJob:
    """A training job with the probe in it; preference trainings read pairs of the same sums."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    task = {"launcher": "python", "processes": 1, "resume_from": "latest" if resume else None}
    job = make_job(
        folder, write_rows(folder.parent / "rows.jsonl"), train={**task, "pilot_steps": 6, "save_seconds": 1}
    )
    if keys.get("rl"):
        pairs = write_pairs(folder.parent / "pairs.jsonl")
        keys = {**keys, "datasets": [{"path": str(pairs), "ds_type": "json"}]}
    settled = {"max_steps": STEPS, "warmup_steps": 0, "save_steps": 4, "plugins": PLUGINS, **keys}
    write_config(job, model, **{key: value for key, value in settled.items() if value is not None})
    return job


def probed(job: NodeJob) -> dict[str, Any]:
    """What the probe wrote into the job's folder."""
    seen: dict[str, Any] = json.loads((job.folder / "probe.json").read_text())
    return seen


def write_pairs(path: Path) -> Path:
    """Sums, right and wrong, as the preference trainer reads them: prompt, chosen and rejected as text."""
    rows = (
        {"prompt": f"Add {n} and {n + 3}. ", "chosen": f"The sum is {2 * n + 3}.", "rejected": f"The sum is {3 * n}."}
        for n in range(1, 57)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path

"""What to ask of a strategy on the demonstration's tiny model, and what must hold for any run that has ended."""

from __future__ import annotations

import json
import os
import subprocess
from decimal import Decimal
from typing import Any

from orchestrator.settings import CHECKOUT
from tests.e2e.conftest import NODE_PYTHON
from tests.e2e.service import WholeService, until

WISHES: dict[str, dict[str, Any]] = json.loads((CHECKOUT / "recipes" / "demonstration.json").read_text())
PATIENCE = 600.0
LOADS = """
import json, sys
from pathlib import Path
from transformers import AutoModelForCausalLM, AutoTokenizer
base, result = sys.argv[1:]
if (Path(result) / "adapter_config.json").is_file():
    from peft import PeftModel
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), result)
else:
    model = AutoModelForCausalLM.from_pretrained(result)
    AutoTokenizer.from_pretrained(result)
names = " ".join(name for name, _ in model.named_parameters())
print(json.dumps({"adapter": "lora_" in names, "dora": "magnitude" in names}))
"""


def wish(strategy: str, **overrides: Any) -> dict[str, Any]:
    """A draft of `strategy` that suits the demonstration's model; `overrides` are added to its own."""
    draft = WISHES[strategy]
    return {"strategy": strategy, **draft, "overrides": {**draft["overrides"], **overrides}}


def ledger_of(service: WholeService, run_id: str) -> dict[str, Any]:
    answer = service.http.get(f"/runs/{run_id}/ledger")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def assert_settled(service: WholeService, run_id: str, cap: str) -> Decimal:
    """The ledger sums to zero, reserves nothing, settled each lease once and spent no more than the cap."""
    ledger = ledger_of(service, run_id)
    accounts = {name: Decimal(amount) for name, amount in ledger["balance"].items()}
    assert sum(accounts[name] for name in ("funder", "available", "reserved", "spent")) == 0
    assert accounts["reserved"] == 0
    assert 0 < accounts["spent"] <= Decimal(cap)
    settled = [posting["lease"] for posting in ledger["postings"] if posting["kind"] == "settle"]
    assert len(settled) == len(set(settled))
    assert all(posting["kind"] != "overrun" for posting in ledger["postings"])
    return accounts["spent"]


def await_step(service: WholeService, run_id: str, step: int, stage_id: str = "01-train") -> None:
    """Wait until the stage has got as far as `step`."""

    def reached() -> bool:
        document = service.run(run_id)
        assert document["status"] != "ended", document["reason"]
        return any(stage["id"] == stage_id and stage["step"] >= step for stage in document["stages"])

    until(reached, PATIENCE, f"{stage_id} of {run_id} reaches step {step}")


def assert_loads(service: WholeService, run_id: str, *, adapter: bool, dora: bool = False) -> None:
    """The run's result loads in transformers (and PEFT): a whole model, or an adapter beside its base."""
    document = service.run(run_id)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [str(NODE_PYTHON), "-c", LOADS, str(service.home / "demo" / "model"), document["checkpoint"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"adapter": adapter, "dora": dora}


def evaluations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The evaluation's results by subject."""
    results = [result for stage in document["stages"] for result in stage["results"]]
    return {result["subject"]: result for result in results}

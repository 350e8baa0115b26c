"""`make bench-gpu`: how fast this machine's GPU trains, and in how much memory, by the service's own path.

Each case is one training of a random-weight Llama on rows of an exact length: the strategy's recipe, rendered by the
service, run by its node supervisor, trained by Axolotl. Each becomes a dated row of `bench/measured/<gpu>-<date>.csv`;
what a file has already is not measured again. Named after the GPU that the service plans for first; any NVIDIA GPU will
do, and without one nothing is measured unless `--cpu` says that the tiny model on the CPU is wanted.
"""

from __future__ import annotations

import argparse
import math
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.gpu_cases import QUICK_STEPS, SHAPES, STEPS, WARMUP_STEPS, WAYS, Case, chosen
from bench.gpu_job import CHECKOUT, Bench, CaseError, run_case
from bench.gpu_rows import Machine, append, done, row_id, row_of
from bench.row_words import gpu_of
from orchestrator.adapters.axolotl.setting import Device

MEASURED = CHECKOUT / "bench" / "measured"
WORK = CHECKOUT / "data" / "bench"
QUICK_MINUTES = 8.5
CASE_MINUTES = 9.0
LEAST_SECONDS = 60.0
LOG_SHOWN = 3000
TRAINER = CHECKOUT / ".trainer" / "bin" / "python"


def main(words: Sequence[str] | None = None) -> int:
    """Exit code 0 when every case was measured or left for another call, 1 when one failed, 2 when nothing could be."""
    asked = _arguments().parse_args(words)
    device: Device = "cpu" if asked.cpu else "cuda"
    machine, missing = cpu() if asked.cpu else gpu()
    if asked.list:
        cases = chosen(asked.cases, asked.model or list(SHAPES), machine.devices if machine else 4, quick=asked.quick)
        print(listing(cases, asked.steps or (QUICK_STEPS if asked.quick else STEPS)))
        return 0
    models = asked.model or (["tiny"] if asked.cpu else ["8b", "1b"])
    if asked.cpu and models != ["tiny"]:
        missing.append("--cpu measures --model tiny only: a model of billions would take it days")
    missing += missing_of_the_trainer(asked.trainer, device)
    if missing or machine is None:
        print("nothing was measured:", *missing, sep="\n  ", file=sys.stderr)
        return 2
    cases = chosen(asked.cases, models, machine.devices, quick=asked.quick)
    out = asked.out or MEASURED / f"{machine.gpu.lower()}-{_today()}.csv"
    asked.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        bench = Bench(asked.trainer, asked.work, device, machine.gpu)
        return measure(bench, machine, cases, out, asked, Path(folder))


def measure(
    bench: Bench, machine: Machine, cases: Sequence[Case], out: Path, asked: argparse.Namespace, folder: Path
) -> int:
    """Case after case, each appended to `out` as it ends, until all are done or too few minutes are left."""
    steps = WARMUP_STEPS + (asked.steps or (QUICK_STEPS if asked.quick else STEPS))
    minutes = asked.minutes or (QUICK_MINUTES if asked.quick else None)
    end_at = time.monotonic() + 60 * minutes if minutes else None
    known, failed, left, begun = done([out]), 0, 0, 0
    for case in cases:
        if row_id(case, machine) in known:
            continue
        guess = case.guessed_seconds(steps)
        limit = min(max(60 * CASE_MINUTES, 3 * guess), end_at - time.monotonic() if end_at else math.inf)
        if limit < LEAST_SECONDS or (guess > limit and begun):
            left += 1  # one that is guessed too long for any call is tried when it comes first
            continue
        begun += 1
        place = folder / case.id
        try:
            outcome = run_case(bench, case, steps, place, limit)
        except CaseError as error:
            print(f"{case.id}: {error}", file=sys.stderr)
            failed += 1
            continue
        finally:
            shutil.rmtree(place, ignore_errors=True)  # a checkpoint of the next case may need its room
        row = row_of(outcome, machine, _today(), _from_checkout(out))
        append(out, row)
        if row["status"] in {"failed", "wrong_tokens"}:
            failed += 1
            print(outcome.training.log[-LOG_SHOWN:], file=sys.stderr)
        print(told(case, row), flush=True)
    print(f"{out}" + (f"; {left} cases are left for another call" if left else ""))
    return 1 if failed else 0


def told(case: Case, row: dict[str, str]) -> str:
    """One line about a case."""
    if row["status"] != "ok":
        return f"{case.id}: {row['status']} {row['message']}".rstrip()
    parts = [
        f"{row['tokens_per_s_per_gpu']} tokens/s a GPU",
        f"{row['peak_mem_gib']} GiB",
        f"{row['raw_speed']} s/step",
    ]
    named = (("refresh_s", "refresh"), ("save_s", "checkpoint"), ("merge_s", "merge"))
    parts += [f"{name} {row[column]} s" for column, name in named if row[column]]
    return f"{case.id}: {', '.join(parts)}"


def listing(cases: Sequence[Case], steps: int) -> str:
    """The cases and the seconds that each may need on an H200, which only a measurement can tell."""
    guesses = [case.guessed_seconds(WARMUP_STEPS + steps) for case in cases]
    lines = [f"{case.id:32} {case.step_tokens:8} tokens/step  about {guess:5.0f} s{'  quick' * case.quick}"
             for case, guess in zip(cases, guesses, strict=True)]  # fmt: skip
    return "\n".join([*lines, f"{len(cases)} cases, about {sum(guesses) / 60:.0f} minutes on an H200 (a guess)"])


def gpu() -> tuple[Machine | None, list[str]]:
    """The machine as NVIDIA's driver has it, or why there is none."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    if shutil.which(query[0]) is None:
        return None, ["no NVIDIA GPU: there is no nvidia-smi here (--cpu measures the tiny model on the CPU)"]
    said = subprocess.run(query, capture_output=True, text=True, check=False)
    lines = [line.split(",") for line in said.stdout.strip().splitlines()]
    if said.returncode or not lines:
        return None, [f"no NVIDIA GPU: nvidia-smi says {(said.stderr or said.stdout).strip()[:200]!r}"]
    name, driver = (part.strip() for part in lines[0])
    return Machine(short_name(name), name, driver, len(lines), _commit()), []


def cpu() -> tuple[Machine | None, list[str]]:
    """No accelerator: rows are marked CPU, which no reader of measurements takes for a GPU."""
    return Machine("CPU", "CPU", "", 1, _commit()), []


def short_name(name: str) -> str:
    """What a driver's name is called among the accelerators that prices and predictions know, else itself."""
    known = gpu_of(name)
    return known.name if known else re.sub(r"[^A-Za-z0-9]+", "-", name.removeprefix("NVIDIA ")).strip("-")


def missing_of_the_trainer(python: Path, device: str) -> list[str]:
    """What the trainer's Python lacks for this device."""
    if not python.exists() and shutil.which(str(python)) is None:
        return [f"no trainer: {python} is not there; run `make trainer`, or name another Python with --trainer"]
    script = "import importlib.util as u; assert u.find_spec('axolotl'), 'it has no Axolotl'"
    if device == "cuda":
        script += "\nimport torch; print(torch.cuda.is_available())"
    said = subprocess.run([str(python), "-c", script], capture_output=True, text=True, check=False)
    if said.returncode:
        return [f"no trainer: {said.stderr.strip().splitlines()[-1][:200]}"]
    if device == "cuda" and "True" not in said.stdout:
        return [f"{python} has a torch that sees no GPU"]
    return []


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.h200", description=__doc__)
    parser.add_argument("--cases", type=_ways, default=[], metavar="WAY,...", help=f"of {', '.join(WAYS)}")
    parser.add_argument("--model", action="append", choices=list(SHAPES), help="may be given again; 8b and 1b")
    parser.add_argument("--quick", action="store_true", help="the cases that say most, in under nine minutes")
    parser.add_argument("--minutes", type=float, help="begin no case that may not end within them")
    parser.add_argument("--steps", type=int, help=f"counted steps of each case, after {WARMUP_STEPS} of warm-up")
    parser.add_argument("--list", action="store_true", help="print the cases and the time they may need")
    parser.add_argument("--cpu", action="store_true", help="measure the tiny model without a GPU")
    parser.add_argument("--out", type=Path, help="CSV file to append to (bench/measured/<gpu>-<date>.csv)")
    parser.add_argument("--work", type=Path, default=WORK, help="for models, which stay, and checkpoints (%(default)s)")
    parser.add_argument("--trainer", type=Path, default=TRAINER, help="Python with Axolotl (%(default)s)")
    return parser


def _ways(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in WAYS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; known: {', '.join(WAYS)}")
    return names


def _today() -> str:
    return datetime.now(UTC).date().isoformat()  # noqa: TID251 - a row says when it was measured


def _from_checkout(path: Path) -> str:
    whole = path.resolve()
    return str(whole.relative_to(CHECKOUT)) if whole.is_relative_to(CHECKOUT) else path.name


def _commit() -> str:
    command = ["git", "-C", str(CHECKOUT), "rev-parse", "HEAD"]
    if shutil.which("git") is None:
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())

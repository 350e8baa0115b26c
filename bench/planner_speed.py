"""`python -m bench.planner_speed`: how long a search over thousands of offers and a quote take.

A search is timed *warm* (the same wish was asked about before: another cap, another limit), *altered* (another learning
rate: all is reckoned anew, on predictions that are known) and *cold* (nothing is known: every layout that is looked at
on every kind of machine is predicted). Offers are loaded once. Quotes go
through the whole application with one client: in this process, and over a real server on this machine. Seconds are
those of the wall clock; beside them those of the processor, since other work on the machine makes the former longer.
Writes bench/planner_speed.json and prints a table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from bench.planner_market import invented_market
from orchestrator.adapters.axolotl.trainer import AxolotlTrainer
from orchestrator.adapters.system.clock import SystemClock
from orchestrator.bootstrap import Application, assemble, migrate, open_ports
from orchestrator.domain import planner
from orchestrator.domain.funding import plan_request
from orchestrator.domain.money import Money
from orchestrator.domain.planner import Market, PlanRequest, search
from orchestrator.services.draft import RunDraft, SpecifyRun
from orchestrator.services.told_rows import ToldTokens
from orchestrator.settings import CHECKOUT, Settings

RESULTS = CHECKOUT / "bench" / "planner_speed.json"
STRATEGIES = ("lora", "dora_neftune", "relora", "split", "galore", "orpo", "full", "qlora")
MODEL = "meta-llama/Llama-3.1-8B"
TOKENS = 20_000_000
OFFERS = 5000
QUOTES = 300
TARGET_SEARCH_MS, TARGET_QUOTE_MS = 10.0, 50.0


@dataclass(frozen=True)
class Timing:
    """Milliseconds of `count` calls."""

    name: str
    count: int
    median: float
    p99: float
    cpu_median: float


def timed(name: str, calls: Sequence[Callable[[], object]]) -> Timing:
    """Every call once."""
    spent = [_once(call) for call in calls]
    return _timing(name, spent)


def searches(market: Market, requests: Mapping[str, PlanRequest], times: int) -> Iterator[Timing]:
    """Of each strategy: warm with caps that vary, cold with nothing remembered."""
    now = SystemClock().now()
    for strategy, request in requests.items():
        asked = [replace(request, available=Money(5_000_000 + 1_000_000 * step)) for step in range(times)]
        search(request, market, now)
        yield timed(f"search, {strategy}, warm", [lambda each=each: search(each, market, now) for each in asked])  # type: ignore[misc]
        yield timed(f"search, {strategy}, altered", [_altered(each, market, now) for each in asked])
        yield timed(f"search, {strategy}, cold", [_cold(each, market, now) for each in asked])


def _altered(request: PlanRequest, market: Market, now: datetime) -> Callable[[], object]:
    rate = 1e-5 + request.available.micros * 1e-14
    stages = tuple(replace(each, recipe={**each.recipe, "learning_rate": rate}) for each in request.stages)
    return lambda: search(replace(request, stages=stages), market, now)


def _cold(request: PlanRequest, market: Market, now: datetime) -> Callable[[], object]:
    def ask() -> object:
        planner.forget()
        return search(request, market, now)

    return ask


async def quotes(client: httpx.AsyncClient, name: str, wish: Mapping[str, Any], count: int) -> Timing:
    """One client asks `count` times, each time for another cap."""
    spent: list[tuple[float, float]] = []
    for number in range(count):
        body = {**wish, "budget": f"{float(wish['budget']) * (1 + number / count):.4f}"}
        wall, cpu = time.perf_counter(), time.process_time()
        answer = await client.post("/quotes", json=body)
        spent.append((time.perf_counter() - wall, time.process_time() - cpu))
        assert answer.status_code == 200, answer.text
    return _timing(name, spent)


def _once(call: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def _timing(name: str, spent: Sequence[tuple[float, float]]) -> Timing:
    wall = sorted(1000 * each for each, _ in spent)
    cpu = statistics.median(1000 * each for _, each in spent)
    p99 = wall[min(len(wall) - 1, round(0.99 * len(wall)))]
    return Timing(name, len(wall), round(statistics.median(wall), 2), round(p99, 2), round(cpu, 2))


def requests_for(settings: Settings) -> dict[str, PlanRequest]:
    """What each strategy asks of the market for the model on a GPU."""
    specify = SpecifyRun(open_ports(settings).inputs, AxolotlTrainer("cuda"))
    found = {}
    for strategy in STRATEGIES:
        spec, cap = specify.execute(RunDraft(strategy, 50, model=MODEL), ToldTokens(TOKENS))
        found[strategy] = plan_request(spec, (), cap, None)
    return found


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application behind a real server on this machine."""
    # The server opens the port itself: on a socket that it is handed, asyncio leaves Nagle's delay on.
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


WISHES: Mapping[str, Mapping[str, Any]] = {
    "demonstration, lora, here": {"strategy": "lora", "budget": "0.50"},
    "demonstration, relora, here": {"strategy": "relora", "budget": "2.00"},
    f"{MODEL}, lora, clouds": {
        "strategy": "lora", "budget": "20", "model": MODEL, "dataset_tokens": "20M", "where": "clouds"
    },
    f"{MODEL}, relora, clouds": {
        "strategy": "relora", "budget": "20", "model": MODEL, "dataset_tokens": "20M", "where": "clouds"
    },
}  # fmt: skip


async def _ask_all(client: httpx.AsyncClient, how: str, count: int) -> list[Timing]:
    async with client:
        found = []
        for name, wish in WISHES.items():
            planner.forget()
            found.append(await quotes(client, f"POST /quotes {how}, {name}, first", wish, 1))
            found.append(await quotes(client, f"POST /quotes {how}, {name}", wish, count))
        return found


def all_quotes(application: Application, count: int) -> list[Timing]:
    app = create_app(application)
    inside = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")
    found = asyncio.run(_ask_all(inside, "in process", count))
    with served(app) as address:
        found += asyncio.run(_ask_all(httpx.AsyncClient(base_url=address), "over loopback", count))
    return found


def _home(asked: Path | None) -> Path:
    """A folder with the demonstration in it: its model may know little, nobody trains it here."""
    if asked is not None:
        return asked
    home = Path(tempfile.mkdtemp(prefix="planner-speed-"))
    command = [str(CHECKOUT / ".trainer" / "bin" / "python"), "-m", "workers.node.demonstration"]
    subprocess.run([*command, "--out", str(home / "demo"), "--pretrain-steps", "4"], cwd=CHECKOUT, check=True)
    return home


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="a service's home with the demonstration; default: made anew")
    parser.add_argument("--times", type=int, default=50, help="warm searches for each strategy")
    parser.add_argument("--quotes", type=int, default=QUOTES, help="requests for each kind of quote")
    asked = parser.parse_args(arguments)
    settings = Settings(home=_home(asked.home), local_gpus=0, skypilot_catalog=Path("/nonexistent"))
    migrate(settings)
    application = assemble(settings, open_ports(settings))
    market = invented_market(OFFERS)
    timings = [*searches(market, requests_for(settings), asked.times)]
    timings += all_quotes(application, asked.quotes)
    told = {
        "date": SystemClock().now().date().isoformat(),
        "cpu": _cpu(),
        "python": platform.python_version(),
        "command": "python -m bench.planner_speed",
        "offers": len(market.offers),
        "kinds_of_offers": len(market.book.groups),
        "targets_ms": {"search, median": TARGET_SEARCH_MS, "quote, p99": TARGET_QUOTE_MS},
        "milliseconds": [asdict(each) for each in timings],
    }
    RESULTS.write_text(json.dumps(told, indent=2) + "\n")
    print(f"{len(market.offers)} offers of {len(market.book.groups)} kinds; milliseconds on {told['cpu']}")
    print(f"{'':58s} {'calls':>5s} {'median':>8s} {'p99':>8s} {'median, CPU':>12s}")
    for each in timings:
        print(f"{each.name:58s} {each.count:5d} {each.median:8.1f} {each.p99:8.1f} {each.cpu_median:12.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])

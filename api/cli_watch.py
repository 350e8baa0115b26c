"""Watching a run in the terminal: its events as they come, its figures as they move."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field
from typing import IO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from api.cli_client import Client, Event, Json, RefusedError, UnreachableError, run_path
from api.cli_figures import dollars, duration, facts, figure
from api.cli_results import results_tables
from api.cli_stages import place, steps
from api.cli_views import state

SEEN_EVENTS = 5
PATIENCE_SECONDS = 60.0
"""How long a service that does not answer is asked again: the API may be starting anew."""
RETRY_SECONDS = 0.5
REFRESHES_PER_SECOND = 4
READ_EVERY_SECONDS = 1.0
JOIN_SECONDS = 3.0


@dataclass(slots=True)
class Watched:
    """What is known of a run: its newest document, and what its events said since."""

    run: Json
    loss: float | None = None
    tokens_per_second: float | None = None
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=SEEN_EVENTS))
    last_id: str = "0"
    ended: bool = False
    heard_at: float = field(default_factory=time.monotonic)

    def take(self, event: Event) -> None:
        """One event of the run's journal, or the `end` that follows the last."""
        self.heard_at = time.monotonic()
        if event.name == "end":
            self.ended = True
            return
        self.last_id = event.id or self.last_id
        data = event.data.get("data", {})
        if event.name == "metric" and data.get("event") == "step":
            self.loss = _number(data.get("loss"))
            self.tokens_per_second = _number(data.get("tokens_per_second"))
        elif said := describe(event.name, self._titled(data)):
            self.recent.append(f"{str(event.data.get('at', ''))[11:19]}  {said}")

    def _titled(self, data: Json) -> Json:
        """What an event says of a stage, by the stage's title."""
        titles = {each["id"]: each["title"] for each in self.run.get("stages", ())}
        return {**data, "stage": titles.get(data.get("stage"), data.get("stage"))} if "stage" in data else data


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def describe(kind: str, data: Json) -> str:
    """One line about an event; empty for those that move figures only."""
    words = {
        "status": lambda: f"{data.get('status')} ({data.get('event')}) {data.get('reason') or ''}",
        "stage": lambda: f"stage {data.get('stage')} {data.get('status')} {data.get('cause') or ''}",
        "plan": lambda: f"plan: {data.get('planned_steps')} of {data.get('intended_steps')} steps ({data.get('why')})",
        "ledger": lambda: f"{data.get('kind')} {data.get('amount')} dollars",
        "note": lambda: str(data.get("message")),
        "metric": lambda: _describe_metric(data),
    }
    return words[kind]().strip() if kind in words else ""


def _describe_metric(data: Json) -> str:
    event = data.get("event")
    if event == "checkpoint":
        return f"checkpoint at step {data.get('step')}"
    if event == "sized":
        return f"{figure(data.get('seconds_per_step'), 3)} s a step: {data.get('max_steps')} steps fit"
    if event == "merged":
        return "merged into a whole model"
    if event == "evaluation":
        return f"held-out loss of the {data.get('subject')}: {figure(data.get('heldout_loss'))}"
    if event == "harness":
        return f"{data.get('task')} {data.get('metric')} of the {data.get('subject')}: {figure(data.get('value'))}"
    return ""


def panel(watched: Watched, width: int) -> RenderableType:
    """The live picture: one bar, one line of figures, the last events."""
    run = watched.run
    step, most = steps(run)
    number, title = place(run)
    left = (run.get("progress") or {}).get("seconds_left")
    bar = Table.grid(padding=(0, 2, 0, 0))
    bar.add_row(
        state(run),
        ProgressBar(total=max(most, 1), completed=step, width=max(min(width - 60, 50), 10)),
        Text(f"step {step}/{most}"),
        Text(f"stage {number} of {len(run['stages'])}: {title}" if number else "", no_wrap=True, overflow="ellipsis"),
    )
    money = run["budget"]
    figures = Text(
        "  ".join(
            (
                f"loss {watched.loss:.4f}" if watched.loss is not None else "loss -",
                f"{watched.tokens_per_second:,.0f} tokens/s" if watched.tokens_per_second is not None else "- tokens/s",
                f"{dollars(money['spent'])} of {dollars(money['cap'], 2)}",
                f"{duration(left)} left",
            )
        )
    )
    return Group(bar, figures, *(Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in watched.recent))


class Watch:
    """Follows one run to its end. `notices`, where given, are lines of somebody else to be shown in between."""

    def __init__(self, client: Client, console: Console, notices: IO[str] | None = None) -> None:
        self._client = client
        self._console = console
        self._notices = notices

    def follow(self, run_id: str) -> Json:
        """The run's last document. Lost connections are taken up again where they broke; `UnreachableError` when the
        service stays away."""
        watched = Watched(self._client.get(run_path(run_id)))
        done = threading.Event()
        reading = threading.Thread(target=self._keep_reading, args=(watched, done), daemon=True)
        with Live(
            get_renderable=lambda: panel(watched, self._console.width),
            console=self._console,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=not self._console.is_terminal,
        ):
            self._show_notices()
            reading.start()
            try:
                self._take_all(watched)
            finally:
                done.set()
                reading.join(JOIN_SECONDS)
            watched.run = self._client.get(run_path(run_id))
        return watched.run

    def _take_all(self, watched: Watched) -> None:
        while not watched.ended:
            try:
                self._take(watched)
            except UnreachableError:
                if time.monotonic() - watched.heard_at >= PATIENCE_SECONDS:
                    raise
            if not watched.ended:
                time.sleep(RETRY_SECONDS)

    def _take(self, watched: Watched) -> None:
        with closing(self._client.events(watched.run["id"], watched.last_id)) as events:
            for event in events:
                before = watched.recent[-1] if watched.recent else None
                watched.take(event)
                if not self._console.is_terminal and watched.recent and watched.recent[-1] is not before:
                    # Nobody sees a live picture in a file: there, events are lines.
                    self._console.print(Text(watched.recent[-1]))
                if watched.ended:
                    return

    def _keep_reading(self, watched: Watched, done: threading.Event) -> None:
        """Money and time move without events: read the document again and again."""
        client, run_id = self._client, watched.run["id"]
        while not done.wait(READ_EVERY_SECONDS):
            try:
                watched.run = client.get(run_path(run_id))
                watched.heard_at = time.monotonic()
            except (UnreachableError, RefusedError):
                continue  # the follower of the events is the one to judge a loss

    def _show_notices(self) -> None:
        if self._notices is not None:
            threading.Thread(target=self._pass_on, args=(self._notices,), daemon=True).start()

    def _pass_on(self, notices: IO[str]) -> None:
        for line in notices:
            self._console.print(Text(line.rstrip("\n"), style="yellow"))


def summary(run: Json, url: str) -> RenderableType:
    """What came out of it."""
    money = run["budget"]
    rows: list[tuple[str, RenderableType]] = [
        ("ended", Text.assemble(state(run), f" ({run['reason']})" if run["reason"] else "")),
        ("spent", f"{money['spent']} of {money['cap']} dollars"),
        ("result", run["checkpoint"] or "-"),
        ("page", f"{url}/r/{run['id']}"),
    ]
    return Group(facts(rows), *(part for table in results_tables(run) for part in (Text(), table)))

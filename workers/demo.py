"""The demonstration: `python -m workers.demo --url URL`, an errand of `up` that speaks HTTP to the service.

Makes the inputs if they are missing, waits until the service is ready, submits the run once (one that was left
unfinished is taken up instead) and shows it live through the command line's own view. Lines on standard input are
`up`'s; they are passed on to that view.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import httpx

from orchestrator.settings import CHECKOUT, Settings
from workers.part import bound_command, ending, last_line

NAME = "demonstration"
STRATEGY = "dora_neftune"
BUDGET = "50"
WISHES = CHECKOUT / "recipes" / "demonstration.json"
"""By strategy: settings that suit the demonstration's tiny model."""
READY_SECONDS = 120.0
ASK_SECONDS = 30.0
POLL_SECONDS = 0.3

EXIT_BADLY = 1
EXIT_REFUSED = 2


class DemonstrationError(Exception):
    """The demonstration cannot be run; says why."""


class Demonstration:
    """One demonstration against the service at `url`."""

    def __init__(self, settings: Settings, url: str) -> None:
        self._settings = settings
        self._url = url
        token = settings.api_token.get_secret_value() if settings.api_token else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=ASK_SECONDS, trust_env=False)

    def run(self) -> int:
        """0 when the run completed, 1 when it ended otherwise. `DemonstrationError` when it could not be started."""
        self._make_inputs()
        self._await_ready()
        run_id = self._unfinished() or self._submit()
        print(f"status page: {self._url}/r/{run_id}", flush=True)
        watching = ("-m", "api.cli", "watch", run_id, "--url", self._url, "--notices")
        subprocess.run(bound_command((sys.executable, *watching)), check=False)
        return 0 if self._get(f"/runs/{run_id}")["outcome"] == "completed" else EXIT_BADLY

    def _make_inputs(self) -> None:
        python = self._settings.node_python
        if not python.exists():
            raise DemonstrationError(f"the trainer's environment is missing ({python}): run `make trainer`")
        if not (self._settings.demo / "manifest.json").exists():
            print("making the demonstration's model and dataset, once (about a minute on two cores) ...", flush=True)
        # The maker knows in a tenth of a second whether they are there, whole, and by today's recipe.
        command = (str(python), "-m", "workers.node.demonstration", "--out", str(self._settings.demo))
        log = self._settings.home.absolute() / "logs" / "demonstration.log"
        with log.open("ab") as remarks:
            made = subprocess.run(
                bound_command(command), cwd=CHECKOUT, stdin=subprocess.DEVNULL, stderr=remarks, check=False
            )
        if made.returncode != 0:
            raise DemonstrationError(f"the inputs could not be made ({ending(made.returncode)}): {last_line(log)}")

    def _await_ready(self) -> None:
        give_up_at = time.monotonic() + READY_SECONDS
        while True:
            missing = self._missing()
            if not missing:
                return
            if time.monotonic() >= give_up_at:
                raise DemonstrationError(f"the service did not become ready: {missing}")
            time.sleep(POLL_SECONDS)

    def _missing(self) -> str:
        """What the service lacks, in words; empty when it is ready."""
        try:
            answer = self._http.get("/readyz")
            checks = answer.json()["checks"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            return f"no answer ({error})"
        return "; ".join(f"{check['name']}: {check['detail']}" for check in checks if not check["ok"])

    def _unfinished(self) -> str | None:
        runs = self._get("/runs?limit=200")["runs"]
        return next((run["id"] for run in runs if run["name"] == NAME and run["status"] != "ended"), None)

    def _submit(self) -> str:
        wish = json.loads(WISHES.read_text(encoding="utf-8"))[STRATEGY]
        body = {"strategy": STRATEGY, "budget": BUDGET, "name": NAME, **wish}
        return str(self._accepted(self._http.post("/runs", json=body))["id"])

    def _get(self, path: str) -> dict[str, Any]:
        return self._accepted(self._http.get(path))

    @staticmethod
    def _accepted(answer: httpx.Response) -> dict[str, Any]:
        if answer.is_error:
            raise DemonstrationError(f"the service refused ({answer.status_code}): {answer.text[:2000]}")
        document: dict[str, Any] = answer.json()
        return document


def main(words: Sequence[str] | None = None) -> int:
    """Exit code 0 when the run completed, 1 when it ended otherwise, 2 when it could not be started."""
    parser = argparse.ArgumentParser(prog="python -m workers.demo", description="Run the demonstration.")
    parser.add_argument("--url", required=True, help="where the service answers")
    url = parser.parse_args(words).url
    try:
        return Demonstration(Settings(), url).run()
    except (DemonstrationError, httpx.HTTPError) as error:
        print(f"demonstration: {error}", file=sys.stderr)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

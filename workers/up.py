"""`latticeforge up`: the whole service as one process tree in the foreground.

    up ── redis · worker · beat · guard · api        each dies with `up`, and is started again when it dies alone
       └─ the demonstration, with --demo

Trainings are not in this tree: they are detached and have their own deadlines. A `kill -9` of `up` lets them go on to
those; an ordered end (Ctrl-C, SIGTERM) ends them too, and they go on from their checkpoint at the next start.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from types import FrameType

import httpx

from orchestrator.bootstrap import migrate, stop_local_machines
from orchestrator.settings import Settings
from workers import embedded_redis
from workers.errand import Errand
from workers.home import AlreadyRunningError, announce, held, withdraw
from workers.lazy import LazyApplication
from workers.listening import listen, url_of
from workers.part import Part
from workers.supervision import POLL_SECONDS, Supervisor
from workers.vitals import Vitals

REDIS_READY_SECONDS = 10.0
SKYPILOT_STOP_SECONDS = 3.0
STOP_SECONDS = 6.0
"""With what ending the local machines takes, an ordered end stays below ten seconds."""
ASK_SECONDS = 2.0
SIGNING = ("worker", "beat", "guard")
NEEDS = {"beat": ("redis",), "worker": ("redis", "beat")}
"""Without the broker beat cannot send, and the worker's sign of life is that it does what beat sent."""

EXIT_REFUSED = 2


class StopRequest:
    """Counts the signals that ask for the end: the first asks for order, the second for speed."""

    def __init__(self) -> None:
        self._count = 0

    def listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._take)

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1

    def __bool__(self) -> bool:
        return self._count > 0

    def at_once(self) -> bool:
        return self._count > 1


class Service:
    """The parts, the socket they are reached by, and the errand that may run beside them."""

    def __init__(self, settings: Settings, stop: StopRequest) -> None:
        self._settings = settings
        self._home = settings.home.absolute()
        self._application = LazyApplication(settings)
        self._stop = stop
        self._errand: Errand | None = None
        self._supervisor = Supervisor(self._home / "logs", self.say, self._silence)
        self._vitals: Vitals | None = None

    def say(self, line: str) -> None:
        """One line for whoever started the service, by way of the errand while that has the terminal."""
        if self._errand is None or not self._errand.tell(line):
            print(line, flush=True)

    def _silence(self) -> dict[str, float]:
        return self._vitals.silence() if self._vitals else {}

    def run(self, listener: socket.socket, *, demo: bool, once: bool) -> int:
        """Until asked to stop, or, with `once`, until the demonstration has ended. Returns the exit code."""
        url = url_of(listener)
        try:
            self._start(listener, url)
            announce(self._home, url, self._application().clock.now())
            self.say(
                f"LatticeForge answers at {url} (parts: {', '.join(self._supervisor.pids)}; logs in {self._home}/logs)"
            )
            if demo:
                self._errand = Errand((sys.executable, "-m", "workers.demo", "--url", url), {})
            return self._watch(once=once)
        finally:
            self._end()

    def _start(self, listener: socket.socket, url: str) -> None:
        settings = self._settings
        redis_url = settings.redis_url or self._start_redis()
        environment = {"LATTICEFORGE_REDIS_URL": redis_url, "LATTICEFORGE_HOME": str(self._home)}
        for part in (*skypilot_parts(settings), *service_parts(environment, listener.fileno())):
            self._supervisor.add(part)
        self._vitals = Vitals(
            asks={"redis": lambda: embedded_redis.ask(redis_url), "api": lambda: ask_api(url)},
            signs=lambda: self._application().store.beats(),
            signing=SIGNING,
            needs=NEEDS,
        )
        self._vitals.start()

    def _start_redis(self) -> str:
        server = embedded_redis.EmbeddedRedis(self._home)
        self._supervisor.add(server.part())
        give_up_at = time.monotonic() + REDIS_READY_SECONDS
        while not self._stop and time.monotonic() < give_up_at:
            try:
                embedded_redis.ask(server.url)
                return server.url
            except Exception:  # noqa: BLE001 - not up yet, for whatever reason; the supervisor's log tells
                time.sleep(POLL_SECONDS)
                self._supervisor.tick()
        return server.url

    def _watch(self, *, once: bool) -> int:
        while not self._stop:
            self._supervisor.tick()
            if self._errand is not None and (ended := self._errand.poll()) is not None:
                self._errand.stop()
                self._errand = None
                if once:
                    return ended
                self.say("The service goes on; Ctrl-C ends it.")
            time.sleep(POLL_SECONDS)
        return 130 if once else 0

    def _end(self) -> None:
        """In the order of who needs whom: nobody is left who would start a machine, then the machines, then Redis."""
        withdraw(self._home)
        if self._vitals is not None:
            self._vitals.stop()
        if self._errand is not None:
            self._errand.stop()
            self._errand = None
        if self._stop:
            self.say("ending ...")
        self._supervisor.stop(("api", "beat", "worker", "guard"), STOP_SECONDS, self._stop.at_once)
        try:
            stop_local_machines(self._settings)
        except Exception as error:  # noqa: BLE001 - the other parts are ended all the same
            self.say(f"the local machines could not be ended, they end at their deadlines: {error}")
        # Rented machines are not ended: they have their own ends, and the next start finds them.
        self._supervisor.stop(("skypilot", "redis"), SKYPILOT_STOP_SECONDS, self._stop.at_once)


def skypilot_parts(settings: Settings) -> tuple[Part, ...]:
    """SkyPilot's API server, where this service is to run it and its environment is there."""
    program = settings.skypilot_program
    if not settings.skypilot or settings.skypilot_url or not os.access(program, os.X_OK):
        return ()
    command = (
        str(program),
        "api",
        "start",
        "--foreground",
        "--host",
        "127.0.0.1",
        "--port",
        str(settings.skypilot_port),
    )
    # Its programs are found beside it; what its environment tells of its use stays here.
    path = f"{program.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return (Part("skypilot", command, {"PATH": path, "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}),)


def service_parts(environment: dict[str, str], api_fd: int) -> tuple[Part, ...]:
    """Every part but Redis."""
    python = sys.executable
    celery = (python, "-m", "celery", "-A", "workers.app")
    api = (
        *(python, "-m", "uvicorn", "--factory", "api.app:make_app", "--fd", str(api_fd)),
        *("--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", "2"),
    )
    return (
        Part("worker", (*celery, "worker", "--without-gossip", "--without-mingle", "--without-heartbeat"), environment),
        Part("beat", (*celery, "beat", "--pidfile="), environment),
        Part("guard", (python, "-m", "workers.guard"), environment),
        Part("api", api, environment, keep_fds=(api_fd,)),
    )


def ask_api(url: str) -> bool:
    """Raises unless the API answers that it lives."""
    httpx.get(f"{url}/healthz", timeout=ASK_SECONDS).raise_for_status()
    return True


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="latticeforge up", description="Run the whole service in the foreground.")
    parser.add_argument("--demo", action="store_true", help="run the demonstration and show it")
    parser.add_argument("--once", action="store_true", help="end with the demonstration; 0 only if it completed")
    parser.add_argument("--port", type=int, help="port of the API; 0 takes any free one")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Exit code 0 after an ordered end; with --once the demonstration's; 2 when the service cannot run here."""
    asked = arguments(words)
    settings = Settings() if asked.port is None else Settings(port=asked.port)
    stop = StopRequest()
    stop.listen()
    try:
        with held(settings.home.absolute()):
            migrate(settings)
            with listen(settings.host, settings.port) as listener:
                if settings.port not in (0, listener.getsockname()[1]):
                    print(f"port {settings.port} is taken; using {listener.getsockname()[1]}", flush=True)
                demo = asked.demo or asked.once
                return Service(settings, stop).run(listener, demo=demo, once=asked.once)
    except (AlreadyRunningError, OSError) as error:
        print(f"latticeforge up: {error}", file=sys.stderr)
        return EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main())

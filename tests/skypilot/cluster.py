"""Brings the test cluster up and takes it down again: Slurm, its doors, and SkyPilot's API server before it."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import psutil

from tests.skypilot import slurm
from workers.part import bound_command

CHECKOUT = Path(__file__).parents[2]
BAKED = CHECKOUT / ".sky" / "node"
SKY = CHECKOUT / ".sky" / "bin" / "sky"
DAEMONS = ("munged", "slurmctld", "slurmd", "sshd", "sbatch", "rsync")
UP_SECONDS = 90.0
QUEUES_ABOVE = (0, 3431, 13431)
"""Where SkyPilot 0.14.1 listens, counted from the port of its server."""
PATH = f"{SKY.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing() -> str:
    """What the cluster needs and this machine lacks; empty when it can come up."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [name for name in DAEMONS if shutil.which(name, path=PATH) is None]
    if absent:
        return f"needs {', '.join(absent)}: apt-get install slurm-wlm munge openssh-server rsync"
    return "" if SKY.exists() and (BAKED / "wheel_hash").exists() else "needs .sky: make test-skypilot"


class TestCluster:
    """One Slurm node with four pretended H200s, and a real SkyPilot that rents them. `url` is SkyPilot's."""

    __test__ = False

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="lfsky-", dir="/tmp"))
        self.root.chmod(0o755)
        self._api_port = free_server_port()
        self._ssh_port, controller, node = free_ports(3)
        self.url = f"http://127.0.0.1:{self._api_port}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = {
            "PATH": PATH,
            "HOME": str(self.root / "home"),
            "SLURM_CONF": str(self.root / "slurm" / "slurm.conf"),
            "SKYPILOT_DISABLE_USAGE_COLLECTION": "1",
            "LANG": "C.UTF-8",
        }
        self._write(controller, node)

    def _write(self, controller: int, node: int) -> None:
        root = self.root
        for name in ("munge", "slurm/state", "slurm/spool", "ssh", "tmp", "home-of-jobs", "home/.slurm"):
            (root / name).mkdir(parents=True)
        shutil.copytree(BAKED / "home" / ".sky" / "wheels", root / "home" / ".sky" / "wheels")
        catalogue = root / "home" / ".sky" / "catalogs" / "v8" / "common"
        catalogue.mkdir(parents=True)
        (catalogue / "accelerators.csv").write_text(slurm.ACCELERATORS_CSV)
        (root / "home" / ".sky" / "config.yaml").write_text(slurm.sky_config(root))
        (root / "home" / ".slurm" / "config").write_text(slurm.ssh_client(root, self._ssh_port))
        (root / "slurm" / "slurm.conf").write_text(slurm.slurm_conf(root, controller, node))
        (root / "slurm" / "gres.conf").write_text(slurm.gres_conf())
        (root / "slurm" / "prolog.sh").write_text(slurm.prolog(root, BAKED))
        (root / "slurm" / "prolog.sh").chmod(0o755)
        (root / "ssh" / "sshd_config").write_text(slurm.sshd_config(root, self._ssh_port))
        for key in ("host", "client"):
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(root / "ssh" / key)])
        (root / "munge" / "key").write_bytes(os.urandom(1024))
        (root / "munge" / "key").chmod(0o600)
        (root / "munge").chmod(0o711)

    def up(self) -> None:
        """Start everything and wait until SkyPilot finds the cluster."""
        munge, conf = self.root / "munge", self._environment["SLURM_CONF"]
        munged = [f"--{name}={munge / name}" for name in ("socket", "key-file", "pid-file", "log-file", "seed-file")]
        munged[1] = f"--key-file={munge / 'key'}"
        Path("/run/sshd").mkdir(exist_ok=True)
        self._start("munged", ["munged", "--foreground", "--force", *munged])
        self._until(lambda: (munge / "socket").exists(), "munge answers")
        self._start("sshd", [str(shutil.which("sshd", path=PATH)), "-D", "-f", str(self.root / "ssh" / "sshd_config")])
        self._start("slurmctld", ["slurmctld", "-D", "-f", conf])
        self._start("slurmd", ["slurmd", "-D", "-f", conf])
        self._until(lambda: self.slurm("sinfo", "-h", "-o", "%t").split()[:1] == ["idle"], "the node is idle")
        self.start_server()
        self.sky("check", "slurm")

    def start_server(self) -> None:
        """SkyPilot's API server, in the foreground as a service's supervisor would run it."""
        command = [str(SKY), "api", "start", "--foreground", "--host", "127.0.0.1", "--port", str(self._api_port)]
        self._start("sky", command)
        self._until(self._answers, "SkyPilot answers")

    def kill_server(self) -> None:
        """SIGKILL it with all it started."""
        kill_group(self._processes.pop("sky"))

    def slurm(self, *command: str) -> str:
        """The output of one of Slurm's own commands; empty when it fails."""
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout if done.returncode == 0 else ""

    def queue(self) -> list[str]:
        """The names of the machines that there are, by Slurm's account and nobody else's."""
        return self.slurm("squeue", "-h", "-o", "%j").split()

    def preempt(self, name: str) -> None:
        """End a machine from outside, as an administrator or a dearer customer would."""
        self.slurm("scancel", "-n", name)

    def clear(self) -> list[str]:
        """End every machine; returns the names of those that there were."""
        left = self.queue()
        for job in self.slurm("squeue", "-h", "-o", "%i").split():
            self.slurm("scancel", job)
        self._until(lambda: not self.queue(), "no machine is left", 60.0)
        return left

    def sky(self, *words: str) -> str:
        environment = {**self._environment, "SKYPILOT_API_SERVER_ENDPOINT": self.url}
        done = subprocess.run(
            [str(SKY), *words], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def down(self) -> None:
        """End what `up` started, last first, and the jobs on the node before the node."""
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            self.clear()
        if "sky" in self._processes:
            self.kill_server()
        self._close_connections()
        for name in reversed(list(self._processes)):
            process = self._processes.pop(name)
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            kill_group(process)
        shutil.rmtree(self.root, ignore_errors=True)

    def _close_connections(self) -> None:
        """End sshd's side of the connections that SkyPilot keeps open for its next command: its own ends with it."""
        if "sshd" in self._processes:
            for session in psutil.Process(self._processes["sshd"].pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    session.kill()

    def _start(self, name: str, command: list[str]) -> None:
        log = self.root / f"{name}.log"
        with log.open("ab") as output:
            self._processes[name] = subprocess.Popen(
                bound_command(command),
                env=self._environment,
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/api/health", timeout=5, trust_env=False).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _until(self, condition: Callable[[], bool], what: str, patience_seconds: float = UP_SECONDS) -> None:
        give_up_at = time.monotonic() + patience_seconds
        while not condition():
            dead = [name for name, process in self._processes.items() if process.poll() is not None]
            assert not dead, f"{dead} ended: {(self.root / f'{dead[0]}.log').read_text()[-2000:]}"
            assert time.monotonic() < give_up_at, f"not within {patience_seconds} s: {what}"
            time.sleep(0.2)

    @property
    def environment(self) -> Mapping[str, str]:
        return self._environment


def run(command: list[str]) -> None:
    subprocess.run(command, check=False, capture_output=True, timeout=20)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL a process with its group, and see it out."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_server_port() -> int:
    """A port of loopback that nobody has, nor those that SkyPilot's server takes above it for its queues. All are below
    the range that outgoing connections are given: one of those may come at any time."""
    candidates = list(range(12000, 18000, 7))
    random.shuffle(candidates)
    return next(port for port in candidates if all(is_free(port + above) for above in QUEUES_ABOVE))


def is_free(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) != 0


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody has."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]

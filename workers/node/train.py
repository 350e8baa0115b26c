"""One training process: Axolotl's own `train`, in this process, without the seconds its command line adds.

Run by the supervisor (or by torchrun, once a rank) as `python -m workers.node.train JOB_DIR [--resume-from FOLDER]`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from workers.node import commands, processes, stop_signal
from workers.node.job import CONFIG_FILE, read_job


def main(arguments: Sequence[str]) -> None:
    """Train; ends the process itself, exit code 0 when training ended by itself or on request."""
    stop_signal.arm()
    processes.die_with_parent()  # under torchrun the parent is its agent, which the supervisor's own death ends
    job = read_job(Path(arguments[0]))
    resumed = arguments[2] if arguments[1:2] == [commands.RESUME_OPTION] else None
    config = job.job_dir / CONFIG_FILE
    sys.argv = ["axolotl"]  # Axolotl parses sys.argv by itself, also when it is called as a function
    _set_environment(config)
    _train(config, resumed)
    # Tearing down the interpreter and the CUDA context takes seconds that are paid for; everything is on disk by now.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _set_environment(config: Path) -> None:
    """What `axolotl train` sets before it imports torch, and offline mode when nothing is remote."""
    import yaml

    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    commands.offline_when_local(str(document["base_model"]))
    from axolotl.utils import (
        set_misc_env,
        set_pytorch_cuda_alloc_conf,
    )

    set_pytorch_cuda_alloc_conf()
    set_misc_env()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        import torch

        if not torch.cuda.is_available():
            os.environ["ACCELERATE_USE_CPU"] = "true"  # else each rank would train alone, in silence


def _train(config: Path, resumed: str | None) -> None:
    from axolotl.cli.train import do_cli

    import workers.node.plugin  # noqa: F401 - Axolotl trains on without a plugin it cannot import; we do not

    try:
        do_cli(config=str(config), **({"resume_from_checkpoint": resumed} if resumed else {}))
    except SystemExit as stopped:
        if stopped.code not in (0, None):
            raise


if __name__ == "__main__":
    main(sys.argv[1:])

"""Makes once what SkyPilot would download anew onto every machine of the test cluster: its runtime for nodes.

Run by the Makefile with SkyPilot's own Python, `bake.py FOLDER`. Leaves in FOLDER: `home/.sky/wheels` (the package as
the API server ships it), `runtime` (an environment that has it), `wheel_hash` (which of them the runtime has).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def main(folder: Path) -> None:
    home, runtime = folder / "home", folder / "runtime"
    shutil.rmtree(folder, ignore_errors=True)
    home.mkdir(parents=True)
    os.environ |= {"HOME": str(home), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
    from sky.backends import wheel_utils

    _, wheel_hash = wheel_utils.build_sky_wheel()
    (wheel,) = (home / ".sky" / "wheels" / wheel_hash).glob("*.whl")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "-q", "--seed", "--python", sys.executable, runtime], check=True)
    install = [uv, "pip", "install", "-q", "--compile-bytecode", "--link-mode=copy", "--python", runtime / "bin/python"]
    constraints = Path(__file__).parents[2] / "constraints" / "sky.txt"
    subprocess.run([*install, "-c", constraints, f"{wheel}[slurm,remote]"], check=True)
    (folder / "wheel_hash").write_text(wheel_hash)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())

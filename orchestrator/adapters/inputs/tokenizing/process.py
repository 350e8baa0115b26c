"""The counting process from the outside."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator.adapters.inputs.tokenizing.sampling import Sample
from orchestrator.domain.cost.lengths import RowTokens

_CHECKOUT = Path(__file__).resolve().parents[4]
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from orchestrator.adapters.inputs.tokenizing.counting import main; sys.exit(main())"
)
SAMPLED_SECONDS = 2.0
WHOLE_SECONDS = 5.0
"""Of computing, after which a count ends with what it has; a small file is done before."""
MOST_SECONDS = 20.0
"""Of a clock on the wall, after which it is ended."""


class CountError(Exception):
    """The rows could not be tokenised; the message says why, in words for a person."""


@dataclass(frozen=True, slots=True)
class Counted:
    """`rows` are the first of the sample, None where the template failed; `why` is what it said. `masked` rows of them
    show no answer."""

    rows: list[RowTokens | None]
    masked: int = 0
    why: str = ""


def count_rows(model: Path, row_format: str, sample: Sample, *, chosen: bool) -> Counted:
    """The tokens of each row, as many as there is time for. `chosen` takes pairs by their chosen answers."""
    seconds = WHOLE_SECONDS if sample.whole else SAMPLED_SECONDS
    arguments = [str(model), row_format, "chosen" if chosen else "whole", str(seconds)]
    with tempfile.TemporaryFile() as rows:
        rows.writelines(line if line.endswith(b"\n") else line + b"\n" for line in sample.lines)
        rows.seek(0)
        try:
            # Isolated, as the reader of Parquet is: it takes nothing from our environment.
            done = subprocess.run(
                [sys.executable, "-I", "-c", _START, str(_CHECKOUT), *arguments],
                stdin=rows,
                capture_output=True,
                env={"RAYON_NUM_THREADS": "2", "TOKENIZERS_PARALLELISM": "true"},
                timeout=MOST_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CountError("the tokenizer or the chat template takes too long") from error
    if done.returncode < 0:
        raise CountError("the tokenizer or the chat template takes too long, or too much memory")
    if done.returncode != 0:
        raise CountError(done.stderr.decode(errors="replace")[-300:].strip())
    *lengths, last = done.stdout.splitlines()
    said = json.loads(last)
    found = [None if line == b"null" else RowTokens(*json.loads(line)) for line in lengths]
    return Counted(found, said["masked"], said["why"])

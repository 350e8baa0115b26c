"""Draws how far held-out predictions of peak memory were off: `docs/accuracy-memory.png`.

    python -m bench.plot_memory RECORDS.json [--out PNG]

RECORDS.json is what `bench.validate_memory --records` wrote. Needs Matplotlib.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

_TARGET = Path(__file__).parent.parent / "docs/accuracy-memory.png"
_PANELS = {
    "model": "a model left out",
    "length": "a sequence length left out",
    "method": "a method left out",
    "framework": "a whole framework left out",
}
_GOAL = 0.07


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--out", type=Path, default=_TARGET)
    options = parser.parse_args()
    draw(json.loads(options.records.read_text(encoding="utf-8")), options.out)
    print(options.out)


def draw(records: Sequence[Mapping[str, Any]], out: Path) -> None:
    """One panel a way of holding out: measured GiB against predicted over measured, a colour for each source."""
    names = sorted({record["source"] for record in records})
    colours = dict(zip(names, plt.get_cmap("tab10").colors, strict=False))
    figure, axes = plt.subplots(1, len(_PANELS), figsize=(14, 3.6), sharey=True, layout="constrained")
    for axis, (scheme, title) in zip(axes, _PANELS.items(), strict=True):
        groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for record in records:
            if record["scheme"] == scheme:
                groups[record["source"]].append(record)
        for name, group in sorted(groups.items()):
            ratios = [record["predicted"] / record["measured"] for record in group]
            axis.scatter([record["measured"] for record in group], ratios, s=9, color=colours[name], label=name)
        axis.axhspan(1 - _GOAL, 1 + _GOAL, color="0.9", zorder=0)
        axis.axhline(1, color="0.5", linewidth=0.8, zorder=1)
        axis.set(xscale="log", yscale="log", ylim=(0.4, 2.5), title=title, xlabel="measured GiB of a GPU")
        axis.set_xticks([4, 8, 16, 32, 64], ["4", "8", "16", "32", "64"])
        axis.set_yticks([0.5, 0.8, 1, 1.25, 2], ["0.5", "0.8", "1", "1.25", "2"])
        axis.minorticks_off()
    axes[0].set_ylabel("predicted / measured")
    handles, labels = axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    figure.savefig(out, dpi=80)


if __name__ == "__main__":
    main()

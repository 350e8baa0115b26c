"""Draws how far held-out predictions of speed were off: `docs/accuracy-speed.png`.

    python -m bench.plot_speed ROWS.csv [MORE_ROWS.csv ...] [--mlperf MLPERF.csv] [--peft PEFT.csv] [--out PNG]

Needs NumPy, SciPy and Matplotlib.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt

from bench.speed_folds import HeldOut, hold_out
from bench.speed_samples import read_samples

_TARGET = Path(__file__).parent.parent / "docs/accuracy-speed.png"
_PANELS = {
    "size": "a model size left out",
    "sequence": "a sequence length left out",
    "framework": "a whole framework left out",
}
_GOAL = 0.10
_LOW, _HIGH = 0.33, 3.0  # what lies beyond is drawn at the edge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="+", type=Path)
    parser.add_argument("--mlperf", type=Path)
    parser.add_argument("--peft", type=Path)
    parser.add_argument("--out", type=Path, default=_TARGET)
    options = parser.parse_args()
    held = hold_out(read_samples(options.rows, options.mlperf, options.peft))
    draw({fold: [row for row in held[fold] if row.seen or fold == "framework"] for fold in _PANELS}, options.out)
    print(options.out)


def draw(held: dict[str, list[HeldOut]], out: Path) -> None:
    """One panel a fold: measured tokens/s of a GPU against predicted over measured, a colour for each framework."""
    names = sorted({row.sample.setup.framework for rows in held.values() for row in rows})
    colours = dict(zip(names, plt.get_cmap("tab20").colors, strict=False))
    figure, axes = plt.subplots(1, len(held), figsize=(12, 3.6), sharey=True, layout="constrained")
    for axis, (fold, rows) in zip(axes, held.items(), strict=True):
        groups: dict[str, list[HeldOut]] = defaultdict(list)
        for row in rows:
            groups[row.sample.setup.framework].append(row)
        for name, group in sorted(groups.items()):
            speeds = [_speed(row) for row in group]
            ratios = [min(max(1 + row.speed_error, _LOW), _HIGH) for row in group]
            axis.scatter(speeds, ratios, s=9, color=colours[name], label=name)
        axis.axhspan(1 - _GOAL, 1 + _GOAL, color="0.9", zorder=0)
        axis.axhline(1, color="0.5", linewidth=0.8, zorder=1)
        axis.set(
            xscale="log",
            yscale="log",
            ylim=(_LOW / 1.05, _HIGH * 1.05),
            title=_PANELS[fold],
            xlabel="measured tokens/s of a GPU",
        )
        axis.set_yticks([_LOW, 0.5, 0.8, 1, 1.25, 2, _HIGH], ["<", "0.5", "0.8", "1", "1.25", "2", ">"])
        axis.minorticks_off()
    axes[0].set_ylabel("predicted / measured")
    handles, labels = axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    figure.savefig(out, dpi=90)


def _speed(row: HeldOut) -> float:
    return row.sample.setup.step_tokens / row.sample.setup.devices / row.sample.seconds


if __name__ == "__main__":
    main()

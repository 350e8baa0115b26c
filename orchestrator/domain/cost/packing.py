"""How sequences fall into bins and batches: Axolotl's packing by simulation, padding by arithmetic.

Source: Axolotl 0.19 `utils.samplers.multipack.pack_group` and `utils.trainer.calculate_total_num_steps`. It is called
first-fit-decreasing there, and takes the sequences in the order of the epoch's shuffle: first-fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MOST_IN_A_BIN = 200
"""`sample_packing_bin_size`, Axolotl's default."""


def first_fit(lengths: Iterable[int], capacity: int, most: int = MOST_IN_A_BIN) -> int:
    """Bins of `capacity` tokens and at most `most` sequences that the lengths fill, each put into the first bin that
    still takes it. No length is above `capacity`."""
    room = _Room(capacity)
    for length in lengths:
        room.put(length, most)
    return room.bins


class _Room:
    """What is left in each bin, under a tree of maxima: the first bin with room is found in the logarithm of bins."""

    def __init__(self, capacity: int) -> None:
        self.bins = 0
        self._capacity = capacity
        self._leaves = 64
        self._tree = [-1] * 128
        self._held: list[int] = []

    def put(self, length: int, most: int) -> None:
        tree = self._tree
        if tree[1] < length:
            self._open(length, most)
            return
        node, leaves = 1, self._leaves
        while node < leaves:
            node *= 2
            if tree[node] < length:
                node += 1
        self._fill(node, tree[node] - length, most)

    def _open(self, length: int, most: int) -> None:
        if self.bins == self._leaves:
            self._grow()
        self._held.append(0)
        self.bins += 1
        self._fill(self._leaves + self.bins - 1, self._capacity - length, most)

    def _fill(self, node: int, left: int, most: int) -> None:
        tree, index = self._tree, node - self._leaves
        self._held[index] += 1
        tree[node] = -1 if self._held[index] >= most else left
        while node > 1:
            node //= 2
            best = max(tree[2 * node], tree[2 * node + 1])
            if tree[node] == best:
                break
            tree[node] = best

    def _grow(self) -> None:
        old, leaves = self._tree[self._leaves :], self._leaves * 2
        self._leaves = leaves
        self._tree = [-1] * leaves + old + [-1] * (leaves - len(old))
        for node in range(leaves - 1, 0, -1):
            self._tree[node] = max(self._tree[2 * node], self._tree[2 * node + 1])


def mean_longest(widths: Sequence[tuple[int, float]], together: int, multiple: int = 1) -> float:
    """The mean length of the longest of `together` sequences drawn at random, rounded up to a multiple.

    `widths` are lengths with how many have them, ascending. The batches' mean of a whole epoch tends to it.
    """
    total = sum(count for _, count in widths)
    below, mean = 0.0, 0.0
    for width, count in widths:
        upto = below + count / total
        mean += -(-width // multiple) * multiple * (min(upto, 1.0) ** together - below**together)
        below = min(upto, 1.0)
    return mean


def packed_steps(bins: int, micro_batch: int, accumulation: int, devices: int, *, joined: bool = False) -> int:
    """Optimizer steps of an epoch over `bins` packed bins, as Axolotl plans them: what is left over is dropped.

    A bin holds one sequence of a micro-batch; with `joined` (attention of variable length: flex, flash) it holds the
    whole micro-batch.
    """
    loads = bins if joined else bins // micro_batch
    return max(1, loads // (accumulation * devices))


def padded_steps(examples: int, micro_batch: int, accumulation: int, devices: int) -> int:
    """Optimizer steps of an epoch over `examples` unpacked ones: what is left over makes a smaller step."""
    return max(1, -(-examples // (micro_batch * accumulation * devices)))

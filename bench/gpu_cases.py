"""What `bench.h200` measures, as data: which model, trained in which way, in which shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

WARMUP_STEPS = 2
"""Steps that are taken and not counted: kernels are compiled and chosen, the allocator finds its sizes."""
STEPS, QUICK_STEPS = 12, 6
RECIPE_GAP = 200
"""Steps between two of GaLore's projections in the study book's recipe, for which rows of GaLore are written."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A Llama of random weights. `name` is what rows call it, the other fields are those of its `config.json`."""

    name: str
    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    vocab: int
    tied: bool

    @property
    def blocks(self) -> int:
        """Weights of the layers' matrices."""
        keys_and_values = 2 * self.hidden * self.hidden // self.heads * self.kv_heads
        return self.layers * (2 * self.hidden**2 + keys_and_values + 3 * self.hidden * self.ffn)

    @property
    def parameters(self) -> int:
        """All weights but those of the norms."""
        return self.blocks + self.vocab * self.hidden * (1 if self.tied else 2)


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "8b": Shape("llama3.1-8b", 32, 4096, 14336, 32, 8, 128256, False),
        "1b": Shape("llama3.2-1b", 16, 2048, 8192, 32, 8, 128256, True),
        # The demonstration's own shape; its vocabulary is all that the tokenizer knows.
        "tiny": Shape("latticeforge-tiny", 2, 192, 512, 4, 2, 1024, False),
    }
)


@dataclass(frozen=True, slots=True)
class Way:
    """A strategy of the catalogue, with what is chosen beside it; `written` is its name in a row's `method`."""

    strategy: str
    written: str
    techniques: tuple[str, ...] = ()
    pairs: bool = False
    merges: bool = False
    flops: int = 4
    """FLOPs a weight and token of the forward and backward pass, checkpointing apart; for planning only."""


WAYS: Mapping[str, Way] = MappingProxyType(
    {
        "lora": Way("lora", "lora"),
        # At LoRA's own rank: the difference of two rows is what DoRA costs.
        "dora": Way("custom", "lora+dora", ("lora", "dora")),
        "dora_neftune": Way("dora_neftune", "lora+dora"),
        "qlora": Way("qlora", "qlora-bnb.nf4"),
        "full": Way("full", "full", flops=6),
        "galore": Way("galore", "full+galore128+quantize", flops=6),
        "orpo": Way("orpo", "lora+orpo", pairs=True),
        "relora": Way("relora", "lora", merges=True),
    }
)


@dataclass(frozen=True, slots=True)
class Case:
    """One training. `sequence_len` tokens in every row, `micro_batch` rows (of pairs: pairs) on each of `devices`.

    `saves` keeps the checkpoint at the end, whose seconds are measured; `gap` is GaLore's, None for the recipe's own.
    """

    model: str
    way: str
    sequence_len: int = 2048
    micro_batch: int = 4
    checkpointing: bool = True
    accumulation: int = 1
    devices: int = 1
    saves: bool = False
    quick: bool = False
    gap: int | None = None

    @property
    def id(self) -> str:
        """Told apart by everything that is measured apart."""
        parts = [self.model, self.way, f"s{self.sequence_len}", f"b{self.micro_batch}"]
        parts.append("gc" if self.checkpointing else "nogc")
        parts += [f"a{self.accumulation}"] * (self.accumulation > 1) + [f"n{self.devices}"] * (self.devices > 1)
        return "-".join(parts + [f"gap{self.gap}"] * (self.gap is not None))

    @property
    def shape(self) -> Shape:
        return SHAPES[self.model]

    @property
    def how(self) -> Way:
        return WAYS[self.way]

    @property
    def step_tokens(self) -> int:
        """Tokens of one optimizer step on all devices, none of them padding; of a pair both sides."""
        rows = self.micro_batch * self.accumulation * self.devices
        return rows * self.sequence_len * (2 if self.how.pairs else 1)

    def refreshes(self, step: int) -> bool:
        """Whether GaLore makes its projections anew in this step, counted from 1."""
        return self.way == "galore" and (step - 1) % (self.gap or RECIPE_GAP) == 0

    def guessed_seconds(self, steps: int, peak: float = 989e12) -> float:
        """About how long it may take on a GPU of `peak` FLOP/s: so that a call can be planned, and never a result."""
        flops_a_weight = self.how.flops + 2 * self.checkpointing
        a_step = self.step_tokens / self.devices * flops_a_weight * self.shape.parameters / (0.35 * peak)
        gigabytes = 2 * self.shape.parameters / 1e9
        written = gigabytes * (self.how.flops == 6) + 3 * gigabytes * (self.saves and self.how.flops == 6)
        merging = 6 * gigabytes * self.how.merges
        # torch's SVD, at the 0.5 TFLOP/s that was seen on an A100; faster cards were not measured.
        refreshing = sum(map(self.refreshes, range(1, steps + 1))) * 13 * self.shape.blocks * self.shape.hidden / 0.5e12
        return 45 + gigabytes / 2 + steps * a_step + written + merging + refreshing


def _cases(model: str, way: str, shapes: Sequence[tuple[int, int, bool]]) -> Iterator[Case]:
    """Of each (sequence length, micro-batch, checkpointing) one."""
    for length, rows, checkpointing in shapes:
        yield Case(model, way, length, rows, checkpointing)


FIRST: tuple[Case, ...] = (
    Case("8b", "lora", saves=True, quick=True),
    Case("8b", "dora", quick=True),
    Case("8b", "relora", saves=True, quick=True),
    Case("1b", "lora", quick=True),
    Case("1b", "full", saves=True, quick=True),
    Case("1b", "galore", quick=True, gap=5),
    Case("8b", "full", quick=True),
    Case("8b", "orpo", micro_batch=2, quick=True),
    Case("8b", "qlora", quick=True),
    Case("8b", "galore"),
)
"""What says most: a call that is cut short has these, in this order."""

THEN: tuple[Case, ...] = (
    *_cases("8b", "lora", [(2048, 1, True), (2048, 8, True), (2048, 16, True), (2048, 1, False), (2048, 4, False)]),
    *_cases("8b", "lora", [(512, 16, True), (4096, 2, True), (8192, 1, True), (8192, 2, True)]),
    Case("8b", "lora", accumulation=4),
    *_cases("8b", "dora", [(2048, 1, True), (2048, 16, True), (2048, 4, False)]),
    Case("8b", "dora_neftune"),
    *_cases("8b", "qlora", [(2048, 1, True), (2048, 16, True), (2048, 4, False)]),
    *_cases("8b", "full", [(2048, 1, True), (2048, 8, True), (2048, 1, False), (4096, 2, True)]),
    *_cases("8b", "orpo", [(2048, 1, True), (2048, 4, True), (2048, 1, False)]),
    *_cases("1b", "lora", [(2048, 1, True), (2048, 16, True), (2048, 1, False), (2048, 4, False), (2048, 16, False)]),
    *_cases("1b", "lora", [(512, 16, True), (8192, 4, True)]),
    *_cases("1b", "dora", [(2048, 4, True), (2048, 16, True), (2048, 4, False)]),
    *_cases("1b", "qlora", [(2048, 4, True), (2048, 16, True), (2048, 4, False)]),
    *_cases("1b", "full", [(2048, 1, True), (2048, 16, True), (2048, 4, False)]),
    *_cases("1b", "orpo", [(2048, 2, True), (2048, 8, True), (2048, 2, False)]),
    Case("1b", "dora_neftune"),
    Case("1b", "relora", saves=True),
)

TOGETHER: tuple[Case, ...] = tuple(
    Case(model, way, devices=devices)
    for devices in (2, 4)
    for model, way in (("1b", "lora"), ("8b", "lora"), ("1b", "full"))
)
"""Plain data parallelism, as the service launches it; nothing is sharded."""

TINY: tuple[Case, ...] = tuple(
    Case(
        "tiny",
        way,
        128,
        checkpointing=False,
        saves=way in {"lora", "full", "relora"},
        quick=way in {"lora", "full"},
        gap=5 if way == "galore" else None,
    )
    for way in WAYS
)
"""For a machine without a GPU: that the measuring works, and nothing else."""

CASES: tuple[Case, ...] = (*FIRST, *THEN, *TOGETHER, *TINY)


def chosen(ways: Sequence[str], models: Sequence[str], devices: int, *, quick: bool) -> tuple[Case, ...]:
    """The cases of these ways (none: of all) and models that a machine of `devices` GPUs can run, in their order."""
    return tuple(
        case
        for case in CASES
        if case.model in models
        and (not ways or case.way in ways)
        and case.devices <= devices
        and (case.quick or not quick)
    )

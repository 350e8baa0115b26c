"""Peak memory of one device in a training, term by term, and whether it fits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.coefficients import cell_key
from orchestrator.domain.cost.gpus import Gpu
from orchestrator.domain.cost.memory_coefficients import MemoryCell, MemoryCoefficients, learned
from orchestrator.domain.cost.memory_phases import phases
from orchestrator.domain.cost.memory_terms import QUANTISED, Factor, Group, gib
from orchestrator.domain.cost.prediction import Prediction, Term
from orchestrator.domain.cost.setup import Method, TrainingSetup
from orchestrator.domain.errors import FieldProblem, InvalidInputError

DECIDES = 0.95
"""A training fits where the peak stays within the device with this probability."""

_GROWING = frozenset({Factor.ACTIVATIONS, Factor.LOGITS, Factor.EAGER, Factor.COPIES})
_REFERENCE_TOKENS = 2048
_LARGEST = 1 << 40


def predict_memory(
    architecture: Architecture, setup: TrainingSetup, gpu: Gpu, coefficients: MemoryCoefficients
) -> Prediction:
    """Bytes on the fullest device at the fullest moment of a step. The terms sum to the middle, and `source` begins
    with the phase in which they meet. Raises InvalidInputError for a setup that means nothing."""
    refuse_nonsense(architecture, setup)
    looked = coefficients.look_up(cell_key(setup, gpu), architecture.model_type)
    growth = (setup.micro_tokens / _REFERENCE_TOKENS) ** looked.cell.growth
    found = {name: _terms(groups, looked.cell, growth) for name, groups in phases(architecture, setup).items()}
    phase = max(found, key=lambda name: math.fsum(term.value for _, term in found[name]))
    terms = [term for _, term in found[phase]]
    bare = math.fsum(term.value for term in terms)
    growing = math.fsum(term.value for factor, term in found[phase] if factor in _GROWING)
    spread = looked.cell.spread * growing / bare
    factor, sigma = learned(looked.correction, math.sqrt(looked.cell.sigma**2 + spread**2 + looked.borrowed))
    if factor != 1.0 and looked.correction is not None:
        runs = f"x {factor:.4f} from {looked.correction.observations} measured"
        terms.append(Term("learned from runs", (factor - 1) * bare, f"{gib(bare)} {runs}"))
    return Prediction(bare * factor, sigma, tuple(terms), f"peak of the {phase} phase; {looked.words}")


def p95(prediction: Prediction) -> float:
    """Bytes that the peak stays below in 19 of 20 trainings: what decides whether one fits."""
    return prediction.quantile(DECIDES)


def fits(prediction: Prediction, gpu: Gpu) -> bool:
    """Whether a training with that peak may be started on that accelerator."""
    return p95(prediction) <= gpu.memory


def _terms(groups: Sequence[Group], cell: MemoryCell, growth: float) -> list[tuple[Factor, Term]]:
    found = [(Factor.ONE, Term("context and workspace", cell.const, gib(cell.const)))]
    for group in groups:
        factor = cell.factor(group.factor) * (growth if group.factor in _GROWING else 1.0)
        if factor and group.size:
            by = "" if factor == 1.0 else f", x {factor:.4g} fitted"
            found.append((group.factor, Term(group.name, group.size * factor, f"{group.formula}{by}")))
    return found


def refuse_nonsense(architecture: Architecture, setup: TrainingSetup) -> None:
    """Raises InvalidInputError, naming each field, for counts under one and methods that lack what they need."""
    counts: Mapping[str, int] = {
        "sequence_len": setup.sequence_len,
        "micro_batch": setup.micro_batch,
        "accumulation": setup.accumulation,
        "devices": setup.devices,
    }
    problems = [
        FieldProblem(name, f"is {value!r}, and has to be a whole number from 1 to {_LARGEST:,}")
        for name, value in counts.items()
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST
    ]
    if setup.method is not Method.FULL and setup.rank < 1:
        problems.append(FieldProblem("rank", f"is {setup.rank}, and {setup.method.value} needs at least 1"))
    if setup.method in {Method.LORA, Method.QLORA} and not architecture.targeted(setup.targets):
        problems.append(FieldProblem("targets", f"{list(setup.targets or ())} are no modules of {architecture.name}"))
    if setup.method is Method.QLORA and setup.quantization not in QUANTISED:
        problems.append(FieldProblem("quantization", f"{setup.quantization!r} is none of {', '.join(QUANTISED)}"))
    if problems:
        raise InvalidInputError(problems)

"""What an evaluation adds up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Score:
    """Sums over rows. `nll` is in nats over `tokens` completion tokens; `answered` rows had an answer to match."""

    nll: float = 0.0
    tokens: int = 0
    rows: int = 0
    matches: int = 0
    answered: int = 0
    seconds: float = 0.0

    def __iadd__(self, other: Score) -> Score:
        for name in Score.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    @property
    def heldout_loss(self) -> float | None:
        """Nats a completion token, every token weighing the same; None before the first."""
        return self.nll / self.tokens if self.tokens else None

    @property
    def exact_match(self) -> float | None:
        """The part of the answers that were right to the letter, in 0..1; None where rows have no answers."""
        return self.matches / self.answered if self.answered else None

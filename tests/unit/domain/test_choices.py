from __future__ import annotations

from itertools import pairwise

from orchestrator.domain.budget import open_window
from orchestrator.domain.choices import MOST_IN_FRONT, Choice, pareto_front
from orchestrator.domain.money import Money
from tests.unit.domain.making import ALLOWANCES, NOW, offer


def choice(seconds: int, cost: int, done: float = 1.0) -> Choice:
    way = offer(region=f"{seconds}-{cost}-{done}")
    window = open_window(Money(10**9), way, None, ALLOWANCES, NOW)
    assert window is not None
    return Choice(way, window, 1000, done, int(done * 1000), seconds, cost)


def test_what_another_beats_or_equals_is_not_in_the_front() -> None:
    quick, cheap, both = choice(10, 50), choice(50, 10), choice(20, 20)
    found = pareto_front([cheap, choice(30, 30), quick, both, choice(20, 21)], quick)
    assert found == (quick, both, cheap)


def test_the_best_is_not_beaten_by_what_trains_a_little_less() -> None:
    best, less, hardly = choice(20, 20), choice(10, 10, done=0.995), choice(1, 1, done=0.5)
    assert pareto_front([best, less, hardly], best) == (less, best)


def test_a_long_front_is_thinned_and_keeps_its_ends_and_the_best() -> None:
    whole = [choice(10 + each, 1000 - each) for each in range(100)]
    for best in whole:
        found = pareto_front(whole, best)
        assert MOST_IN_FRONT - 1 <= len(found) <= MOST_IN_FRONT
        assert {whole[0], whole[-1], best} <= set(found)
        assert all(one.seconds < other.seconds and one.cost > other.cost for one, other in pairwise(found))

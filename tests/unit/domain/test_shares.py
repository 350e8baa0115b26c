from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.domain.shares import evaluate_share, training_least, training_shares

weights = st.lists(st.integers(1, 5), min_size=1, max_size=6)


@example(room=5, weighed=[1, 1, 1])
@given(st.integers(0, 10**6), weights)
def test_a_second_more_takes_nothing_from_any_training(room: int, weighed: list[int]) -> None:
    before, after = training_shares(room, weighed), training_shares(room + 1, weighed)
    assert all(less <= more for less, more in zip(before, after, strict=True))
    assert room - len(weighed) < sum(before) <= room


@given(st.integers(0, 10**5), st.integers(0, 10**4))
def test_a_second_more_takes_nothing_from_the_trainings_for_the_evaluation(room: int, least: int) -> None:
    assert evaluate_share(room, least)[1] <= evaluate_share(room + 1, least)[1]


@given(weights, st.data())
def test_the_least_room_gives_every_training_what_it_needs(weighed: list[int], data: st.DataObject) -> None:
    needs = data.draw(st.lists(st.floats(0, 10**5), min_size=len(weighed), max_size=len(weighed)))
    shares = training_shares(training_least(needs, weighed), weighed)
    assert all(share >= need for share, need in zip(shares, needs, strict=True))

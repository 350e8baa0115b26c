"""Who is alive: judged by signs that change and by answers, with a clock that the test turns."""

from __future__ import annotations

from workers.vitals import Vitals


class World:
    """What can be seen of a service with a broker, a scheduler, a worker and a guard."""

    def __init__(self) -> None:
        self.now = 0.0
        self.signs: dict[str, object] = {}
        self.database_answers = True
        self.redis_answers = True
        self.vitals = Vitals(
            asks={"redis": self._ask_redis},
            signs=self._read_signs,
            signing=("worker", "beat", "guard"),
            needs={"beat": ("redis",), "worker": ("redis", "beat")},
            clock=lambda: self.now,
        )

    def _ask_redis(self) -> bool:
        if not self.redis_answers:
            raise ConnectionError
        return True

    def _read_signs(self) -> dict[str, object]:
        if not self.database_answers:
            raise OSError
        return dict(self.signs)

    def live(self, seconds: int, *parts: str) -> None:
        """So many seconds in which `parts` show a sign each second."""
        for _ in range(seconds):
            self.now += 1
            self.signs.update(dict.fromkeys(parts, self.now))
            self.vitals.look()

    def silence(self, part: str) -> float:
        return self.vitals.silence()[part]


def test_a_part_that_shows_signs_is_not_silent_and_one_that_stops_is() -> None:
    world = World()
    world.live(40, "worker", "beat", "guard")
    assert world.silence("guard") == 0
    world.live(31, "worker", "beat")
    assert world.silence("guard") == 31
    assert world.silence("worker") == 0


def test_a_server_that_does_not_answer_is_silent() -> None:
    world = World()
    world.redis_answers = False
    world.live(31, "worker", "beat", "guard")
    assert world.silence("redis") == 31


def test_nothing_is_held_against_anybody_while_the_signs_cannot_be_read() -> None:
    world = World()
    world.live(5, "worker", "beat", "guard")
    world.database_answers = False
    world.live(100)
    assert {world.silence(part) for part in ("worker", "beat", "guard")} == {0}


def test_worker_and_scheduler_are_excused_while_the_broker_is_away() -> None:
    world = World()
    world.live(5, "worker", "beat", "guard")
    world.redis_answers = False
    world.live(100, "guard")
    assert world.silence("worker") < 30
    assert world.silence("beat") < 30
    assert world.silence("redis") == 100


def test_a_worker_that_is_sent_nothing_is_excused_and_the_scheduler_is_not() -> None:
    world = World()
    world.live(5, "worker", "beat", "guard")
    world.live(31, "guard")
    assert world.silence("beat") == 31
    assert world.silence("worker") < 30


def test_a_clock_that_was_set_back_is_no_sign_of_death() -> None:
    world = World()
    world.live(5, "worker", "beat", "guard")
    world.signs = dict.fromkeys(("worker", "beat", "guard"), -5000.0)
    world.vitals.look()
    assert world.silence("worker") == 0

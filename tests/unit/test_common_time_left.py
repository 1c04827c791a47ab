import logging

from trajectory_diffuser.common.time_left import TimeLeft


class Run:
    """A run whose clock stands until it is told to go on."""

    def __init__(self, waiting: dict[int, tuple[str, dict[str, str]]]) -> None:
        self.now, self.said = 0.0, list[str]()
        self.handler = TimeLeft(waiting, self.said.append, lambda: self.now)

    def tell(self, event: str, **fields: int) -> None:
        self.handler.emit(logging.makeLogRecord({"event": event} | fields))

    def do(self, number: int, minutes: float) -> str:
        """One job from its beginning to its end; what is said then."""
        self.tell("job_info", jobid=number)
        self.now += 60 * minutes
        self.tell("job_finished", job_id=number)
        self.tell("progress", done=1, total=2)
        return self.said[-1]


def tune(planner: str, task: str = "hopper", seed: int = 0) -> tuple[str, dict[str, str]]:
    return "tune", {"task": task, "seed": str(seed), "planner": planner}


def test_a_job_takes_as_long_as_the_same_with_another_seed() -> None:
    run = Run({1: tune("ddim"), 2: tune("full"), 3: tune("full", seed=1)})
    run.do(1, 1)
    assert run.do(2, 10) == "about 10 min left"


def test_without_another_seed_the_same_row_tells_and_else_the_rule() -> None:
    run = Run({1: tune("ddim"), 2: tune("full"), 3: tune("full", task="maze"), 4: tune("draft")})
    run.do(1, 2)
    assert run.do(2, 10) == "about 16 min left"  # 10 and the mean of 2 and 10


def test_what_no_job_has_told_is_counted_and_not_guessed() -> None:
    models = {"task": "hopper", "seed": "0"}
    run = Run({1: ("train_value", models), 2: ("train_value", models | {"seed": "1"}), 3: tune("ddim")})
    run.handler.waiting[4] = ("make_report", {})
    said = run.do(1, 3)
    assert said == "at least 3 min left; stages of which nothing has ended: 2"


def test_jobs_side_by_side_share_the_time() -> None:
    run = Run({number: tune("ddim", seed=number) for number in range(6)})
    for number in (0, 1):
        run.tell("job_info", jobid=number)
    run.now = 600
    for number in (0, 1):
        run.tell("job_finished", job_id=number)
    run.tell("progress", done=2, total=6)
    assert run.said == ["about 20 min left"]  # four of ten minutes, two at a time


def test_what_a_running_job_has_done_already_counts() -> None:
    run = Run({1: tune("ddim"), 2: tune("ddim", seed=1)})
    run.do(1, 10)
    run.tell("job_info", jobid=2)
    run.now += 240
    assert run.handler.sentence() == "about 6 min left"


def test_a_job_that_failed_is_not_at_work_any_more() -> None:
    run = Run({number: tune("ddim", seed=number) for number in range(3)})
    run.tell("job_info", jobid=0)
    run.now = 600
    run.tell("job_error", jobid=0)
    run.do(1, 10)
    assert run.said == ["about 20 min left"]  # two of ten minutes, one after the other


def test_nothing_is_said_after_the_last_job() -> None:
    run = Run({1: tune("ddim")})
    run.tell("job_info", jobid=1)
    run.tell("job_finished", job_id=1)
    run.tell("progress", done=1, total=1)
    assert run.said == []

"""What requests come to: spans with an API and without, the longest gap, who failed."""

import pytest
from tests.lab import timeline
from tests.lab.timeline import Request, Span


def every_100_ms(outcomes: str) -> list[Request]:
    """Write requests as a row: a dot is answered at once, a letter says why not."""
    return [
        Request(round(number * 0.1, 1), 0.0, "" if mark == "." else mark)
        for number, mark in enumerate(outcomes)
    ]


def test_an_api_that_always_answers_is_one_span_without_a_gap() -> None:
    seen = timeline.spans(every_100_ms("....."))

    assert seen == [Span(0.0, 0.4, answered=5)]
    assert timeline.gap_s(seen) == 0
    assert timeline.failed(seen) == 0


def test_a_gap_lasts_from_the_last_answer_before_it_to_the_first_one_after_it() -> None:
    seen = timeline.spans(every_100_ms("...xxx.."))

    assert [(s.start_s, s.end_s, s.answered, s.failed) for s in seen] == [
        (0.0, 0.2, 3, 0),
        (0.2, 0.6, 1, 3),
        (0.6, 0.7, 1, 0),
    ]
    assert timeline.gap_s(seen) == pytest.approx(0.4)


def test_the_longest_gap_counts_and_every_failure() -> None:
    seen = timeline.spans(every_100_ms(".x..xxxx..x."))

    assert timeline.gap_s(seen) == pytest.approx(0.5)
    assert timeline.failed(seen) == 6
    assert [span.is_gap for span in seen] == [False, True, False, True, False, True]


def test_a_gap_says_what_most_requests_failed_of() -> None:
    seen = timeline.spans(every_100_ms(".abb."))

    assert [span.why for span in seen] == ["", "b"]


def test_an_answer_that_comes_late_is_no_gap_but_slow() -> None:
    requests = [Request(0.0, 0.01), Request(0.1, 3.0), Request(0.2, 2.9), Request(3.2, 0.01)]

    assert timeline.gap_s(timeline.spans(requests)) == 0
    assert timeline.slowest_s(requests) == 3.0


def test_requests_that_hang_do_not_lengthen_the_gap_beyond_the_next_answer() -> None:
    hung = [Request(round(1 + n * 0.1, 1), 5.0, "timed out") for n in range(20)]
    answered = [Request(0.9, 0.01), Request(3.0, 0.01), Request(3.1, 0.01)]

    seen = timeline.spans([*answered, *hung])

    assert timeline.gap_s(seen) == pytest.approx(2.1)
    assert timeline.failed(seen) == 20


def test_an_api_that_does_not_come_back_is_a_gap_to_the_end() -> None:
    seen = timeline.spans([*every_100_ms(".."), Request(0.2, 5.0, "timed out")])

    assert seen[-1].is_gap
    assert seen[-1].end_s == pytest.approx(5.2)


def test_times_count_from_the_moment_that_is_named() -> None:
    seen = timeline.spans([Request(100.0, 0.5), Request(101.0, 0.5)], zero_s=101.0)

    assert [(span.start_s, span.end_s) for span in seen] == [(-1.0, 0.5)]


def test_no_request_is_no_span() -> None:
    assert timeline.spans([]) == []

"""`kubeception node run` and `reboot` refuse what is impossible, before they reach for anything."""

from datetime import time

import click
import pytest
from click.testing import CliRunner

from kubeception.cli.batch import Wishes, in_batches
from kubeception.cli.node import node
from kubeception.render.cluster_upgrade import Order, everything, of_order
from kubeception.render.window import Window

NIGHT = ["--window", "22:00-04:00"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["reboot"], "name the nodes, or say --all"),
        (["reboot", "w1", "--all"], "name the nodes, or say --all"),
        (["reboot", "w1", "--all", "--needed"], "name the nodes, or say --all"),
        (["run", "patch", "--needed"], "No such option"),
        (["run", "patch"], "name the nodes, or say --all"),
        (["run", "--all"], "Missing argument 'PROGRAM'"),
        (["run", "../patch", "w1"], "'../patch' is no name of a program"),
        (["run", "Patch", "w1"], "'Patch' is no name of a program"),
        (["run", "patch\n", "w1"], "is no name of a program"),
        (["run", "a" * 64, "w1"], "is no name of a program"),
        (["reboot", "w1", "--window", "22:00"], "'22:00' is no window such as 22:00-04:00"),
        (["reboot", "w1", "--window", "22:00-24:00"], "is no window such as"),
        (["reboot", "w1", "--window", "9:00-17:00"], "is no window such as"),
        (["reboot", "w1", *NIGHT, "--time-zone", "Europe/Nowhere"], "is no time zone such as"),
        (["reboot", "w1", *NIGHT, "--time-zone", "../../etc/passwd"], "is no time zone such as"),
        (["reboot", "w1", *NIGHT, "--days", "Sat,Son"], "'Son' is none of Mon, Tue"),
        (["reboot", "w1", *NIGHT, "--days", ""], "'' is none of Mon, Tue"),
        (["reboot", "w1", "--days", "Sat"], "--time-zone and --days are of a --window"),
        (["run", "patch", "w1", "--time-zone", "UTC"], "--time-zone and --days are of a --window"),
        (["reboot", "w1", "--canary-for", "5m"], "--canary-for is of a --canary"),
        (["reboot", "w1", "--canary", "w1", "--canary-for", "5"], "is no length of time such as"),
        (["reboot", "w1", "--timeout", "25h"], "--timeout can be from 1s to 24h"),
        (["run", "patch", "w1", "--timeout", "0s"], "--timeout can be from 1s to 24h"),
        (["run", "patch", "w1", "--drain-timeout", "999999h"], "--drain-timeout can be from 0s to"),
        (["reboot", "w1", "--canary", "w1", "--canary-for", "86401s"], "--canary-for can be from"),
        (["remove", "w1", "--timeout", "1441m"], "--timeout can be from 0s to 24h"),
    ],
)
def test_what_is_impossible_is_a_usage_error(words: list[str], says: str) -> None:
    done = CliRunner().invoke(node, words)

    assert done.exit_code == 2
    assert says in done.output


def test_all_that_is_impossible_is_told_at_once() -> None:
    words = ["reboot", "w1", "--timeout", "0s", "--drain-timeout", "25h", "--days", "Sat"]

    done = CliRunner().invoke(node, words)

    assert done.output.partition("Error: ")[2].splitlines() == [
        "--time-zone and --days are of a --window",
        "--drain-timeout can be from 0s to 24h",
        "--timeout can be from 1s to 24h",
    ]


@pytest.mark.parametrize("length", ["1s", "24h", "86400s"])
def test_a_length_that_the_api_takes_is_asked_for(length: str) -> None:
    words = ["--timeout", length, "--drain-timeout", length, "--canary", "w1"]

    (order,) = ordered([*words, "--canary-for", length])

    asked = of_order(order)["spec"]
    schema = next(iter(everything()))["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    fields = schema["properties"]["spec"]["properties"]
    for bounds, seconds in (
        (fields["stepTimeoutSeconds"], asked["stepTimeoutSeconds"]),
        (fields["drain"]["properties"]["timeoutSeconds"], asked["drain"]["timeoutSeconds"]),
        (fields["canary"]["properties"]["forSeconds"], asked["canary"]["forSeconds"]),
    ):
        assert bounds["minimum"] <= seconds <= bounds["maximum"]


@pytest.mark.parametrize(
    ("words", "window"),
    [
        ([], None),
        (NIGHT, Window(time(22), time(4))),
        (
            ["--window", "09:30-17:05", "--time-zone", "Europe/Berlin", "--days", "Sat,Sun,Sat"],
            Window(time(9, 30), time(17, 5), "Europe/Berlin", ("Sat", "Sun")),
        ),
    ],
)
def test_a_window_is_asked_for(words: list[str], window: Window | None) -> None:
    assert [order.window for order in ordered(words)] == [window]


def ordered(words: list[str]) -> list[Order]:
    """Return what is asked for by these options."""
    orders: list[Order] = []

    @click.command()
    @in_batches
    def ask(wishes: Wishes) -> None:
        orders.append(wishes.order())

    done = CliRunner().invoke(ask, words)

    assert (done.exit_code, done.output) == (0, "")
    return orders


@pytest.mark.parametrize(
    ("words", "canary"),
    [
        ([], (None, 600)),
        (["--canary", "w1"], ("w1", 600)),
        (["--canary", "w1", "--canary-for", "90s"], ("w1", 90)),
    ],
)
def test_a_canary_is_asked_for(words: list[str], canary: tuple[str | None, int]) -> None:
    [order] = ordered(words)

    assert (order.canary, order.canary_s) == canary


@pytest.mark.parametrize("verb", ["run", "reboot", "remove", "trust", "list"])
def test_every_command_has_an_example(verb: str) -> None:
    done = CliRunner().invoke(node, [verb, "--help"])

    assert done.exit_code == 0
    assert f"kubeception node {verb}" in done.output

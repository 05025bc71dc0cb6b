"""What a failed program said last, fit to read."""

from pathlib import Path

from kubeception.host import logs


def container_log(folder: Path, start: int, *lines: str) -> None:
    (folder / f"{start}.log").write_text(
        "".join(f"2026-11-23T09:00:00.1Z stderr F {line}\n" for line in lines)
    )


def test_the_last_lines_that_say_something() -> None:
    assert logs.last(["one", "", "two", "three", "four", "five", "  ", "six"]) == (
        *("two", "three", "four"),
        *("five", "six"),
    )


def test_what_is_repeated_is_told_once_where_it_was_said_last() -> None:
    lines = [
        'E1123 10:17:20.452825    2846 kubelet.go:3596] "Unable to register"',
        'E1123 10:17:20.452900    2846 kubelet.go:12] "No such image"',
        'E1123 10:17:20.552815    2846 kubelet.go:3596] "Unable to register"',
    ]

    assert logs.last(lines) == (lines[1], lines[2])


def test_what_etcd_logs_reads_as_words() -> None:
    line = '{"level":"fatal","ts":"2026","msg":"discovery failed","error":"not a directory"}'

    assert logs.last([line]) == ("fatal: discovery failed: not a directory",)
    assert logs.last(['{"level":"info","ts":"2026","msg":"serving"}']) == ("info: serving",)
    assert logs.last(["{no JSON", '{"another": 1}']) == ("{no JSON", '{"another": 1}')


def test_of_a_panic_the_stack_is_left_out() -> None:
    panic = [
        "panic: cannot open database",
        "",
        "goroutine 1 [running]:",
        "main.main()",
        "\t/src/main.go:12 +0x1d",
        "go.etcd.io/etcd/server/v3/embed.StartEtcd(0xc00011, {0x1, 0x2})",
        "created by main.run in goroutine 1",
    ]

    assert logs.last(["before", *panic]) == ("before", "panic: cannot open database")


def test_a_container_is_heard_by_its_newest_file_that_says_something(tmp_path: Path) -> None:
    container_log(tmp_path, 2, "second")
    container_log(tmp_path, 10, "unknown flag: --bogus")
    container_log(tmp_path, 11)

    assert logs.of_container(tmp_path) == ("unknown flag: --bogus",)
    assert logs.of_container(tmp_path / "another") == ()

"""docs/bench.md, written from what was measured."""

from collections.abc import Mapping, Sequence
from datetime import date
from statistics import median

from bench import cpu, machine
from bench.joining import Joins
from bench.race import Contestant
from kubeception.host import kernel

API_ANSWERS = "bootstrap-door"


def page(
    contestants: Sequence[Contestant],
    joins: Sequence[Joins],
    others: Mapping[str, list[float]],
    *,
    command: str,
    day: date,
) -> str:
    """Return the page; the first contestant is ours, the second what it is measured by."""
    ours, stock, *_ = contestants
    by = median(lap.seconds for lap in stock.laps)
    race = [
        f"{_row(one.name, [lap.seconds for lap in one.laps])} "
        f"{median(lap.seconds for lap in one.laps) / by:.2f} |"
        for one in contestants
    ]
    inits = [lap.parts["kubeadm init"] for lap in stock.laps]
    steps = {f"`{name}`": [lap.parts[name] for lap in ours.laps] for name in ours.laps[0].parts}
    return f"""# How long things take

Written on {day:%Y-%m-%d} by `{command}`: {machine.words()}.
Times are in seconds.

## Beside kubeadm

From the first command until the node is Ready and every pod is ready.
Each run has a fresh lab host; the contestants take turns.

| | median | of | beside kubeadm |
| --- | ---: | --- | ---: |
{_lines(race)}

- All have the same programs and images, and the images are on the host before the clock starts.
- kubeadm's host has containerd running by then; ours starts containerd within its time,
  and ends with eleven pods, two controller-managers and two schedulers among them,
  to kubeadm's eight.
- kubeadm's flannel is ours: the same objects, applied when `kubeadm init` is done,
  which takes {median(inits):.1f} s. It looks for the API at its Service's address, as everywhere,
  which kube-proxy has to make first. The last row spares it that.
- kubeadm's settings are its own but for what the machine asks for:
  {", ".join(_forced())}.

## The steps of a fresh bootstrap

Most of the time two API servers start, one after the other, each for some three seconds of CPU:
the bootstrap one in `bootstrap-api`, the hosted one, beside everything else that is hosted,
in `retire-controllers` and `stability`.
The last two seconds of `stability` are its ten answers in a row;
`add-ons` is the end of the bootstrap one.

| Step | median | of |
| --- | ---: | --- |
{_lines([_row(name, values) for name, values in steps.items()])}

## CPU time

The CPU seconds of the host from the first command until {cpu.WINDOW_S:.0f} s later, and where they
go; each is the median of its runs, so that the parts needn't add up to the whole.

| | {ours.name} | {stock.name} | beside kubeadm |
| --- | ---: | ---: | ---: |
{_lines(_spending(ours, stock))}

- The images are on both hosts before the clock starts, so that importing them is a look for them.
- The command is what was typed with all that it started itself: `ctr` and `nft` with ours;
  `kubectl apply` with kubeadm's. What it had others do counts as theirs.

## A worker joins

One host after the other joins a cluster that stands and does nothing else;
from the join command on that host until the API says that its node is registered, and Ready.
The images are on the host before the clock starts; containerd runs on kubeadm's hosts by then,
ours start it within their time. kubeadm's flannel is told the API's address.

| | registered | of | Ready | of | beside kubeadm |
| --- | ---: | --- | ---: | --- | ---: |
{_lines(_joins(joins))}

## Other things

| What | median | of |
| --- | ---: | --- |
{_lines([_row(name, values) for name, values in others.items()])}

`make compare BEFORE=commit` measures this version and another one in pairs, time and CPU time.
"""


def _spending(ours: Contestant, stock: Contestant) -> list[str]:
    def middles(one: Contestant) -> dict[str, float]:
        spent = [lap.spent for lap in one.laps if lap.spent]
        whole = {"**all**": median(found.total_s for found in spent)}
        return whole | {part: median(found.parts[part] for found in spent) for part in cpu.PARTS}

    mine, theirs = middles(ours), middles(stock)
    return [
        f"| {part} | {mine[part]:.1f} | {theirs[part]:.1f} | "
        f"{f'{mine[part] / theirs[part]:.2f}' if theirs[part] >= 0.05 else ''} |"
        for part in mine
        if max(mine[part], theirs[part]) >= 0.05
    ]


def _joins(joins: Sequence[Joins]) -> list[str]:
    by = median(lap.ready for lap in joins[-1].laps)
    return [
        f"{_row(one.name, [lap.registered for lap in one.laps])} "
        f"{_figures([lap.ready for lap in one.laps])} | "
        f"{median(lap.ready for lap in one.laps) / by:.2f} |"
        for one in joins
    ]


def _forced() -> list[str]:
    found = ["kube-proxy by nftables"]
    if kernel.cgroup_version() == 1:
        found.append("cgroup v1")
    if not kernel.has_capability("SYS_RESOURCE"):
        found.append("no CAP_SYS_RESOURCE")
    return found


def _row(name: str, values: Sequence[float]) -> str:
    return f"| {name} | {_figures(values)} |"


def _figures(values: Sequence[float]) -> str:
    """Return the median, and each: two cells."""
    middle, *each = (f"{s:.1f}" if s >= 1 else f"{s:.2f}" for s in (median(values), *values))
    return f"{middle} | {', '.join(each)}"


def _lines(rows: Sequence[str]) -> str:
    return "\n".join(rows)

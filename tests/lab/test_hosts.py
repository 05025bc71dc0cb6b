"""Lab hosts behave like machines: power, network, a way in, and nothing left when they are gone."""

import fcntl
import json
import os
import pty
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.lab import unplugged
from tests.lab.conftest import Names, Note
from tests.lab.lot import SEED
from tests.lab.machine import scaled
from tests.lab.traces import traces

from kubeception.errors import CommandFailed, KubeceptionError, UnitFailed
from kubeception.host import process
from kubeception.lab import Host, Lab
from kubeception.lab.paths import HostPlace
from kubeception.lab.supervisor import DISK_FOLDERS

CLI = (sys.executable, "-m", "kubeception", "lab")


def cli(verb: str, lab: Lab, *rest: str) -> list[str]:
    return [*CLI, verb, "--name", lab.name, *rest]


@pytest.fixture
def spare(new_name: Names) -> Iterator[Lab]:
    """A lab that does not exist yet."""
    lab = Lab(new_name())
    yield lab
    lab.down()


@pytest.mark.hosts(1)
def test_a_host_is_a_systemd_machine_of_its_own(hosts: list[Host]) -> None:
    [cp1] = hosts

    assert cp1.state() == "running"
    assert cp1.run("hostname").stdout == "cp1\n"
    assert cp1.run("cat", "/proc/1/comm").stdout == "systemd\n"
    assert cp1.get("/etc/machine-id") != Path("/etc/machine-id").read_text()
    assert cp1.run("sysctl", "-n", "net.ipv4.ip_forward").stdout == "1\n"
    assert cp1.run("systemctl", "--failed", "--quiet").stdout == ""
    cp1.run(
        "sh", "-c", "mkdir /sys/fs/cgroup/cpu/x /sys/fs/cgroup/systemd/x || mkdir /sys/fs/cgroup/x"
    )


@pytest.mark.hosts(2)
def test_hosts_reach_each_other_by_name_and_nobody_else(hosts: list[Host]) -> None:
    cp1, w1 = hosts

    cp1.run("ping", "-c", "1", "-W", "5", "w1")
    w1.run("ping", "-c", "1", "-W", "5", "cp1")

    # A documentation address: the default route takes it to the bridge, and there it ends.
    said = cp1.fail("ping", "-c", "1", "-W", "5", "192.0.2.1").stdout
    assert "Destination Net Unreachable" in said


@pytest.mark.hosts(1)
def test_run_passes_input_output_and_exit_code(lab: Lab, hosts: list[Host]) -> None:
    [cp1] = hosts
    script = "cat; echo oops >&2; exit 7"

    done = cp1.run("sh", "-c", script, stdin="héllo\n", check=False)
    assert (done.code, done.stdout, done.stderr) == (7, "héllo\n", "oops\n")
    with pytest.raises(CommandFailed, match="exit code 7: oops"):
        cp1.run("sh", "-c", script)
    with pytest.raises(KubeceptionError, match="exit code 0"):
        cp1.fail("true")

    by_hand = subprocess.run(
        cli("run", lab, "cp1", "--", "sh", "-c", script), input=b"in\n", capture_output=True
    )
    assert (by_hand.returncode, by_hand.stdout, by_hand.stderr) == (7, b"in\n", b"oops\n")


@pytest.mark.hosts(1)
def test_a_command_dies_with_the_one_who_started_it(lab: Lab, hosts: list[Host]) -> None:
    [cp1] = hosts
    running = subprocess.Popen(
        cli("run", lab, "cp1", "--", "sh", "-c", "echo $$; exec sleep 1000"), stdout=subprocess.PIPE
    )
    assert running.stdout is not None
    with running, running.stdout:
        pid = running.stdout.readline().decode().strip()
        cp1.run("kill", "-0", pid)

        running.kill()

    cp1.run("sh", "-c", "while kill -0 $1; do sleep 0.1; done", "sh", pid, timeout_s=20)


@pytest.mark.hosts(1)
@pytest.mark.parametrize(
    ("argv", "typed", "shown"),
    [
        (("run", "cp1", "--", "sh", "-c", "test -t 0 && test -t 1 && exit 4"), "", ""),
        (("shell", "cp1"), "echo $((6 * 7)) $(tty) $(hostname); exit 4\n", "42 /dev/pts/"),
    ],
)
def test_a_terminal_reaches_the_host(
    lab: Lab, hosts: list[Host], argv: tuple[str, ...], typed: str, shown: str
) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(CLI[0], cli(argv[0], lab, *argv[1:]))  # noqa: S606 - no shell is wanted
    os.write(terminal, typed.encode())
    output = b""
    while chunk := _read(terminal):
        output += chunk
    _, status = os.waitpid(pid, 0)
    os.close(terminal)

    assert os.waitstatus_to_exitcode(status) == 4
    assert shown in output.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how a terminal says that nobody is on the other side any more
        return b""


@pytest.mark.hosts(2)
def test_hosts_are_listed_with_what_they_are(lab: Lab, hosts: list[Host]) -> None:
    listed = subprocess.run(cli("hosts", lab, "-o", "json"), capture_output=True, check=True)

    cp1, w1 = json.loads(listed.stdout)
    assert {key: cp1[key] for key in ("name", "role", "address", "state")} == {
        "name": "cp1",
        "role": "control-plane",
        "address": "10.89.0.11",
        "state": "running",
    }
    assert w1["role"] == "worker"
    assert Path(f"/proc/{w1['pid']}/comm").read_text() == "systemd\n"


@pytest.mark.hosts(1)
def test_an_unknown_host_is_named_with_those_there_are(lab: Lab, hosts: list[Host]) -> None:
    with pytest.raises(KubeceptionError, match=r"no host 'w9'; there are: cp1"):
        lab.host("w9")


@pytest.mark.hosts(1)
def test_waiting_for_a_unit_ends_when_it_cannot_come(hosts: list[Host]) -> None:
    [cp1] = hosts
    cp1.run("systemd-run", "--unit=good", "sleep", "1000")
    # A oneshot unit is never active before it has ended well; a simple one is, for a moment.
    cp1.run("systemd-run", "--no-block", "--property=Type=oneshot", "--unit=bad", "false")

    cp1.wait_for_unit("good.service")
    started = time.monotonic()
    with pytest.raises(UnitFailed, match=r"bad\.service"):
        cp1.wait_for_unit("bad.service")
    with pytest.raises(UnitFailed, match=r"none\.service"):
        cp1.wait_for_unit("none.service")
    assert time.monotonic() - started < 5


@pytest.mark.hosts(1)
def test_a_host_that_reboots_itself_comes_back(hosts: list[Host]) -> None:
    [cp1] = hosts
    before = cp1.get("/proc/sys/kernel/random/boot_id")
    machine = cp1.get("/etc/machine-id")
    leader = cp1.leader()

    cp1.run("systemctl", "reboot", check=False)
    cp1.wait_up(since=leader)

    assert cp1.get("/proc/sys/kernel/random/boot_id") != before
    assert cp1.get("/etc/machine-id") == machine


@pytest.mark.hosts(1)
def test_a_host_that_powers_off_stays_off_until_it_is_booted(lab: Lab, hosts: list[Host]) -> None:
    [cp1] = hosts

    cp1.run("systemctl", "poweroff", check=False)
    cp1.wait_off()

    assert cp1.leader() is None
    with pytest.raises(KubeceptionError, match="cp1 is off"):
        cp1.run("true")
    assert subprocess.run(cli("run", lab, "cp1", "--", "true"), capture_output=True).returncode == 1
    subprocess.run(cli("boot", lab, "cp1"), check=True)
    assert cp1.state() == "running"


@pytest.mark.hosts(1)
def test_a_power_cut_loses_what_was_not_synced(lab: Lab, hosts: list[Host]) -> None:
    [cp1] = hosts
    for folder in DISK_FOLDERS:
        cp1.put(folder / "kept", "kept")
        cp1.put(folder / "replaced", "before")
        cp1.run("sync", "-f", str(folder))
    write = "cd $1 && echo lost >lost && echo after >.new && mv .new replaced && cat lost replaced"
    for folder in DISK_FOLDERS:
        assert cp1.run("sh", "-c", write, "sh", str(folder)).stdout == "lost\nafter\n"

    subprocess.run(cli("power-cut", lab, "cp1"), check=True)
    assert cp1.state() == "off"
    cp1.boot()

    for folder in DISK_FOLDERS:
        assert cp1.get(folder / "kept") == "kept"
        assert cp1.get(folder / "replaced") == "before"
        assert cp1.run("cat", str(folder / "lost"), check=False).stdout == ""


@pytest.mark.hosts(1)
def test_what_lies_on_the_disk_hides_nothing_that_the_host_has(hosts: list[Host]) -> None:
    [cp1] = hosts

    system = cp1.run("ls", "-A", "/etc/systemd/system").stdout.split()

    assert {"kubeception-lab-cgroups.service", "multi-user.target.wants"} <= {*system}
    assert cp1.run("systemctl", "is-enabled", "systemd-networkd").stdout == "enabled\n"


def test_a_host_that_was_made_before_its_disk_held_all_folders_keeps_what_it_has(
    spare: Lab,
) -> None:
    """Three were on it, by their last names; the others lay over the Debian tree."""
    [cp1] = spare.up()
    for folder in DISK_FOLDERS:
        cp1.put(folder / "kept", str(folder))
    cp1.power_off()
    upper = cp1.place.upper
    unplugged.on_disk(
        cp1,
        "mv etc/kubernetes var/lib/etcd var/lib/kubelet .\n"
        'rm -r "$1/etc/systemd/system"\n'
        'cp -a etc/kubeception etc/systemd "$1/etc/"\n'
        'cp -a var/lib/kubeception "$1/var/lib/"\n'
        "rm -r etc var",
        upper,
    )

    for _ in range(2):
        cp1.boot()
        assert {cp1.get(folder / "kept") for folder in DISK_FOLDERS} == {*map(str, DISK_FOLDERS)}
        cp1.power_cut()

    assert unplugged.on_disk(cp1, "ls").split() == ["etc", "lost+found", "var"]


@pytest.mark.hosts(2)
def test_all_hosts_lose_power_and_come_back_together(lab: Lab, hosts: list[Host]) -> None:
    subprocess.run(cli("power-cut", lab, "--all"), check=True)
    assert [host.state() for host in hosts] == ["off", "off"]

    subprocess.run(cli("boot", lab, "--all"), check=True)
    leaders = [host.leader() for host in hosts]
    subprocess.run(cli("reboot", lab, "--all"), check=True)

    assert [host.state() for host in hosts] == ["running", "running"]
    assert {host.leader() for host in hosts}.isdisjoint(leaders)


@pytest.mark.hosts(1)
def test_a_host_outlives_the_terminal_it_was_booted_from(lab: Lab, hosts: list[Host]) -> None:
    [cp1] = hosts
    cp1.power_cut()
    with subprocess.Popen(cli("boot", lab, "cp1"), start_new_session=True) as booting:
        booting.wait()
        leader = cp1.leader()

        # What Ctrl-C and a closed terminal send, to whatever is left of that session.
        for number in (signal.SIGINT, signal.SIGHUP):
            with pytest.raises(ProcessLookupError):
                os.killpg(booting.pid, number)

    assert cp1.leader() == leader


def test_a_bare_host_boots_in_seconds(spare: Lab, note: Note) -> None:
    spare.up()  # makes the Debian tree, where it isn't cached yet
    spare.down()

    started = time.monotonic()
    spare.up()
    took = time.monotonic() - started
    started = time.monotonic()
    spare.up()
    again = time.monotonic() - started

    note(f"bare host: made and booted in {took:.1f} s, up again in {again:.1f} s")
    assert took <= scaled(10)
    assert again <= scaled(2.5)


@pytest.mark.hosts(1)
def test_two_labs_stand_side_by_side(lab: Lab, hosts: list[Host], spare: Lab) -> None:
    [cp1] = hosts
    [other] = spare.up()
    cp1.put("/root/whose", lab.name)
    other.put("/root/whose", spare.name)

    assert cp1.get("/root/whose") == lab.name
    assert cp1.address == other.address
    spare.down()
    assert cp1.get("/root/whose") == lab.name
    assert spare.hosts() == []


def test_up_adds_what_is_missing_and_keeps_what_is_there(spare: Lab) -> None:
    [cp1] = spare.up()
    cp1.put("/root/here", "still")
    leader = cp1.leader()

    cp1, w1, w2 = spare.up(workers=2)
    w1.power_cut()
    spare.up(workers=1)

    assert (cp1.leader(), cp1.get("/root/here")) == (leader, "still")
    assert [host.state() for host in spare.hosts()] == ["running"] * 3
    cp1.run("ping", "-c", "1", "-W", "5", w2.name)


def test_down_leaves_the_machine_as_it_was(spare: Lab) -> None:
    before = traces(spare.name)

    cp1, _ = spare.up(workers=1)
    cp1.run("sh", "-c", "nft add table ip mine && ip link add mine type bridge")
    assert traces(spare.name) > before
    spare.down()

    assert traces(spare.name) ^ before == set()
    assert not spare.place.state.exists()
    spare.down()


def test_down_cleans_up_after_an_up_that_was_killed(spare: Lab) -> None:
    before = traces(spare.name)
    moments = random.Random(SEED)
    up = cli("up", spare, "--bare", "--workers", "1")
    started = time.monotonic()
    subprocess.run(up, check=True, capture_output=True)
    length = time.monotonic() - started
    spare.down()

    for _ in range(8):
        moment = moments.uniform(0, length)
        with subprocess.Popen(up, stderr=subprocess.DEVNULL) as running:
            try:
                running.wait(timeout=moment)
            except subprocess.TimeoutExpired:
                running.kill()
        spare.down()

        assert traces(spare.name) ^ before == set(), (
            f"seed {SEED}: after {moment:.3f} s of {length:.3f} s"
        )
        assert not spare.place.state.exists()


def test_hosts_run_on_cgroup_version_2(spare: Lab) -> None:
    """Whatever the machine has: version 2 needs just another mount, which only this test sees."""
    before = traces(spare.name)
    steps = [
        cli("up", spare, "--bare"),
        cli("run", spare, "cp1", "--", "mkdir", "/sys/fs/cgroup/mine"),
        cli("power-cut", spare, "cp1"),
        cli("boot", spare, "cp1"),
        cli("run", spare, "cp1", "--", "stat", "--file-system", "-c", "%T", "/sys/fs/cgroup"),
        cli("run", spare, "cp1", "--", "ls", "/sys/fs/cgroup"),
        cli("down", spare),
    ]
    script = "set -e; mount -t cgroup2 cgroup2 /sys/fs/cgroup\n" + "\n".join(map(shlex.join, steps))

    shown = process.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script])

    assert shown.stdout.startswith("cgroup2fs\n")
    assert "mine" not in shown.stdout
    assert traces(spare.name) ^ before == set()


def test_leftovers_of_an_earlier_boot_of_the_machine_deceive_nobody(spare: Lab) -> None:
    [cp1] = spare.up()
    cp1.power_cut()
    # A machine that goes down leaves pid files, whose numbers others have got by now, and the file
    # that the network namespace was mounted on.
    bystander = subprocess.Popen(["sleep", "1000"])
    HostPlace(spare.place, "cp1").pid.write_text(f"{bystander.pid}\n")
    subprocess.run(["umount", spare.place.network], check=True)

    assert cp1.state() == "off"
    subprocess.run(cli("boot", spare, "cp1"), check=True)
    assert cp1.run("ip", "-brief", "address", "show", "host0").stdout.split()[1] == "UP"
    cp1.power_cut()
    HostPlace(spare.place, "cp1").pid.write_text(f"{bystander.pid}\n")
    spare.down()

    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


@pytest.mark.hosts(1)
def test_a_lab_that_is_being_changed_says_by_whom(lab: Lab, hosts: list[Host]) -> None:
    with lab.place.lock.open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("pid 1: somebody else")
        lock.flush()
        refused = subprocess.run(cli("down", lab), capture_output=True, text=True)
        lock.truncate(0)

    assert refused.returncode == 1
    assert "held by pid 1: somebody else" in refused.stderr
    assert hosts[0].state() == "running"

"""Lab hosts for tests: one live lab per test file, what went wrong kept, nothing left behind."""

import fcntl
import os
import re
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.conftest import Note as Note  # lab tests take it from here
from tests.lab import cluster, machine
from tests.lab.cluster import bundle_folder as bundle_folder  # and this
from tests.lab.lot import IS_SOAK, SEED, within

from kubeception.bundle import packages
from kubeception.errors import KubeceptionError, Locked
from kubeception.lab import Host, Lab
from kubeception.lab.lab import PACKAGES
from kubeception.lab.paths import RUN, STATE

TESTS = Path(__file__).parent
ARTIFACTS = TESTS.parents[1] / "artifacts"
TIMEOUT_S = 300
# What takes too long for every run.
SOAKED = ["test_minor_upgrade.py", "test_overload.py", "test_soak.py"]
# How long a file's tests take where two labs share two cores, in minutes; others take one.
MINUTES = {
    "test_address.py": 6,
    "test_admission.py": 3,
    "test_bad_release.py": 6,
    "test_bootstrap.py": 5,
    "test_broken_worker.py": 3,
    "test_certs.py": 5,
    "test_container.py": 3,
    "test_copied_hosts.py": 2,
    "test_crash_steps.py": 4,
    "test_etcd_space.py": 3,
    "test_fetch.py": 4,
    "test_firewall.py": 14,
    "test_hints.py": 4,
    "test_hosts.py": 1,
    "test_images.py": 2,
    "test_join.py": 8,
    "test_join_crowd.py": 3,
    "test_least_privilege.py": 3,
    "test_losses.py": 7,
    "test_network_manager.py": 2,
    "test_network_word.py": 13,
    "test_new_programs.py": 2,
    "test_node_reboot.py": 4,
    "test_node_run.py": 4,
    "test_own_units.py": 3,
    "test_person_first.py": 5,
    "test_power_cut_moments.py": 4,
    "test_preflight.py": 3,
    "test_reaching_the_disk.py": 2,
    "test_recover.py": 3,
    "test_recovery.py": 10,
    "test_remembering.py": 5,
    "test_renewals.py": 5,
    "test_reset.py": 3,
    "test_reset_mounts.py": 2,
    "test_rolls.py": 3,
    "test_snapshots.py": 5,
    "test_surroundings.py": 3,
    "test_survival.py": 3,
    "test_takeover.py": 1,
    "test_two_networks.py": 5,
    "test_upgrade.py": 14,
}
# What a run can't do without; of the other files there are as many, by lot, as there is time for.
IN_EVERY_RUN = {
    "test_bootstrap.py",
    "test_door.py",
    "test_first_command.py",
    "test_join.py",
    "test_preflight.py",
    "test_recovery.py",
    "test_reset.py",
    "test_takeover.py",
}
# Two labs at a time need half as long.
QUOTA_MIN = 60
FILES = {path.name: MINUTES.get(path.name, 1) for path in sorted(TESTS.glob("test_*.py"))}
DRAWN = within(
    QUOTA_MIN,
    {name: minutes for name, minutes in FILES.items() if name not in SOAKED},
    always=IN_EVERY_RUN,
)
# pytest reads this name; a file that is asked for by its own is collected all the same.
collect_ignore = [] if IS_SOAK else sorted(FILES.keys() - DRAWN)

Report = Generator[None, pytest.TestReport, pytest.TestReport]
_FAILED = pytest.StashKey[bool]()
# A test lab says whose it is: a process, by its id and the moment it started.
_NAME = re.compile(r"t(\d+)-(\d+)-\d+")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-hosts", action="store_true", help="leave the lab hosts running")


def pytest_configure(config: pytest.Config) -> None:
    machine.measure(labs=config.getoption("numprocesses", None) or 1)


def pytest_unconfigure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None):
        remove_leftovers()  # a run that ends early doesn't wait for its processes to clean up


def pytest_report_header() -> list[str]:
    return [
        f"drawn by lot: KUBECEPTION_SEED={SEED}, without {', '.join(collect_ignore) or 'nothing'}",
        f"limits in seconds: times {machine.slowness():.2f}, as {machine.SLOWNESS} says",
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What takes longest begins first, or it would be waited for alone.
    items.sort(key=lambda item: FILES.get(item.path.name, 0), reverse=True)
    for item in items:
        if item.path.is_relative_to(TESTS):
            asked = item.get_closest_marker("timeout")
            limit_s = asked.args[0] if asked else TIMEOUT_S
            item.add_marker(pytest.mark.timeout(machine.scaled(limit_s)), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Report:
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session", autouse=True)
def prepared() -> None:
    """Have the programs that tests look with, and no labs of runs that were killed."""
    with apt():
        packages.ensure({**PACKAGES, "nftables": "nft", "mount": "losetup"})
    remove_leftovers()


@contextmanager
def apt() -> Iterator[None]:
    """Have apt for this process alone: it is for one at a time."""
    with Path("/run/kubeception-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove_leftovers() -> None:
    """Remove the labs of processes that are no more."""
    for folder in {*STATE.glob("t*"), *RUN.glob("t*")}:
        found = _NAME.fullmatch(folder.name)
        if found and _start_time(int(found[1])) != int(found[2]):
            with suppress(Locked):  # another run is at it
                Lab(folder.name).down()


class Names:
    """Names for labs of this run, that no other one has."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self) -> str:
        self._count += 1
        return f"t{os.getpid()}-{_start_time(os.getpid())}-{self._count}"


@pytest.fixture(scope="session")
def new_name() -> Names:
    return Names()


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, new_name: Names, note: Note) -> Iterator[Lab]:
    """The lab of a test file, with as many hosts as its most demanding test needs."""
    marks = [
        mark
        for item in request.session.items
        if item.path == request.path and (mark := item.get_closest_marker("hosts"))
    ]
    bundled = any(mark.kwargs.get("bundle", False) for mark in marks)
    made = Lab(new_name())
    try:
        made.up(
            workers=max(mark.args[0] for mark in marks) - 1,
            bundle=bundle_folder() if bundled else None,
        )
        yield made
    finally:
        if request.config.getoption("--keep-hosts"):
            note(f"kept until the next run: kubeception lab hosts --name {made.name}")
        else:
            made.down()


@pytest.fixture
def hosts(request: pytest.FixtureRequest, lab: Lab) -> Iterator[list[Host]]:
    """As many hosts as the test's `hosts` mark says, all of them on."""
    wanted = request.node.get_closest_marker("hosts").args[0]
    chosen = lab.hosts()[:wanted]
    for host in chosen:
        host.start()
    for host in chosen:
        host.wait_up()
    yield chosen
    if request.node.stash.get(_FAILED, False):
        folder = ARTIFACTS / re.sub(r"[^\w.-]+", "_", request.node.nodeid)
        for host in chosen:
            _collect(host, folder / host.name)


@pytest.fixture
def fresh(hosts: list[Host]) -> Host:
    """A host without a cluster."""
    return cluster.emptied(hosts[0])


@pytest.fixture
def cp1(hosts: list[Host]) -> Host:
    """A host with a cluster, and a keeper that neither mends it nor holds the host's lock."""
    cluster.configure(hosts[0])
    cluster.bootstrap(hosts[0])
    hosts[0].run("kubeception", "keeper", "pause")
    return hosts[0]


def _collect(host: Host, folder: Path) -> None:
    """Keep what a host can tell about a failure."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(host.place.console, folder / "console.log")
    commands = {
        "journal.log": ["journalctl", "--no-pager", "--boot"],
        "kubelet.log": ["journalctl", "--no-pager", "--unit", "kubelet"],
        "units.txt": ["systemctl", "--no-pager", "list-units"],
        "containers.txt": ["sh", "-c", "crictl ps --all"],
        "containers.log": [
            *("sh", "-c"),
            'for c in $(crictl ps --all --quiet); do echo "== $c"; crictl logs $c 2>&1; done',
        ],
    }
    for name, argv in commands.items():
        with suppress(KubeceptionError):  # a host that is off has only its console to show
            done = host.run(*argv, check=False, timeout_s=60)
            (folder / name).write_text(done.stdout + done.stderr)


def _start_time(pid: int) -> int | None:
    """Return when a living process started, in the kernel's ticks, or None."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else int(fields[18])

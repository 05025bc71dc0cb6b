"""What a host's administrator has set for all programs leaves ours alone, or is named."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.lab.cluster import after_the_keeper, bootstrap, emptied, settle, status, until
from tests.lab.found import errors, every

from kubeception.lab import Host

KEEPER = "kubeception-keeper.service"
FOR_ALL = "/etc/systemd/system/service.d/90-own.conf"

# A revision may still be on trial.
WELL_S = 120

pytestmark = pytest.mark.hosts(1, bundle=True)


@contextmanager
def set_for_all_units(host: Host, setting: str) -> Iterator[None]:
    """Have every unit that is started meanwhile go by a setting."""
    host.put(FOR_ALL, f"[Service]\n{setting}\n")
    host.run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        host.run("rm", FOR_ALL)
        host.run("systemctl", "daemon-reload")


def keeper_says(host: Host) -> str:
    """Return what `status` says of the keeper's word."""
    lines = status(host).splitlines()
    return next(line for line in lines if line.startswith("keeper: "))


def test_what_is_set_for_another_python_leaves_ours_alone(cp1: Host) -> None:
    with set_for_all_units(cp1, "Environment=PYTHONHOME=/opt/conda PYTHONUTF8=x"):
        cp1.run("systemctl", "restart", KEEPER)
        assert cp1.run("systemctl", "is-active", KEEPER).stdout == "active\n"
    by_hand = ("env", "PYTHONHOME=/opt/conda", "PYTHONPATH=/srv", "kubeception", "--version")
    assert cp1.run(*by_hand).stdout.startswith("kubeception ")


def test_the_keepers_last_word_is_none_of_now_where_it_does_not_run(cp1: Host) -> None:
    until(lambda: "keeper: stand back: " in keeper_says(cp1), timeout_s=WELL_S)
    cp1.run("systemctl", "stop", KEEPER)
    try:
        told = keeper_says(cp1)
    finally:
        cp1.run("systemctl", "start", KEEPER)

    assert told.startswith("keeper: is inactive; its last word was stand back: paused until ")


def test_a_keeper_says_again_what_was_swept_away(cp1: Host) -> None:
    cp1.run("kubeception", "keeper", "resume")
    until(lambda: "keeper: nothing: all is well" in keeper_says(cp1), timeout_s=WELL_S)
    before = keeper_says(cp1)

    cp1.run("rm", "-rf", "/run/kubeception")

    until(lambda: keeper_says(cp1) == before, timeout_s=WELL_S)


def test_a_runtime_that_is_set_for_ctr_by_hand_is_not_asked_for_ours(cp1: Host) -> None:
    ctr = ("ctr", "--namespace", "k8s.io", "images")
    there = cp1.run(*ctr, "list", "--quiet").stdout.split()
    image = next(name for name in there if "/coredns:" in name)
    cp1.run(*ctr, "remove", "--sync", image)
    by_hand = ("CONTAINERD_ADDRESS", "CONTAINERD_NAMESPACE", "CONTAINERD_SNAPSHOTTER")

    argv = ("env", *(f"{name}=/nowhere" for name in by_hand), "kubeception", "bootstrap")
    done = after_the_keeper(cp1, *argv)

    assert done.code == 0, done.stderr
    assert image in cp1.run(*ctr, "list", "--quiet").stdout.split()


LINKS = ("/etc/cni", "/etc/containerd", "/var/log/pods")


def test_links_that_lead_nowhere_are_named_and_what_is_said_helps(fresh: Host) -> None:
    for link in LINKS:
        fresh.run("sh", "-c", f"rm -rf {link}; ln -s /srv/own{link} {link}")
    try:
        found = every(fresh)
        assert {one["problem"].partition(":")[0] for one in found} >= set(LINKS)
        refused = fresh.run("kubeception", "bootstrap", check=False)
        assert refused.code == 3

        for one in found:
            if one["check"].startswith("DirAvailable-"):
                fresh.run("sh", "-c", one["hint"])
        assert errors(fresh) == set()
        bootstrap(fresh)
        settle(fresh)
    finally:
        emptied(fresh)
        fresh.run("sh", "-c", f"rm -rf /srv/own {' '.join(LINKS)}")


BY_HAND = ("env", "PYTHONPATH=/opt/kubeception/current/lib/python", "python3.11", "-P", "-m")


@pytest.mark.parametrize(
    ("folder", "said"), [("/opt", "msgspec/_core"), ("/usr/local", "from there: kubeception\n")]
)
def test_a_folder_that_runs_no_programs_is_named_with_what_mends_it(
    folder: str, said: str, fresh: Host
) -> None:
    fresh.run("mount", "--bind", folder, folder)
    fresh.run("mount", "-o", "remount,bind,noexec", folder)
    try:
        done = fresh.run(*BY_HAND, "kubeception", "preflight", check=False)
        fresh.run("mount", "-o", "remount,bind,exec", folder)
        assert errors(fresh) == set()
    finally:
        fresh.run("umount", folder)

    assert done.code == 3
    assert "Traceback" not in done.stderr
    told = done.stdout + done.stderr
    assert f"{folder}: is mounted noexec, so that no program runs " in told
    assert said in told
    assert f" mount -o remount,bind,exec {folder}\n" in told

"""Network links, and tables of nftables, by their names."""

import shutil
from pathlib import Path

from kubeception import crash
from kubeception.host.process import run

_LINKS = Path("/sys/class/net")
_IFF_UP = 1


def has_link(name: str) -> bool:
    """Tell whether there is a link of that name."""
    return (_LINKS / name).exists()


def is_up(name: str) -> bool:
    """Tell whether there is a link of that name, and somebody has set it up."""
    flags = _LINKS / name / "flags"
    return flags.exists() and bool(int(flags.read_text(), 16) & _IFF_UP)


def is_in_use(bridge: str) -> bool:
    """Tell whether anything is plugged into a bridge."""
    ports = _LINKS / bridge / "brif"
    return ports.exists() and any(ports.iterdir())


def remove_link(name: str) -> None:
    """Remove a link, and with it its addresses and routes."""
    crash.before("remove link", name)
    run(["ip", "link", "delete", name])


def has_nft() -> bool:
    """Tell whether nftables can be asked: a worker may do without nft."""
    return shutil.which("nft") is not None


def has_table(family: str, name: str) -> bool:
    """Tell whether nftables has a table of that name."""
    return run(["nft", "list", "table", family, name], check=False).code == 0


def has_rules(family: str, table: str, chain: str) -> bool:
    """Tell whether a chain of nftables is there, with a rule in it."""
    listed = run(["nft", "--json", "list", "chain", family, table, chain], check=False)
    return listed.code == 0 and '"rule"' in listed.stdout


def remove_table(family: str, name: str) -> None:
    """Remove a table of nftables; one that is gone already is fine."""
    crash.before("remove table", f"{family} {name}")
    run(["nft", "--file", "-"], stdin=f"table {family} {name}\ndelete table {family} {name}\n")

"""The command line: flags in, a workflow, an exit code out."""

import importlib
import logging
import os
import sys
from collections.abc import Sequence

import click

from kubeception import __version__, report
from kubeception.cli import streams
from kubeception.errors import KubeceptionError
from kubeception.host import refusal

# Of a user who is none, a cron job or a small shell, much of it is missing.
_PATH = (
    *(f"/usr/local/{name}" for name in ("sbin", "bin")),
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
)

log = logging.getLogger(__name__)

# Name → module:attribute. Modules are imported when their command runs, so `--help` stays quick;
# the help line stands here for the same reason.
COMMANDS = {
    "preflight": ("cluster:preflight", "Name every problem that this host has; change nothing"),
    "bootstrap": ("cluster:bootstrap", "Make this host's control plane run inside the cluster"),
    "token": ("token:token", "Let hosts join, once each, and take that back"),
    "join": ("join:join", "Make this host a worker of a cluster"),
    "node": ("node:node", "List the cluster's nodes, remove workers, reboot in batches"),
    "kubeconfig": ("kubeconfig:kubeconfig", "Print a kubeconfig that works anywhere, for a while"),
    "status": ("status:status", "Say what holds of this control plane, and what doesn't"),
    "certs": ("certs:certs", "Check the certificates of this host, and renew them"),
    "keeper": ("keeper:keeper", "Bring the control plane back when it cannot help itself"),
    "recover": ("cluster:recover", "Bring the control plane back by hand, and say what it used"),
    "etcd": ("etcd:etcd", "Take snapshots of etcd, list and restore them"),
    "backup": ("backup:backup", "Seal all that gives this cluster back to a public key"),
    "restore": ("backup:restore", "Give the cluster of a backup back, on a fresh host too"),
    "upgrade": ("upgrade:upgrade", "Say what an upgrade would change, or how far one is"),
    "reset": ("reset:reset", "Remove what kubeception made of this host, and nothing else"),
    "bundle": ("bundle:bundle", "Build, check and import binaries and images"),
    "lab": ("lab:lab", "Real systemd hosts on this machine, for trying and testing"),
    "serve": ("serve:serve", "Answer joining hosts (runs inside the cluster)"),
    "controller": (
        "controller:controller",
        "Approve kubelets' certificates (runs inside the cluster)",
    ),
}


class _Lazy(click.Group):
    """A group whose commands are imported only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what the machine refuses it is told like any expected failure.

        None of our own libraries is needed to say that they can't be loaded.

        Here, as click would end the process without a word where any pipe at all breaks.
        """
        try:
            return super().invoke(ctx)
        except ImportError as error:
            log.debug("this was not loaded:", exc_info=True)
            if (unloaded := refusal.to_load(error)) is None:
                raise
            raise unloaded from error
        except RuntimeError as error:
            log.debug("this was not started:", exc_info=True)
            if (unstarted := refusal.to_start(error)) is None:
                raise
            raise unstarted from error
        except OSError as error:
            log.debug("this was refused:", exc_info=True)
            if (expected := refusal.told(error)) is None:
                raise
            raise expected from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="kubeception %(version)s")
def root() -> None:
    """Kubernetes whose control plane runs inside the cluster it controls.

    \b
    On a host, as root:
      kubeception bundle import
      kubeception bootstrap --config distros/debian.toml
      kubeception status

    Log lines go to standard error; KUBECEPTION_LOG=debug shows more.
    """
    report.configure()


def _complete_path() -> None:
    """Find the programs of the system, and our own, whatever PATH this was started with."""
    given = os.environ.get("PATH", "").split(os.pathsep)
    missing = [folder for folder in _PATH if folder not in given]
    os.environ["PATH"] = os.pathsep.join([folder for folder in given if folder] + missing)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code.

    0 success · 1 failure · 2 usage or configuration · 3 preflight · 4 time ran out ·
    5 join refused · 10 a dry run found changes · 70 a bug · 130 interrupted ·
    141 nobody reads the output.
    """
    streams.prepare()
    _complete_path()
    try:
        code = root.main(
            args=None if argv is None else list(argv),
            prog_name="kubeception",
            standalone_mode=False,
        )
    except KubeceptionError as error:
        for line in error.lines():
            click.echo(line, err=True)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except streams.OutputLost as lost:
        if not lost.is_unread:
            click.echo(f"error: {lost}", err=True)
        code = streams.NOBODY_READS if lost.is_unread else 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("error: interrupted; running the same command again goes on from here", err=True)
        code = 130
    except Exception:  # noqa: BLE001 - a bug: keep its traceback and say so by the exit code
        sys.excepthook(*sys.exc_info())
        code = 70
    sys.exit(code or 0)

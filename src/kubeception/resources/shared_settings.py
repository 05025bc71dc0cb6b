"""The settings that all hosts of the cluster go by."""

import logging
from dataclasses import dataclass, field

from kubeception.config.cluster import ClusterSettings, differences
from kubeception.errors import ApiError, KubeceptionError
from kubeception.kube.client import CHANGED_MEANWHILE
from kubeception.render import cluster_settings
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session

log = logging.getLogger("kubeception.k8s")


@dataclass(frozen=True)
class SharedSettings:
    """The cluster is wanted to go by these settings; `before` is what it was last seen to go by.

    They are written only over those, so that of two who change them at once one is refused.
    """

    wanted: ClusterSettings = field(repr=False)
    before: ClusterSettings | None = field(repr=False)

    def __str__(self) -> str:
        return f"ConfigMap {NAMESPACE}/{cluster_settings.NAME}"

    def drift(self, session: Session) -> str | None:
        """Say every setting that differs."""
        found = session.api.get("ConfigMap", cluster_settings.NAME, namespace=NAMESPACE)
        if found is None:
            return "missing"
        try:
            there = cluster_settings.of(found)
        except ValueError:  # a person is asked; by itself nothing is written over what is unknown
            return None
        return "; ".join(differences(there, self.wanted)) or None

    def apply(self, session: Session) -> None:
        """Say what becomes another one, and write them.

        Raises:
            KubeceptionError: somebody else has changed them meanwhile.
        """
        wanted = cluster_settings.config_map(self.wanted)
        found = session.api.get("ConfigMap", cluster_settings.NAME, namespace=NAMESPACE)
        try:
            if found is None:
                session.api.create(wanted)
            elif (there := cluster_settings.of(found)) != self.before:
                raise ApiError(409, "Conflict", "it is another one by now")
            else:
                for line in differences(there, self.wanted):
                    log.warning("the cluster's %s", line)
                session.api.set_fields(found, {"/data": wanted["data"]})
        except ApiError as error:
            if error.status not in CHANGED_MEANWHILE:
                raise
            problem = f"{self}: somebody else has just changed it"
            raise KubeceptionError(problem, hint="run it again, to see what it says now") from error
        session.shared = None  # what was read before is no longer so

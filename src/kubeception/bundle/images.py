"""The recipe of every image."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubeception import __version__
from kubeception.bundle import golang, oci, store
from kubeception.bundle.oci import Member
from kubeception.bundle.store import Product, Recipe, StoreEntry
from kubeception.host import files
from kubeception.layout import IMAGE_COMMAND, IMAGE_ENVIRONMENT
from kubeception.versions import IMAGE_PREFIX

# Ours by their content: the tag of an edited image must differ, or no pod would ever roll.
_BY_CONTENT = 12


@dataclass(frozen=True)
class PackedImage:
    """What an image consists of."""

    component: str
    tag: str
    layers: tuple[Product, ...]
    entrypoint: tuple[str, ...]
    # A Go program, as a last layer of its own in /usr/local/bin.
    program: Product | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name that pods call it by."""
        return f"{IMAGE_PREFIX}/{self.component}:{self.tag}"

    def recipe(self) -> Recipe:
        """Return how `<component>.tar` is made."""
        key = store.key(
            self.name,
            [layer.sha256 for layer in self.layers],
            self.entrypoint,
            self.program and (self.program.path.name, self.program.sha256),
            self.environment,
            files.digest(Path(oci.__file__)),
        )
        return Recipe(f"image-{self.component}", key, self._write)

    def _write(self, folder: Path) -> None:
        layers = list(self.layers)
        last = folder / "program.tar"
        if self.program:
            name = f"usr/local/bin/{self.program.path.name}"
            oci.write_layer(last, [Member(name, self.program.path, mode=0o755)])
            layers.append(Product(last, last.stat().st_size, files.digest(last)))
        oci.write_archive(
            folder / f"{self.component}.tar",
            self.name,
            layers,
            entrypoint=self.entrypoint,
            architecture=golang.architecture(),
            environment=self.environment,
        )
        files.remove(last)


def images(made: Mapping[str, StoreEntry], versions: Mapping[str, str]) -> list[PackedImage]:
    """Return every image, of what has been compiled and packed."""
    debian, kubernetes = made["debian"], made["kubernetes"]
    base, certificates = debian["base.tar"], debian["certificates.tar"]
    v = f"v{versions['kubernetes']}"

    def runs(program: Product, tag: str, *layers: Product, called: str = "") -> PackedImage:
        name = program.path.name
        return PackedImage(called or name, tag, layers, (f"/usr/local/bin/{name}",), program)

    return [
        # They may talk to an identity provider or a DNS server with a public certificate.
        runs(kubernetes["kube-apiserver"], v, certificates),
        runs(made["coredns"]["coredns"], f"v{versions['coredns']}", certificates),
        runs(kubernetes["kube-controller-manager"], v),
        runs(kubernetes["kube-scheduler"], v),
        # They call nft and iptables.
        runs(kubernetes["kube-proxy"], v, base),
        runs(made["flannel"]["flanneld"], f"v{versions['flannel']}", base, called="flannel"),
        PackedImage("pause", versions["pause"], (debian["pause.tar"],), ("/pause", "-P")),
        _ourselves(
            base, made["dependencies"]["dependencies.tar"], made["kubeception"]["kubeception.tar"]
        ),
    ]


def _ourselves(*layers: Product) -> PackedImage:
    content = store.key([layer.sha256 for layer in layers])[:_BY_CONTENT]
    return PackedImage(
        "kubeception",
        f"{__version__}-{content}",
        layers,
        IMAGE_COMMAND,
        environment=IMAGE_ENVIRONMENT,
    )

"""The reference of the configuration in Markdown, made of the model's own words."""

import json
from collections.abc import Iterator

from msgspec import NODEFAULT, inspect

from kubeception.config import schema

INTRODUCTION = """\
# Configuration

kubeception reads one TOML file:
the one that `--config` names, else `/etc/kubeception/config.toml`.
Every key has a default, so the smallest file is empty.
All problems of a file are shown at once, each with file, line and key, with exit code 2.
Editors complete and check a file whose first line is `#:schema` and the path or address of
[config.schema.json](config.schema.json).
Profiles to start from lie in [distros](../distros).

```toml
version = 1

[net]
cluster_cidr = "10.2.0.0/16"
service_cluster_ip_range = "10.3.0.0/24"

[node]
name = "cp1"
address = "192.0.2.10"

[apiserver]
extra_sans = ["api.example.org"]
extra_args = { event-ttl = "2h", audit-policy-file = "/etc/kubernetes/audit-policy.yaml" }
```

A file that a flag of a pod names is mounted by itself, read-only, and the folder of one that it
writes (`audit-log-path`), writable: a path is the same in the pod and on the host.
Every control-plane host needs the file; one that is missing is an error of preflight.
Who edits it runs `bootstrap` there, which rolls it out.
What such a file names in turn goes into `extra_mounts`, and so does the folder of one
that a program itself reads again when it changes: a pod that mounts a file by itself
goes on with the one that was there when it started.
Flags that kubeception alone sets are refused, each with why.
kube-proxy takes flags or its settings file: with `extra_args` it has flags alone.
A kube-scheduler that is given a `config` reads its kubeconfig's path from there.
"""


def markdown() -> str:
    """Return the reference: a table of keys for each table of the file."""
    shape = schema.model()
    sections = [field for field in shape.fields if isinstance(field.type, inspect.StructType)]
    top = [field for field in shape.fields if field not in sections]
    parts = [INTRODUCTION, "## Top level\n", *_rows(top)]
    for section in sections:
        assert isinstance(section.type, inspect.StructType)  # noqa: S101 - chosen for it above
        parts += [f"\n## [{section.encode_name}]\n", f"{section.type.cls.__doc__}\n"]
        parts += _rows(section.type.fields)
    return "\n".join(parts) + "\n"


def _rows(fields: list[inspect.Field] | tuple[inspect.Field, ...]) -> Iterator[str]:
    yield "| Key | Takes | Default | Meaning |"
    yield "| --- | --- | --- | --- |"
    for field in fields:
        assert isinstance(field.type, inspect.Metadata)  # noqa: S101 - every key has a description
        about = (field.type.extra_json_schema or {})["description"]
        takes = schema.phrase(field.type)
        yield f"| `{field.encode_name}` | {takes} | {_default(field)} | {about} |"


def _default(field: inspect.Field) -> str:
    if field.default is not NODEFAULT:
        return f"`{json.dumps(field.default)}`"
    return "`{}`" if field.default_factory is not NODEFAULT else ""

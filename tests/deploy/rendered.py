"""The overlays as a cluster gets them: rendered by kustomize, read, and looked into."""

import functools
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from services.cli.settings import SERVICES

ROOT = Path(__file__).parents[2]
OVERLAYS = sorted(path.name for path in (ROOT / "k8s" / "overlays").iterdir())
COMPONENT, NAME = "app.kubernetes.io/component", "app.kubernetes.io/name"
JOBS = ("topics", "migrate")
Manifest = dict[str, Any]

__all__ = ["COMPONENT", "JOBS", "NAME", "OVERLAYS", "ROOT", "SERVICES", "Manifest"]


@functools.cache
def rendered(overlay: str) -> tuple[Manifest, ...]:
    """Everything in an overlay."""
    kubectl = Path(sys.executable).with_name("kubectl")
    command = [str(kubectl), "kustomize", str(ROOT / "k8s" / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(overlay: str, *kinds: str) -> Iterator[Manifest]:
    """The objects of these kinds."""
    return (found for found in rendered(overlay) if found["kind"] in kinds)


def named(overlay: str, kind: str, name: str) -> Manifest:
    """One object."""
    return next(m for m in of_kind(overlay, kind) if m["metadata"]["name"] == name)


def ours(overlay: str) -> dict[str, Manifest]:
    """Deployments and jobs that run our image, by what they run."""
    found = of_kind(overlay, "Deployment", "Job")
    return {m["spec"]["template"]["metadata"]["labels"][COMPONENT]: m for m in found}


def pod(workload: Manifest) -> Manifest:
    """The pod that a Deployment, Job or StatefulSet makes."""
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Manifest) -> Manifest:
    """Its only container."""
    (only,) = pod(workload)["containers"]
    found: Manifest = only
    return found


def environment(overlay: str, workload: Manifest) -> dict[str, str | Manifest]:
    """Variables of its container: texts, and references to Secrets as they are."""
    only = container(workload)
    found: dict[str, str | Manifest] = {}
    for source in only.get("envFrom", ()):
        found |= named(overlay, "ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in only.get("env", ()):
        found[variable["name"]] = variable.get("value") or variable["valueFrom"]["secretKeyRef"]
    return found


SECRETS: Mapping[tuple[str, str], str] = {
    ("hookstream-keys", "seal-keys"): "00112233445566778899aabbccddeeff" * 2,
    ("hookstream-keys", "operator-key"): "operator-key-0123456789abcdef",
    ("hookstream-postgres", "dsn"): "postgresql://hookstream:secret@postgres:5432/hookstream",
    **{(f"hookstream-{name}", "password"): "secret" for name in (*SERVICES, "topics")},
    **{(f"hookstream-{name}", "username"): "somebody" for name in (*SERVICES, "topics")},
}
"""What docs/operations.md says to put into Secrets, and what Strimzi puts there."""


def filled(overlay: str, workload: Manifest) -> dict[str, str]:
    """Its variables, those from Secrets filled in. KeyError for a Secret that nobody makes."""
    return {
        name: value if isinstance(value, str) else SECRETS[value["name"], value["key"]]
        for name, value in environment(overlay, workload).items()
    }

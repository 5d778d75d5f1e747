"""What is applied is what Kubernetes, Strimzi and KEDA take: no kind, field or value beside."""

import json
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest

from tests.deploy.rendered import OVERLAYS, Manifest, rendered

VERSIONS = ("1.31", "1.37")
OWN = ("v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1")
"""Of Kubernetes itself."""
FOLDER = Path(__file__).parent / "crds"
RESOURCES = {
    "Kafka": "kafka.strimzi.io/v1",
    "KafkaNodePool": "kafka.strimzi.io/v1",
    "KafkaTopic": "kafka.strimzi.io/v1",
    "KafkaUser": "kafka.strimzi.io/v1",
    "ScaledObject": "keda.sh/v1alpha1",
    "TriggerAuthentication": "keda.sh/v1alpha1",
}
"""Kinds of others; their schemas hold the fields that we use, and allow no more."""


def check(manifest: Manifest) -> None:
    """Raises if any of those who read it would refuse it."""
    api, kind = manifest["apiVersion"], manifest["kind"]
    if api in OWN:
        for version in VERSIONS:
            kubernetes_validate.validate(manifest, version, strict=True)
    else:
        assert RESOURCES.get(kind) == api, f"nobody is known to take {kind} of {api}"
        schema = json.loads((FOLDER / f"{kind}.json").read_text("utf-8"))
        jsonschema.Draft202012Validator(schema).validate(manifest)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid_strictly(overlay: str) -> None:
    for manifest in rendered(overlay):
        check(manifest)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_has_a_name_of_its_own_in_our_namespace(overlay: str) -> None:
    found = [(m["kind"], m["metadata"]["name"]) for m in rendered(overlay)]
    assert len(set(found)) == len(found)
    spaces = {m["metadata"].get("namespace") for m in rendered(overlay) if m["kind"] != "Namespace"}
    assert spaces == {"hookstream"}


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize(
    "spoilt",
    [
        {"kind": "Deploymint"},
        {"apiVersion": "apps/v1beta1"},
        {"spoilt": True},
        {"kind": "KafkaTopic", "apiVersion": "kafka.strimzi.io/v1beta2"},
    ],
    ids=str,
)
def test_a_wrong_kind_version_or_field_is_refused(overlay: str, spoilt: Manifest) -> None:
    deployment = next(m for m in rendered(overlay) if m["kind"] == "Deployment")
    with pytest.raises(
        (
            AssertionError,
            jsonschema.ValidationError,
            kubernetes_validate.SchemaNotFoundError,
        )
    ):
        check({**deployment, **spoilt})


@pytest.mark.parametrize("kind", sorted(RESOURCES))
def test_a_schema_of_others_refuses_what_it_does_not_know(kind: str) -> None:
    found = [m for overlay in OVERLAYS for m in rendered(overlay) if m["kind"] == kind]
    assert found, "no longer used: take its schema away"
    with pytest.raises(jsonschema.ValidationError):
        check({**found[0], "spec": {**found[0]["spec"], "replicaz": 3}})
    with pytest.raises(jsonschema.ValidationError):
        check({**found[0], "spec": {}})

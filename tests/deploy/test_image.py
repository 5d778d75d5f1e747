"""The image: two stages, locked with hashes, nobody's root, and nothing in it to build with."""

import json
import re
import shlex
import tomllib
from typing import Any, NamedTuple

import pytest

from services.cli.settings import SERVICES
from tests.deploy.rendered import OVERLAYS, ROOT, container, ours, pod

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMMANDS = {"FROM", "LABEL", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "ENTRYPOINT", "CMD"}
BUILDS = re.compile(r"\b(gcc|g\+\+|make|apt-get|apt|curl|wget|git|build-essential)\b|pip install")


class Step(NamedTuple):
    """One instruction."""

    command: str
    words: str


def stages() -> list[list[Step]]:
    """The Dockerfile, cut at each FROM."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.M))
    steps = [Step(*line.split(" ", 1)) for line in joined.splitlines() if line.strip()]
    assert {step.command for step in steps} <= COMMANDS
    starts = [i for i, step in enumerate(steps) if step.command == "FROM"]
    return [steps[a:b] for a, b in zip(starts, [*starts[1:], len(steps)], strict=True)]


def words(stage: list[Step], command: str) -> list[str]:
    return [step.words for step in stage if step.command == command]


def locked(name: str) -> dict[str, frozenset[str]]:
    """package==version -> its hashes."""
    text = (ROOT / name).read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if re.match(r"[a-z]", line)]
    return {
        line.split()[0]: frozenset(re.findall(r"--hash=(sha256:[0-9a-f]{64})\b", line))
        for line in lines
    }


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;! ]", requirement)[0] for requirement in requirements}


def test_what_builds_stays_in_the_first_stage() -> None:
    first, last = stages()
    assert BUILDS.search(" ".join(words(first, "RUN")))
    assert not BUILDS.search(" ".join(words(last, "RUN")))
    assert "pip uninstall --yes pip setuptools" in " ".join(words(last, "RUN"))
    assert words(last, "COPY") == ["--from=build /opt/hookstream /opt/hookstream"]


def test_both_stages_begin_with_the_same_pinned_small_image() -> None:
    images = [words(stage, "FROM")[0].split()[0] for stage in stages()]
    assert len(set(images)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", images[0])


def test_it_is_run_by_nobody_with_rights() -> None:
    _, last = stages()
    (user,) = words(last, "USER")
    uid, gid = map(int, user.split(":"))
    assert [step.command for step in last if step.command in ("USER", "RUN")][-1] == "USER"
    for overlay in OVERLAYS:
        for workload in ours(overlay).values():
            secured = pod(workload)["securityContext"]
            assert (secured["runAsUser"], secured["runAsGroup"]) == (uid, gid) > (0, 0)


def test_every_installation_is_by_hash_or_from_what_was_built() -> None:
    runs = " && ".join(step for stage in stages() for step in words(stage, "RUN"))
    installs = [shlex.split(run) for run in runs.split("&&") if "pip install" in run]
    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes" in install or {"--no-index", "--no-deps"} <= set(install)


@pytest.mark.parametrize("name", ["requirements-image.txt", "requirements-build.txt"])
def test_what_is_in_the_image_is_part_of_what_is_tested(name: str) -> None:
    """The same versions, and no hash that the tests' environment would not take."""
    everything = locked("requirements.txt")
    for package, hashes in locked(name).items():
        assert package in everything, f"{package}: run `make lock`"
        assert hashes
        assert hashes <= everything[package]


def test_the_image_has_what_services_need_and_nothing_of_the_tests() -> None:
    inside = _names(list(locked("requirements-image.txt")))
    assert _names(PROJECT["dependencies"]) <= inside
    more = PROJECT["optional-dependencies"]
    assert inside & _names([*more["embedded"], *more["dev"]]) == set()


def test_what_is_copied_is_let_through_and_nothing_else_is() -> None:
    first, _ = stages()
    copied = {word for step in words(first, "COPY") for word in step.split()[:-1]}
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_it_starts_our_command_with_the_arguments_of_the_manifests() -> None:
    _, last = stages()
    (entry,) = words(last, "ENTRYPOINT")
    assert json.loads(entry)[0] in PROJECT["scripts"]
    for overlay in OVERLAYS:
        for service in SERVICES:
            assert "command" not in container(ours(overlay)[service])


def test_version_and_ports_are_those_of_everything_else() -> None:
    _, last = stages()
    (label,) = words(last, "LABEL")
    assert f'version="{PROJECT["version"]}"' in label
    exposed = set(map(int, words(last, "EXPOSE")[0].split()))
    for overlay in OVERLAYS:
        found = [container(ours(overlay)[service]) for service in SERVICES]
        assert {port["containerPort"] for c in found for port in c["ports"]} == exposed
        assert {c["image"].rpartition(":")[2] for c in found} == {PROJECT["version"]}

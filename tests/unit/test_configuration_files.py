"""Configuration as files: reading them, and what has to change."""

from pathlib import Path
from typing import Any

import pytest
from click import ClickException

from services.cli.differences import lines, same, steps
from services.cli.wanted import KINDS, Things, read


def things(**kinds: dict[str, dict[str, Any]]) -> Things:
    return {kind: kinds.get(kind, {}) for kind in KINDS}


def written(folder: Path, text: str) -> Path:
    path = folder / "hooks.yaml"
    path.write_text(text)
    return path


def test_several_documents_and_folders_make_one_configuration(tmp_path: Path) -> None:
    written(tmp_path, "webhooks: [{name: a, url: x}]\n---\nevent_types: [{name: t}]\n")
    (tmp_path / "more.json").write_text('{"webhooks": [{"name": "b"}]}')
    (tmp_path / "README.md").write_text("not read")
    found = read([str(tmp_path)])
    assert (list(found["webhooks"]), list(found["event_types"])) == (["a", "b"], ["t"])


def test_a_whole_value_may_come_from_the_environment(tmp_path: Path) -> None:
    path = written(tmp_path, "webhooks: [{name: a, secret: '${TOKEN}', url: 'x${TOKEN}'}]")
    found = read([str(path)], {"TOKEN": "s3cret"})
    assert found["webhooks"]["a"] == {"name": "a", "secret": "s3cret", "url": "x${TOKEN}"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("webhook: []", "'webhook' is none of event_types, policies, integrations, webhooks"),
        ("webhooks: {a: 1}", "webhooks is a list of things, each with a name"),
        ("webhooks: [{url: x}]", "webhooks[0] has no name"),
        ("webhooks: [{name: a}, {name: a}]", "webhooks[1]: a stands in these files twice"),
        ("- 1", "not a mapping"),
        ("a: [", "is not YAML"),
        ("webhooks: [{name: a, secret: '${NONE}'}]", "the variable NONE is not set"),
    ],
)
def test_a_file_that_makes_no_sense_says_where(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ClickException) as refused:
        read([str(written(tmp_path, text))], {})
    assert words in refused.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClickException) as refused:
        read([str(tmp_path / "none.yaml")])
    assert "none.yaml" in refused.value.message


@pytest.mark.parametrize(
    ("wanted", "shown", "equal"),
    [
        ({"kind": "list"}, {"kind": "list", "jitter": 0.0}, True),
        ({"kind": "list"}, {"kind": "fixed", "jitter": 0.0}, False),
        ([200], [{"first": 200, "last": 200}], True),
        ([200], [{"first": 200, "last": 299}], False),
        ([1, 2], [1], False),
        (5, 5.0, True),
        (None, None, True),
        (
            {"key": "k", "value": "x", "private": True},
            {"key": "k", "value": None, "private": True},
            True,
        ),
        ({"key": "k", "value": "x", "private": False}, {"key": "k", "value": "y"}, False),
    ],
)
def test_what_is_shown_may_say_more_than_what_is_wanted(
    wanted: Any, shown: Any, equal: bool
) -> None:
    assert same(wanted, shown) is equal


def test_things_are_made_before_what_names_them_and_deleted_after() -> None:
    wanted = things(webhooks={"w": {"name": "w", "policy": "p"}}, policies={"p": {"name": "p"}})
    there = things(webhooks={"x": {"name": "x"}}, policies={"q": {"name": "q"}})
    found = [(step.action, step.name) for step in steps(wanted, there, prune=True)]
    assert found == [("create", "p"), ("create", "w"), ("delete", "x"), ("delete", "q")]
    assert [s.name for s in steps(wanted, there, prune=False)] == ["p", "w"]


def test_what_is_as_wanted_takes_no_step_and_a_difference_is_told_field_by_field() -> None:
    there = things(webhooks={"w": {"name": "w", "url": "a", "events": ["*"], "state": "active"}})
    assert steps(things(webhooks={"w": {"name": "w", "url": "a"}}), there, prune=False) == []
    (step,) = steps(things(webhooks={"w": {"name": "w", "url": "b"}}), there, prune=False)
    assert lines(step) == ["~ webhooks/w", "    url: 'a' → 'b'"]


def test_secrets_are_not_in_what_is_shown() -> None:
    header = {"key": "authorization", "value": "planted", "private": True}
    wanted = things(webhooks={"w": {"name": "w", "secret": "planted", "headers": [header]}})
    (step,) = steps(wanted, things(), prune=False)
    assert "planted" not in "\n".join(lines(step))

"""The small commands, on a real Kafka."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import EVENTS
from services.cli.main import COMMANDS, main
from services.cli.settings import SERVICES, known
from services.cli.topics import DIFFERS, apply_topics
from tests.fixtures.kafka import delete_topics, produce, read_all

Call = Callable[..., Result]


@pytest.fixture
def call(kafka: KafkaSettings) -> Call:
    """Calls `hookstream` with the test's topics."""
    env = {
        "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "HOOKSTREAM_KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
        "HOOKSTREAM_KAFKA_GROUP_PREFIX": kafka.group_prefix,
    }
    return lambda *words, **more: CliRunner().invoke(main, words, env=env | more)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output


def test_the_overview_names_every_command_and_service() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert [name for name in (*COMMANDS, *SERVICES) if name not in result.output] == []


def test_all_settings_have_names_of_their_own() -> None:
    sections = {group.section for group in known()}  # type: ignore[attr-defined]
    assert {"kafka", "postgres", "up", "ingest", "deliverer", "status", "console"} <= sections


def test_topics_apply_may_be_repeated_and_tells_what_differs(
    call: Call, kafka: KafkaSettings
) -> None:
    """By its exit status too; whatever differs stays as it is, and so do the records."""
    (sent,) = produce(kafka, EVENTS, (b"key", b"kept"))
    again = call("topics", "apply", "--partitions", "4", "--replicas", "1")
    assert again.exit_code == 0, again.output
    assert "differs" not in again.output
    for partitions in ("2", "8"):
        other = call("topics", "apply", "--partitions", partitions, "--replicas", "3")
        assert other.exit_code == DIFFERS
        assert f"events: 4 partitions, wanted {partitions}" in other.output
        assert "events: 1 copies, wanted 3" in other.output
        assert "events: min.insync.replicas=1, wanted 2" in other.output
    assert [(r.offset, r.raw) for r in read_all(kafka, EVENTS)] == [(sent, b"kept")]


def test_topics_apply_says_in_words_that_there_is_no_kafka(call: Call) -> None:
    away = call("topics", "apply", HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert away.exit_code == 1
    assert "Kafka did not do it" in away.output


def test_topics_are_made_noted_and_announced_where_there_are_none(kafka: KafkaSettings) -> None:
    fresh = kafka.model_copy(update={"topic_prefix": f"{kafka.topic_prefix}fresh."})
    assert apply_topics(fresh, 2, 1) == []
    delete_topics(fresh)


def test_offsets_shows_no_group_before_the_first_start(call: Call) -> None:
    result = call("offsets")
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) == 1
    wrong = call("offsets", "--group", "router", "--topic", "events", "--to", "end")
    assert wrong.exit_code == 2
    assert "no group router" in wrong.output


def test_a_mistyped_setting_is_named(call: Call) -> None:
    result = call("offsets", HOOKSTREAM_KAFKA_BOTSTRAP_SERVERS="x")
    assert result.exit_code == 2
    assert "did you mean HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS?" in result.output

"""The jars of Kafka: only with the bytes that we listed."""

from pathlib import Path

import pytest

from hookstream.embedded.child import EmbeddedError
from hookstream.embedded.jars import Jar, is_whole, jars, read_list


def test_the_list_is_one_kafka_with_all_it_needs() -> None:
    listed = read_list()
    kafka = [jar for jar in listed if jar.group == "org.apache.kafka"]
    assert {jar.version for jar in kafka} == {"4.3.1"}
    assert {"kafka_2.13", "kafka-clients"} < {jar.artifact for jar in kafka}
    assert all(len(jar.sha256) == 64 for jar in listed)
    assert len({(jar.group, jar.artifact) for jar in listed}) == len(listed)


def test_a_corrupt_jar_is_fetched_again_or_refused_but_never_used(tmp_path: Path) -> None:
    jar = next(jar for jar in read_list() if jar.artifact == "slf4j-api")
    (tmp_path / jar.file_name).write_bytes(b"half of a jar")
    try:
        paths = jars(tmp_path, [jar])
    except EmbeddedError:
        return  # without a network there is nothing else to do
    assert [is_whole(path, jar.sha256) for path in paths] == [True]
    assert [path.name for path in tmp_path.iterdir()] == [jar.file_name]


def test_bytes_that_are_not_the_listed_ones_never_reach_the_cache(tmp_path: Path) -> None:
    jar = Jar("org.slf4j", "slf4j-api", "1.7.36", "0" * 64)
    with pytest.raises(EmbeddedError, match=r"org\.slf4j:slf4j-api:1\.7\.36"):
        jars(tmp_path, [jar])
    assert list(tmp_path.iterdir()) == []

"""Settings: wrong ones are refused with the variable's name, and secrets are never shown."""

from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from hookstream.process.settings import Environment, SettingsError, variables


class Broker(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    section: ClassVar[str] = "kafka"

    bootstrap_servers: str = Field(description="host:port of some brokers, separated by commas")
    session_s: float = Field(10, ge=6, le=60)
    retries: int | None = None
    verify: bool = True


class Egress(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    section: ClassVar[str] = "egress"

    allow: tuple[str, ...] = ()
    hosts: dict[str, str] = {}
    first_s: float = 1
    last_s: float = 2

    @model_validator(mode="after")
    def _in_order(self) -> "Egress":
        if self.first_s > self.last_s:
            raise ValueError("first_s is after last_s")
        return self


class Vault(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    section: ClassVar[str] = "vault"

    key: SecretStr = Field(min_length=16)
    keys: tuple[SecretStr, ...] = ()

    @field_validator("key")
    @classmethod
    def _not_a_word(cls, key: SecretStr) -> SecretStr:
        if key.get_secret_value().isalpha():
            raise ValueError(f"{key.get_secret_value()} is a word")
        return key


KNOWN: list[type[BaseModel]] = [Broker, Egress, Vault]


def environment(**values: str) -> Environment:
    return Environment({f"HOOKSTREAM_{name}": value for name, value in values.items()}, KNOWN)


def test_values_are_read_by_type_and_defaults_kept() -> None:
    env = environment(
        KAFKA_BOOTSTRAP_SERVERS="a:1,b:2",
        KAFKA_RETRIES="3",
        KAFKA_VERIFY="false",
        EGRESS_ALLOW="10.0.0.0/8, 127.0.0.0/8",
        EGRESS_HOSTS='{"a": "b"}',
        VAULT_KEY="0123456789abcdef",
        VAULT_KEYS="one,two",
    )
    broker, egress, vault = env.read(Broker), env.read(Egress), env.read(Vault)
    assert broker == Broker(bootstrap_servers="a:1,b:2", retries=3, verify=False)
    assert egress.allow == ("10.0.0.0/8", "127.0.0.0/8")
    assert egress.hosts == {"a": "b"}
    assert vault.key.get_secret_value() == "0123456789abcdef"
    assert [key.get_secret_value() for key in vault.keys] == ["one", "two"]


@pytest.mark.parametrize(
    ("group", "values", "said"),
    [
        (Broker, {}, "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS: is required (host:port of some brokers"),
        (
            Broker,
            {"KAFKA_BOOTSTRAP_SERVERS": ""},
            "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS: is required",
        ),
        (Broker, {"KAFKA_SESSION_S": "2"}, "HOOKSTREAM_KAFKA_SESSION_S: Input should be greater"),
        (
            Broker,
            {"KAFKA_RETRIES": "x"},
            "HOOKSTREAM_KAFKA_RETRIES: Input should be a valid integer",
        ),
        (Egress, {"EGRESS_HOSTS": "nonsense"}, "HOOKSTREAM_EGRESS_HOSTS: "),
        (Egress, {"EGRESS_FIRST_S": "9"}, "HOOKSTREAM_EGRESS_*: Value error, first_s is after"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable(
    group: type[BaseModel], values: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        environment(**values).read(group)
    assert any(problem.startswith(said) for problem in caught.value.problems)


@pytest.mark.parametrize("secret", ["short", "anEasilyGuessedWord"])
def test_a_wrong_secret_is_never_shown(secret: str) -> None:
    with pytest.raises(SettingsError, match="HOOKSTREAM_VAULT_KEY: ") as caught:
        environment(VAULT_KEY=secret).read(Vault)
    assert secret not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_name_that_no_group_has_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(SettingsError) as caught:
        environment(KAFKA_BOOTSTRAP_SERVER="a:1", VALUT_KEY="x")
    assert caught.value.problems == (
        "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVER: there is no such setting;"
        " did you mean HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS?",
        "HOOKSTREAM_VALUT_KEY: there is no such setting; did you mean HOOKSTREAM_VAULT_KEY?",
    )


def test_what_kubernetes_adds_for_a_service_is_not_a_mistake() -> None:
    environment(
        INGEST_SERVICE_HOST="10.0.0.1",
        INGEST_SERVICE_PORT="80",
        INGEST_SERVICE_PORT_HTTP="80",
        INGEST_PORT="tcp://10.0.0.1:80",
        INGEST_PORT_80_TCP="tcp://10.0.0.1:80",
        INGEST_PORT_80_TCP_ADDR="10.0.0.1",
    )


def test_other_variables_are_nobodys_business() -> None:
    assert Environment({"PATH": "/bin", "KAFKA_HOME": "/x"}, KNOWN).read(Egress) == Egress()


def test_the_key_that_commands_use_is_no_setting_and_no_mistake() -> None:
    assert Environment({"HOOKSTREAM_KEY": "hk_1"}, [Egress]).read(Egress).first_s == 1


def test_the_variables_of_a_group_can_be_listed() -> None:
    assert variables(Vault) == {"HOOKSTREAM_VAULT_KEY": "key", "HOOKSTREAM_VAULT_KEYS": "keys"}

"""`CachedSecrets` beyond the common suite: outages, storms, and what it may read where."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedbridge.errors import ConfigurationError, KeyUnavailable
from fedbridge.keys.secrets import COOL_DOWN, FRESH, MAX_BYTES, STALE, CachedSecrets
from fedbridge.model.deadline import Deadline
from tests.fakes.kms import client_error
from tests.fakes.secrets_manager import FakeSecretsManager
from tests.fakes.telemetry import RecordingTelemetry
from tests.support.bridge import SettableClock

NAME = "fedbridge/test/secret"
REFERENCE = f"secretsmanager:{NAME}"
THROTTLED = client_error("ThrottlingException", "GetSecretValue")
GONE = client_error("ResourceNotFoundException", "GetSecretValue")
DENIED = client_error("AccessDeniedException", "GetSecretValue")


@pytest.fixture
def manager() -> FakeSecretsManager:
    return FakeSecretsManager(values={NAME: "old"})


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def telemetry() -> RecordingTelemetry:
    return RecordingTelemetry()


@pytest.fixture
def secrets(manager, clock, telemetry) -> CachedSecrets:
    return CachedSecrets(
        manager.clients, allow_local=False, telemetry=telemetry, clock=clock, sleep=lambda _: None
    )


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(20)


@pytest.fixture
def get(secrets, deadline):
    return lambda **options: secrets.get(REFERENCE, deadline, **options)


class TestOutages:
    def test_the_last_good_value_serves_for_an_hour(self, get, manager, clock):
        get()
        manager.outage = THROTTLED
        clock.now += STALE - 1
        assert get() == "old"

        clock.now += 1
        with pytest.raises(KeyUnavailable) as caught:
            get()
        assert (caught.value.reason, caught.value.transient) == ("secret_throttled", True)

    def test_the_store_is_asked_again_every_30_seconds(self, get, manager, clock, telemetry):
        get()
        manager.outage = THROTTLED
        clock.now += FRESH
        manager.calls.clear()
        for _ in range(100):
            assert get() == "old"

        assert manager.calls[NAME] == 3  # one read, with its two retries
        assert telemetry.events == [("keys_stale", {"reason": "secret_throttled"})]

        manager.outage, manager.values[NAME] = None, "new"
        assert get() == "old"
        clock.now += COOL_DOWN
        assert get() == "new"

    def test_a_cold_start_fails_and_the_next_request_tries_again(self, get, manager):
        manager.outage = THROTTLED
        with pytest.raises(KeyUnavailable):
            get()

        manager.outage = None
        assert get() == "old"

    @pytest.mark.parametrize("failure,reason", [(GONE, "secret_not_found"), (DENIED, "secret_access_denied")])
    def test_a_secret_that_was_taken_away_is_not_used_any_longer(self, get, manager, clock, failure, reason):
        get()
        manager.outage = failure
        clock.now += FRESH
        with pytest.raises(KeyUnavailable) as caught:
            get()
        assert (caught.value.reason, caught.value.transient) == (reason, False)

        manager.outage = THROTTLED
        with pytest.raises(KeyUnavailable, match="Throttling"):
            get()

    def test_a_failed_refresh_answers_what_is_known(self, get, manager, clock):
        get()
        manager.outage = THROTTLED
        clock.now += COOL_DOWN

        assert get(refresh=True) == "old"

    def test_an_empty_value_is_not_used(self, get, manager, clock):
        get()
        manager.values[NAME] = ""
        clock.now += FRESH

        with pytest.raises(ConfigurationError, match="empty"):
            get()


class TestStorms:
    def test_a_thousand_refreshes_cost_one_call(self, get, manager, clock):
        get()
        clock.now += COOL_DOWN
        manager.calls.clear()
        for _ in range(1000):
            get(refresh=True)

        assert manager.calls[NAME] == 1

    def test_refreshes_while_the_store_is_down_cost_one_read(self, get, manager, clock):
        get()
        manager.outage = client_error("InternalServiceError", "GetSecretValue", 500)
        clock.now += COOL_DOWN
        manager.calls.clear()
        for _ in range(1000):
            get(refresh=True)

        assert manager.calls[NAME] == 3

    def test_a_cold_herd_costs_one_call(self, get, manager):
        with ThreadPoolExecutor(16) as pool:
            assert set(pool.map(lambda _: get(), range(200))) == {"old"}

        assert manager.calls[NAME] == 1
        assert manager.created == {"secretsmanager": 1}

    def test_one_client_serves_all_reads(self, get, manager, clock):
        for _ in range(3):
            get()
            clock.now += FRESH

        assert (manager.calls[NAME], manager.created) == (3, {"secretsmanager": 1})

    def test_who_comes_just_after_another_has_read_reads_nothing(self, manager, telemetry, deadline):
        """Between the look at the cache and the turn to read, another thread has a whole turn: here, in the clock."""
        others: list[Callable[[], str]] = [lambda: cached.get(REFERENCE, deadline)]

        def clock() -> float:
            if others:
                others.pop()()
            return 1_800_000_000.0

        cached: CachedSecrets = CachedSecrets(
            manager.clients, allow_local=False, telemetry=telemetry, clock=clock
        )

        assert cached.get(REFERENCE, deadline) == "old"
        assert manager.calls[NAME] == 1

    def test_members_of_one_document_share_its_read(self, secrets, manager, deadline):
        manager.values[NAME] = '{"a": "1", "b": "2"}'

        assert [secrets.get(f"{REFERENCE}#{member}", deadline) for member in "abab"] == ["1", "2", "1", "2"]
        assert manager.calls[NAME] == 1


class TestWhatMayBeRead:
    @pytest.mark.parametrize("reference", ["env:HOME", "file:/etc/hostname"])
    def test_local_references_are_for_local_runs(self, secrets, deadline, reference):
        with pytest.raises(ConfigurationError, match="local runs"):
            secrets.get(reference, deadline)

    def test_a_kms_key_has_no_value(self, secrets, deadline):
        with pytest.raises(ConfigurationError, match="no value"):
            secrets.get("kms:arn:aws:kms:eu-west-1:111122223333:key/a", deadline)

    def test_a_pasted_value_is_not_quoted(self, secrets, deadline):
        with pytest.raises(ConfigurationError) as caught:
            secrets.get("hunter2", deadline)

        assert "hunter2" not in str(caught.value)


class TestLocalReferences:
    @pytest.fixture
    def local(self, telemetry, tmp_path):
        return CachedSecrets(
            FakeSecretsManager().clients,
            allow_local=True,
            telemetry=telemetry,
            folder=tmp_path,
            environ=os.environ,
        )

    def test_the_environment(self, local, deadline, monkeypatch):
        monkeypatch.setenv("BRIDGE_SECRET", "value")

        assert local.get("env:BRIDGE_SECRET", deadline) == "value"

    def test_absolute_file_names(self, local, deadline, tmp_path):
        (tmp_path / "secret").write_text("value\r\n")

        assert local.get(f"file:{tmp_path}/secret", deadline) == "value"

    @pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * (MAX_BYTES + 1)])
    def test_files_that_hold_no_value(self, local, deadline, tmp_path, content):
        (tmp_path / "secret").write_bytes(content)

        with pytest.raises(ConfigurationError, match="file:secret") as caught:
            local.get("file:secret", deadline)
        assert caught.value.__context__ is None

    @pytest.mark.parametrize("name", ["none", "."])
    def test_what_is_no_file(self, local, deadline, name):
        with pytest.raises(ConfigurationError, match=f"file:{name}: (No such file|Is a directory)"):
            local.get(f"file:{name}", deadline)

    def test_a_variable_that_is_not_set(self, local, deadline):
        with pytest.raises(ConfigurationError, match="env:BRIDGE_NONE: not set"):
            local.get("env:BRIDGE_NONE", deadline)

"""Calls to AWS: what is tried again, for how long, and what failure it ends in."""

import pytest
from botocore import exceptions
from botocore.parsers import ResponseParserError

from fedbridge.errors import DeadlineExceeded, KeyUnavailable
from fedbridge.keys.calls import LONGEST_CALL, call
from fedbridge.model.deadline import Deadline
from tests.fakes.kms import client_error

URL = "https://kms.eu-west-1.amazonaws.com/"
TRANSIENT = [
    (client_error("ThrottlingException", "Sign"), "throttled"),
    (client_error("TooManyRequestsException", "Sign", 429), "throttled"),
    (client_error("Whatever", "Sign", 429), "throttled"),
    (client_error("KMSInternalException", "Sign", 500), "unavailable"),
    (client_error("503", "Sign", 503), "unavailable"),
    (exceptions.ConnectTimeoutError(endpoint_url=URL), "timeout"),
    (exceptions.ReadTimeoutError(endpoint_url=URL), "timeout"),
    (exceptions.EndpointConnectionError(endpoint_url=URL), "unavailable"),
    (exceptions.ConnectionClosedError(endpoint_url=URL), "unavailable"),
    (exceptions.SSLError(endpoint_url=URL, error=OSError("handshake")), "unavailable"),
    (exceptions.HTTPClientError(error="broken"), "unavailable"),
    (ResponseParserError("no JSON"), "unavailable"),
]
PERMANENT = [
    (client_error("AccessDeniedException", "Sign"), "access_denied"),
    (client_error("ExpiredTokenException", "Sign"), "access_denied"),
    (client_error("Whatever", "Sign", 403), "access_denied"),
    (client_error("NotFoundException", "Sign"), "gone"),
    (client_error("ValidationException", "Sign"), "error"),
    (client_error("", "Sign"), "error"),
    (exceptions.NoCredentialsError(), "access_denied"),
    (exceptions.CredentialRetrievalError(provider="x", error_msg="y"), "access_denied"),
    (exceptions.UnknownServiceError(service_name="x", known_service_names="y"), "error"),
]


class Service:
    """Raises its faults one after another, then answers; time passes by its calls and by sleeping."""

    def __init__(self, faults=(), *, seconds: float = 0.0) -> None:
        self.faults = list(faults)
        self.seconds = seconds
        self.calls = 0
        self.now = 100.0
        self.pauses: list[float] = []

    def __call__(self) -> str:
        self.calls += 1
        self.now += self.seconds
        if self.faults:
            raise self.faults.pop(0)
        return "answer"

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def deadline(self, seconds: float) -> Deadline:
        return Deadline.after(seconds, lambda: self.now)

    def call(self, seconds: float = 22.0) -> str:
        return call(
            self,
            subject="arn",
            prefix="kms",
            reasons={"NotFoundException": "gone"},
            deadline=self.deadline(seconds),
            sleep=self.sleep,
        )


@pytest.mark.parametrize("fault", [fault for fault, _ in TRANSIENT], ids=repr)
@pytest.mark.parametrize("times", [1, 2])
def test_a_passing_fault_is_waited_out(fault, times):
    service = Service([fault] * times)

    assert service.call() == "answer"
    assert service.calls == times + 1


@pytest.mark.parametrize("fault,reason", TRANSIENT, ids=repr)
def test_a_lasting_fault_is_given_up_after_two_retries(fault, reason):
    service = Service([fault] * 9)

    with pytest.raises(KeyUnavailable) as caught:
        service.call()

    assert (caught.value.reason, caught.value.transient) == (f"kms_{reason}", True)
    assert caught.value.__cause__ is fault
    assert service.calls == 3


@pytest.mark.parametrize("fault,reason", PERMANENT, ids=repr)
def test_a_fault_that_waiting_does_not_mend_fails_at_once(fault, reason):
    service = Service([fault] * 9)

    with pytest.raises(KeyUnavailable) as caught:
        service.call()

    assert (caught.value.reason, caught.value.transient) == (f"kms_{reason}", False)
    assert (service.calls, service.pauses) == (1, [])


def test_the_text_names_the_key_and_the_code_and_not_the_message():
    with pytest.raises(KeyUnavailable) as caught:
        Service([client_error("AccessDeniedException", "Sign")]).call()

    assert str(caught.value) == "arn: AccessDeniedException"


def test_pauses_are_short_growing_and_jittered():
    pauses = []
    for _ in range(20):
        service = Service([client_error("ThrottlingException", "Sign")] * 2)
        service.call()
        pauses.append(service.pauses)

    assert all(0.05 <= first <= 0.1 and 0.1 <= second <= 0.2 for first, second in pauses)
    assert len({first for first, _ in pauses}) > 10


@pytest.mark.parametrize(
    "seconds,budget,calls",
    [
        pytest.param(2.0, 5.0, 1, id="hung, back channel"),
        pytest.param(2.0, 22.0, 3, id="hung, browser"),
        pytest.param(0.1, 5.0, 3, id="throttled, back channel"),
        pytest.param(0.1, 3.0, 1, id="throttled, little time left"),
    ],
)
def test_no_call_is_begun_that_may_outlive_the_deadline(seconds, budget, calls):
    service = Service([client_error("ThrottlingException", "Sign")] * 9, seconds=seconds)
    ends = service.now + budget

    with pytest.raises(KeyUnavailable):
        service.call(budget)

    assert service.calls == calls
    assert service.now <= ends
    assert calls == 1 or service.now - seconds + LONGEST_CALL <= ends


def test_nothing_is_called_after_the_deadline():
    service = Service()

    with pytest.raises(DeadlineExceeded):
        service.call(0.0)

    assert service.calls == 0


def test_a_bug_is_not_an_outage():
    with pytest.raises(ZeroDivisionError):
        Service([ZeroDivisionError()]).call()

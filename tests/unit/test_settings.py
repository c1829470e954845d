import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbridge.errors import ConfigurationError
from fedbridge.settings import read_settings

GOOD = {
    "FEDBRIDGE_ENVIRONMENT": "prod",
    "FEDBRIDGE_BASE_URL": "https://auth.example.com",
    "FEDBRIDGE_TRANSACTIONS": "dynamodb:Transactions",
    "FEDBRIDGE_CONNECTIONS": "dynamodb:Connections",
    "FEDBRIDGE_ID_TOKEN_KEYS": "kms:arn:aws:kms:eu-west-1:111122223333:key/1, secretsmanager:fedbridge/prod/next",
}
IN_AWS = {"AWS_LAMBDA_FUNCTION_NAME": "BackChannel"}


def problems(**changes):
    with pytest.raises(ConfigurationError) as refused:
        read_settings({name: value for name, value in (GOOD | IN_AWS | changes).items() if value is not None})
    return refused.value.problems


def test_a_deployment_is_read_once_and_whole():
    settings = read_settings(
        GOOD
        | IN_AWS
        | {
            "FEDBRIDGE_PRIVATE_HOSTS": "idp.internal:8443, 10.0.0.5:443,",
            "FEDBRIDGE_CA_BUNDLE": "/opt/ca.pem",
            "FEDBRIDGE_METRIC_CONNECTIONS": "bank,health",
        }
    )
    assert settings.metric_connections == ("bank", "health")
    assert settings.environment == "prod"
    assert settings.base_url == "https://auth.example.com"
    assert settings.transactions == ("dynamodb", "Transactions")
    assert settings.connections == ("dynamodb", "Connections")
    assert settings.id_token_keys == (
        "kms:arn:aws:kms:eu-west-1:111122223333:key/1",
        "secretsmanager:fedbridge/prod/next",
    )
    assert settings.private_hosts == ("idp.internal:8443", "10.0.0.5:443")
    assert settings.ca_bundle == "/opt/ca.pem"
    assert settings.fixtures is None
    assert settings.local is False


@pytest.mark.parametrize(
    ("environ", "local"),
    [
        ({}, True),
        ({"AWS_SAM_LOCAL": "true"}, True),
        (IN_AWS, False),
        (IN_AWS | {"AWS_SAM_LOCAL": "true"}, True),
        (IN_AWS | {"AWS_SAM_LOCAL": "false"}, False),
        (IN_AWS | {"AWS_SAM_LOCAL": ""}, False),
        (IN_AWS | {"AWS_SAM_LOCAL": "1"}, False),
    ],
)
def test_what_is_local_is_told_by_what_the_platforms_set(environ, local):
    assert read_settings(GOOD | environ).local is local


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("value", [None, "", "  "])
def test_what_is_missing_is_named(name, value):
    assert problems(**{name: value}) == (f"{name}: is missing",)


def test_every_problem_is_named_at_once():
    found = problems(
        FEDBRIDGE_ENVIRONMENT="", FEDBRIDGE_BASE_URL="ftp://x", FEDBRIDGE_CONNECTIONS="s3:bucket"
    )
    assert [problem.partition(":")[0] for problem in found] == [
        "FEDBRIDGE_ENVIRONMENT",
        "FEDBRIDGE_BASE_URL",
        "FEDBRIDGE_CONNECTIONS",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://auth.example.com",
        "auth.example.com",
        "//auth.example.com",
        "https://",
        "https:///path",
        "https://auth.example.com/",
        "https://auth.example.com/prod/",
        "https://auth.example.com?x=1",
        "https://auth.example.com?",
        "https://auth.example.com#",
        "https://auth.example.com#f",
        "https://user@auth.example.com",
        "https://user:password@auth.example.com",
        "https://@auth.example.com",
        "https://[::1",
        "https://[bad]",
        "https://auth.example.com:port",
        "https://auth.example.com:99999",
        "https://auth.example.com/a b",
        "https://auth .example.com",
        "https://auth.example.com\\evil",
        "https://auth.éxample.com",
        "https://auth.example.com\nx",
        "javascript:alert(1)",
    ],
)
def test_a_base_url_is_plain_https(url):
    (problem,) = problems(FEDBRIDGE_BASE_URL=url)
    assert problem.startswith("FEDBRIDGE_BASE_URL: must be")


@pytest.mark.parametrize(
    "url",
    [
        "https://auth.example.com",
        "https://auth.example.com:8443",
        "https://x.example/prod",
        "https://[2001:db8::1]",
    ],
)
def test_good_base_urls(url):
    assert read_settings(GOOD | IN_AWS | {"FEDBRIDGE_BASE_URL": url}).base_url == url


@pytest.mark.parametrize("url", ["http://localhost:8080", "http://127.0.0.1:1", "http://[::1]:8080"])
def test_plain_http_is_for_loopback_and_local_runs(url):
    assert read_settings(GOOD | {"FEDBRIDGE_BASE_URL": url}).base_url == url
    (problem,) = problems(FEDBRIDGE_BASE_URL=url)
    assert problem.startswith("FEDBRIDGE_BASE_URL: must begin with https://")


def test_plain_http_to_elsewhere_is_refused_in_local_runs_too():
    with pytest.raises(ConfigurationError, match="FEDBRIDGE_BASE_URL"):
        read_settings(GOOD | {"FEDBRIDGE_BASE_URL": "http://auth.example.com"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FEDBRIDGE_TRANSACTIONS", "redis:x"),
        ("FEDBRIDGE_TRANSACTIONS", "dynamodb"),
        ("FEDBRIDGE_TRANSACTIONS", "dynamodb:"),
        ("FEDBRIDGE_TRANSACTIONS", "sqlite:"),
        ("FEDBRIDGE_TRANSACTIONS", "memory"),
        ("FEDBRIDGE_TRANSACTIONS", ":table"),
        ("FEDBRIDGE_TRANSACTIONS", "DynamoDB:table"),
        ("FEDBRIDGE_CONNECTIONS", "sqlite:x"),
        ("FEDBRIDGE_CONNECTIONS", "file:"),
        ("FEDBRIDGE_CONNECTIONS", "connections.yaml"),
    ],
)
def test_places_have_a_known_scheme_and_a_name(name, value):
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"{name}: must be one of ")


@pytest.mark.parametrize(
    ("name", "value", "located"),
    [
        ("transactions", "memory:", ("memory", "")),
        ("transactions", "sqlite:/tmp/x.sqlite", ("sqlite", "/tmp/x.sqlite")),
        ("transactions", "dynamodb:arn:aws:dynamodb:eu-west-1:1:table/T", ("dynamodb", "arn:aws:dynamodb:eu-west-1:1:table/T")),
        ("connections", "file:/etc/connections.yaml", ("file", "/etc/connections.yaml")),
    ],
)  # fmt: skip
def test_places(name, value, located):
    assert getattr(read_settings(GOOD | {f"FEDBRIDGE_{name.upper()}": value}), name) == located


@pytest.mark.parametrize(
    "value", ["keys.pem", "kms:1,keys.pem", "http://x", "kms", "KMS:1", "kms:", "kms:1,env:"]
)
def test_keys_are_references(value):
    (problem,) = problems(FEDBRIDGE_ID_TOKEN_KEYS=value)
    assert problem.startswith("FEDBRIDGE_ID_TOKEN_KEYS: each must be one of")


def test_a_key_that_was_pasted_is_not_quoted():
    pasted = "-----BEGIN PRIVATE KEY----- MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg"
    text = "; ".join(problems(FEDBRIDGE_ID_TOKEN_KEYS=pasted, FEDBRIDGE_TRANSACTIONS=pasted))
    assert "MIGH" not in text
    assert "BEGIN" not in text


def test_fixtures_are_refused_in_aws():
    assert problems(FEDBRIDGE_FIXTURES="on") == (
        "FEDBRIDGE_FIXTURES: fixtures are for `sam local invoke` and refused in AWS",
    )
    assert read_settings(GOOD | {"FEDBRIDGE_FIXTURES": "on"}).fixtures == "on"
    assert (
        read_settings(GOOD | IN_AWS | {"AWS_SAM_LOCAL": "true", "FEDBRIDGE_FIXTURES": "on"}).fixtures == "on"
    )
    assert read_settings(GOOD | IN_AWS | {"FEDBRIDGE_FIXTURES": ""}).fixtures is None


NAMES = [*GOOD, "FEDBRIDGE_PRIVATE_HOSTS", "FEDBRIDGE_FIXTURES", "AWS_LAMBDA_FUNCTION_NAME", "AWS_SAM_LOCAL"]


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=40)))
def test_any_environment_is_settings_or_one_configuration_error(environ):
    found: tuple[str, ...] = ()
    try:
        settings = read_settings(GOOD | environ)
    except ConfigurationError as refused:
        found = refused.problems
    else:
        assert settings.id_token_keys
        assert not settings.base_url.endswith("/")
    assert all(problem.startswith("FEDBRIDGE_") for problem in found)

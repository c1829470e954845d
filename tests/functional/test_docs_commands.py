"""What README and docs tell people to type: each command exists and takes these options, and what can run here, runs."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import boto3
import botocore.session
import httpx
import pytest
from moto.server import ThreadedMotoServer

from fedbridge.aws import sdk_client
from fedbridge.cli import main, parser
from fedbridge.cli.keys import write_private_key
from fedbridge.op.client_authentication import secret_hash
from fedbridge.wiring import key_rings
from tests.conformance.transactions import soon
from tests.counterparts.process import START_SECONDS, Program, clean_environment
from tests.infra.template import Template
from tests.support import markdown, sample_triggers
from tests.support.markdown import ROOT
from tests.support.presets import write_worked_example
from tests.support.sample_events import CASES

PAGES = markdown.pages()
REGION = "eu-north-1"
# The AWS CLI's own, which no service's model knows.
CUSTOM = {("logs", "tail"): {"--since", "--filter-pattern"}}
GLOBAL = {"--cli-read-timeout", "--query", "--output", "--region", "--profile", "--cli-input-json"}
COGNITO_SECRET = "s" * 43
"""What Cognito has, wherever a page has the hash of one."""
OTHERS = {"cd", "curl", "export", "git", "openssl", "rm"}
SAM = {"build", "deploy", "delete", "validate", "local invoke"}


def commands(found):
    """Yield the commands of a page, continued lines joined, what stands in `$(…)` as commands of its own."""
    for fence in found.fences("sh"):
        for line in re.sub(r"\\\n\s*", "", fence.text).splitlines():
            for command in re.split(r" && ", re.sub(r"  +#.*", "", line).strip()):
                if command:
                    yield command
                    yield from re.findall(r"\$\(([a-z].*)\)", command)


EVERY = [
    pytest.param(command, id=f"{found.name}: {command[:60]}")
    for found in PAGES
    for command in commands(found)
]


def inline(found):
    """Yield commands that stand in the text."""
    for code in markdown.codes(found.prose):
        if re.match(r"(make|sam|fedbridge|aws) [a-z-]", code):
            yield code


@pytest.mark.parametrize("command", EVERY)
def test_every_command_exists_and_takes_these_options(command):
    words = shlex.split(command)
    while re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    match words:
        case ["make", *targets]:
            _check_make(targets)
        case ["sam", *rest]:
            _check_sam(rest)
        case ["aws", service, operation, *options]:
            _check_aws(service, operation, options)
        case ["fedbridge", *rest]:
            assert rest
        case [first, *_]:
            assert first in OTHERS or first.startswith(".venv/bin/"), command


@pytest.mark.parametrize("found", PAGES, ids=lambda found: found.name)
def test_every_command_that_is_mentioned_exists(found, capsys):
    for command in inline(found):
        words = shlex.split(re.sub(r"[…{].*", "", command))
        match words:
            case ["make", *targets]:
                _check_make([target for target in targets if "/" not in target])
            case ["sam", *rest]:
                _check_sam(rest)
            case ["aws", service, operation, *options]:
                _check_aws(service, operation, options)
            case ["fedbridge", *rest]:
                with pytest.raises(SystemExit) as ended:
                    main([*(word for word in rest if not word.startswith("-")), "--help"])
                assert ended.value.code == 0, command
    capsys.readouterr()


def _check_make(targets):
    makefile = (ROOT / "Makefile").read_text()
    known = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    variables = set(re.findall(r"\b([A-Z_]+)\b", makefile))
    for target in targets:
        assert target in known or target.partition("=")[0] in variables, target


def _check_sam(words):
    name = " ".join(words[:2]) if words[0] == "local" else words[0]
    assert name in SAM
    options = words[len(name.split()) :]
    if name == "local invoke" and options:
        function, dash_e, event, env_vars, fixtures, *rest = options
        assert (dash_e, env_vars, rest[:1]) == ("-e", "--env-vars", ["--parameter-overrides"][: len(rest)])
        parameters = dict(each.split("=") for each in rest[1:])
        assert parameters.keys() <= Template().raw["Parameters"].keys()
        assert function in Template(parameters).resources("AWS::Serverless::Function")
        if function in sample_triggers.FUNCTIONS:
            assert sample_triggers.CASES[Path(event).stem].function == function
        else:
            case = CASES[Path(event).stem]
            assert case.function == {"FrontChannel": "front_channel", "BackChannel": "back_channel"}[function]
        assert (ROOT / event).exists()
        assert (ROOT / fixtures).exists()


def _check_aws(service, operation, options):
    """Against the models that the AWS CLI is generated from."""
    names = [word for word in options if word.startswith("--")]
    if (service, operation) in CUSTOM:
        assert set(names) <= CUSTOM[service, operation]
        return
    model = botocore.session.get_session().get_service_model(service)
    (shape,) = (
        model.operation_model(name).input_shape
        for name in model.operation_names
        if botocore.xform_name(name, "-") == operation
    )
    assert shape is not None
    known = {"--" + botocore.xform_name(member, "-"): member for member in shape.members}
    assert set(names) <= known.keys() | GLOBAL, set(names) - known.keys() - GLOBAL
    if "--cli-input-json" not in names and options:
        required = {"--" + botocore.xform_name(member, "-") for member in shape.required_members}
        assert required <= set(names)
    for name in names:
        if name in known:
            _check_value(shape.members[known[name]], _values(options, name))


def _check_json(shape, value):
    """Lists and structures written out in JSON, whose members have to be known at every depth."""
    if shape.type_name == "list":
        for item in value:
            _check_json(shape.member, item)
    elif shape.type_name == "structure":
        assert value.keys() <= shape.members.keys(), value
        for name, item in value.items():
            _check_json(shape.members[name], item)


def _values(options, name):
    rest = options[options.index(name) + 1 :]
    return rest[: next((at for at, word in enumerate(rest) if word.startswith("--")), len(rest))]


def _check_value(shape, values):
    """Strings, lists of strings, flags, and lists of structures in shorthand: `TagKey=a,TagValue=b`."""
    if shape.type_name == "boolean":
        assert values == []
    elif values and values[0].startswith(("[", "{")):
        _check_json(shape, json.loads(values[0]))
    elif shape.type_name == "list" and shape.member.type_name == "structure":
        for value in [value for value in values if not value.startswith("file://")]:
            assert {pair.partition("=")[0] for pair in value.split(",")} <= shape.member.members.keys()
    else:
        assert values
        allowed = getattr(shape.member if shape.type_name == "list" else shape, "enum", None)
        assert not allowed or set(values) <= set(allowed), values


@pytest.mark.parametrize(
    "fence", [pytest.param(fence, id=str(fence)) for found in PAGES for fence in found.fences("json")]
)
def test_every_request_to_cognito_is_one_that_its_model_takes(fence):
    request = json.loads(fence.text)
    if "ProviderDetails" not in request:
        return
    operation = "CreateIdentityProvider" if "ProviderType" in request else "UpdateIdentityProvider"
    shape = (
        botocore.session.get_session().get_service_model("cognito-idp").operation_model(operation).input_shape
    )
    assert shape is not None
    report = botocore.validate.ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()


# --- run ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def account():
    """An AWS account: moto behind HTTP, because the command makes clients of its own."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def operator(account, monkeypatch, tmp_path):
    """A folder to work in, with credentials. Returns what prepares keys and secrets that a file refers to."""
    for name, value in {"AWS_ENDPOINT_URL": account, "AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "test",
                        "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    httpx.post(f"{account}/moto-api/reset", trust_env=False)
    boto3.client("dynamodb").create_table(
        TableName="CONNECTIONS_TABLE",
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def prepare(text):
        key = boto3.client("kms").create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
        text = re.sub(r"arn:aws:kms:[\w:-]+:key/[\w-]+", key, text)
        for at, name in enumerate(sorted(set(re.findall(r"secretsmanager:([\w/-]+)", text)))):
            write_private_key(tmp_path / f"{at}.stored.pem", "P-256")
            value = (tmp_path / f"{at}.stored.pem").read_text()
            boto3.client("secretsmanager").create_secret(Name=name, SecretString=value)
        text = re.sub(r"sha256:[0-9a-f]{64}", secret_hash(COGNITO_SECRET), text, count=1)
        (tmp_path / "connections.yaml").write_text(text)

    return prepare


@pytest.fixture
def pool(operator, monkeypatch):
    """A user pool, an app client and the client secret; returns what stands for them in the pages."""
    monkeypatch.setenv("COGNITO_CLIENT_SECRET", COGNITO_SECRET)
    monkeypatch.setattr("sys.stdin", Agreeing())
    cognito = boto3.client("cognito-idp")
    pool_id = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]
    app = cognito.create_user_pool_client(UserPoolId=pool_id, ClientName="web")["UserPoolClient"]
    return {"eu-north-1_EXAMPLE01": pool_id, "APP_CLIENT_ID": app["ClientId"]}


class Agreeing(io.StringIO):
    """A terminal at which somebody says yes."""

    def isatty(self):
        return True

    def readline(self, *_):
        return "yes\n"


ELSEWHERE = {
    "check": "it needs an IdP: tests/interop/test_check.py",
    "console": "it needs a browser: tests/interop/test_console_browser.py",
    "register": "it needs an IdP: tests/interop/test_registration.py",
    "secrets put": "it needs an IdP: tests/interop/test_client_secrets.py",
    "secrets rotate": "it needs minutes: tests/functional/test_secrets_rotate.py",
    "tokens": "it needs a token: tests/interop/test_cognito_commands.py",
}
"""Commands of which only the options are looked at here, and where they run."""


@pytest.mark.parametrize(
    "name", [found.name for found in PAGES if any(c.startswith("fedbridge ") for c in commands(found))]
)
def test_every_fedbridge_command_runs(name, operator, request, capsys, tmp_path):
    """In the order of the page, with the page's own connections, or else the README's."""
    found, pool = markdown.page(name), None
    whole = [fence.text for fence in found.fences("yaml") if fence.text.startswith("connections:")]
    (example,) = markdown.page("README.md").fences("yaml")
    operator(whole[0] if whole else example.text)
    if name == "docs/write-a-preset.md":
        write_worked_example(tmp_path)
    if name == "docs/triggers.md":
        (document,) = found.fences("json")
        (tmp_path / "triggers.json").write_text(document.text)
    if name == "docs/connections.md":
        _publish_a_former_version(tmp_path / "connections.yaml")
    kid = _make_rings(found, tmp_path) if name == "docs/rotate-keys.md" else ""
    if name == "docs/add-an-idp.md" or not whole:
        assert main(["connections", "apply", "--table", "CONNECTIONS_TABLE"]) == 0
    for command in commands(found):
        if not command.startswith("fedbridge "):
            continue
        words = shlex.split(re.sub(r'"\$\(.*\)"', "CONNECTIONS_TABLE", re.split(" [<>] ", command)[0]))
        if words[1] == "dev":
            _serve(words[1:])
        elif {words[1], " ".join(words[1:3])} & ELSEWHERE.keys() or words[1:3] == [
            "explain",
            "--environment",
        ]:
            parser().parse_args(words[1:])  # No emulator has Logs Insights: tests/functional/test_explain*.py
        elif words[1] == "cognito":
            pool = request.getfixturevalue("pool") if pool is None else pool
            assert main([pool.get(word, word) for word in words[1:]]) == 0, command
        elif words[1:3] == ["triggers", "check"]:
            parser().parse_args(
                words[1:]
            )  # It needs a pool: tests/functional/test_triggers_command.py has one.
        else:
            assert main([kid if word == "KID" else word for word in words[1:]]) == 0, command
    capsys.readouterr()


def _make_rings(found, folder):
    """Make the rings of the page's first example, and return the kid of the first one's key."""
    file = folder / "rings.yaml"
    file.write_text(next(fence.text for fence in found.fences("yaml") if "key_rings:" in fence.text))
    assert main(["keys", "init", str(file), "--table", "CONNECTIONS_TABLE", "--environment", "prod"]) == 0
    ring = key_rings("CONNECTIONS_TABLE", sdk_client).get("bank", soon())
    assert ring is not None
    assert ring.state.active is not None
    return ring.state.active.kid


def _publish_a_former_version(file):
    """Something that `restore` can restore."""
    text = file.read_text()
    file.write_text(text.replace("https://app.example.com/", "https://app.example.com/former"))
    assert main(["connections", "apply", "--table", "CONNECTIONS_TABLE"]) == 0
    file.write_text(text)


def _serve(arguments):
    fedbridge = Path(sys.executable).with_name("fedbridge")
    options = ["--template", str(ROOT / "template.yaml"), "--port", "0"]
    with Program(
        "fedbridge", [fedbridge, *arguments, *options], env=clean_environment(), cwd=Path.cwd(), talks=False
    ) as program:
        program.wait_until(lambda: "listens at" in program.log(), seconds=START_SECONDS)
        (address,) = re.findall(r"listens at (http://localhost:\d+)", program.log())
        answer = httpx.get(f"{address}/bank/client-jwks.json", trust_env=False)
        assert [key["alg"] for key in answer.json()["keys"]] == ["ES256"]


def test_a_handler_runs_as_the_page_says():
    """The line with FEDBRIDGE_FIXTURES, by this interpreter."""
    (line,) = (
        command
        for found in PAGES
        for command in commands(found)
        if command.startswith("FEDBRIDGE_FIXTURES=on")
    )
    done = subprocess.run(
        ["bash", "-c", line.replace(".venv/bin/python", shlex.quote(sys.executable))],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert "'statusCode': 200" in done.stdout

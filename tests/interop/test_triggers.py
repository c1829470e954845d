"""The triggers attached to the emulator's user pool, and whole sign-ins through them.

The emulator runs a function that hands its event to the handlers of functions/triggers/app.py in this process, where
they call the emulator's user pool with the SDK. What the emulator says otherwise than AWS is put right on the way.
"""

import io
import json
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from joserfc import jws

from fedbridge.net.trigger_edge import serve_trigger
from fedbridge.triggers.configuration import decode_configuration
from fedbridge.triggers.group_mapping import map_groups
from fedbridge.triggers.linking import LINKED, link
from fedbridge.triggers.services import Triggers
from fedbridge.user_pools import CognitoUserProfiles
from tests.counterparts.browser import TripError, new_browser
from tests.counterparts.ministack import MiniStack
from tests.counterparts.oidc_provider import OidcProvider, User
from tests.fakes.telemetry import RecordingTelemetry
from tests.interop.bridge import Declared, running_bridge

pytestmark = [pytest.mark.interop, pytest.mark.ministack]

# One person a test, so that the tests share the pool.
PEOPLE = ("ann", "bea", "cleo", "dora", "elsa")
ROLE = "arn:aws:iam::123456789012:role/finance"
MAPPING = {"email": "email", "email_verified": "email_verified", "custom:groups": "groups"}
GROUPS = {
    "providers": {
        "Bank": {
            "attribute": "custom:groups",
            "form": "joined",  # the emulator loses lists; that Cognito's come back is shown in tests/unit/triggers
            "separator": ";",
            "claim": "groups",
            "rules": [{"group": "treasury", "becomes": "finance", "role": ROLE}],
        }
    }
}

SHIM = """
import json, os, urllib.request

def handler(event, context):
    attributes = event["request"]["userAttributes"]
    # The emulator writes Python's True, and leaves out the status.
    for name in ("email_verified",):
        if name in attributes:
            attributes[name] = str(attributes[name]).lower()
    if "identities" in attributes and event["userName"].startswith("Bank_"):
        attributes["cognito:user_status"] = "EXTERNAL_PROVIDER"
    body = json.dumps(event).encode()
    answer = json.load(urllib.request.urlopen(os.environ["TRIGGERS"], body, timeout=30))
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["event"]
"""


class Attached:
    """A user pool with both triggers; `configure` says what they do from now on."""

    def __init__(self, aws, bridge):
        self.aws, self.telemetry = aws, RecordingTelemetry()
        self.pool = aws.create_federated_pool(
            bridge.identity_provider("bank", attribute_mapping=MAPPING), domain="acme"
        )
        self.cognito = aws.client("cognito-idp")
        self.configure()

    def configure(self, **linking):
        text = {"linking": {"providers": {"Bank": {"domains": ["example.com"]}}, **linking}, "groups": GROUPS}
        self.services = Triggers(
            pool_id=self.pool.pool_id,
            configuration=lambda _deadline: decode_configuration(json.dumps(text)),
            profiles=lambda: CognitoUserProfiles(self.aws.client),
            new_password=lambda: "a-Password-of-nobodys-1!",
            telemetry=self.telemetry,
        )

    def serve(self, event):
        flow = link if event["triggerSource"].startswith("PreSignUp") else map_groups
        return serve_trigger(
            event,
            None,
            flow=partial(flow, self.services),
            pool_id=self.pool.pool_id,
            telemetry=self.telemetry,
            budget=30.0,  # a busy machine is slower than AWS
        )

    def attach(self, url):
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("shim.py", SHIM)
        arn = self.aws.client("lambda").create_function(
            FunctionName="triggers",
            Runtime="python3.13",
            Handler="shim.handler",
            Role="arn:aws:iam::123456789012:role/x",
            Code={"ZipFile": code.getvalue()},
            Environment={"Variables": {"TRIGGERS": url}},
            Timeout=30,
        )["FunctionArn"]
        self.cognito.update_user_pool(
            UserPoolId=self.pool.pool_id,
            LambdaConfig={
                "PreSignUp": arn,
                "PreTokenGenerationConfig": {"LambdaArn": arn, "LambdaVersion": "V2_0"},
            },
        )

    def register(self, username, person, *, verified):
        """A native profile with the person's address."""
        flag = "true" if verified else "false"
        self.cognito.admin_create_user(
            UserPoolId=self.pool.pool_id,
            Username=username,
            UserAttributes=[
                {"Name": "email", "Value": f"{person}@example.com"},
                {"Name": "email_verified", "Value": flag},
            ],
            MessageAction="SUPPRESS",
        )
        self.cognito.admin_set_user_password(
            UserPoolId=self.pool.pool_id, Username=username, Password="Passw0rd!x", Permanent=True
        )

    def sign_in(self, person):
        with new_browser(origins=self.pool.origins) as browser:
            return self.pool.sign_in(browser, person)

    def profiles(self, person):
        """The names of the profiles with the person's address."""
        address = f'email = "{person}@example.com"'
        found = self.cognito.list_users(UserPoolId=self.pool.pool_id, Filter=address)["Users"]
        return {user["Username"] for user in found}


@contextmanager
def listening(attached):
    """The function's end of the line, on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            event = json.loads(self.rfile.read(int(self.headers["content-length"])))
            try:
                answer = {"event": attached.serve(event)}
            except Exception as refused:  # noqa: BLE001  it is for the function to raise it
                answer = {"error": str(refused)}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    connection = Declared(
        name="bank",
        yaml="client_authentication: {key: $key}\n"
        "claims: {email: email, groups: {value: groups, type: joined, separator: ';'}}",
        key="P-256",
        authorization="{scope: openid email profile groups}",
        client={"token_endpoint_auth_signing_alg": "ES256"},
    )
    people = [
        User(
            name=name,
            sub=f"{name}.4711",
            claims={
                "email": f"{name}@example.com",
                "email_verified": True,
                "groups": ["treasury", "approvers"],
            },
        )
        for name in PEOPLE
    ]
    with (
        OidcProvider(users=people) as op,
        running_bridge(op, tmp_path_factory.mktemp("bridge"), [connection]) as bridge,
        MiniStack(env={"MINISTACK_COGNITO_PRETOKEN_STRICT": "1"}) as aws,
    ):
        attached = Attached(aws, bridge)
        with listening(attached) as url:
            attached.attach(url)
            yield attached


@pytest.fixture
def attached(shared):
    shared.configure()
    shared.telemetry.events.clear()
    return shared


def claims_of(token):
    return json.loads(jws.extract_compact(token.encode()).payload)


def test_the_second_sign_in_after_a_link_is_the_native_users(attached):
    attached.register("native-ann", "ann", verified=True)
    with pytest.raises(TripError, match=LINKED):
        attached.sign_in("ann")
    signed_in = attached.sign_in("ann")
    assert signed_in.claims["cognito:username"] == "native-ann"
    assert attached.profiles("ann") == {"native-ann"}
    assert attached.telemetry.names().count("profile_linked") == 1


def test_a_pool_that_goes_on_after_a_link_signs_in_at_once(attached):
    attached.configure(after_linking="continue")
    attached.register("native-bea", "bea", verified=True)
    assert attached.sign_in("bea").claims["cognito:username"] == "native-bea"


def test_a_profile_that_is_made_for_somebody_new_is_theirs_from_the_second_sign_in(attached):
    attached.configure(native_profile_missing="create")
    with pytest.raises(TripError, match=LINKED):
        attached.sign_in("cleo")
    signed_in = attached.sign_in("cleo")
    assert {signed_in.claims["cognito:username"]} == attached.profiles("cleo")
    assert not signed_in.claims["cognito:username"].startswith("Bank_")


def test_whoever_squats_on_the_address_is_not_signed_in_as(attached):
    attached.register("eve", "dora", verified=False)
    with pytest.raises(TripError, match="This sign-in was refused"):
        attached.sign_in("dora")
    assert attached.profiles("dora") == {"eve"}
    attached.configure(native_profile_unfit="allow")
    assert attached.sign_in("dora").claims["cognito:username"].startswith("Bank_")


def test_groups_of_the_provider_are_in_both_tokens_and_no_others(attached):
    signed_in = attached.sign_in("elsa")
    own = f"{attached.pool.pool_id}_Bank"
    for token in ("id_token", "access_token"):
        claims = claims_of(signed_in.tokens[token])
        assert claims["groups"] == [own, "finance"]
        assert "approvers" not in json.dumps(claims)

"""Group H of the checklist: sign-ins that the IdP begins (73, 74), and what of them may be stolen, replayed or swapped."""

import threading
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from fedbridge.errors import StoreUnavailable
from fedbridge.flows.initiated import INITIATED_LIFETIME, MAX_SKEW
from fedbridge.flows.sealing import Label, Scope, unseal
from fedbridge.model.connection import Connection, RelyingParty
from fedbridge.model.deadline import Deadline
from fedbridge.model.saml import AssertionPolicy, AuthnRequestProfile
from fedbridge.model.saml_profiles import InitiatedSignIn, InitiatedTarget
from fedbridge.model.transaction import Phase
from fedbridge.op import cookie, initiated
from fedbridge.op.client_authentication import secret_hash
from tests.negative.saml import ACS_PATH, LOGIN, SamlGateway, SamlVisitor
from tests.support.bridge import CLIENT, CODE_PARAMETERS, REDIRECT_URI, SECRET, STATE
from tests.support.gateway import Answer, assert_refused
from tests.unit.sp.idp import NAME_ID, PASSWORD, Message, SamlIdp, at, encode
from tests.unit.sp.idp import STATE as RELAY_STATE

APP = "https://app.example/sso"
TARGET = InitiatedTarget(
    client_id=CLIENT, initiate_login_uri=APP, target_link_uri="https://app.example/dashboard?a=1&b=2"
)
POLICY = InitiatedSignIn(
    targets={
        "dashboard": TARGET,
        "https://old.example/relay": replace(
            TARGET, target_link_uri=None, issuer="https://pool.example/eu_1"
        ),
        "legacy": InitiatedTarget(
            client_id=CLIENT,
            cognito_authorize_url="https://pool.example/oauth2/authorize?client_id=app&response_type=code",
        ),
    },
    default_target="dashboard",
)
OTHER_CLIENT = "other-pool"


@dataclass
class InitiatingIdp(SamlIdp):
    """An IdP that begins sign-ins, at connections that take them."""

    initiated: InitiatedSignIn | None = field(default_factory=lambda: POLICY)

    @property
    def connection(self) -> Connection:
        plain = super().connection
        assert plain.saml is not None
        return replace(plain, saml=replace(plain.saml, initiated=self.initiated))


class InitiatedGateway(SamlGateway):
    """`acme` takes what the IdP begins, `other` does not; `acme` has a second relying party."""

    def __init__(self, policy: InitiatedSignIn | None = POLICY, **idp: Any) -> None:
        super().__init__(InitiatingIdp(initiated=policy, **idp))
        other = self.bridge.registry.get("other", Deadline.after(20))
        assert other.saml is not None
        self.bridge.registry.put(replace(other, saml=replace(other.saml, initiated=None)))
        acme = self.bridge.registry.get("acme", Deadline.after(20))
        second = RelyingParty(
            client_id=OTHER_CLIENT,
            secret_hashes=(secret_hash(SECRET),),
            redirect_uris=(REDIRECT_URI,),
            restart_url="https://other-app.example",
        )
        self.bridge.registry.put(replace(acme, relying_parties=(*acme.relying_parties, second)))


UNSOLICITED = Message(in_response_to=None, confirmation={"InResponseTo": None})


@dataclass
class Person(SamlVisitor):
    """A browser that the IdP sends here first. It keeps both cookies."""

    jar: dict[str, str] = field(default_factory=dict)

    def keep(self, answer: Answer) -> Answer:
        for line in answer.cookies:
            name, _, value = line.partition(";")[0].partition("=")
            self.jar[name] = value
            if "Max-Age=0" in line:
                del self.jar[name]
        self.cookies = tuple(f"{name}={value}" for name, value in self.jar.items())
        return answer

    def document(self, message: Message) -> str:
        acs = f"https://bridge.example/{self.name}/saml/acs"
        sp = f"https://bridge.example/{self.name}/saml/metadata"
        return self.gateway.saml_idp.document(replace(message, acs=acs, sp=sp))

    def arrive(
        self,
        message: Message = UNSOLICITED,
        *,
        relay_state: str | None = None,
        document: str | None = None,
        name: str | None = None,
    ) -> Answer:
        """Bring a Response that nobody asked for."""
        form = {"SAMLResponse": encode(document or self.document(message))}
        if relay_state is not None:
            form["RelayState"] = relay_state
        at = name or self.name
        return self.keep(self.gateway.send("POST", ACS_PATH, name=at, form=form, cookies=self.cookies))

    def log_in(self, *, name: str | None = None, **parameters: str) -> Answer:
        """Come back from Cognito, because the app began a flow."""
        asked = {
            "client_id": CLIENT, "redirect_uri": REDIRECT_URI, "state": STATE, **CODE_PARAMETERS, **parameters,
        }  # fmt: skip
        at = name or self.name
        return self.keep(self.gateway.send("GET", LOGIN, name=at, query=asked, cookies=self.cookies))


@pytest.fixture
def gateway():
    return InitiatedGateway()


@pytest.fixture
def person(gateway):
    return Person(gateway)


def went_to_idp(answer):
    return answer.status == 302 and answer.headers["location"].startswith("https://idp.example/sso?")


def claims_of(gateway, answer, **client):
    assert answer.status == 302, answer
    assert answer.location["state"] == STATE
    tokens = gateway.redeem(answer.location["code"], **client)
    assert tokens.status == 200, tokens
    found = gateway.read_userinfo(tokens.json["access_token"])
    assert found.status == 200
    return found.json


def assert_page(gateway, answer, reason, *, status=400):
    """A page, nothing set, nothing issued; and the next sign-in of each kind works."""
    assert answer.status == status, answer
    assert "location" not in answer.headers
    assert list(answer.cookies) == []
    assert_refused(answer, reason)
    assert NAME_ID not in answer.body
    good = Person(gateway)
    assert good.arrive(fresh()).status == 303
    assert claims_of(gateway, good.log_in())["email"]


_ids = iter(range(10**6))


def fresh(**changes):
    return replace(UNSOLICITED, assertion_id=f"_fresh-{next(_ids)}", **changes)


# --- the good way ----------------------------------------------------------------------------------------------------


def test_the_app_begins_a_flow_of_its_own_and_gets_the_identity(gateway, person):
    answer = person.arrive()
    assert answer.status == 303
    assert answer.headers["location"].startswith(f"{APP}?")
    assert answer.location == {
        "iss": "https://bridge.example/acme",
        "target_link_uri": "https://app.example/dashboard?a=1&b=2",
    }
    back = person.log_in(nonce="n" * 20)
    assert back.headers["location"].partition("?")[0] == REDIRECT_URI
    claims = claims_of(gateway, back)
    asked_for = SamlVisitor(gateway).start().respond(Message())
    assert claims["sub"] == claims_of_redirect(gateway, asked_for)["sub"]


def claims_of_redirect(gateway, answer):
    tokens = gateway.redeem(answer.location["code"])
    return gateway.read_userinfo(tokens.json["access_token"]).json


def test_it_costs_one_write_more_than_a_sign_in_that_the_app_begins(gateway, person):
    counted: list[str] = []
    store = gateway.bridge.store

    class Counting:
        def __getattr__(self, name):
            counted.append(name)
            return getattr(store, name)

    gateway.saml = replace(gateway.saml, transactions=Counting())
    gateway.serve_with(transactions=Counting())
    person.arrive()
    claims_of(gateway, person.log_in())
    assert counted == ["put", "put", "claim", "authorize", "redeem", "read"]


def test_what_the_log_says_of_it_has_one_reference(person):
    arrived, came_back = person.arrive(), person.log_in()
    ((first, at_acs),) = arrived.events
    ((second, at_login),) = came_back.events
    assert (first, second) == ("sign_in_initiated", "sign_in_authorized")
    assert at_acs["correlation_id"] == at_login["correlation_id"]


def test_the_cookie_can_be_set_and_used_by_a_page_that_the_person_sees_alone(person):
    lines = {line.partition("=")[0]: line for line in person.arrive().cookies}
    assert lines.keys() == {cookie.NAME, initiated.NAME}
    attributes = lines[initiated.NAME].split("; ")[1:]
    assert attributes == ["Path=/", f"Max-Age={INITIATED_LIFETIME}", "Secure", "HttpOnly", "SameSite=Lax"]
    assert tuple(person.log_in().cookies) == (initiated.clear(),)
    assert initiated.NAME not in person.jar


def test_a_target_without_a_link_and_with_an_issuer_of_its_own(person):
    assert person.arrive(relay_state="https://old.example/relay").location == {
        "iss": "https://pool.example/eu_1"
    }


def test_the_weaker_way_leads_to_cognito_and_is_used_up_there_as_well(gateway, person):
    answer = person.arrive(relay_state="legacy")
    assert (
        answer.headers["location"] == "https://pool.example/oauth2/authorize?client_id=app&response_type=code"
    )
    assert claims_of(gateway, person.log_in())["email"]


def test_sign_ins_that_the_app_begins_go_on_as_ever(gateway, person):
    visitor = SamlVisitor(gateway).start()
    assert visitor.respond(Message()).status == 303


# --- 73: off, unless the connection says so --------------------------------------------------------------------------


@pytest.mark.parametrize("relay_state", [None, "", "dashboard", "https://evil.example"])
def test_case_73_off_by_default(relay_state):
    gateway = InitiatedGateway(policy=None)
    person = Person(gateway)
    answer = person.arrive(relay_state=relay_state)
    assert answer.status == 400
    assert_refused(answer, "browser_cookie_missing")
    assert list(answer.cookies) == []


def test_case_73_by_get_there_is_nothing_to_receive(gateway, person):
    query = {"SAMLResponse": encode(person.document(UNSOLICITED))}
    answer = gateway.send("GET", ACS_PATH, query=query)
    assert_page(gateway, answer, "response_mode_mismatch")


# --- 74: replayed, elsewhere, to a target that is none ---------------------------------------------------------------


def test_case_74_at_another_connection_that_does_not_take_it(gateway, person):
    answer = person.arrive(name="other")
    assert answer.status == 400
    assert_refused(answer, "browser_cookie_missing")


def test_case_74_what_is_for_one_connection_is_refused_at_another_that_takes_them(gateway, person):
    given = gateway.bridge.registry.get("other", Deadline.after(20))
    gateway.bridge.registry.put(replace(given, saml=replace(given.saml, initiated=POLICY)))
    document = person.document(UNSOLICITED)
    assert_page(gateway, person.arrive(document=document, name="other"), "saml_destination_mismatch")


def test_case_74_the_identity_of_one_connection_is_nothing_at_another(gateway, person):
    given = gateway.bridge.registry.get("other", Deadline.after(20))
    gateway.bridge.registry.put(replace(given, saml=replace(given.saml, initiated=POLICY)))
    person.arrive()
    assert went_to_idp(person.log_in(name="other"))
    assert claims_of(gateway, person.log_in())["email"]  # and is not used up there


@pytest.mark.parametrize("browser", ["same", "another"])
def test_case_74_replayed(gateway, person, browser):
    document = person.document(UNSOLICITED)
    assert person.arrive(document=document).status == 303
    again = person if browser == "same" else Person(gateway)
    assert_page(gateway, again.arrive(document=document), "saml_assertion_replayed")


def test_case_70_the_same_assertion_in_a_fresh_envelope(gateway, person):
    assert person.arrive(replace(UNSOLICITED, response_id="_one")).status == 303
    answer = Person(gateway).arrive(replace(UNSOLICITED, response_id="_two"))
    assert_page(gateway, answer, "saml_assertion_replayed")


def test_case_70_fifty_at_once_are_one(gateway, person):
    document, answers = person.document(UNSOLICITED), []

    def come():
        answers.append(Person(gateway).arrive(document=document))

    threads = [threading.Thread(target=come) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [303] + [400] * 49


def test_case_70_an_assertion_is_remembered_for_as_long_as_it_could_be_accepted(gateway, person):
    """What is remembered outlives the assertion by the largest skew, and no live sign-in is swept because of it."""
    waiting = SamlVisitor(gateway).start()
    long = replace(
        UNSOLICITED, conditions={"NotOnOrAfter": at(80_000)}, confirmation={"InResponseTo": None, "NotOnOrAfter": at(80_000)}
    )  # fmt: skip
    assert person.arrive(long).status == 303
    items = gateway.bridge.store._items.values()
    (mark,) = [item for item in items if item.id.startswith("assertion:")]
    now = gateway.bridge.clock()
    assert now + 79_000 + MAX_SKEW < mark.token_expires_at < now + 80_010 + MAX_SKEW
    assert mark.phase is Phase.FAILED
    assert waiting.respond(Message()).status == 303


def test_a_table_that_cannot_be_asked_whether_it_is_a_replay_accepts_nothing(gateway, person):
    class Down:
        def put(self, transaction, deadline):
            raise StoreUnavailable

    working = gateway.saml
    gateway.saml = replace(gateway.saml, transactions=Down())
    answer = person.arrive()
    gateway.saml = working
    assert_page(gateway, answer, "store_unavailable", status=503)


@pytest.mark.parametrize(
    "relay_state",
    [
        "https://evil.example/",
        "Dashboard",
        "dashboard ",
        "javascript:alert(1)",
        "//evil.example",
        "x" * 2048,
        "\x7f",
    ],
)
def test_case_74_a_target_that_is_not_registered(gateway, person, relay_state):
    answer = person.arrive(relay_state=relay_state)
    assert answer.status == 400
    assert answer.reasons in (["saml_target_unknown"], ["control_character"])
    assert "location" not in answer.headers
    assert list(answer.cookies) == []


def test_case_74_no_target_where_there_is_no_default():
    gateway = InitiatedGateway(policy=replace(POLICY, default_target=None))
    for relay_state in (None, ""):
        answer = Person(gateway).arrive(relay_state=relay_state)
        assert (answer.status, answer.reasons) == (400, ["saml_target_unknown"])


def test_case_74_a_disabled_connection(gateway, person):
    document = person.document(UNSOLICITED)
    gateway.bridge.registry.remove("acme", "v1")
    answer = person.arrive(document=document)
    assert (answer.status, answer.reasons) == (404, ["unknown_connection"])


def test_case_74_a_connection_that_takes_them_no_more(gateway, person):
    person.arrive()
    given = gateway.bridge.registry.get("acme", Deadline.after(20))
    gateway.bridge.registry.put(replace(given, saml=replace(given.saml, initiated=None)))
    assert went_to_idp(person.log_in())


def test_case_74_a_handle_of_a_sign_in_as_relay_state_is_that_sign_ins(gateway, person):
    answer = person.arrive(relay_state=RELAY_STATE)
    assert answer.status == 400
    assert_refused(answer, "browser_cookie_missing")


# --- the answer to a request is not what nobody asked for ------------------------------------------------------------


@pytest.mark.parametrize(
    "message,reason",
    [
        (Message(), "saml_in_response_to_mismatch"),
        (Message(in_response_to=None), "saml_in_response_to_mismatch"),
        (Message(confirmation={"InResponseTo": None}), "saml_in_response_to_mismatch"),
        (replace(UNSOLICITED, in_response_to=""), "saml_in_response_to_mismatch"),
        (replace(UNSOLICITED, confirmation={"InResponseTo": ""}), "saml_in_response_to_mismatch"),
        (replace(UNSOLICITED, destination=None), "saml_destination_mismatch"),
        (replace(UNSOLICITED, audience=""), "saml_audience_mismatch"),
        (replace(UNSOLICITED, signed="none"), "saml_signature_missing"),
        (replace(UNSOLICITED, issue_instant=at(-400)), "saml_issue_instant_refused"),
        (replace(UNSOLICITED, assertion_instant=at(-400)), "saml_issue_instant_refused"),
        (replace(UNSOLICITED, conditions={"NotOnOrAfter": at(-61)}), "saml_expired"),
        (replace(UNSOLICITED, name_id=""), "saml_name_id_malformed"),
    ],
)  # fmt: skip
def test_case_62_a_stolen_answer_to_a_request_cannot_pose_as_unsolicited(gateway, person, message, reason):
    answer = person.arrive(message)
    assert answer.reasons in ([reason], ["saml_rejected"])
    # Not `sign_in_failed`: anybody can post this, and that event raises an alarm.
    assert [name for name, _ in answer.events] == ["request_refused"]
    assert_page(gateway, answer, answer.reasons[0])


def test_case_67_what_went_wrong_at_the_idp_ends_on_a_page(gateway, person):
    failed = (
        '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder">'
        '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"/></samlp:StatusCode></samlp:Status>'
    )
    answer = person.arrive(replace(UNSOLICITED, status=failed, assertions="", signed="none"))
    assert_page(gateway, answer, "saml_status_refused")


def test_the_level_that_requests_ask_for_is_demanded_all_the_same():
    gateway = InitiatedGateway(request=AuthnRequestProfile(authn_context=("https://refeds.org/profile/mfa",)))
    weak = Person(gateway).arrive(fresh(context=PASSWORD))
    assert (weak.status, weak.reasons) == (400, ["saml_authn_context_unmet"])
    assert Person(gateway).arrive(fresh(context="https://refeds.org/profile/mfa")).status == 303


def test_a_fresh_authentication_is_demanded_all_the_same():
    gateway = InitiatedGateway(request=AuthnRequestProfile(force_authn=True))
    old = Person(gateway).arrive(fresh(authn={"AuthnInstant": at(-400)}))
    assert (old.status, old.reasons) == (400, ["saml_auth_time_unmet"])
    assert Person(gateway).arrive(fresh()).status == 303


# --- whose identity, and where it may be used ------------------------------------------------------------------------


def test_it_is_used_once(gateway, person):
    person.arrive()
    taken = dict(person.jar)
    assert claims_of(gateway, person.log_in())["email"]
    person.jar, person.cookies = taken, tuple(f"{name}={value}" for name, value in taken.items())
    assert went_to_idp(person.log_in())


def test_fifty_at_once_use_it_once(gateway, person):
    person.arrive()
    cookies, answers = person.cookies, []

    def come():
        answers.append(Person(gateway, cookies=cookies).log_in())

    threads = [threading.Thread(target=come) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([answer for answer in answers if "code" in answer.location]) == 1
    assert len([answer for answer in answers if went_to_idp(answer)]) == 49


def test_case_13_another_browser_has_nothing(gateway, person):
    person.arrive()
    assert went_to_idp(Person(gateway).log_in())


@pytest.mark.parametrize("stolen", [cookie.NAME, initiated.NAME])
def test_case_13_one_cookie_without_the_other_opens_nothing(gateway, person, stolen):
    person.arrive()
    other = Person(gateway)
    other.log_in()
    other.jar[stolen] = person.jar[stolen]
    other.cookies = tuple(f"{name}={value}" for name, value in other.jar.items())
    assert went_to_idp(other.log_in())
    assert claims_of(gateway, person.log_in())["email"]  # nothing was burnt


def test_another_relying_party_neither_gets_nor_burns_it(gateway, person):
    person.arrive()
    assert went_to_idp(person.log_in(client_id=OTHER_CLIENT))
    assert claims_of(gateway, person.log_in())["email"]


def test_it_is_over_after_two_minutes(gateway, person):
    person.arrive()
    clock = gateway.bridge.clock
    gateway.saml = replace(gateway.saml, clock=lambda: clock() + INITIATED_LIFETIME + 1)
    assert went_to_idp(person.log_in())


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "0"}, {"max_age": "3600"}])
def test_what_the_app_asks_of_the_authentication_is_asked_of_the_idp(gateway, person, asked):
    person.arrive()
    assert went_to_idp(person.log_in(**asked))


def test_case_2_nothing_is_used_before_client_and_redirect_uri_are_proven(gateway, person):
    person.arrive()
    evil = person.log_in(redirect_uri="https://evil.example/cb")
    assert (evil.status, evil.reasons) == (400, ["redirect_uri_mismatch"])
    assert claims_of(gateway, person.log_in())["email"]


def test_a_request_that_cannot_be_answered_uses_nothing(gateway, person):
    person.arrive()
    assert person.log_in(response_type="token").location["error"] == "unsupported_response_type"
    assert claims_of(gateway, person.log_in())["email"]


def test_the_handle_is_no_state_and_a_state_no_handle(gateway, person):
    person.arrive()
    handle = person.jar[initiated.NAME]
    form = {"SAMLResponse": encode(person.document(UNSOLICITED)), "RelayState": handle}
    answer = gateway.send("POST", ACS_PATH, form=form, cookies=person.cookies)
    assert (answer.status, answer.reasons) == (400, ["state_unknown"])
    visitor = SamlVisitor(gateway).start()
    swapped = Person(
        gateway, jar={cookie.NAME: visitor.cookies[0].partition("=")[2], initiated.NAME: visitor.relay_state}
    )
    swapped.cookies = tuple(f"{name}={value}" for name, value in swapped.jar.items())
    assert went_to_idp(swapped.log_in())
    assert visitor.respond(Message()).status == 303
    assert claims_of(gateway, person.log_in())["email"]


def test_the_identity_at_rest_opens_with_both_cookies_alone(gateway, person):
    person.arrive()
    handle, browser = person.jar[initiated.NAME], person.jar[cookie.NAME]
    item = gateway.bridge.store._items[handle[:21]]
    assert NAME_ID.encode() not in item.sealed_request
    label = Label(
        scope=Scope("test", "acme"), purpose="initiated", transaction_id=item.id, expires_at=item.expires_at
    )
    assert unseal(handle[21:] + browser, label, item.sealed_request)["subject"]
    for known in (handle[21:], browser, handle + browser, browser + handle[21:]):
        with pytest.raises(Exception, match="seal_broken"):
            unseal(known, label, item.sealed_request)
    for elsewhere in (Scope("prod", "acme"), Scope("test", "other")):
        with pytest.raises(Exception, match="seal_broken"):
            unseal(handle[21:] + browser, replace(label, scope=elsewhere), item.sealed_request)


@pytest.mark.parametrize("value", ["", "x", "Z" * 43, "é" * 43, "Z" * 44])
def test_a_cookie_that_is_none(gateway, value):
    person = Person(gateway)
    person.log_in()
    person.cookies = (*person.cookies, f"{initiated.NAME}={value}")
    assert went_to_idp(person.log_in())


# --- login CSRF: with the app's help, an identity is used in the flow that was begun for it alone --------------------


@pytest.fixture
def strict():
    return InitiatedGateway(policy=replace(POLICY, require_login_hint=True))


def test_the_hint_that_the_app_passes_on_is_demanded(strict):
    person = Person(strict)
    hint = person.arrive().location["login_hint"]
    assert len(hint) == 22
    for wrong in ({}, {"login_hint": "ana@example.com"}, {"login_hint": "x" * 22}, {"login_hint": hint[:-1]}):
        assert went_to_idp(person.log_in(**wrong))
    assert claims_of(strict, person.log_in(login_hint=hint))["email"]


def test_a_flow_that_the_person_began_is_not_given_an_identity_that_somebody_slipped_in(strict):
    victim = Person(strict)
    victim.arrive()  # A page of mallory's posts his assertion; the victim closes what comes up, and signs in later.
    assert went_to_idp(victim.log_in())


def test_the_hint_goes_to_cognito_as_well(strict):
    answer = Person(strict).arrive(relay_state="legacy")
    assert urlsplit(answer.headers["location"]).query.startswith(
        "client_id=app&response_type=code&login_hint="
    )


def test_encrypted_assertions_are_signed_before_they_are_decrypted():
    """Strangers can encrypt to our certificate; without the IdP's signature around it no key is used."""
    from tests.unit.sp.idp import GCM256

    gateway = InitiatedGateway(policy=POLICY)
    gateway.saml_idp.policy = AssertionPolicy(encryption="required", signed="response")
    gateway.publish("acme", "https://bridge.example/acme/saml/metadata")
    unsigned = Person(gateway).arrive(fresh(signed="assertion", encrypt=GCM256))
    assert (unsigned.status, unsigned.reasons) == (400, ["saml_signature_missing"])
    assert gateway.saml_idp.ports.unwraps == 0
    assert Person(gateway).arrive(fresh(signed="response", encrypt=GCM256)).status == 303

"""P, what belongs to A is worthless at B (cases 141 to 147): two connections of one bridge, and two environments.

Everything else is alike on purpose: the client id, the redirect URI, the browser, the store, the person at the IdP.
Client assertions (case 80) are in test_i_client_assertion.py, subjects and domains (142, 148) also in test_claims.py.
"""

import threading
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import ClientAuthentication, IdTokenPolicy
from fedbridge.model.identity import Identity
from fedbridge.store.registry import FRESH_FOR, CachingConnectionRegistry, Published
from tests.fakes.http import FakeHttpClient
from tests.fakes.registry import FakeRegistry
from tests.fakes.upstream import IDENTITY, FakeUpstream
from tests.support.bridge import (
    REDIRECT_URI,
    SECRET,
    STATE,
    Bridge,
    SettableClock,
    connection,
    id_token_claims,
)
from tests.support.canaries import canary
from tests.support.gateway import Gateway, Visitor, assert_refused, signs_in
from tests.unit.rp.idp import (
    KEY_REFERENCE,
    SECRET_REFERENCE,
    FakeIdp,
    KeySigner,
    form,
    private_key,
    public_jwk,
)

OTHER_SECRET = canary("b7" * 21 + "b", "client_secret")


@dataclass
class Place:
    """One side: a gateway, the name of a connection there, and its relying party's secret."""

    gateway: Gateway
    name: str
    secret: str
    browser: Visitor = field(init=False)

    def __post_init__(self):
        self.browser = Visitor(self.gateway, self.name)

    def redeem(self, code, **overrides):
        return self.gateway.redeem(code, name=self.name, **{"client_secret": self.secret, **overrides})

    def artefacts(self):
        """Every kind of artefact, each good at home at this moment."""
        pending = self.browser.start()
        finished = self.browser.start()
        code = self.browser.callback(finished, code="code-of-the-idp-" + "U" * 27).location["code"]
        spent = self.browser.sign_in()
        tokens = self.redeem(spent).json
        return {
            "state": pending,
            "state of a finished trip": finished,
            "code": code,
            "redeemed code": spent,
            "upstream code": "code-of-the-idp-" + "U" * 27,
            "access token": tokens["access_token"],
            "ID token": tokens["id_token"],
            "cookie": self.browser.cookies[0].partition("=")[2],
            "client secret": self.secret,
        }

    def still_works(self, artefacts):
        """What was carried elsewhere is as good at home as before."""
        assert "code" in self.browser.callback(artefacts["state"]).location
        assert self.redeem(artefacts["code"]).status == 200
        assert self.gateway.read_userinfo(artefacts["access token"], name=self.name).status == 200


def two_connections():
    registry = FakeRegistry(connection("acme"), connection("bank", secret=OTHER_SECRET))
    gateway = Gateway(Bridge(registry=registry))
    return Place(gateway, "acme", SECRET), Place(gateway, "bank", OTHER_SECRET)


def two_environments():
    """On one table, which no deployment would do: the names in every seal and hash are what keeps them apart."""
    test = Gateway(Bridge(environment="test"))
    prod = Gateway(
        Bridge(
            environment="prod",
            store=test.bridge.store,
            registry=FakeRegistry(connection("acme", secret=OTHER_SECRET)),
        )
    )
    return Place(test, "acme", SECRET), Place(prod, "acme", OTHER_SECRET)


PAIRS = {
    "connections": two_connections,
    "connections, the other way": lambda: two_connections()[::-1],
    "environments": two_environments,
    "environments, the other way": lambda: two_environments()[::-1],
}
ARTEFACTS = [
    "state", "state of a finished trip", "code", "redeemed code", "upstream code", "access token", "ID token", "cookie",
    "client secret",
]  # fmt: skip


def cookie(value):
    return (f"__Host-fedbridge={value}",)


def at_callback_in_the_same_browser(a, b, artefact):
    return Visitor(b.gateway, b.name, a.browser.cookies).callback(artefact)


def at_callback_in_a_browser_of_b(a, b, artefact):
    b.browser.start()
    return b.browser.callback(artefact)


def as_the_cookie_of_a_sign_in_at_b(a, b, artefact):
    return Visitor(b.gateway, b.name, cookie(artefact)).callback(b.browser.start())


def as_the_code(a, b, artefact):
    return b.redeem(artefact)


def as_the_secret(a, b, artefact):
    return b.redeem(b.browser.sign_in(), client_secret=artefact)


def as_the_secret_of_a_code_of_a(a, b, artefact):
    return b.redeem(a.browser.sign_in(), client_secret=artefact)


def as_the_client(a, b, artefact):
    return b.redeem(b.browser.sign_in(), client_id=artefact)


def as_the_verifier(a, b, artefact):
    return b.redeem(b.browser.sign_in(), code_verifier=artefact)


def as_the_client_at_authorize(a, b, artefact):
    return b.browser.authorize(client_id=artefact)


def as_the_redirect_uri(a, b, artefact):
    return b.browser.authorize(redirect_uri=f"{REDIRECT_URI}?x={artefact}")


def as_the_bearer_token(a, b, artefact):
    return b.gateway.read_userinfo(artefact, name=b.name)


def as_the_bearer_token_of_a_form(a, b, artefact):
    return b.gateway.send("POST", "userinfo", name=b.name, form={"access_token": artefact})


SLOTS = [
    at_callback_in_the_same_browser, at_callback_in_a_browser_of_b, as_the_cookie_of_a_sign_in_at_b, as_the_code,
    as_the_secret, as_the_secret_of_a_code_of_a, as_the_client, as_the_verifier, as_the_client_at_authorize,
    as_the_redirect_uri, as_the_bearer_token, as_the_bearer_token_of_a_form,
]  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: slot.__name__)
@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_case_141_no_artefact_of_a_is_good_at_any_endpoint_of_b(pair, slot, artefact):
    a, b = PAIRS[pair]()
    artefacts = a.artefacts()
    b.browser.start()
    exchanged = len(b.gateway.bridge.upstream.finished)
    answer = slot(a, b, artefacts[artefact])
    # Whatever the slot needed of b's own was made by good sign-ins of b before; the answer itself has issued nothing.
    assert answer.status in {400, 401}
    assert "location" not in answer.headers
    (reason,) = answer.reasons
    assert_refused(replace(answer, sent=[value for value in answer.sent if value != b.secret]), reason)
    own_sign_ins = slot.__name__ in {"as_the_secret", "as_the_client", "as_the_verifier"}
    if a.gateway is not b.gateway:
        assert len(b.gateway.bridge.upstream.finished) == exchanged + own_sign_ins
    a.still_works(artefacts)
    assert signs_in_at(b)


def signs_in_at(place):
    tokens = place.redeem(Visitor(place.gateway, place.name).sign_in())
    return place.gateway.read_userinfo(tokens.json["access_token"], name=place.name).status == 200


@pytest.mark.parametrize("pair", ["connections", "environments"])
def test_case_141_id_tokens_name_where_they_are_for(pair):
    a, b = PAIRS[pair]()
    b.gateway.bridge.back = replace(b.gateway.bridge.back, base_url=f"https://{pair}.example")
    claims = [id_token_claims(place.redeem(place.browser.sign_in()).json["id_token"]) for place in (a, b)]
    assert claims[0]["iss"] != claims[1]["iss"]


def test_case_141_the_same_browser_at_both_with_everything_else_its_own():
    """The good twin of the matrix: one cookie, two connections, both arrive."""
    a, b = two_connections()
    first = a.browser.start()
    both = Visitor(b.gateway, b.name, a.browser.cookies)
    second = both.start()
    assert both.cookies == a.browser.cookies
    assert b.redeem(both.callback(second).location["code"]).status == 200
    assert a.redeem(a.browser.callback(first).location["code"]).status == 200


# --- the upstream side ------------------------------------------------------------------------------------------------


class TwoIdps:
    """Two IdPs behind one bridge and one `OidcUpstream`, on one HTTP client: everything that could be shared is."""

    def __init__(self, *, b_issuer="https://b.example", same_key=False, same_kid=False, **b_fields):
        self.http = FakeHttpClient()
        key = private_key("ES256", 1)
        kid = {"kid": "one-kid-for-all"} if same_kid else {}
        self.a = FakeIdp(issuer="https://a.example", http=self.http, key=key, header=kid)
        self.b = FakeIdp(
            issuer=b_issuer, http=self.http, key=key if same_key else private_key("ES256", 2), header=kid
        )
        for idp in (self.a, self.b):
            idp.serve_keys(public_jwk(idp.key, **kid))
        self.gateway = Gateway(
            Bridge(
                registry=FakeRegistry(
                    self.connection("acme", self.a), self.connection("bank", self.b, **b_fields)
                )
            )
        )
        self.gateway.bridge.front = replace(self.gateway.bridge.front, upstream=lambda _: self.a.upstream)

    @staticmethod
    def connection(name, idp, **fields):
        return connection(
            **{
                "name": name,
                "issuer": idp.issuer,
                "client_id": "bridge",
                "client_authentication": ClientAuthentication(secret=SECRET_REFERENCE),
                "id_token": IdTokenPolicy(algorithms=("ES256",)),
                **fields,
            }
        )

    def callback(self, name):
        """Walk to the answer of the callback."""
        browser = Visitor(self.gateway, name)
        started = browser.authorize()
        idp = {"acme": self.a, "bank": self.b}[name]
        idp.nonce = started.location["nonce"]
        return browser.callback(started.location["state"])

    def signs_in(self, name):
        """Walk a whole sign-in; returns userinfo."""
        tokens = self.gateway.redeem(self.callback(name).location["code"], name=name).json
        return self.gateway.read_userinfo(tokens["access_token"], name=name).json

    def calls(self, url):
        return len(self.http.calls(url))


def assert_fails(answer, *reasons):
    assert answer.location["error"] == "server_error"
    assert "code" not in answer.location
    (reason,) = answer.reasons
    assert reason in reasons
    assert_refused(answer, reason)


@pytest.mark.parametrize("same_kid", [False, True])
@pytest.mark.parametrize(("at", "of"), [("acme", "b"), ("bank", "a")])
def test_case_141_the_id_token_of_one_idp_in_the_token_response_of_the_other(at, of, same_kid):
    idps = TwoIdps(same_kid=same_kid)
    idps.signs_in("acme")
    idps.signs_in("bank")
    home = {"acme": idps.a, "bank": idps.b}[at]
    other = getattr(idps, of)

    def foreign(_):
        other.nonce = home.nonce
        return other.token_answer()

    home.answer_token(foreign)
    assert_fails(idps.callback(at), "id_token_signature_invalid", "id_token_key_unknown")
    home.answer_token(lambda _: home.token_answer())
    assert idps.signs_in("acme")["email"] == idps.signs_in("bank")["email"] == "ana@example.com"


@pytest.mark.parametrize(
    ("at", "claims"), [("bank", {"iss": "https://a.example"}), ("acme", {"aud": "bridge-at-b"})]
)
def test_case_141_the_id_token_of_one_idp_even_with_one_key_for_both(at, claims):
    """Somebody hosts both and signs with one key: issuer and audience still tell the tokens apart."""
    idps = TwoIdps(same_key=True)
    idps.signs_in("acme")
    idp = {"acme": idps.a, "bank": idps.b}[at]
    idp.claims |= claims
    assert_fails(idps.callback(at), "id_token_issuer_mismatch", "id_token_audience_mismatch")


def test_case_141_credentials_of_a_are_sent_to_a_alone():
    idps = TwoIdps(client_authentication=ClientAuthentication(method="private_key_jwt", key=KEY_REFERENCE))
    idps.a.keys.signers[KEY_REFERENCE] = KeySigner(private_key("ES256", 3), "ES256")
    for name in ("acme", "bank") * 3:
        idps.signs_in(name)
    to_a = idps.http.calls("https://a.example/token")
    to_b = idps.http.calls("https://b.example/token")
    assert len(to_a) == len(to_b) == 3
    assert all(request.headers["authorization"].startswith("Basic ") for request in to_a)
    assert all("client_assertion" not in form(request) for request in to_a)
    assert all("authorization" not in request.headers for request in to_b)
    assertions = [id_token_claims(form(request)["client_assertion"]) for request in to_b]
    assert {claims["aud"] for claims in assertions} == {"https://b.example"}
    assert len({claims["jti"] for claims in assertions}) == 3


def test_case_142_the_same_person_at_two_idps_is_two_people():
    idps = TwoIdps()
    at_a, at_b = idps.signs_in("acme"), idps.signs_in("bank")
    assert at_a["sub"] != at_b["sub"]
    # An IdP that names its user after the subject that the other connection hands out gains nothing either.
    idps.b.claims["sub"] = at_a["sub"]
    idps.b.userinfo = {"sub": at_a["sub"], "email": "ana@example.com"}
    forged = idps.signs_in("bank")
    assert len({at_a["sub"], at_b["sub"], forged["sub"]}) == 3
    assert idps.signs_in("acme")["sub"] == at_a["sub"]


def test_case_143_one_kid_in_two_key_sets_is_two_keys():
    idps = TwoIdps(same_kid=True)
    for name in ("acme", "bank", "acme", "bank"):
        assert idps.signs_in(name)["email"] == "ana@example.com"
    assert idps.calls("https://a.example/jwks") == idps.calls("https://b.example/jwks") == 1
    idps.a.key, idps.b.key = idps.b.key, idps.a.key
    for name in ("acme", "bank"):
        assert_fails(idps.callback(name), "id_token_signature_invalid")


def test_case_143_one_issuer_and_jwks_uri_are_fetched_for_each_connection():
    """Two connections to one IdP: the keys that one of them got, poisoned, are nothing to the other."""
    idp = FakeIdp()
    gateway = Gateway()
    gateway.connect(idp)
    gateway.bridge.registry.put(TwoIdps.connection("bank", idp))
    good, evil = idp.key, private_key("ES256", 9)
    idp.serve_keys(public_jwk(evil))
    idp.key = evil
    assert signs_in(gateway, "acme")["sub"]  # whoever has the IdP's name and address for a while is the IdP
    idp.serve_keys(public_jwk(good))
    browser = Visitor(gateway, "bank")
    assert_fails(browser.callback(browser.start()), "id_token_key_unknown")
    idp.key = good
    assert signs_in(gateway, "bank")["sub"]
    assert len(idp.http.calls(idp.discovery_url)) == len(idp.http.calls(idp.url("/jwks"))) == 2


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        ({"issuer": "https://b.example"}, "metadata_issuer_mismatch"),
        ({"jwks_uri": "https://b.example/jwks"}, "metadata_host_refused"),
        ({"token_endpoint": "https://b.example/token"}, "metadata_host_refused"),
        ({"authorization_endpoint": "https://evil.example/authorize"}, "metadata_host_refused"),
    ],
)
def test_case_143_poisoned_metadata_of_a_fail_a_alone(poison, reason):
    idps = TwoIdps()
    idps.a.serve_metadata(**poison)
    refused = Visitor(idps.gateway, "acme").authorize()
    assert refused.location["error"] == "server_error"
    assert_refused(refused, reason)
    assert idps.signs_in("bank")["email"] == "ana@example.com"
    assert not [request for request in idps.http.sent if "evil" in request.url]
    idps.a.serve_metadata()
    assert idps.signs_in("acme")["email"] == "ana@example.com"


def test_case_143_a_new_version_of_a_connection_starts_with_empty_caches():
    idps = TwoIdps()
    idps.signs_in("acme")
    before = idps.calls("https://a.example/jwks"), idps.calls(idps.a.discovery_url)
    idps.gateway.bridge.registry.put(idps.connection("acme", idps.a, version="v2"))
    idps.signs_in("acme")
    assert (idps.calls("https://a.example/jwks"), idps.calls(idps.a.discovery_url)) == (
        before[0] + 1,
        before[1] + 1,
    )


# --- one process, many sign-ins --------------------------------------------------------------------------------------


class Mirror(FakeUpstream):
    """An upstream whose people are made of the connection and the code that came back."""

    def finish(self, connection, *, remembered, callback_url, response, deadline):
        name, code = connection.name, response["code"]
        return Identity(subject=f"{name}-{code}", claims={"email": f"{code}@{name}.example"}, acr=name)


def walk(gateway, name, number):
    """Yield between the steps of a sign-in; at its end everything that came out is this sign-in's own."""
    party = {"acme": SECRET, "bank": OTHER_SECRET}[name]
    browser = Visitor(gateway, name)
    own_state, nonce = f"state-{name}-{number}", f"nonce-{name}-{number}"
    upstream_state = browser.start(state=own_state, nonce=nonce)
    yield
    back = browser.callback(upstream_state, code=f"person{number}").location
    assert back["state"] == own_state
    yield
    tokens = gateway.redeem(back["code"], name=name, client_secret=party).json
    claims = id_token_claims(tokens["id_token"])
    assert claims["iss"] == f"https://bridge.example/{name}"
    assert (claims["sub"], claims["nonce"], claims["acr"]) == (f"{name}-person{number}", nonce, name)
    assert claims["email"] == f"person{number}@{name}.example"
    yield
    found = gateway.read_userinfo(tokens["access_token"], name=name).json
    assert found == {"sub": f"{name}-person{number}", "email": f"person{number}@{name}.example"}


def warm_gateway():
    registry = FakeRegistry(connection("acme"), connection("bank", secret=OTHER_SECRET))
    return Gateway(Bridge(registry=registry, upstream=Mirror()), watched=False)  # a thousand is many


def assert_logs_do_not_cross(gateway, sign_ins):
    events = gateway.bridge.telemetry.events
    by_id: dict[str, list[tuple[str, str]]] = {}
    for name, fields in events:
        by_id.setdefault(fields["correlation_id"], []).append((name, fields["connection"]))
    assert len(by_id) == sign_ins
    for told in by_id.values():
        assert [name for name, _ in told] == [
            "sign_in_started", "sign_in_authorized", "sign_in_redeemed", "userinfo_read",
        ]  # fmt: skip
        assert len({at for _, at in told}) == 1


def test_case_144_a_thousand_interleaved_sign_ins_on_one_warm_process():
    gateway = warm_gateway()
    for batch in range(0, 1000, 50):
        walks = [walk(gateway, ("acme", "bank")[number % 2], number) for number in range(batch, batch + 50)]
        while walks:
            # Every other step in the other order, so that begin and end of neighbours interleave.
            walks = [running for running in reversed(walks) if next(running, "over") != "over"]
    assert_logs_do_not_cross(gateway, 1000)


def test_case_144_a_thousand_sign_ins_on_threads():
    gateway = warm_gateway()
    failures = []

    def run(first):
        try:
            for number in range(first, 1000, 8):
                for _ in walk(gateway, ("acme", "bank")[(number // 8) % 2], number):
                    pass
        except BaseException as failure:  # noqa: BLE001  the thread has nobody to raise it to
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert_logs_do_not_cross(gateway, 1000)


class Source:
    """A `ConnectionSource` whose connections an operator changes."""

    def __init__(self):
        self.known = {name: connection(name) for name in ("acme", "bank")}

    def find(self, name, deadline):
        found = self.known.get(name)
        return Published(current=found) if found else None


@pytest.fixture
def operated():
    """A gateway over a caching registry, and the source behind it."""
    source, gateway = Source(), Gateway()
    gateway.serve_with(connections=CachingConnectionRegistry(source, clock=gateway.bridge.clock))
    gateway.bridge.clock.now += 1
    return gateway, source


ENDS = {
    "disabled": lambda source: source.known.update(acme=replace(source.known["acme"], disabled=True)),
    "deleted": lambda source: source.known.pop("acme"),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("phase", ["authorize", "callback", "token", "userinfo", "documents"])
def test_case_145_a_connection_that_ends_is_refused_at_every_phase(operated, end, phase):
    gateway, source = operated
    browser = Visitor(gateway)
    # The code lives as long as the cache is fresh, so that each step must come close to the other.
    gateway.bridge.clock.now += FRESH_FOR
    state = browser.start()
    code = browser.sign_in()
    token = gateway.redeem(browser.sign_in()).json["access_token"]
    step = {
        "authorize": browser.authorize,
        "callback": lambda: browser.callback(state),
        "token": lambda: gateway.redeem(code),
        "userinfo": lambda: gateway.read_userinfo(token),
        "documents": lambda: gateway.send("GET", ".well-known/jwks.json"),
    }[phase]
    ENDS[end](source)
    gateway.bridge.clock.now += FRESH_FOR
    answer = step()
    assert answer.status == 404
    assert "location" not in answer.headers
    assert_refused(answer, "unknown_connection")
    signs_in(gateway, "bank")


@pytest.mark.parametrize("end", ENDS)
def test_case_145_until_the_cache_is_stale_sign_ins_go_on(operated, end):
    gateway, source = operated
    state = Visitor(gateway).start()
    ENDS[end](source)
    gateway.bridge.clock.now += FRESH_FOR - 1
    assert signs_in(gateway)["sub"] == IDENTITY.subject
    assert state


SPELLINGS = [
    "ACME", "Acme", "acme.", "acme%2F", "acme/", "acme%00", "acme*", "acm?", "\uff41\uff43\uff4d\uff45", "a\u200bcme",
    "acme#v1", "acme:v1", "acme|bank", "acme,bank", "acme ", " acme", "%61cme", "acme%2e", "acme\\", "..%2facme",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_case_146_another_spelling_of_a_name_reads_nothing_of_it(operated, spelling):
    gateway, _ = operated
    browser = Visitor(gateway)
    state, code = browser.start(), browser.sign_in()
    token = gateway.redeem(browser.sign_in()).json["access_token"]
    elsewhere = Visitor(gateway, spelling, browser.cookies)
    for answer in (
        elsewhere.authorize(),
        elsewhere.callback(state),
        gateway.redeem(code, name=spelling),
        gateway.read_userinfo(token, name=spelling),
        gateway.send("GET", ".well-known/openid-configuration", name=spelling),
    ):
        assert answer.status == 404
        assert "location" not in answer.headers
        assert_refused(answer, "unknown_connection")
    assert browser.callback(state).location["state"] == STATE
    assert gateway.redeem(code).status == 200
    assert gateway.read_userinfo(token).status == 200


def test_case_147_the_hung_idp_of_a_holds_nobody_else_up():
    """Twenty callbacks of A wait for its IdP at once; B signs in meanwhile, because nothing that waits is shared."""
    released, waiting = threading.Event(), threading.Semaphore(0)

    class Hanging(FakeUpstream):
        def finish(self, connection, **arguments):
            if connection.name == "acme":
                waiting.release()
                released.wait(timeout=30)
                raise UpstreamError("upstream_timeout", error="temporarily_unavailable")
            return super().finish(connection, **arguments)

    gateway = Gateway(
        Bridge(
            registry=FakeRegistry(connection("acme"), connection("bank")),
            upstream=Hanging(),
            clock=SettableClock(),
        )
    )
    browsers = [Visitor(gateway) for _ in range(20)]
    states = [browser.start() for browser in browsers]
    outcomes: Counter[str] = Counter()

    def come_back(browser, state):
        outcomes[browser.callback(state).location["error"]] += 1

    threads = [threading.Thread(target=come_back, args=pair) for pair in zip(browsers, states, strict=True)]
    for thread in threads:
        thread.start()
    try:
        for _ in threads:
            assert waiting.acquire(timeout=30)
        for _ in range(10):
            assert signs_in(gateway, "bank")["sub"] == IDENTITY.subject
        assert not outcomes
    finally:
        released.set()
        for thread in threads:
            thread.join()
    assert outcomes == {"temporarily_unavailable": 20}

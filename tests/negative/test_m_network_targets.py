"""Group M, 124 to 126: where requests may go, whatever URLs, names and the environment say."""

import sys
from pathlib import Path

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.net.outbound import OutboundClient
from fedbridge.ports import OutboundRequest
from tests.fakes.certificates import Authority
from tests.fakes.peers import Peer, Visit, answer, answering
from tests.support.outbound import HOST, LONG, Resolving, assert_works, client_for, failure


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


# --- 124: where requests may go -----------------------------------------------------------------------------------


class Audit:
    """What the interpreter does with the network, as it reports itself."""

    def __init__(self):
        self.seen = []
        self.enabled = False
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if self.enabled and event in {
            "socket.connect",
            "socket.getaddrinfo",
            "socket.gethostbyname",
            "socket.sendto",
        }:
            self.seen.append(event)


AUDIT = Audit()


@pytest.fixture
def no_network():
    AUDIT.seen.clear()
    AUDIT.enabled = True
    yield
    AUDIT.enabled = False
    assert AUDIT.seen == []


def test_124_the_audit_sees_what_a_good_call_does():
    with Peer(answering(answer())) as peer, client_for(peer.port) as client:
        AUDIT.seen.clear()
        AUDIT.enabled = True
        assert_works(client, peer.url())
        AUDIT.enabled = False
    assert "socket.connect" in AUDIT.seen


RESOLVE = Resolving([])


@pytest.fixture(scope="module")
def public_client() -> OutboundClient:
    """A client without an allow-list, whose resolver is RESOLVE."""
    return OutboundClient(resolve=RESOLVE)


def refusal(client: OutboundClient, url: str) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        client.send(OutboundRequest(method="GET", url=url), Deadline.after(LONG))
    assert caught.value.reason == str(caught.value) == "upstream_target_refused"
    return caught.value


FORBIDDEN_URLS = [
    # Schemes and shapes.
    "http://idp.example/", "HTTP://idp.example/", "file:///etc/passwd", "gopher://idp.example/", "ftp://idp.example/",
    "ws://idp.example/", "wss://idp.example/", "data:text/plain,x", "javascript:alert(1)", "dict://idp.example:11211/",
    "unix:///var/run/docker.sock", "jar:https://idp.example!/", "https:idp.example", "https:/idp.example",
    "https:///idp.example", "//idp.example/", "idp.example", "/token", "", " ", "https://", "https:///",
    " https://idp.example/", "https://idp.example/ ", "https://idp.example/\n", "\thttps://idp.example/",
    "ht\ntps://idp.example/", "https://idp.exa\nmple/", "https://idp.example/a b", "https://idp.example/\x00",
    "https://idp.example/\x7f", "https://idp.example/é", "https://idp.example\\@evil.example/",
    "https:\\\\idp.example/", "https://idp.example/\\..", "https://idp.example/#fragment", "https://idp.example/?a#b",
    # User information.
    "https://user@idp.example/", "https://user:password@idp.example/", "https://@idp.example/", "https://:@idp.example/",
    "https://idp.example@127.0.0.1/", "https://idp.example%40evil.example/", "https://idp.example:443@evil.example/",
    # Ports.
    "https://idp.example:80/", "https://idp.example:8443/", "https://idp.example:22/", "https://idp.example:0/",
    "https://idp.example:/", "https://idp.example:0443/", "https://idp.example:65536/", "https://idp.example:99999/",
    "https://idp.example:-443/", "https://idp.example:443:443/", "https://idp.example:https/", "https://idp.example:4 43/",
    # Hosts that are no public name.
    "https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://idp/", "https://metadata/",
    "https://idp.example./", "https://.idp.example/", "https://idp..example/", "https://-idp.example/",
    "https://idp-.example/", "https://idp.example%00/", "https://idp.example%2F/", "https://*.example/",
    "https://münchen.example/", "https://idp。example/", "https://ⓘdp.example/", "https://idp\u200b.example/",
    "https://" + "a" * 64 + ".example/", "https://" + "a." * 130 + "example/",
    # IPv4 in every spelling that some resolver takes.
    "https://127.0.0.1/", "https://127.1/", "https://127.0.1/", "https://2130706433/", "https://017700000001/",
    "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0x7F.1/", "https://0177.0.0.1/", "https://127.0.0.01/",
    "https://127.0.0.1./", "https://0/", "https://0.0.0.0/", "https://0x0/", "https://10.0.0.1/", "https://172.16.0.1/",
    "https://192.168.0.1/", "https://169.254.169.254/latest/meta-data/", "https://169.254.170.2/v2/credentials",
    "https://169.254.79.129:2000/", "https://2852039166/", "https://0xa9fea9fe/", "https://0251.0376.0251.0376/",
    "https://169.254.43518/", "https://100.64.0.1/", "https://224.0.0.1/", "https://255.255.255.255/",
    "https://256.256.256.256/", "https://999.1/", "https://1.2.3.4.5/", "https://8.8.8.8/", "https://idp.example.0x1/",
    "https://idp.1/", "https://①②⑦.0.0.1/", "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next",
    # IPv6.
    "https://[::1]/", "https://[::]/", "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/",
    "https://[fc00::1]/", "https://[fd00:ec2::254]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
    "https://[ff02::1]/", "https://[2606:4700:4700::1111]/", "https://[::1", "https://::1/", "https://[]/",
    "https://[v1.x]/", "https://[127.0.0.1]/",
]  # fmt: skip


@pytest.mark.parametrize("url", FORBIDDEN_URLS, ids=lambda url: ascii(url)[1:60])
def test_124_a_forbidden_url_is_refused_before_any_packet(url, public_client, no_network):
    RESOLVE.answers, RESOLVE.asked = [["93.184.216.34"]], 0
    refusal(public_client, url)
    assert RESOLVE.asked == 0


FORBIDDEN_ADDRESSES = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
    "192.168.0.1", "192.168.255.255", "169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.79.129",
    "100.64.0.1", "100.127.255.254", "192.0.0.1", "192.0.0.170", "192.0.2.1", "192.88.99.1", "198.18.0.1",
    "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:93.184.216.34", "::ffff:0:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::5db8:d822", "64:ff9b:1::1", "100::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1",
    "2002:7f00:1::", "2002:5db8:d822::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0",
    "fec0::1", "ff02::1", "ff0e::1", "localhost", "127.1", "",
]  # fmt: skip


@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
@pytest.mark.parametrize(
    "among",
    [[], ["93.184.216.34"], ["2606:2800:220:1:248:1893:25c8:1946"]],
    ids=["alone", "after v4", "after v6"],
)
def test_124_a_name_with_a_forbidden_address_is_refused_before_connecting(
    address, among, public_client, no_network
):
    RESOLVE.answers = [[*among, address]]
    refusal(public_client, "https://idp.example/token?code=canary")


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1"]
)
def test_124_the_allow_list_is_for_private_addresses_and_no_others(address, no_network):
    client = OutboundClient(private_hosts=["idp.corp:8443"], resolve=Resolving([address]))
    refusal(client, "https://idp.corp:8443/")


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9001/",
        "http://127.0.0.1:9001/",
        "https://localhost:9000/x",
        "http://localhost.:9000/",
        "http://2130706433:9000/",
        "http://127.1:9000/",
    ],
)
def test_124_the_allow_list_is_exact(url, no_network):
    client = OutboundClient(
        private_hosts=["localhost:9000", "127.0.0.1:9000"], resolve=Resolving(["169.254.1.1"])
    )
    refusal(client, url)


@pytest.mark.parametrize("host", ["idp.corp", "10.0.0.5", "[fd00::5]"])
def test_124_plain_http_is_for_loopback_even_on_the_allow_list(host, no_network):
    client = OutboundClient(private_hosts=[f"{host}:8080"], resolve=Resolving(["127.0.0.1"]))
    refusal(client, f"http://{host}:8080/")


def test_124_localhost_that_is_not_loopback_gets_no_plain_http(no_network):
    client = OutboundClient(private_hosts=["localhost:8080"], resolve=Resolving(["10.0.0.5"]))
    refusal(client, "http://localhost:8080/")


# --- 125: DNS rebinding -------------------------------------------------------------------------------------------


def test_125_the_address_that_was_vetted_is_the_one_connected_to(authority):
    names = []
    tls = authority.server(HOST)
    tls.sni_callback = lambda _connected, name, _context: names.append(name)
    resolve = Resolving(["127.0.0.1"], ["169.254.169.254"])
    with (
        Peer(answering(answer()), tls) as peer,
        client_for(peer.port, resolve=resolve, ca_bundle=authority.bundle) as client,
    ):
        assert_works(client, peer.url(host=HOST, scheme="https"))
        # One answer of the resolver was vetted and used; there is no second look that could differ.
        assert resolve.asked == 1
        assert names == [HOST]
        assert f"host: {HOST}:{peer.port}\r\n".encode() in peer.requests[0].lower()


def test_125_a_name_that_turned_private_is_refused_at_the_next_connection(authority):
    resolve = Resolving(["127.0.0.1"], ["169.254.169.254"])

    def behave(visit: Visit) -> None:
        visit.read_request()
        visit.send(answer(headers=b"connection: close\r\n"))

    with (
        Peer(behave, authority.server(HOST)) as peer,
        client_for(peer.port, resolve=resolve, ca_bundle=authority.bundle) as client,
    ):
        assert_works(client, peer.url(host=HOST, scheme="https"))
        assert failure(client, peer.url(host=HOST, scheme="https")).reason == "upstream_target_refused"
        assert (peer.visits, resolve.asked) == (1, 2)


def test_125_a_kept_connection_stays_with_the_address_that_was_vetted(authority):
    resolve = Resolving(["127.0.0.1"], ["169.254.169.254"])
    with (
        Peer(answering(answer()), authority.server(HOST)) as peer,
        client_for(peer.port, resolve=resolve, ca_bundle=authority.bundle) as client,
    ):
        for _ in range(3):
            assert_works(client, peer.url(host=HOST, scheme="https"))
        assert (peer.visits, resolve.asked) == (1, 1)


# --- 126: the environment -----------------------------------------------------------------------------------------


def test_126_proxies_and_netrc_of_the_environment_are_ignored(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\ndefault login canary password canary\n")
    netrc.chmod(0o600)
    with (
        Peer(answering(answer())) as proxy,
        Peer(answering(answer())) as peer,
        client_for(peer.port) as client,
    ):
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url("/"))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("NETRC", str(netrc))
        client.send(OutboundRequest(method="GET", url=peer.url()), Deadline.after(LONG))
        assert (proxy.visits, peer.visits) == (0, 1)
        assert b"authorization" not in peer.requests[0].lower()
        assert peer.requests[0].startswith(b"GET /token HTTP/1.1\r\n")


def test_126_authorities_of_the_environment_are_ignored(monkeypatch, authority):
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"):
        monkeypatch.setenv(name, authority.bundle)
    monkeypatch.setenv("SSL_CERT_DIR", str(Path(authority.bundle).parent))
    with Peer(answering(answer()), authority.server(HOST)) as peer, client_for(peer.port) as client:
        assert failure(client, peer.url(host=HOST, scheme="https")).reason == "upstream_tls_failed"
        assert peer.requests == []


def test_126_session_keys_are_not_written_where_the_environment_says(monkeypatch, authority, tmp_path):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    with (
        Peer(answering(answer()), authority.server(HOST)) as peer,
        client_for(peer.port, ca_bundle=authority.bundle) as client,
    ):
        assert_works(client, peer.url(host=HOST, scheme="https"))
    assert not (tmp_path / "keys").exists()

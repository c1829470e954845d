"""Mutual TLS of the outbound client: what servers are shown, and that connections share nothing (RFC 8705)."""

import ssl
import threading
from pathlib import Path

import pytest

from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.net.client_tls import MAX_PROFILES, CertifiedClients, present
from fedbridge.ports import ClientCertificate, OutboundRequest
from tests.fakes.certificates import Authority
from tests.fakes.peers import Peer, answer
from tests.support.client_certificates import self_signed
from tests.support.keys import ec_key, private_pem, rsa_key
from tests.support.mutual_tls import Shown, asking, certificate_of, unknown_certificate
from tests.support.outbound import HOST, client_for


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def send(client, peer, certificate):
    request = OutboundRequest(
        method="GET", url=peer.url(host=HOST, scheme="https"), client_certificate=certificate
    )
    return client.send(request, Deadline.after(10)).status


@pytest.fixture
def server(authority):
    """A server that demands a certificate, and a client that may talk to it."""
    shown = Shown(answer())
    with (
        Peer(shown.behaviour, asking(authority)) as peer,
        client_for(peer.port, ca_bundle=authority.bundle) as client,
    ):
        yield peer, client, shown


def test_the_server_sees_the_certificate(server):
    peer, client, shown = server
    assert send(client, peer, certificate_of("bank")) == 200
    assert shown.names == ["CN=bank"]


@pytest.mark.parametrize("key", [rsa_key(), ec_key("P-384"), ec_key("P-521")])
def test_keys_of_every_kind(authority, key):
    certificate = self_signed(key, name="kinds")
    shown = Shown(answer())
    with (
        Peer(shown.behaviour, asking(authority, trusted=certificate)) as peer,
        client_for(peer.port, ca_bundle=authority.bundle) as client,
    ):
        assert send(client, peer, ClientCertificate(chain=certificate, private_key=private_pem(key))) == 200
    assert shown.names == ["CN=kinds"]


def test_a_connection_is_kept_for_its_certificate(server):
    peer, client, _shown = server
    bank = certificate_of("bank")
    assert [send(client, peer, bank) for _ in range(3)] == [200] * 3
    assert peer.visits == 1


def test_144_no_request_goes_over_a_connection_of_another_certificate(server):
    peer, client, shown = server
    banks = [certificate_of(f"bank-{number}", number) for number in range(3)]
    for _ in range(3):
        for bank in banks:
            assert send(client, peer, bank) == 200
    assert sorted(shown.names) == ["CN=bank-0", "CN=bank-1", "CN=bank-2"]


def test_144_connections_with_the_same_certificate_share_nothing_either(server):
    peer, client, _shown = server
    bank = certificate_of("bank")
    twin = ClientCertificate(chain=bank.chain, private_key=bank.private_key, connection="twin")
    for certificate in (bank, twin, bank, twin):
        assert send(client, peer, certificate) == 200
    assert peer.visits == 2


def test_144_a_call_without_a_certificate_never_uses_a_connection_that_has_one(authority):
    shown = Shown(answer())
    with (
        Peer(shown.behaviour, asking(authority, required=False)) as peer,
        client_for(peer.port, ca_bundle=authority.bundle) as client,
    ):
        for certificate in (certificate_of("bank"), None, certificate_of("bank", connection="x"), None):
            assert send(client, peer, certificate) == 200
    assert shown.names == ["CN=bank", None, "CN=bank"]


def test_144_on_threads(server):
    peer, client, shown = server
    banks = [certificate_of(f"bank-{number}", number) for number in range(4)]
    statuses = []
    threads = [
        threading.Thread(target=lambda bank=bank: statuses.append(send(client, peer, bank)))
        for bank in banks * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 16
    assert set(shown.names) == {f"CN=bank-{number}" for number in range(4)}


def test_a_server_that_wants_a_certificate_gets_no_request_without_one(server):
    peer, client, _shown = server
    with pytest.raises(UpstreamError) as caught:
        send(client, peer, None)
    assert caught.value.reason in {"upstream_tls_failed", "upstream_unreachable"}
    assert peer.requests == []


def test_a_certificate_that_the_server_does_not_trust(server):
    peer, client, _shown = server
    with pytest.raises(UpstreamError) as caught:
        send(client, peer, unknown_certificate())
    assert caught.value.reason in {"upstream_tls_failed", "upstream_unreachable"}
    assert peer.requests == []
    assert send(client, peer, certificate_of("bank")) == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls(authority, version):
    shown, tls = Shown(answer()), asking(authority)
    tls.minimum_version = tls.maximum_version = version
    with (
        Peer(shown.behaviour, tls) as peer,
        client_for(peer.port, ca_bundle=authority.bundle) as client,
    ):
        assert send(client, peer, certificate_of("bank")) == 200
        with pytest.raises(UpstreamError):
            send(client, peer, unknown_certificate())
    assert shown.names == ["CN=bank"]


def test_a_renewed_certificate_takes_the_place_of_the_old_one(server):
    peer, client, _shown = server
    for number in range(2):
        assert send(client, peer, certificate_of("bank", number)) == 200
    assert peer.visits == 2


class Counted:
    """Clients that remember whether they are closed."""

    def __init__(self):
        self.made = []

    def __call__(self, certificate):
        self.made.append(self.Client())
        return self.made[-1]

    class Client:
        closed = False

        def close(self):
            assert not self.closed
            self.closed = True


def named(number):
    return ClientCertificate(chain="chain", private_key="key", connection=str(number))


def test_profiles_are_bounded_and_the_least_used_one_is_closed():
    made = Counted()
    clients = CertifiedClients(made)
    for number in range(MAX_PROFILES):
        with clients.client(named(number)):
            pass
    with clients.client(named(0)) as used_again:
        pass
    assert used_again is made.made[0]
    with clients.client(named(MAX_PROFILES)):
        pass
    assert len(clients) == MAX_PROFILES
    assert [number for number, client in enumerate(made.made) if client.closed] == [1]


def test_a_profile_in_use_is_closed_when_it_is_given_back():
    made = Counted()
    clients = CertifiedClients(made)
    with clients.client(named("busy")) as busy:
        with clients.client(named("busy")) as same:
            assert same is busy
            for number in range(MAX_PROFILES):
                with clients.client(named(number)):
                    pass
        assert not made.made[0].closed
    assert made.made[0].closed


def test_closing_closes_them_all_and_the_next_call_makes_new_ones():
    made = Counted()
    clients = CertifiedClients(made)
    for number in (1, 2):
        with clients.client(named(number)):
            pass
    clients.close()
    assert all(client.closed for client in made.made)
    with clients.client(named(1)):
        assert not made.made[2].closed


def test_parts_of_a_profile_are_not_run_together():
    clients = CertifiedClients(Counted())
    for parts in (("ab", "c", "d"), ("a", "bc", "d"), ("a", "b", "cd")):
        connection, chain, key = parts
        with clients.client(ClientCertificate(chain=chain, private_key=key, connection=connection)):
            pass
    assert len(clients) == 3


def open_descriptors():
    return {entry.name for entry in Path("/dev/fd").iterdir()}


KEY = ec_key(number=940)


def test_139_the_key_leaves_no_trace(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = open_descriptors()
    present(
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        ClientCertificate(chain=self_signed(KEY), private_key=private_pem(KEY)),
    )
    assert open_descriptors() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "chain,key",
    [
        (self_signed(KEY), private_pem(ec_key(number=941))),
        (self_signed(KEY), private_pem(rsa_key())),
        (self_signed(KEY), "nothing"),
        (self_signed(KEY), ""),
        (self_signed(KEY), private_pem(KEY, password="canary")),
        ("nothing", private_pem(KEY)),
        ("", private_pem(KEY)),
        (self_signed(KEY) * 500, private_pem(KEY)),
    ],
    ids=[
        "other key",
        "other kind",
        "no key",
        "empty",
        "encrypted",
        "no chain",
        "no chain at all",
        "too long",
    ],
)
def test_139_what_openssl_does_not_take_is_our_own_error(chain, key):
    before = open_descriptors()
    with pytest.raises(ConfigurationError) as caught:
        present(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ClientCertificate(chain=chain, private_key=key))
    assert caught.value.reason == "client_certificate_invalid"
    assert "PRIVATE KEY" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert open_descriptors() == before


def test_139_a_certificate_that_is_refused_is_not_kept(server):
    peer, client, _shown = server
    bad = certificate_of("bank", private_key=private_pem(ec_key(number=941)))
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            send(client, peer, bad)
    assert peer.visits == 0
    assert send(client, peer, certificate_of("bank")) == 200

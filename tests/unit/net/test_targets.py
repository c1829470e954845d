import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbridge.errors import UpstreamError
from fedbridge.net.targets import parse_private_hosts, parse_target, vet

NONE = parse_private_hosts([])


@pytest.mark.parametrize(
    "url, host, path_and_query, authority",
    [
        ("https://idp.example", "idp.example", "/", "idp.example"),
        ("https://idp.example/", "idp.example", "/", "idp.example"),
        ("https://IDP.Example:443/a/b", "idp.example", "/a/b", "idp.example"),
        ("HTTPS://idp.example?x=1", "idp.example", "/?x=1", "idp.example"),
        ("https://idp.example/a?b=c&d=%2F%20+;/?@:", "idp.example", "/a?b=c&d=%2F%20+;/?@:", "idp.example"),
        ("https://idp.example//a/../b/.", "idp.example", "//a/../b/.", "idp.example"),
        ("https://login_1.idp-2.xn--bcher-kva.example/", "login_1.idp-2.xn--bcher-kva.example", "/", None),
        ("https://1.2.3.example/", "1.2.3.example", "/", None),
        ("https://0x7f.example/", "0x7f.example", "/", None),
        ("https://" + "a" * 63 + ".example/", "a" * 63 + ".example", "/", None),
    ],
)
def test_a_public_url_is_taken_apart(url, host, path_and_query, authority):
    target = parse_target(url, NONE)
    assert (target.scheme, target.host, target.port) == ("https", host, 443)
    assert target.path_and_query == path_and_query
    assert target.authority == (authority or host)
    assert not target.private


@pytest.mark.parametrize(
    "item, url, authority",
    [
        ("localhost:9000", "http://localhost:9000/", "localhost:9000"),
        ("localhost:80", "http://localhost/", "localhost"),
        ("127.0.0.1:9000", "http://127.0.0.1:9000/", "127.0.0.1:9000"),
        ("[::1]:9000", "http://[::1]:9000/", "[::1]:9000"),
        ("idp:8443", "https://idp:8443/", "idp:8443"),
        ("10.0.0.5:443", "https://10.0.0.5/", "10.0.0.5"),
        ("idp.corp:443", "https://idp.corp/", "idp.corp"),
    ],
)
def test_what_is_allowed_by_name_is_private(item, url, authority):
    target = parse_target(url, parse_private_hosts([item]))
    assert target.private
    assert target.authority == authority


@pytest.mark.parametrize("item", ["[::1]:9000", "::1:9000", "[0:0:0:0:0:0:0:1]:9000"])
@pytest.mark.parametrize("host", ["[::1]", "[0::1]", "[0:0::0:1]"])
def test_ipv6_may_be_written_in_any_way(item, host):
    target = parse_target(f"http://{host}:9000/", parse_private_hosts([item]))
    assert (target.host, target.authority) == ("::1", "[::1]:9000")


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "8.8.8.8",
        "2606:4700:4700::1111",
        "2a00:1450:4001:80b::200e",
        "1.1.1.1",
        "172.32.0.1",
        "100.128.0.1",
        "11.0.0.1",
    ],
)
def test_public_addresses_pass(address):
    assert vet([address], parse_target("https://idp.example/", NONE)) == [address]


@pytest.mark.parametrize(
    "address",
    ["10.0.0.5", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::5", "127.0.0.1", "::1", "8.8.8.8"],
)
def test_private_addresses_pass_for_what_is_allowed_by_name(address):
    target = parse_target("https://idp.corp:8443/", parse_private_hosts(["idp.corp:8443"]))
    assert vet([address], target) == [address]


@settings(deadline=None)
@given(
    st.text(st.characters(), max_size=60)
    | st.text("htps:/@[]#?\\.%0x123456789abc\t\n -", max_size=60).map(lambda rest: f"https://{rest}")
)
def test_any_text_is_a_plain_public_target_or_refused(url):
    try:
        target = parse_target(url, NONE)
    except UpstreamError as error:
        assert str(error) == "upstream_target_refused"  # noqa: PT017  refusal is the rule here, not what is tested
        return
    assert (target.scheme, target.port) == ("https", 443)
    assert set(target.host) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_")
    assert not target.host.rpartition(".")[2].isdigit()
    assert target.path_and_query.startswith("/")
    assert target.path_and_query.isascii()
    assert target.path_and_query.isprintable()
    assert not set(target.path_and_query) & set(" #\\")


@settings(deadline=None)
@given(st.ip_addresses())
def test_no_address_that_python_calls_special_passes(address):
    target = parse_target("https://idp.example/", NONE)
    try:
        vet([str(address)], target)
    except UpstreamError:
        return
    assert address.is_global
    special = ("is_private", "is_loopback", "is_link_local", "is_multicast", "is_reserved", "is_unspecified")
    assert [name for name in special if getattr(address, name)] == []

"""No private address is fetched, however it is spelt; public ones are."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.errors import WebError, WebRefusedError
from cogagent.retrievers.web.guard import Guard, is_public

PRIVATE = [
    IPv4Network(n)
    for n in """0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
    192.168.0.0/16 198.18.0.0/15 224.0.0.0/4 240.0.0.0/4""".split()
]
private_4 = st.sampled_from(PRIVATE).flatmap(
    lambda n: st.integers(int(n[0]), int(n[-1])).map(IPv4Address)
)
# What IANA calls special beside the private ones, and what only machines of Azure reach.
SPECIAL = [
    IPv4Network(n)
    for n in """192.0.0.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.175.48.0/24
    168.63.129.16/32""".split()
]
public_4 = st.ip_addresses(v=4).filter(
    lambda a: a.is_global and not any(a in n for n in [*PRIVATE, *SPECIAL])
)


def spellings(address: IPv4Address) -> list[str]:
    """How an IPv4 address can be written in a url, most of them not as it should be."""
    number, parts = int(address), str(address).split(".")
    a, b, c, d = map(int, parts)
    mapped = f"[::ffff:{address}]"
    return [
        str(address), f"{address}.", str(number), f"0x{number:08x}", f"0{number:o}",
        f"0x{a:02x}.0x{b:02x}.0x{c:02x}.0x{d:02x}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"{a}.{(b << 16) + (c << 8) + d}", f"{a}.{b}.{(c << 8) + d}", f"0{a:o}.{b}.0x{c:x}.{d}",
        mapped, f"[::ffff:{number >> 16:x}:{number & 0xFFFF:x}]",
        f"[::{number >> 16:x}:{number & 0xFFFF:x}]",
        f"[64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}]",
        f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::1]",
        "".join(chr(0xFF10 + int(c)) if c.isdigit() else c for c in str(address)),
        str(address).replace(".", "。"), str(address).replace(".", "%2e"),
    ]  # fmt: skip


async def judged(url: str, guard: Guard) -> list:
    return await guard.addresses(guard.check(url))


async def as_it_is(host: str, port: int) -> list[str]:
    """As ``getaddrinfo`` does: every odd spelling of an address is that address."""
    import socket

    return [str(e[4][0]) for e in socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)]


@given(private_4, st.data())
def test_private_addresses_are_refused_in_every_spelling(address, data) -> None:
    host = data.draw(st.sampled_from(spellings(address)))
    prefix = data.draw(st.sampled_from(["", "example.com@", "example.com:80@"]))
    with pytest.raises(WebRefusedError):
        asyncio.run(judged(f"http://{prefix}{host}/a", Guard(resolve=as_it_is)))


@given(private_4)
def test_a_name_of_a_private_address_is_refused(address) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.216.34", str(address)]  # one of several is enough

    with pytest.raises(WebRefusedError, match="no public address"):
        asyncio.run(judged("https://example.com/", Guard(resolve=resolve)))


@given(public_4)
def test_public_addresses_pass(address) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return [str(address)]

    for url in (f"http://{address}/a?b=c#d", "https://www.example.com/"):
        assert asyncio.run(judged(url, Guard(resolve=resolve))) == [address]
    assert is_public(IPv6Address(f"64:ff9b::{address}"))


@given(st.ip_addresses(v=6))
def test_what_python_calls_private_is_refused_of_ipv6_too(address) -> None:
    if not address.is_global or address.is_multicast:
        assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    "::1 :: fe80::1 fe80::1%eth0 fc00::1 fd12::1 ff02::1 fec0::1 2001:db8::1 2001::1 2002:7f00:1::"
    " 64:ff9b:1::1 64:ff9b::7f00:1 ::ffff:127.0.0.1 ::127.0.0.1 100::1 5f00::1 3fff::1"
    " 169.254.169.254 100.100.100.200 168.63.129.16 192.0.0.192 255.255.255.255".split(),
)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["2606:4700::1111", "2a00:1450:4001::2004", "1.1.1.1"])
def test_known_public_addresses_are(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "data:text/html,x",
        "javascript:alert(1)", "//example.com/", "example.com", "", "http://", "http:///a",
        "http://localhost/", "http://LOCALHOST./", "http://a.localhost/", "http://printer.local/",
        "http://metadata.google.internal/", "http://intranet/", "http://router.home.arpa/",
        "http://user:pw@example.com/", "http://example.com\\@127.0.0.1/", "http://exa mple.com/",
        "http://example.com/\r\nHost: x", "http://example.com:22/", "http://example.com:0/",
        "http://example.com:99999/", "http://example.com:8080/", "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://127.0.0.1%2f.example.com/", "http://exam%70le.com/",
        "http://example.com/" + "a" * 2000,
        "http://\u2488\u2487.1/", "http://999.1.1.1/", "http://0x7f.1/", "http://1.2.3.4.5/",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_page_is_refused(url: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise AssertionError(f"{host} was looked up")

    with pytest.raises(WebRefusedError):
        asyncio.run(judged(url, Guard(resolve=resolve)))


@given(st.text(max_size=60), st.sampled_from(["", "http://", "https://", "http://a.example/"]))
def test_no_text_is_anything_but_judged(text: str, prefix: str) -> None:
    try:
        url = Guard().check(prefix + text)
    except WebRefusedError:
        return
    assert url.scheme in ("http", "https")
    assert url.host


def test_a_name_that_is_not_known_is_a_typed_error() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise OSError("unknown")

    with pytest.raises(WebError, match="not known"):
        asyncio.run(judged("http://example.com/", Guard(resolve=resolve)))


def test_other_ports_can_be_allowed() -> None:
    assert Guard((8080,)).check("http://example.com:8080/").port == 8080

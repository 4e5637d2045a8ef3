"""Which addresses may be fetched: public ones, by http or https, on usual ports.

A name is judged by what it resolves to, and the connection is made to the very
address that was judged, so that no second answer of a name server matters.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

from cogagent.errors import WebError, WebRefusedError

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

PORTS = (80, 443)
LONGEST = 2000
"""Characters of an address; a longer one carries data, not a place."""

# What the registries of IANA call special, and of IPv6 whatever is not in 2000::/3:
# Python's own lists change between its patch releases.
_SPECIAL_4 = tuple(
    IPv4Network(network)
    for network in """0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
    192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16
    192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
    168.63.129.16/32""".split()  # the last answers inside Azure alone, with its machines' secrets
)
_UNICAST = IPv6Network("2000::/3")
_SPECIAL_6 = tuple(
    IPv6Network(network) for network in "2001::/23 2001:db8::/32 2002::/16 3fff::/20".split()
)
_NAT64 = IPv6Network("64:ff9b::/96")
_UNPRINTED = re.compile(r"[\s\\\x00-\x20\x7f-\xa0]")
_NUMBER = re.compile(r"(?:\d+|0[xX][0-9a-fA-F]*)\.?")
_LOCAL = (".localhost", ".local", ".internal", ".home.arpa", ".onion")


def is_public(address: Address) -> bool:
    """Whether an address is a public one of a single machine, embedded IPv4 included."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_4)
    if address.scope_id:
        return False
    inner = address.ipv4_mapped
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(inner)
    return address in _UNICAST and not any(address in network for network in _SPECIAL_6)


async def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, as this machine resolves it."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Guard:
    """Judges addresses before anything is sent to them.

    Args:
        ports: That may be connected to.
        resolve: Gives the addresses of a name; tests put their own names in.
        allowed: Tells which addresses may be connected to; tests allow their own server.
    """

    def __init__(
        self,
        ports: Collection[int] = PORTS,
        resolve: Resolve = look_up,
        allowed: Callable[[Address], bool] = is_public,
    ) -> None:
        self._ports = frozenset(ports)
        self._resolve = resolve
        self._allowed = allowed

    def check(self, address: str | httpx.URL) -> httpx.URL:
        """A url that may be fetched as far as its spelling tells, without its fragment.

        Raises:
            WebRefusedError: If it may not.
        """
        text = str(address)
        if len(text) > LONGEST or _UNPRINTED.search(text):
            raise WebRefusedError(f"{shown(text)} is no address that is fetched.")
        try:
            url = httpx.URL(text).copy_with(fragment=None)
            host, port = url.raw_host.decode("ascii"), port_of(url)
        except (httpx.InvalidURL, ValueError, TypeError) as error:  # a port of 99999, say
            raise WebRefusedError(f"{shown(text)} is no address.") from error
        if url.scheme not in ("http", "https") or not host or url.userinfo or "%" in host:
            raise WebRefusedError(f"{shown(text)} is not fetched: only plain http and https are.")
        if port not in self._ports:
            raise WebRefusedError(
                f"{shown(text)} is not fetched: port {port} is none of pages.",
                remedy="Add it to web.ports if it is.",
            )
        if literal(host) is None:
            _check_name(host)
        return url

    async def addresses(self, url: httpx.URL) -> list[Address]:
        """What a url's host resolves to, when all of it may be connected to.

        Raises:
            WebRefusedError: If one of the addresses is not public.
            WebError: If the name is not known.
        """
        host = url.raw_host.decode("ascii")
        given = literal(host)
        if given is not None:
            found = [given]
        else:
            try:
                names = await self._resolve(host, port_of(url))
            except (OSError, UnicodeError) as error:
                raise WebError(f"the name {shown(host)} is not known: {error}.") from error
            found = list(dict.fromkeys(map(ip_address, names)))
        if not found:
            raise WebError(f"the name {shown(host)} has no address.")
        # One private address among public ones is how a name is bent, not how one is run.
        if not all(map(self._allowed, found)):
            raise WebRefusedError(f"{shown(host)} is not fetched: it is no public address.")
        return found


def literal(host: str) -> Address | None:
    """A host that is an address, spelt as addresses usually are; ``None`` for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def port_of(url: httpx.URL) -> int:
    """The port that a url leads to."""
    return url.port if url.port is not None else {"https": 443}.get(url.scheme, 80)


def shown(text: str) -> str:
    """An address as a message may show it: short and printable."""
    plain = "".join(char if char.isprintable() else "?" for char in text)
    return f"{plain[:117]}..." if len(plain) > 120 else plain


def _check_name(host: str) -> None:
    """Refuses names of this machine and network, and addresses in disguise."""
    name = host.rstrip(".").lower()
    if "." not in name or name.endswith(_LOCAL):
        raise WebRefusedError(f"{shown(host)} is not fetched: it is no public name.")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        raise WebRefusedError(f"{shown(host)} is not fetched: it is an address in disguise.")

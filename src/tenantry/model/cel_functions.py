"""Kubernetes' CEL functions in Python: addresses, URLs, quantities, lists, regular expressions, formats, sets.

Only this module and the evaluators that use it need the optional package; import it where CEL is asked for. An address,
URL or quantity is a map with one marked key, which CEL compares and passes on like any map.
Source: k8s.io/apiserver, pkg/cel/library/{cidr,ip,urls,quantity,lists,regex,format}.go; cel-go, ext/sets.go.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from cel_expr_python import cel  # type: ignore[import-untyped]

from tenantry.model.quantity import Quantity, QuantityFormat, parse_quantity

_IP, _CIDR, _URL, _QUANTITY, _FORMAT = "k8s.ip", "k8s.cidr", "k8s.url", "k8s.quantity", "k8s.format"

Value = dict[str, str]
_T = cel.Type


Check = Callable[[str], bool]
Entry = tuple[str, bool, list[Any], Any, Callable[..., Any]]
"""Name, whether it is called on its first parameter, parameters, result, function."""


def library(checks: Mapping[str, Check] | None = None) -> cel.CelExtension:
    """Return all functions as one extension of an environment.

    Args:
        checks: further string formats of ``format.<name>()``, by name; those of names are built in.
    """
    overloads: dict[str, list[Any]] = {}
    for name, member, parameters, result, function in (*_TABLE, *_formats({**_FORMATS, **(checks or {})})):
        found = overloads.setdefault(name, [])
        identifier = f"k8s_{name.replace('.', '_')}_{'member' if member else 'global'}_{len(found)}"
        found.append(
            cel.Overload(identifier, return_type=result, parameters=parameters, is_member=member, impl=function)
        )
    return cel.CelExtension("kubernetes", [cel.FunctionDecl(name, found) for name, found in overloads.items()])


# Addresses. Kubernetes refuses IPv4-mapped IPv6 and zones.


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or address.scope_id):
        raise ValueError(f"'{text}' is not an address Kubernetes takes")
    return address


def _network(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    if not re.fullmatch(r".*/\d+", text, re.ASCII):
        raise ValueError(f"'{text}' has no prefix length")
    return ipaddress.ip_interface(text)


def _ip(text: str) -> Value:
    return {_IP: str(_address(text))}


def _cidr(text: str) -> Value:
    return {_CIDR: str(_network(text))}


def _ip_of(value: Value) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(value[_IP])


def _net_of(value: Value) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    return ipaddress.ip_interface(value[_CIDR])


def _family(value: Value) -> int:
    return _ip_of(value).version


def _contains_ip(net: Value, address: Value | str) -> bool:
    inner = _address(address) if isinstance(address, str) else _ip_of(address)
    return inner in _net_of(net).network


def _contains_cidr(net: Value, other: Value | str) -> bool:
    outer, inner = _net_of(net).network, (_network(other) if isinstance(other, str) else _net_of(other)).network
    if isinstance(outer, ipaddress.IPv4Network):
        return isinstance(inner, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, ipaddress.IPv6Network) and inner.subnet_of(outer)


def _ok(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


# URLs


def _url(text: str) -> Value:
    parts = urlsplit(text)
    if not (text.startswith("/") or parts.scheme) or re.search(r"[\x00-\x20\x7f]", text):
        raise ValueError(f"'{text}' is not an absolute URL or path")
    return {_URL: text, **({"port": str(parts.port)} if parts.port is not None else {})}


def _host(url: Value) -> str:
    return urlsplit(url[_URL]).netloc.rpartition("@")[2]


def _hostname(url: Value) -> str:
    host = _host(url)
    return host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]


# Quantities


def _quantity(text: str) -> Value:
    if text != text.strip():
        raise ValueError("a quantity has no blanks around it")
    return {_QUANTITY: str(parse_quantity(text))}


def _amount(value: Value | int) -> Quantity:
    return parse_quantity(value if isinstance(value, int) else value[_QUANTITY])


def _difference(one: Value, other: Value) -> int:
    left, right = _amount(one).nanos, _amount(other).nanos
    return (left > right) - (left < right)


def _sum_of(sign: int) -> Callable[[Value, Value | int], Value]:
    def function(one: Value, other: Value | int) -> Value:
        amount = _amount(one)
        return {_QUANTITY: str(Quantity(amount.nanos + sign * _amount(other).nanos, QuantityFormat(amount.format)))}

    return function


# Formats: validate() gives what is wrong as a list; hasValue() of it says whether anything is.

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"


def _form(pattern: str, longest: int) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: len(text) <= longest and compiled.fullmatch(text) is not None


_FORMATS: dict[str, Check] = {
    "dns1123Label": _form(_LABEL, 63),
    "dns1123Subdomain": _form(rf"{_LABEL}(\.{_LABEL})*", 253),
    "dns1035Label": _form(r"[a-z]([-a-z0-9]*[a-z0-9])?", 63),
    "dns1123LabelPrefix": _form(r"[a-z0-9]([-a-z0-9]*)?", 63),
    "dns1123SubdomainPrefix": _form(r"[a-z0-9]([-a-z0-9.]*)?", 253),
    "dns1035LabelPrefix": _form(r"[a-z]([-a-z0-9]*)?", 63),
    "qualifiedName": _form(rf"({_LABEL}(\.{_LABEL})*/)?{_QUALIFIED}", 317),
    "labelValue": _form(rf"({_QUALIFIED})?", 63),
}


def _formats(checks: Mapping[str, Check]) -> Iterable[Entry]:
    def validate(form: Value, text: str) -> list[str]:
        return [] if checks[form[_FORMAT]](text) else [f"'{text}' is not of the form {form[_FORMAT]}"]

    yield "validate", True, [_DYN, _TEXT], _LIST, validate
    for name in checks:
        yield f"format.{name}", False, [], _DYN, _format(name)


def _format(name: str) -> Callable[[], Value]:
    return lambda: {_FORMAT: name}


# Lists and sets


def _index(items: list[Any], wanted: Any) -> int:
    return items.index(wanted) if wanted in items else -1


def _last_index(items: list[Any], wanted: Any) -> int:
    return len(items) - 1 - items[::-1].index(wanted) if wanted in items else -1


def _all_in(items: list[Any], wanted: list[Any]) -> bool:
    return all(value in items for value in wanted)


def _find(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    return match[0] if match else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match[0] for match in re.finditer(pattern, text)]
    return found if limit < 0 else found[:limit]


_LIST = _T.List(_T.DYN)
_TEXT, _DYN, _BOOL, _INT = _T.STRING, _T.DYN, _T.BOOL, _T.INT

_TABLE: tuple[Entry, ...] = (
    ("isIP", False, [_TEXT], _BOOL, _ok(_address)),
    ("ip", False, [_TEXT], _DYN, _ip),
    ("ip.isCanonical", False, [_TEXT], _BOOL, lambda text: str(_address(text)) == text),
    ("family", True, [_DYN], _INT, _family),
    ("isUnspecified", True, [_DYN], _BOOL, lambda value: _ip_of(value).is_unspecified),
    ("isLoopback", True, [_DYN], _BOOL, lambda value: _ip_of(value).is_loopback),
    ("isLinkLocalUnicast", True, [_DYN], _BOOL, lambda value: _ip_of(value).is_link_local),
    ("isGlobalUnicast", True, [_DYN], _BOOL, lambda value: not (
        _ip_of(value).is_unspecified or _ip_of(value).is_loopback or _ip_of(value).is_multicast
        or _ip_of(value).is_link_local or str(_ip_of(value)) == "255.255.255.255")),
    ("isCIDR", False, [_TEXT], _BOOL, _ok(_network)),
    ("cidr", False, [_TEXT], _DYN, _cidr),
    ("containsIP", True, [_DYN, _DYN], _BOOL, _contains_ip),
    ("containsCIDR", True, [_DYN, _DYN], _BOOL, _contains_cidr),
    ("ip", True, [_DYN], _DYN, lambda value: {_IP: str(_net_of(value).ip)}),
    ("masked", True, [_DYN], _DYN, lambda value: {_CIDR: str(_net_of(value).network)}),
    ("prefixLength", True, [_DYN], _INT, lambda value: _net_of(value).network.prefixlen),
    ("isURL", False, [_TEXT], _BOOL, _ok(_url)),
    ("url", False, [_TEXT], _DYN, _url),
    ("getScheme", True, [_DYN], _TEXT, lambda value: urlsplit(value[_URL]).scheme),
    ("getHost", True, [_DYN], _TEXT, _host),
    ("getHostname", True, [_DYN], _TEXT, _hostname),
    ("getPort", True, [_DYN], _TEXT, lambda value: value.get("port", "")),
    ("getEscapedPath", True, [_DYN], _TEXT, lambda value: urlsplit(value[_URL]).path),
    ("isQuantity", False, [_TEXT], _BOOL, _ok(_quantity)),
    ("quantity", False, [_TEXT], _DYN, _quantity),
    ("compareTo", True, [_DYN, _DYN], _INT, _difference),
    ("isGreaterThan", True, [_DYN, _DYN], _BOOL, lambda one, other: _difference(one, other) > 0),
    ("isLessThan", True, [_DYN, _DYN], _BOOL, lambda one, other: _difference(one, other) < 0),
    ("isInteger", True, [_DYN], _BOOL, lambda value: _amount(value).is_whole),
    ("asInteger", True, [_DYN], _INT, lambda value: _amount(value).units()),
    ("asApproximateFloat", True, [_DYN], _T.DOUBLE, lambda value: float(_amount(value).value)),
    ("sign", True, [_DYN], _INT, lambda value: (_amount(value).nanos > 0) - (_amount(value).nanos < 0)),
    ("add", True, [_DYN, _DYN], _DYN, _sum_of(1)),
    ("sub", True, [_DYN, _DYN], _DYN, _sum_of(-1)),
    ("hasValue", True, [_LIST], _BOOL, bool),
    ("sum", True, [_LIST], _DYN, sum),
    ("min", True, [_LIST], _DYN, min),
    ("max", True, [_LIST], _DYN, max),
    ("isSorted", True, [_LIST], _BOOL, lambda items: all(a <= b for a, b in pairwise(items))),
    ("indexOf", True, [_LIST, _DYN], _INT, _index),
    ("lastIndexOf", True, [_LIST, _DYN], _INT, _last_index),
    ("find", True, [_TEXT, _TEXT], _TEXT, _find),
    ("findAll", True, [_TEXT, _TEXT], _LIST, _find_all),
    ("findAll", True, [_TEXT, _TEXT, _INT], _LIST, _find_all),
    ("sets.contains", False, [_LIST, _LIST], _BOOL, _all_in),
    ("sets.equivalent", False, [_LIST, _LIST], _BOOL, lambda one, other: _all_in(one, other) and _all_in(other, one)),
    ("sets.intersects", False, [_LIST, _LIST], _BOOL, lambda one, other: any(value in other for value in one)),
)  # fmt: skip

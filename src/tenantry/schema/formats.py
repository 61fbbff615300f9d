"""String formats as the API server checks them.

Formats it does not know are ignored by it, and here. Numbers with ``int32`` and ``int64`` get bounds instead.
Source: kube-openapi, pkg/validation/strfmt; apiextensions-apiserver, pkg/apiserver/validation/formats.go.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable

from tenantry.model.quantity import is_quantity

INTEGER_BOUNDS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}

PREFIX = "k8s-"
"""Put before a format's name in compiled schemas: JSON Schema gives some of the names another meaning."""

_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?)?)?",
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DURATION = re.compile(r"0|[+-]?(\s*(\d+(\.\d*)?|\.\d+)\s*[a-zµμ]+)+", re.IGNORECASE)
_MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5,7}|[0-9a-f]{4}(\.[0-9a-f]{4}){2,3}", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_URI = re.compile(r"/.*|[a-z][a-z0-9+.-]*:.+", re.IGNORECASE)
_HOSTNAME = re.compile(
    r"(?=.{1,255}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\.?", re.I
)


def _base64(text: str) -> bool:
    try:
        base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _cidr(text: str) -> object:
    if "/" not in text:
        raise ValueError(text)
    return ipaddress.ip_interface(text)


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
LABEL = re.compile(_LABEL, re.ASCII)
SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.ASCII)
SERVICE = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_WORD = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_QUALIFIED = re.compile(rf"((?=[^/]{{1,253}}/){_LABEL}(\.{_LABEL})*/)?(?=[^/]{{1,63}}$){_WORD}", re.ASCII)
_PORT = re.compile(r"(?=.{1,15}$)(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_CONFIG_KEY = re.compile(r"(?!\.\.?$)(?!\.\.)[-._a-zA-Z0-9]{1,253}", re.ASCII)


def _named(pattern: re.Pattern[str], longest: int) -> Callable[[str], bool]:
    """Return the check of a name; an empty one is left to whoever asks for a name at all."""
    return lambda text: not text or (len(text) <= longest and pattern.fullmatch(text) is not None)


def _host(text: str) -> bool:
    return _named(SUBDOMAIN, 253)(text.removeprefix("*."))


NAMES: dict[str, Callable[[str], bool]] = {
    "kubernetes-cidr": lambda text: not text or _parses(_cidr)(text),
    "kubernetes-cluster-ip": lambda text: text in {"", "None"} or _parses(ipaddress.ip_address)(text),
    "kubernetes-config-key": _named(_CONFIG_KEY, 253),
    "kubernetes-env-name": _named(re.compile(r"[ -<>-~]+"), 1 << 20),
    "kubernetes-host": _host,
    "kubernetes-ip": lambda text: not text or _parses(ipaddress.ip_address)(text),
    "kubernetes-label": _named(LABEL, 63),
    "kubernetes-label-value": _named(re.compile(_WORD, re.ASCII), 63),
    "kubernetes-port-name": _named(_PORT, 15),
    "kubernetes-qualified": _named(_QUALIFIED, 317),
    "kubernetes-service": _named(SERVICE, 63),
    "kubernetes-subdomain": _named(SUBDOMAIN, 253),
}
"""Forms of texts in Kubernetes' own kinds, which no schema may name.

Source: apimachinery, pkg/util/validation/validation.go.
"""

CHECKS: dict[str, Callable[[str], bool]] = {
    **NAMES,
    "byte": _base64,
    "cidr": _parses(_cidr),
    "date": _matches(_DATE),
    "date-time": _matches(_DATE_TIME),
    "datetime": _matches(_DATE_TIME),
    "duration": _matches(_DURATION),
    "email": lambda text: "@" in text[1:-1],
    "hostname": _matches(_HOSTNAME),
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "mac": _matches(_MAC),
    "quantity": is_quantity,
    "uri": _matches(_URI),
    "uuid": _matches(_UUID),
}

_ENDS = "beginning and ending with a letter or digit"

MEANING = {
    "byte": "base64 text",
    "cidr": "an address range such as 10.0.0.0/16",
    "date": "a date such as 2026-01-31",
    "date-time": "a time such as 2026-01-31T12:00:00Z",
    "datetime": "a time such as 2026-01-31T12:00:00Z",
    "duration": "a duration such as 1h30m",
    "email": "an e-mail address",
    "hostname": "a host name",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "kubernetes-cidr": "an address range such as 10.0.0.0/16",
    "kubernetes-cluster-ip": "an IP address or None",
    "kubernetes-config-key": "a key of a ConfigMap or Secret: at most 253 letters, digits, '-', '_' and '.'",
    "kubernetes-env-name": "printable ASCII characters without '='",
    "kubernetes-host": "a host name in lower case, or one that begins with '*.'",
    "kubernetes-ip": "an IP address",
    "kubernetes-label": f"at most 63 lower-case letters, digits and '-', {_ENDS}",
    "kubernetes-label-value": f"at most 63 letters, digits, '-', '_' and '.', {_ENDS}",
    "kubernetes-port-name": f"at most 15 lower-case letters, digits and '-', with a letter among them, {_ENDS}",
    "kubernetes-qualified": f"an optional DNS name and '/', then at most 63 letters, digits, '-', '_', '.', {_ENDS}",
    "kubernetes-service": "at most 63 lower-case letters, digits and '-', beginning with a letter",
    "kubernetes-subdomain": f"at most 253 lower-case letters, digits, '-' and '.', each part {_ENDS}",
    "mac": "a MAC address",
    "quantity": "a quantity such as 500m, 4 or 1.5Gi",
    "uri": "a URI",
    "uuid": "a UUID",
}

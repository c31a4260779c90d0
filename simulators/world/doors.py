"""The doors of the platform as people of the world use them: HTTP, with a key, and nothing else.

Each act is one request to a route that anybody with such a key may use. What the platform refuses is an outcome, named
by its problem's code; what it cannot do now (no connection, 429, 5xx) is tried again by the town.
"""

import http.client
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from simulators.world.people import Capture, Source
from simulators.world.town import NoDoorError, PlatformError, Told

TIMEOUT_S: Final = 20.0
PAGE: Final = 200
PAGES_MAX: Final = 1_000
"""200,000 cars: ten times as many as one process simulates."""
ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024
NO_ROUTE: Final = frozenset({None, "not_found", "method_not_allowed", "route_unknown"})
"""Codes of a 404 or 405 that speak of the route and not of what was asked for."""
AGAIN: Final = frozenset({429, 500, 502, 503, 504})
"""Answers after which the same is asked again later."""


class Http:
    """Requests to one server, one after the other, over one connection while it lasts.

    Args:
        address: HOST:PORT.
        key: API key.
    """

    def __init__(self, address: str, key: str) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._key = key
        self._connection: http.client.HTTPConnection | None = None
        self.requests = 0
        self.failures = 0

    def ask(self, method: str, path: str, body: Any, idempotency: str) -> tuple[int, Any]:
        """Return status and decoded JSON (None where there is none) of a request under /api/v1.

        Raises:
            PlatformError: no answer, or one of AGAIN.
        """
        headers = {"Authorization": f"Bearer {self._key}", "Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body, ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json"
        if idempotency:
            headers["Idempotency-Key"] = idempotency
        self.requests += 1
        try:
            connection = self._connection or http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
            self._connection = connection
            connection.request(method, f"/api/v1{path}", data, headers)
            answer = connection.getresponse()
            text = answer.read(ANSWER_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            self.failures += 1
            self.close()
            raise PlatformError(f"{method} {path}: {error!r}") from error
        if len(text) > ANSWER_BYTES_MAX:
            self.close()
            raise PlatformError(f"{method} {path}: an answer over {ANSWER_BYTES_MAX} bytes")
        if answer.status in AGAIN:
            self.failures += 1
            raise PlatformError(f"{method} {path}: {answer.status}")
        try:
            return answer.status, json.loads(text) if text else None
        except ValueError:
            return answer.status, None

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection:
            self._connection.close()
            self._connection = None


def outcome_of(status: int, answer: Any) -> str:
    """Return `done`, or the code of the problem that was answered.

    Raises:
        NoDoorError: there is no such route.
    """
    if status < 300:
        return "done"
    if status in (404, 405) and (not isinstance(answer, dict) or answer.get("code") in NO_ROUTE):
        raise NoDoorError(str(answer))
    if isinstance(answer, dict):
        return str(answer.get("field") or answer.get("code") or status)
    return str(status)


Ask = Callable[[str, str, Any, str], tuple[int, Any]]
"""(method, path under /api/v1, body, idempotency key) -> status, decoded answer; raises PlatformError."""
TRAITS: Final = ("name", "phone", "id_number", "vin", "plate", "address")
"""What of a capture is said of a person, under these names here and there."""
BASES: Final[dict[Source, str]] = {
    "web": "enquiry",
    "counter": "service",
    "event": "enquiry",
    "partner": "consent",
    "call": "service",
}
"""On what ground each source takes it down (PIPL art. 13)."""


PART_EVERY: Final = 5
"""One in five agrees to a part of what they are asked only."""


def _cell(data_class: str, precision: str = "exact", channel: str = "data") -> dict[str, str]:
    return {"data_class": data_class, "precision": precision, "channel": channel}


TEXTS: Final[dict[str, dict[str, Any]]] = {
    "care-basic": {
        "purpose": "care",
        "cells": [
            _cell("position", "district"),
            _cell("movement"),
            _cell("mileage"),
            _cell("incident"),
            _cell("health"),
            _cell("contact", channel="phone"),
            _cell("due"),
        ],
        "title_zh": "用车关怀服务授权书",
        "title_en": "Care for you and your car",
        "body_zh": "我同意门店为车辆关怀使用行程、里程、健康档案和所在城区，并以电话联系我。我可以随时撤回。",
        "body_en": "The store may use trips, mileage, health record and the district my car is in to care for it, "
        "and call me. I can take this back at any time.",
        "valid_days": 730,
    },
    "offers": {
        "purpose": "marketing",
        "cells": [_cell("contact", channel="sms"), _cell("contact", channel="wechat"), _cell("due")],
        "title_zh": "优惠信息授权书",
        "title_en": "Offers",
        "body_zh": "我同意通过短信和微信接收与到期保养有关的优惠信息。我可以随时撤回。",
        "body_en": "I agree to be sent offers about what my car will need, by text message and WeChat. I can take this "
        "back at any time.",
        "valid_days": 365,
    },
    "insurer": {
        "purpose": "partner",
        "cells": [_cell("vehicle"), _cell("mileage"), _cell("incident")],
        "title_zh": "保险合作信息共享授权书",
        "title_en": "Sharing with the insurer",
        "body_zh": "我同意向承保的保险公司提供车辆、里程和事故信息。我可以随时撤回。",
        "body_en": "The insurer of my car may be given its data, mileage and accidents. I can take this back at any "
        "time.",
        "valid_days": 365,
    },
}
"""What people of the world are asked to agree to, where the group has not published these itself."""
AGREED: Final[dict[str, str]] = {"service": "care-basic", "marketing": "offers", "share": "insurer"}
"""What a form says was agreed to -> its text."""


class Doors:
    """The platform behind its HTTP API.

    Args:
        ask: as Http.ask.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._stores: list[int] | None = None
        self._texts: dict[str, int] | None = None

    def tell(self, captures: list[tuple[str, Capture]]) -> list[Told]:
        """Hand over captures, each under its reference: the same again is the same capture."""
        if self._stores is None:
            # In the order of their codes, which is that of the city's dealers.
            self._stores = [item["id"] for item in sorted(self._pages("/stores"), key=lambda item: str(item["code"]))]
        items = [self._said(reference, one, self._stores) for reference, one in captures]
        path, body = ("/captures", items[0]) if len(items) == 1 else ("/captures/import", {"items": items})
        status, answer = self._ask("POST", path, body, "")
        if status >= 300:
            raise PlatformError(f"POST {path}: {status} {outcome_of(status, answer)}")
        taken = [answer] if len(items) == 1 else answer["items"]
        return [
            Told(one["capture"], one["person"], one["code"] if one["state"] == "refused" else one["state"])
            for one in taken
        ]

    @staticmethod
    def _said(reference: str, one: Capture, stores: list[int]) -> dict[str, Any]:
        return {
            "source": one.source,
            "store": stores[one.store % len(stores)] if stores else 0,
            "time_ms": one.time_ms,
            "traits": {kind: getattr(one, kind) for kind in TRAITS if getattr(one, kind)},
            "basis": BASES[one.source] if one.source != "partner" or one.consent else "none",
            "shared": one.consent == "share",
            # At a counter the card lies on the table.
            "seen": {"id_number": "document"} if one.source == "counter" and one.id_number else {},
            # A browser numbers nothing: a form sent twice is known by its words.
            "reference": "" if one.source == "web" else reference,
        }

    def vehicles(self) -> dict[str, int]:
        """Return the platform's numbers of cars by VIN, and by plate where nobody has entered a VIN."""
        return {item["vin"] or item["plate"]: item["vehicle_id"] for item in self._pages("/vehicles")}

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        after = ""
        for _ in range(PAGES_MAX):
            status, page = self._ask("GET", f"{path}?limit={PAGE}{after}", None, "")
            if status != 200:
                raise PlatformError(f"GET {path}: {status}")
            yield from page["items"]
            if page["next"] is None:
                return
            after = f"&after={page['next']}"

    def link(self, id_: str, person: int, vehicle: int, role: str, from_ms: int, to_ms: int) -> str:
        """Say that a person is owner or driver of a car."""
        said = {"person": person, "role": role, "source": "workshop", "from_ms": from_ms, "to_ms": to_ms}
        return outcome_of(*self._ask("POST", f"/vehicles/{vehicle}/people", said, id_))

    def end(self, id_: str, person: int, vehicle: int, role: str, to_ms: int) -> str:
        """Say that a person is that no longer."""
        said = {"person": person, "role": role, "reason": "sold" if role == "owner" else "left", "to_ms": to_ms}
        return outcome_of(*self._ask("POST", f"/vehicles/{vehicle}/people/end", said, id_))

    def read(self, id_: str, vehicle: int, odometer_km: int) -> str:
        """Enter what the advisor has read off the instrument."""
        said = {"odometer_km": odometer_km, "source": "workshop"}
        return outcome_of(*self._ask("POST", f"/vehicles/{vehicle}/odometer", said, id_))

    def consent(self, id_: str, person: int, what: str, evidence: str) -> str:
        """Say what a person agreed to: the newest version of the text about it, or that part of it that they allow."""
        name = AGREED[what]
        if self._texts is None:
            self._texts = self._published()
        said: dict[str, Any] = {"text": name, "version": self._texts[name], "evidence": evidence}
        if zlib.crc32(id_.encode()) % PART_EVERY == 0:
            # Only to be told what is due: nobody needs to know more for that.
            said["cells"] = TEXTS[name]["cells"][-1:]
        outcome = outcome_of(*self._ask("POST", f"/persons/{person}/consents", said, id_))
        if outcome == "text_not_current":
            # Somebody has published a new version: what they saw is looked up again, and said the next time.
            self._texts = None
        return outcome

    def withdraw(self, id_: str, person: int) -> str:
        """Take back everything that a person agreed to."""
        said = {"evidence": f"call:{zlib.crc32(id_.encode())}"}
        return outcome_of(*self._ask("POST", f"/persons/{person}/consents/withdrawals", said, id_))

    def _published(self) -> dict[str, int]:
        """Return the newest version of each of TEXTS; what the group has not published yet is published."""
        status, answer = self._ask("GET", "/consents/texts", None, "")
        if status != 200:
            raise PlatformError(f"GET /consents/texts: {status} {outcome_of(status, answer)}")
        for name, text in TEXTS.items():
            if not any(row["text"] == name for row in answer["items"]):
                status, answer = self._ask("POST", "/consents/texts", {"text": name, **text}, f"text-{name}")
                if status >= 300:
                    raise PlatformError(f"POST /consents/texts: {status} {outcome_of(status, answer)}")
        versions: dict[str, int] = {}
        for row in answer["items"]:
            versions[row["text"]] = max(row["version"], versions.get(row["text"], 0))
        return versions

    def forget(self, id_: str, person: int) -> str:
        """Ask for a person to be forgotten."""
        return outcome_of(*self._ask("POST", f"/persons/{person}/erase", {"reason": "asked"}, id_))

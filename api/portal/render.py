"""From a page's data to its HTML: the templates, the reader's language, zone and theme, the headers of every page.

A page calls `render(request, "name.html", …)`. What every template has: `t` and the other words of Words, the
components as `c`, the reader as `principal`, and `may(right)`. See docs/portal.md.
"""

import functools
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jinja2
from litestar import Request, Response
from litestar.datastructures import Cookie
from markupsafe import Markup, escape

from api.guards import visitor_of
from api.messages import LANGUAGES, MESSAGES, language_of, text
from api.portal.assets import asset_url, island_of
from api.portal.navigation import FOLDED_COOKIE, allows, navigation_for
from core.rights import Principal

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "media-src 'self'; worker-src 'self' blob:; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""What a page may load and run: what we serve as files, and nothing else. No script or style stands inside a page."""

HEADERS: Final[Mapping[str, str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Cookie, HX-Request",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

THEMES: Final = ("auto", "light", "dark")
LANGUAGE_COOKIE: Final = "carillon_language"
THEME_COOKIE: Final = "carillon_theme"
COOKIE_S: Final = 365 * 86_400
ZONE_DEFAULT: Final = "Asia/Shanghai"

AGO: Final[tuple[tuple[int, int, str], ...]] = (
    (60, 1, "ago_seconds"),
    (3600, 60, "ago_minutes"),
    (86_400, 3600, "ago_hours"),
    (86_400 * 30, 86_400, "ago_days"),
)
"""(below so many seconds, seconds of one unit, message)."""


class Words:
    """How things are said to one reader: language and time zone. Immutable; one for each pair of them."""

    def __init__(self, language: str, zone: str) -> None:
        self.language = language
        self.zone = zone
        self._zone = zone_named(zone)

    def t(self, key: str, **values: object) -> str:
        """Return a text of the catalogue with its {names} filled in. A key that is not there is a bug: KeyError.

        HTML of ours among the values stays HTML, and the text around it is escaped: it is Markup then.
        """
        if any(isinstance(value, Markup) for value in values.values()):
            return escape(text(key, self.language)).format(**values)
        return text(key, self.language, **values)

    def or_text(self, key: str, otherwise: str) -> str:
        """Return a text of the catalogue, or this where there is none: for words that come from outside."""
        return text(key, self.language) if key in MESSAGES else otherwise

    def moment(self, time_ms: int) -> datetime:
        """Return a time in the reader's zone."""
        return datetime.fromtimestamp(time_ms / 1000, self._zone)

    def time(self, time_ms: int | None, style: Literal["full", "second", "minute", "clock", "day"] = "full") -> Markup:
        """Return a <time> as the reader's clock shows it; a dash for None and 0."""
        if not time_ms:
            return _NONE
        moment = self.moment(time_ms)
        stamp = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        shown = moment.strftime(_STYLES[style])
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            stamp, moment.strftime("%Y-%m-%d %H:%M:%S %Z"), shown
        )

    def ago(self, time_ms: int | None) -> Markup:
        """Return how long ago it was, kept true by the page, with the exact time on hover; the date after 30 days."""
        if not time_ms:
            return _NONE
        seconds = time.time() - time_ms / 1000
        for below, unit, key in AGO:
            if abs(seconds) < below:
                moment = self.moment(time_ms)
                stamp = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="seconds")
                said = self.t(key, n=max(0, round(seconds / unit)))
                return Markup('<time datetime="{}" data-relative title="{}">{}</time>').format(
                    stamp.replace("+00:00", "Z"), moment.strftime("%Y-%m-%d %H:%M:%S %Z"), said
                )
        return self.time(time_ms, "day")

    def number(self, value: float | None, digits: int = 0) -> str:
        """Return a number with its thousands apart; a dash for None."""
        return "–" if value is None else f"{value:,.{digits}f}"

    def duration(self, seconds: float) -> str:
        """Return a length of time in its two largest units."""
        left = int(seconds)
        for size, key, inner, inner_key in _SPANS:
            if left >= size:
                whole, rest = divmod(left, size)
                small = rest // inner
                said = self.t(key, n=whole)
                return f"{said} {self.t(inner_key, n=small)}" if small else said
        return self.t("span_seconds", n=left)

    def icon(self, name: str, title: str = "") -> Markup:
        """Return an icon of the sprite: decoration, unless it has a title of its own."""
        href = f"{asset_url('icons.svg')}#{name}"
        if title:
            return Markup('<svg class="icon" role="img" aria-label="{}"><use href="{}"/></svg>').format(title, href)
        return Markup('<svg class="icon" aria-hidden="true"><use href="{}"/></svg>').format(href)

    def island(self, name: str) -> Markup:
        """Return the tags by which a page loads an island: its styles, its script, and the texts it shows."""
        return _island(name, self.language)

    @property
    def components(self) -> Any:
        """The macros of components.html, in this reader's words."""
        return _components(self)

    @property
    def names(self) -> dict[str, Any]:
        """What templates and components call."""
        return {
            "t": self.t,
            "or_text": self.or_text,
            "time": self.time,
            "ago": self.ago,
            "number": self.number,
            "duration": self.duration,
            "icon": self.icon,
            "island": self.island,
            "asset": asset_url,
            "language": self.language,
            "zone": self.zone,
        }


_NONE: Final = Markup('<span class="faint">–</span>')
_STYLES: Final = {
    "full": "%Y-%m-%d %H:%M:%S",
    "second": "%m-%d %H:%M:%S",
    "minute": "%m-%d %H:%M",
    "clock": "%H:%M:%S",
    "day": "%Y-%m-%d",
}
_SPANS: Final = (
    (86_400, "span_days", 3600, "span_hours"),
    (3600, "span_hours", 60, "span_minutes"),
    (60, "span_minutes", 1, "span_seconds"),
)


def render(
    request: Request[Any, Any, Any],
    name: str,
    /,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    block: str = "",
    **context: Any,
) -> Response[bytes]:
    """Return a page: the whole of it, or for an htmx request that wants a part, only its block `content`.

    Args:
        name: a file of templates/. It extends frame.html (or alone.html where nobody is logged in).
        block: render only this block, whoever asks.
        context: what the template shows. Strings are escaped there.
    """
    words = words_of(request)
    template = ENVIRONMENT.get_template(name)
    principal = principal_or_none(request)
    filled: dict[str, Any] = {
        **words.names,
        "c": words.components,
        "principal": principal,
        "may": functools.partial(allows, principal),
        "path": request.url.path,
        "lang": LANGUAGES[words.language],
        "theme": theme_of(request),
        "navigation": navigation_for(principal, request.url.path, request.cookies.get(FOLDED_COOKIE, "")),
        "address_with": functools.partial(address_with, request),
        "demo": request.app.state.parts.demo,
        **context,
    }
    if not block and request.headers.get("hx-request-type") == "partial":
        block = "content"
    if block:
        html = "".join(template.blocks[block](template.new_context(filled)))
    else:
        html = template.render(filled)
    allowed = {"Content-Security-Policy": policy_with(request.app.state.parts.ground.origins)}
    return html_response(html, status=status, headers={**allowed, **(headers or {})}, cookies=chosen_cookies(request))


@functools.lru_cache(maxsize=8)
def policy_with(origins: tuple[str, ...]) -> str:
    """Return POLICY with these origins besides ours, from which a customer's map is drawn: data and pictures only."""
    more = "".join(f" {origin}" for origin in origins)
    return POLICY.replace("connect-src 'self'", "connect-src 'self'" + more).replace("blob:;", f"blob:{more};", 1)


def html_response(
    html: str, *, status: int = 200, headers: Mapping[str, str] | None = None, cookies: list[Cookie] | None = None
) -> Response[bytes]:
    """Return HTML of ours with the headers that every page has."""
    return Response(html.encode(), status_code=status, headers={**HEADERS, **(headers or {})}, cookies=cookies or [])


# --- the reader -------------------------------------------------------------------------------------------------------


def principal_or_none(request: Request[Any, Any, Any]) -> Principal | None:
    """Return who asks, None where nobody is logged in. The guard has left it there."""
    return visitor_of(request)


def words_of(request: Request[Any, Any, Any]) -> Words:
    """Return the reader's words: language by `?lang=`, cookie, account, Accept-Language in that order."""
    principal = principal_or_none(request)
    for chosen in (
        request.query_params.get("lang"),
        request.cookies.get(LANGUAGE_COOKIE),
        principal.language if principal else None,
    ):
        if chosen in LANGUAGES:
            return words_in(chosen, zone_of(request))
    return words_in(language_of(None, request.headers.get("accept-language", "")), zone_of(request))


@functools.lru_cache(maxsize=64)
def words_in(language: str, zone: str = ZONE_DEFAULT) -> Words:
    """Return the words of a language and zone; always the same object for the same pair."""
    return Words(language, zone)


def zone_of(request: Request[Any, Any, Any]) -> str:
    """Return the name of the reader's time zone: their store's, if they have one store, else the default."""
    principal = principal_or_none(request)
    return (principal.zone if principal else "") or ZONE_DEFAULT


@functools.lru_cache(maxsize=64)
def zone_named(name: str) -> ZoneInfo:
    """Return a time zone; UTC's next of kin, Shanghai, for a name that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(ZONE_DEFAULT)


def theme_of(request: Request[Any, Any, Any]) -> str:
    """Return auto, light or dark: by `?theme=`, else by cookie."""
    for chosen in (request.query_params.get("theme"), request.cookies.get(THEME_COOKIE)):
        if chosen in THEMES:
            return str(chosen)
    return "auto"


def chosen_cookies(request: Request[Any, Any, Any]) -> list[Cookie]:
    """Return the cookies by which a choice in the address is kept."""
    secure = request.url.scheme == "https"
    kept = []
    for parameter, cookie, allowed in (
        ("lang", LANGUAGE_COOKIE, tuple(LANGUAGES)),
        ("theme", THEME_COOKIE, THEMES),
    ):
        chosen = request.query_params.get(parameter)
        if chosen in allowed:
            kept.append(Cookie(cookie, value=chosen, max_age=COOKIE_S, path="/", samesite="lax", secure=secure))
    return kept


def address_with(request: Request[Any, Any, Any], **changes: object) -> str:
    """Return this page's address with these parameters set, or taken away where None or empty."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in changes]
    kept += [(name, str(value)) for name, value in changes.items() if value not in (None, "")]
    return request.url.path + ("?" + urlencode(kept) if kept else "")


# --- templates --------------------------------------------------------------------------------------------------------


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


ENVIRONMENT: Final = _environment()


@functools.lru_cache(maxsize=64)
def _components(words: Words) -> Any:
    return ENVIRONMENT.get_template("components.html").make_module(words.names)


@functools.lru_cache(maxsize=128)
def _island(name: str, language: str) -> Markup:
    island = island_of(f"{name}.js")
    tags = [Markup('<link rel="stylesheet" href="{}">').format(href) for href in island.styles]
    tags += [Markup('<link rel="modulepreload" href="{}">').format(href) for href in island.needs]
    keys = list(island.texts)
    for family in island.families:
        keys += [key for key in MESSAGES if key.startswith(family)]
    texts = {key: text(key, language) for key in keys}
    if name == "portal":
        texts |= {key: text(key, language) for key in MESSAGES if key.startswith("problem_")}
    if texts:
        # A block of data, which the policy lets stand in the page; `<` is written so that no text can end it.
        said = json.dumps(texts, ensure_ascii=False).replace("<", "\\u003c")
        tags.append(Markup('<script type="application/json" data-texts>{}</script>').format(Markup(said)))  # noqa: S704
    tags.append(Markup('<script type="module" src="{}"></script>').format(island.url))
    return Markup("\n").join(tags)


def json_block(name: str, value: object) -> Markup:
    """Return data for an island: a block of JSON that it reads by its id. Any text in it is safe."""
    said = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return Markup('<script type="application/json" id="{}">{}</script>').format(name, Markup(said))  # noqa: S704


def agent_words(agent: str) -> str:
    """Return a User-Agent in two words ('Chrome, Windows'), empty for one that says nothing we know."""
    browser = next((name for sign, name in _BROWSERS if sign in agent), "")
    system = next((name for sign, name in _SYSTEMS if sign in agent), "")
    return " · ".join(filter(None, (browser, system)))


# In this order: each says it is also the ones behind it.
_BROWSERS: Final = (
    ("MicroMessenger", "微信 WeChat"),
    ("Edg/", "Edge"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)

ENVIRONMENT.globals["json_block"] = json_block
ENVIRONMENT.filters["agent"] = agent_words

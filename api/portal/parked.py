"""/parked: where a rule of the business could not go on, why, what waits, and what a person can do about it."""

from typing import Any, Final

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from markupsafe import Markup

from api.guards import principal_of
from api.parts import Parts
from api.portal.event_types import who
from api.portal.events import store_names
from api.portal.happenings import badge_of, title_of
from api.portal.render import html_response, render, words_of
from storage.spine import PARKED_READ_MAX, WAITING_COUNTED_MAX, Spine


@get("/parked", include_in_schema=False, opt={"right": "business.read"})
async def parked_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show parked keys of the reader's stores, the longest parked first."""
    parts: Parts = request.app.state.parts
    principal, words = principal_of(request), words_of(request)
    found = await sync_to_thread(Spine(parts.reader.database).parked, principal)
    stores = await sync_to_thread(store_names, parts, principal, words)
    return render(
        request,
        "parked.html",
        parked=[
            {
                "one": one,
                "who": who(one.actor, words),
                "event": title_of(one.type, words),
                "badge": badge_of(one.type, words),
                "store": stores.get(one.store, ""),
                "waiting": words.t(
                    "parked_waiting_many" if one.waiting >= WAITING_COUNTED_MAX else "parked_waiting",
                    n=words.number(min(one.waiting, WAITING_COUNTED_MAX - 1)),
                ),
            }
            for one in found
        ],
        bound=PARKED_READ_MAX if len(found) == PARKED_READ_MAX else 0,
    )


@get("/parked/count", include_in_schema=False, opt={"right": "business.read"})
async def parked_count(request: Request[Any, Any, Any]) -> Response[Any]:
    """Give how many keys are parked, as the navigation shows it; nothing where there is none."""
    parts: Parts = request.app.state.parts
    counts = await sync_to_thread(Spine(parts.reader.database).parked_count, principal_of(request))
    count = sum(counts.values())
    said = words_of(request).t("parked_count", n=count)
    return html_response(str(Markup('<b class="tally" title="{}">{}</b>').format(said, count)) if count else "")


PAGES: Final = (parked_page, parked_count)

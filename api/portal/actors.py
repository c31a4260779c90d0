"""/actors: the actors of the business, what each hears, keeps and says, what is in force of it, and where it works."""

import time
from functools import partial
from typing import Any, Final

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread

from api.business import ActorPage, actors_in
from api.guards import principal_of
from api.parts import Parts
from api.portal.event_types import who
from api.portal.events import store_names
from api.portal.happenings import title_of
from api.portal.render import render, words_of


@get("/actors", include_in_schema=False, opt={"right": "business.read"})
async def actors_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show all actors."""
    parts: Parts = request.app.state.parts
    principal, words = principal_of(request), words_of(request)
    page: ActorPage = await sync_to_thread(actors_in, parts, principal)
    stores = await sync_to_thread(store_names, parts, principal, words)
    handled = [one.handled for one in page.items if one.handled is not None]
    up_s = max(1.0, time.time() - parts.metrics.started_s)
    return render(
        request,
        "actors.html",
        page=page,
        who=partial(who, words=words),
        title_of=partial(title_of, words=words),
        stores={store: name for store, name in stores.items() if store},
        whole_group=principal.scope.stores is None,
        parked=sum(one.parked for one in page.items),
        rate=sum(handled) / up_s if handled else None,
    )


PAGES: Final = (actors_page,)

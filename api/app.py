"""The application: its resources, its guard, its answers to faults. `create_app(parts)` is all a server needs."""

from collections import Counter
from typing import Final

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException

from api import (
    access,
    accounts,
    acts,
    areas,
    audit,
    city,
    commands,
    consents,
    exports,
    factors,
    forms,
    geofences,
    incidents,
    invitations,
    keys,
    live,
    media,
    metrics,
    organisation,
    persons,
    rules,
    sessions,
    stores,
    suppliers,
    terminals,
    uplinks,
    vehicle_changes,
)
from api.business import RESOURCES as BUSINESS
from api.docs import openapi
from api.events import list_events, read_event, stream_events
from api.frames import list_frames
from api.garage import RESOURCES as GARAGE
from api.guard import RESOURCES as GUARDING
from api.guards import LoginNeeded, Principals, answer_login_needed, guard
from api.health import Readiness, read_alive, read_health
from api.login import Hashing, log_in, log_out, read_me
from api.metrics import read_metrics
from api.outbox import list_messages
from api.parts import Parts
from api.portal import PAGES as PORTAL
from api.portal.faults import as_page
from api.portal.system import sampling
from api.positions import list_positions
from api.problems import (
    Problem,
    answer_bug,
    answer_code_needed,
    answer_deep,
    answer_full,
    answer_http,
    answer_invalid,
    answer_login_failed,
    answer_login_locked,
    answer_people,
    answer_problem,
    answer_refused,
    answer_store,
)
from api.quality import list_quality, read_quality
from api.streams import Streams
from api.tracks import read_days, read_track
from api.trips import list_trips
from api.vehicles import list_vehicles, read_vehicle
from storage.errors import RegistryFullError, StorageError
from storage.marks import RefusedError
from storage.people import CodeNeededError, LoginFailedError, LoginLockedError, PeopleError

REQUEST_BYTES_MAX: Final = 64 * 1024
"""The largest body of most requests: a form, or a fence of 2,000 corners. Routes that take more say so."""


def create_app(parts: Parts) -> Litestar:
    """Return the ASGI application over these parts."""
    hashing = Hashing(parts.people)
    hub = live.LiveHub(parts.live, placed=parts.reader.placed)
    readiness = Readiness(parts.faults)
    streams = Streams(parts)
    principals = Principals(parts)
    problems: Counter[str] = Counter()
    metrics.show(
        parts.metrics,
        problems=problems,
        streams=streams.statistics,
        hashing=lambda: hashing.waiting,
        principals=lambda: principals.known,
    )
    hub.show(parts.metrics)
    return Litestar(
        route_handlers=[*PAGES, Router("/api/v1", route_handlers=list(RESOURCES))],
        guards=[guard],
        middleware=[acts.acts_noted],
        state=State(
            {
                "parts": parts,
                "principals": principals,
                "hashing": hashing,
                "streams": streams,
                "problems": problems,
                "live": hub,
                "readiness": readiness,
            }
        ),
        lifespan=[sampling],
        on_shutdown=[hashing.close, readiness.close],
        exception_handlers={
            Problem: as_page(answer_problem),
            LoginNeeded: answer_login_needed,
            CodeNeededError: as_page(answer_code_needed),
            LoginFailedError: as_page(answer_login_failed),
            LoginLockedError: as_page(answer_login_locked),
            PeopleError: as_page(answer_people),
            RefusedError: as_page(answer_refused),
            RegistryFullError: as_page(answer_full),
            ValidationException: as_page(answer_invalid),
            HTTPException: as_page(answer_http),
            StorageError: as_page(answer_store),
            RecursionError: answer_deep,
            Exception: as_page(answer_bug),
        },
        openapi_config=openapi(parts.version),
        request_max_body_size=REQUEST_BYTES_MAX,
        logging_config=None,
        pdb_on_exception=False,
        debug=False,
    )


PAGES: Final = (*PORTAL, read_health, read_alive, read_metrics)
RESOURCES: Final = (
    log_in,
    log_out,
    read_me,
    list_positions,
    list_vehicles,
    read_vehicle,
    read_track,
    read_days,
    list_trips,
    list_quality,
    read_quality,
    list_frames,
    *commands.RESOURCES,
    *consents.RESOURCES,
    *incidents.RESOURCES,
    list_events,
    read_event,
    stream_events,
    list_messages,
    *accounts.RESOURCES,
    *invitations.RESOURCES,
    *keys.RESOURCES,
    *sessions.RESOURCES,
    *stores.RESOURCES,
    *organisation.RESOURCES,
    *factors.RESOURCES,
    *access.RESOURCES,
    *audit.RESOURCES,
    *exports.RESOURCES,
    *suppliers.RESOURCES,
    *geofences.RESOURCES,
    *GUARDING,
    *GARAGE,
    *BUSINESS,
    *rules.RESOURCES,
    *areas.RESOURCES,
    *live.RESOURCES,
    *media.RESOURCES,
    *city.RESOURCES,
    *terminals.RESOURCES,
    *forms.RESOURCES,
    *vehicle_changes.RESOURCES,
    *uplinks.RESOURCES,
    *persons.RESOURCES,
)

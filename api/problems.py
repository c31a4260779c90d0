"""Problems: what the API answers when it cannot do what was asked, as RFC 9457 problem+json with a code of ours."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from core.logging import say
from storage.errors import RegistryFullError, StorageError
from storage.marks import RefusedError
from storage.people import CodeNeededError, LoginFailedError, LoginLockedError, PeopleError

MEDIA_TYPE: Final = "application/problem+json"

PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    "bad_request": (400, "The request cannot be read"),
    "invitation_over": (400, "This link has been used or is over"),
    "login_needed": (401, "Log in, or send a key"),
    "login_failed": (401, "Wrong login or password"),
    "key_wrong": (401, "This key opens nothing"),
    "code_needed": (401, "The code of the second factor is needed too"),
    "right_missing": (403, "You may not do this"),
    "cross_site": (403, "This came from another site"),
    "approval_own": (403, "Nobody approves their own command"),
    "session_needed": (403, "Only a person who is logged in does this"),
    "role_above": (403, "This role is above yours"),
    "right_above": (403, "This right is not yours to give"),
    "store_outside": (403, "This store is not yours"),
    "geofence_foreign": (403, "This geofence is not yours to change"),
    "rule_foreign": (403, "Thresholds are the whole group's: only who has all of its stores changes them"),
    "demo_account": (403, "The demo's accounts stay as they are"),
    "factor_needed": (403, "A second factor is needed first"),
    "brand_outside": (403, "This make is not among those of the node above"),
    "not_found": (404, "There is nothing at this address"),
    "person_unknown": (404, "No such person"),
    "match_unknown": (404, "No such pair of persons"),
    "capture_unknown": (404, "No such capture"),
    "household_unknown": (404, "No such household"),
    "vehicle_unknown": (404, "No such vehicle"),
    "command_unknown": (404, "No such command"),
    "incident_unknown": (404, "No such incident"),
    "event_unknown": (404, "No such event"),
    "message_unknown": (404, "No such message"),
    "media_unknown": (404, "No such picture, sound or film"),
    "geofence_unknown": (404, "No such geofence"),
    "rule_unknown": (404, "No such detector"),
    "trial_unknown": (404, "No such trial"),
    "trials_elsewhere": (404, "This process does not judge"),
    "quality_elsewhere": (404, "This process does not judge"),
    "precision_missing": (403, "You see positions less exactly than this shows them"),
    "journal_elsewhere": (404, "This process has no journal"),
    "terminal_unknown": (404, "No such terminal"),
    "account_unknown": (404, "No such account"),
    "store_unknown": (404, "No such store"),
    "node_unknown": (404, "No such node of the organisation"),
    "place_unknown": (404, "No such place"),
    "skill_unknown": (404, "No such skill"),
    "duty_unknown": (404, "No such duty"),
    "shift_unknown": (404, "No such shift"),
    "factor_none": (404, "There is no second factor"),
    "key_unknown": (404, "No such key"),
    "session_unknown": (404, "No such session"),
    "method_not_allowed": (405, "This address does not take this method"),
    "approval_needless": (409, "This command needs no approval"),
    "approval_twice": (409, "You have approved it already"),
    "key_not_parked": (404, "No actor is parked there"),
    "actor_unknown": (404, "No such actor, rule or version"),
    "actor_always": (409, "This actor cannot be switched off"),
    "person_consents_unknown": (404, "Nothing is known of what this person allows"),
    "breakglass_unknown": (404, "No such emergency look"),
    "group_only": (403, "Only who has the whole group does this"),
    "intent_refused": (409, "The business refuses this"),
    "intent_waiting": (409, "Nobody has decided this yet"),
    "vehicle_in_use": (409, "The car is being driven: arm it once it is parked"),
    "suspicion_none": (409, "Nothing is suspected of this car"),
    "guard_invalid": (422, "The car cannot be armed like this"),
    "command_over": (409, "This command is no longer waiting"),
    "geofence_changed": (409, "The geofence has been changed since"),
    "rule_changed": (409, "These thresholds have been changed since"),
    "trial_busy": (409, "Somebody else's trial is under way"),
    "rules_full": (409, "These thresholds have been changed too often"),
    "login_taken": (409, "This login is taken"),
    "store_code_taken": (409, "Another store has this code"),
    "last_administrator": (409, "Nobody would administer the group"),
    "own_account": (409, "Not to one's own account"),
    "account_disabled": (409, "The account is disabled"),
    "supplier_unknown": (404, "No such supplier"),
    "factor_there": (409, "There is a second factor already"),
    "code_wrong": (409, "This code is not right"),
    "node_step": (409, "Its state does not allow this"),
    "node_closed": (409, "It is closed, or not open yet"),
    "node_used": (409, "Something below it is not closed"),
    "node_loop": (409, "A node does not stand below itself"),
    "nodes_full": (409, "No more nodes fit here"),
    "places_full": (409, "No more places fit here"),
    "place_twice": (409, "The same role at the same node twice"),
    "place_missing": (409, "They do not work there for all of this time"),
    "skill_missing": (409, "They lack a valid certificate for this duty"),
    "shift_overlaps": (409, "They are on duty then already"),
    "shifts_full": (409, "They have too many shifts to come"),
    "skills_full": (409, "There are too many of these"),
    "calendar_full": (409, "The calendar has too many days"),
    "keys_full": (409, "Too many keys"),
    "too_large": (413, "The request is too large"),
    "geojson_invalid": (422, "These geofences cannot be saved"),
    "rule_invalid": (422, "This threshold does not fit"),
    "message_unsupported": (422, "This message cannot be sent"),
    "plate_taken": (409, "Another car has this plate"),
    "vin_taken": (409, "Another car has this VIN"),
    "phone_taken": (409, "This number is entered already, outside your stores"),
    "main_taken": (409, "The car has a main terminal already"),
    "terminal_retired": (409, "The terminal is retired"),
    "registry_full": (409, "No number is left"),
    "phone_missing": (422, "A phone number is needed"),
    "phone_wrong": (422, "Not a phone number: 1 to 20 digits"),
    "phone_rounded": (422, "A spreadsheet has rounded this number: format the column as text"),
    "phone_repeated": (422, "This number stands in an earlier line"),
    "plate_wrong": (422, "Not a plate"),
    "plate_colour_unknown": (422, "No such plate colour"),
    "vin_wrong": (422, "A VIN has 17 characters, without I, O and Q"),
    "role_unknown": (422, "No such role"),
    "store_wrong": (422, "No store of this name or code"),
    "store_missing": (422, "Say which of your stores"),
    "car_unknown": (422, "No car with this plate"),
    "car_elsewhere": (422, "This car is outside your stores"),
    "from_future": (422, "This time has not come yet"),
    "from_past": (422, "No terminal is that old"),
    "too_long": (422, "This is too long"),
    "too_many": (422, "These are too many at once"),
    "unprintable": (422, "This has signs that cannot be shown"),
    "file_empty": (422, "There is no line in this file"),
    "file_unreadable": (422, "This is not a CSV file"),
    "file_workbook": (422, "This is a workbook: save it as CSV"),
    "column_missing": (422, "No column for the phone number"),
    "login_unfit": (422, "This cannot be a login"),
    "password_weak": (422, "This password is too easy to guess"),
    "stores_needed": (422, "Name a store"),
    "time_zone_unknown": (422, "No such time zone"),
    "node_kind": (422, "Such a node does not stand there"),
    "code_unfit": (422, "A code has signs of a-z, 0-9 and dots"),
    "calendar_invalid": (422, "This is no day of a calendar"),
    "skill_level": (422, "Levels are 1 to 5"),
    "shift_invalid": (422, "A shift ends after it begins, and lasts a day at most"),
    "expiry_past": (422, "This time has passed"),
    "login_locked": (429, "Too many failed logins"),
    "streams_full": (429, "Too many event streams"),
    "internal": (500, "The fault is ours"),
    "not_ready": (503, "The node cannot do this now"),
}
"""code -> (HTTP status, title). Codes are part of the contract: clients decide by them, never by the texts."""


class Refused(msgspec.Struct, frozen=True):
    """Why one of several things that came together was refused; `detail` is for people, in their language."""

    feature: int
    """Which of them, from 0."""
    name: str
    code: str
    detail: str
    ring: int = 0
    corner: int = 0
    """Where in its boundary, from 1; 0: not in one place."""


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a problem looks like on the wire."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    field: str = ""
    """The field of the request that is at fault, so that a form can say so beside it."""
    refusals: list[Refused] = []
    """Where several things came together: those that were at fault, or the first hundred of them."""


class Problem(HTTPException):
    """A problem with a code; `detail` says what was wrong with this request."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        headers: dict[str, str] | None = None,
        field: str = "",
        refusals: Sequence[Refused] = (),
    ) -> None:
        status, self.title = PROBLEMS[code]
        self.code = code
        self.field = field
        self.refusals = refusals
        super().__init__(detail=detail or self.title, status_code=status, headers=headers)


def answer_problem(request: Request[Any, Any, Any], error: Problem) -> Response[Any]:
    """Return a Problem as its response."""
    request.app.state.problems[error.code] += 1
    detail = "" if error.detail == error.title else error.detail
    content = ProblemDocument(
        type="about:blank",
        title=error.title,
        status=error.status_code,
        code=error.code,
        detail=detail,
        field=error.field,
        refusals=list(error.refusals),
    )
    return Response(content, status_code=error.status_code, media_type=MEDIA_TYPE, headers=error.headers)


def answer_invalid(request: Request[Any, Any, Any], error: ValidationException) -> Response[Any]:
    """Return what Litestar found wrong with parameters or body, naming the first of it."""
    first: Any = error.extra[0] if isinstance(error.extra, list) and error.extra else {}
    if isinstance(first, dict) and "key" in first:
        return answer_problem(
            request, Problem("bad_request", f"{first['key']}: {first.get('message', '')}", field=str(first["key"]))
        )
    return answer_problem(request, Problem("bad_request", error.detail))


def answer_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Return a fault that Litestar raised itself (no route, wrong method, unreadable body)."""
    by_status = {400: "bad_request", 401: "login_needed", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    code = by_status.get(error.status_code, "bad_request" if error.status_code < 500 else "internal")
    detail = error.detail if code == "bad_request" else ""
    return answer_problem(request, Problem(code, detail, headers=error.headers))


def answer_deep(request: Request[Any, Any, Any], error: RecursionError) -> Response[Any]:
    """Say that a body is nested deeper than anything we take: the decoder gave up."""
    return answer_problem(request, Problem("bad_request", "the body is nested too deeply"))


def answer_store(request: Request[Any, Any, Any], error: StorageError) -> Response[Any]:
    """Say that a store is away: asking again later may help."""
    return answer_problem(request, Problem("not_ready", str(error), headers={"Retry-After": "5"}))


def answer_refused(request: Request[Any, Any, Any], error: RefusedError) -> Response[Any]:
    """Say why what was asked for is not written, naming the first field at fault."""
    first = error.refusals[0]
    return answer_problem(request, Problem(first.code, first.detail, field=first.field))


def answer_full(request: Request[Any, Any, Any], error: RegistryFullError) -> Response[Any]:
    """Say that no number is left for another terminal or car."""
    return answer_problem(request, Problem("registry_full", str(error)))


def answer_people(request: Request[Any, Any, Any], error: PeopleError) -> Response[Any]:
    """Say why accounts, keys or stores stay as they are: the refusal has the code of a problem."""
    code = error.code if error.code in PROBLEMS else "intent_refused"
    return answer_problem(request, Problem(code, error.detail, field="" if code == error.code else error.code))


def answer_code_needed(request: Request[Any, Any, Any], error: CodeNeededError) -> Response[Any]:
    """Say that the password was right, and that a code is needed too."""
    return answer_problem(request, Problem("code_needed"))


def answer_login_failed(request: Request[Any, Any, Any], error: LoginFailedError) -> Response[Any]:
    """Say that login and password do not fit, not which of them."""
    return answer_problem(request, Problem("login_failed"))


def answer_login_locked(request: Request[Any, Any, Any], error: LoginLockedError) -> Response[Any]:
    """Say when to try again."""
    headers = {"Retry-After": str(error.retry_s)}
    return answer_problem(request, Problem("login_locked", f"try again in {error.retry_s} s", headers=headers))


def answer_bug(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Log our own fault with its trace, and tell the caller only that it was ours."""
    say("api.failed", error=error, method=request.method, path=request.url.path)
    return answer_problem(request, Problem("internal"))


def answers(*codes: str) -> dict[int, ResponseSpec]:
    """Return what a handler says of the problems it may answer with, for the OpenAPI document."""
    said: dict[int, list[str]] = {}
    for code in codes:
        said.setdefault(PROBLEMS[code][0], []).append(code)
    return {
        status: ResponseSpec(
            ProblemDocument, generate_examples=False, description=f"Problem {' or '.join(names)}", media_type=MEDIA_TYPE
        )
        for status, names in said.items()
    }


KEYED: Final = ("login_needed", "key_wrong", "right_missing", "not_ready")
"""What any request under /api/v1 may get."""
CHANGES: Final = (*KEYED, "cross_site", "bad_request")
"""What any request may get that changes something."""

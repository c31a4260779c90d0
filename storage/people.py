"""People: stores, accounts and what they log in with: passwords, second factors, sessions, API keys, one-time links.

As what somebody works, and for which stores, is decided by the actor organisation: what is asked for here goes into the
log as an intent, in the same transaction as the account it is about. storage/places.py reads what came of it.

Whoever holds a token (a session's cookie, a key, the end of a one-time link) is let in by it; of each only the SHA-256
is stored, so that a stolen table opens nothing. Tokens have 256 random bits: a fast hash without salt is enough.
"""

import contextlib
import hashlib
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, Update, delete, func, insert, or_, select, true, update

from core import limits
from core.clock import Clock, wall_ms
from core.events import PURPOSES, Event, derive_id
from core.events.organisation import (
    NodeChangeRequested,
    NodeEntered,
    NodeRequested,
    PlacesRequested,
    PlaceWanted,
    RemoveRequested,
)
from core.events.spine import IntentRefused
from core.rights import NODE, ROLES, Principal, grade_of, is_grade_within
from core.zones import is_time_zone
from storage import places as posted
from storage.database import Database
from storage.errors import StorageError
from storage.eventlog import EVENT_COLUMNS, EventLog, event_of
from storage.factors import Begun, Factors, FactorState
from storage.inbox import WAIT_S, InboxLog, InboxTransaction
from storage.passwords import Failures, Passwords, network_of, normal, password_fault
from storage.places import Place
from storage.tables.audit import SUPPLIER
from storage.tables.business import ACCESS, ACCOUNT, ACCOUNT_STORE, API_KEY, INVITATION, SESSION, STORE
from storage.tables.organisation import PLACE, SECOND_FACTOR

State = Literal["active", "invited", "disabled"]

KEY_PREFIX: Final = "ck_"
KEY_SHOWN_CHARACTERS: Final = 9
"""`ck_` and six characters tell keys apart in a list, and leave 222 bits unknown."""

DEMO_PASSWORD: Final = "carillon-demo"  # noqa: S105 - stated on the login page of a demo, and works in no other process
_DEMO_HASH: Final = "demo"
"""Stands where an account's hash would: no password has it, and only a process with `demo` puts one in its place."""


class PeopleError(Exception):
    """What was asked may not or cannot be done; nothing is changed. `code` is that of the API's problem."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(detail or code)
        self.code: Final = code
        self.detail: Final = detail


class LoginFailedError(Exception):
    """Login and password do not open an account; which of the two was wrong is not told."""


class LoginLockedError(Exception):
    """Too many have failed; `retry_s` says when to come again."""

    def __init__(self, retry_ms: int) -> None:
        self.retry_s: Final = -(-retry_ms // 1000)
        super().__init__(f"locked for {self.retry_s} s")


class CodeNeededError(Exception):
    """The password is right; the code of the second factor is missing."""


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """A dealer's store of the group."""

    id: int = 0
    group: int = 1
    code: str
    """Short and unique in the group, as people write it in tables."""
    name_zh: str
    name_en: str
    time_zone: str = "Asia/Shanghai"
    lat: float | None = None
    """WGS-84 degrees; null: not on the map."""
    lon: float | None = None
    created_ms: int = 0


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may log in."""

    id: int
    login: str
    name: str
    role: str
    """The most that they are now; `none` without a place."""
    grade: str
    """How much of persons they see as that."""
    stores: list[int] | None
    """Ids of the stores of all their places; null: all of the group."""
    places: list[Place]
    """As what they work, and where: now and to come."""
    second_factor: bool
    """Whether a code is asked for beside the password."""
    state: State
    language: str
    notify: list[str]
    """Beginnings of event types that this person wants a message about."""
    locked_until_ms: int
    created_ms: int
    seen_ms: int
    """Last login; 0: never."""
    group: int = 1


class AccountChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of an account; what is left out stays."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    role: str | msgspec.UnsetType = msgspec.UNSET
    stores: list[int] | msgspec.UnsetType | None = msgspec.UNSET
    state: Literal["active", "disabled"] | msgspec.UnsetType = msgspec.UNSET
    language: Literal["", "zh", "en"] | msgspec.UnsetType = msgspec.UNSET
    notify: list[str] | msgspec.UnsetType = msgspec.UNSET


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One browser that is logged in."""

    id: str
    """Tells it apart and ends it; opens nothing."""
    created_ms: int
    seen_ms: int
    """Last use, to the minute."""
    expires_ms: int
    address: str
    agent: str
    current: bool = False
    """Whether it is the one that asks."""


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of an account, without the key itself."""

    id: int
    account: int
    name: str
    prefix: str
    rights: list[str]
    """What it was given; what its owner has lost meanwhile it has lost too."""
    purposes: list[str]
    """What it reads for: core.events.PURPOSES."""
    created_ms: int
    seen_ms: int
    expires_ms: int
    """0: does not expire."""
    revoked_ms: int
    """0: in force."""
    supplier: int = 0
    """The company that it was given to, with whose contract it ends; 0: nobody outside."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """One read of positions: who, whose, and when."""

    id: int
    time_ms: int
    account: int
    """0: the node's own key, or the open demo."""
    login: str
    api_key: int
    what: str
    """positions, live, track, frames, media, search, export"""
    vehicle: int
    """0: not one vehicle's."""
    from_ms: int
    to_ms: int
    rows: int
    address: str


KEY_COLUMNS: Final = (
    API_KEY.c.id.label("api_key"), API_KEY.c.rights, API_KEY.c.purposes, API_KEY.c.seen_ms.label("used_ms"),
    API_KEY.c.expires_ms,
    API_KEY.c.post,
)  # fmt: skip
"""What a key adds to its owner."""


class LoggedIn(NamedTuple):
    """A new session: the token for the cookie, and whose it is."""

    token: str
    principal: Principal


class Statistics(msgspec.Struct, frozen=True):
    """Counts since the start of this process."""

    logins: int
    failures: int
    locked_accounts: int
    locked_addresses: int
    refused_locked: int
    turned_away: int
    sessions_ended: int


PEOPLE_COUNTS: Final = (
    ("logins", "Sessions begun by a password."),
    ("failures", "Logins with a wrong login or password."),
    ("locked_accounts", "Times an account was locked after failed logins."),
    ("locked_addresses", "Times an address was locked after failed logins."),
    ("refused_locked", "Logins refused because the account or the address was locked."),
    ("turned_away", "Logins refused because too many waited for a hash."),
    ("sessions_ended", "Sessions ended by their owner, a new password, or one too many."),
)
"""(name, help) of Statistics, for the metrics."""


class People:
    """Accounts of one business database. Everything blocks: call it from worker threads.

    `changes` grows with every change made through this object: whoever remembers a principal then asks again.

    Args:
        clock: UTC epoch ms; tests hand in their own.
        demo: the demo's accounts open with DEMO_PASSWORD. Without it they open nothing, wherever the data came from.
        passwords: how passwords are hashed; tests take a cheap one.
        log: of the same database. One with the business decides what is asked within the call; of another process, it
            is waited for. None: what is asked waits in the inbox, and accounts work as entered until it is decided.
        factor_roles: whoever works as one of these does nothing before they have a second factor.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock = wall_ms,
        demo: bool = False,
        passwords: Passwords | None = None,
        log: EventLog | None = None,
        factor_roles: Collection[str] = (),
        on_invitation_taken: Callable[[], object] = lambda: None,
    ) -> None:
        self._database = database
        self._log = log
        self._factors = Factors(database)
        self._factor_roles = frozenset(factor_roles)
        self._clock = clock
        self.is_demo: Final = demo
        self._passwords = passwords or Passwords()
        self._demo_hash = self._passwords.hash(DEMO_PASSWORD) if demo else ""
        self._addresses = Failures(clock, limits.ADDRESS_FAILURES_MAX, forget_s=limits.LOGIN_LOCKED_S)
        # A login that does not exist locks as one that does: else the lock would tell which exist.
        self._strangers = Failures(clock, limits.LOGIN_FAILURES_MAX)
        self.on_invitation_taken = on_invitation_taken
        self.changes = 0
        self._counts = dict.fromkeys(Statistics.__struct_fields__, 0)

    def statistics(self) -> Statistics:
        """Return counts of logins and of what was refused."""
        return Statistics(**self._counts)

    def heard(self, types: Collection[str]) -> None:
        """Hear that events of these types were appended: what they say of places and nodes counts at once."""
        if any(type_.startswith(("user.", "node.")) for type_ in types):
            self.changes += 1

    def turned_away(self) -> None:
        """Count a login that found too many waiting."""
        self._counts["turned_away"] += 1

    # --- logging in ---------------------------------------------------------------------------------------------------

    def login(self, login: str, password: str, *, code: str = "", address: str = "", agent: str = "") -> LoggedIn:
        """Begin a session. Takes as long for a login that does not exist as for a wrong password.

        Args:
            code: of the second factor, or a recovery code; needed where the account has one.

        Raises:
            LoginFailedError: wrong login, password or code, or the account is not active.
            LoginLockedError: the account or the address has failed too often; the password was not looked at.
            CodeNeededError: the password is right, and a code is needed too.
        """
        login = login.strip().lower()[:64].replace("\0", "")
        network = network_of(address)
        row = self._account_by(ACCOUNT.c.login == login)
        locked_ms = max(
            self._addresses.locked_ms(network),
            row.locked_until_ms - self._clock() if row is not None else self._strangers.locked_ms(login),
        )
        if locked_ms > 0:
            self._counts["refused_locked"] += 1
            raise LoginLockedError(locked_ms)
        password_hash = self._hash_of(row) if row is not None and row.state == "active" else ""
        right = len(password) <= 4 * limits.PASSWORD_CHARACTERS_MAX and self._passwords.check(password_hash, password)
        if row is None or not right:
            self._failed(login, network, None if row is None else row.id)
            raise LoginFailedError("wrong login or password")
        self._check_code(row, code, network)
        again = ""
        if row.password_hash != _DEMO_HASH and self._passwords.is_outdated(row.password_hash):
            again = self._passwords.hash(password)
        with self._database.write() as connection:
            # What was true before the hash may not be any more: a changed password, a disabled account, another's lock.
            unchanged = (ACCOUNT.c.id == row.id) & (ACCOUNT.c.state == "active")
            unchanged &= (ACCOUNT.c.password_hash == row.password_hash) & (ACCOUNT.c.locked_until_ms <= self._clock())
            values = {"failures": 0, "seen_ms": self._clock()} | ({"password_hash": again} if again else {})
            if connection.execute(update(ACCOUNT).where(unchanged).values(**values)).rowcount != 1:
                raise LoginFailedError("wrong login or password")
            token = self._begin_session(connection, row.id, address, agent)
            principal = self._principal(connection, row, address)
        assert principal is not None, "a session without a post has the most of them"
        self._counts["logins"] += 1
        return LoggedIn(token, principal)

    def _check_code(self, row: Row[Any], code: str, network: str) -> None:
        """Let pass who needs no code, or shows a right one."""
        with self._database.read() as connection:
            state = self._factors.state(connection, row.id)
        if state is None or not state.confirmed_ms or row.password_hash == _DEMO_HASH:
            return
        if (locked_ms := state.locked_until_ms - self._clock()) > 0:
            self._counts["refused_locked"] += 1
            raise LoginLockedError(locked_ms)
        if not code:
            raise CodeNeededError("the code of the second factor is needed too")
        # Not raised within: a wrong code is written down.
        with self._database.write() as connection:
            right = self._factors.take(connection, row.id, code[:64], self._clock())
        if not right:
            self._counts["failures"] += 1
            if self._addresses.failed(network):
                self._counts["locked_addresses"] += 1
            raise LoginFailedError("wrong code")

    def _failed(self, login: str, network: str, account: int | None) -> None:
        self._counts["failures"] += 1
        if self._addresses.failed(network):
            self._counts["locked_addresses"] += 1
        if account is None:
            self._strangers.failed(login)
            return
        with self._database.write() as connection:
            failures = connection.execute(
                update(ACCOUNT)
                .where(ACCOUNT.c.id == account)
                .values(failures=ACCOUNT.c.failures + 1)
                .returning(ACCOUNT.c.failures)
            ).scalar()
            if failures is not None and failures >= limits.LOGIN_FAILURES_MAX:
                until_ms = self._clock() + limits.LOGIN_LOCKED_S * 1000
                locked = {"failures": 0, "locked_until_ms": until_ms}
                connection.execute(update(ACCOUNT).where(ACCOUNT.c.id == account).values(**locked))
                self._counts["locked_accounts"] += 1

    def _hash_of(self, row: Row[Any]) -> str:
        """Return the hash that opens an account; empty where none does."""
        return self._demo_hash if row.password_hash == _DEMO_HASH else row.password_hash

    def _begin_session(self, connection: Connection, account: int, address: str, agent: str) -> str:
        now_ms = self._clock()
        connection.execute(delete(SESSION).where(SESSION.c.account == account).where(~self._session_lives(now_ms)))
        newest = select(SESSION.c.token_hash).where(SESSION.c.account == account).order_by(SESSION.c.seen_ms.desc())
        kept = connection.execute(newest.limit(limits.SESSIONS_PER_ACCOUNT_MAX - 1)).scalars().all()
        ended = delete(SESSION).where(SESSION.c.account == account, SESSION.c.token_hash.not_in(kept))
        self._counts["sessions_ended"] += connection.execute(ended).rowcount
        token = secrets.token_urlsafe(32)
        connection.execute(
            insert(SESSION).values(
                token_hash=hash_of(token),
                account=account,
                created_ms=now_ms,
                seen_ms=now_ms,
                expires_ms=now_ms + limits.SESSION_S_MAX * 1000,
                address=_plain(address, 64),
                agent=_plain(agent, 256),
            )
        )
        return token

    def _session_lives(self, now_ms: int) -> Any:
        return (SESSION.c.expires_ms > now_ms) & (SESSION.c.seen_ms > now_ms - limits.SESSION_IDLE_S * 1000)

    def by_session(self, token: str, address: str = "") -> Principal | None:
        """Return whose session this token is; None for one that has ended, or whose account is not active."""
        now_ms = self._clock()
        token_hash = hash_of(token)
        with self._database.read() as connection:
            row = connection.execute(
                select(ACCOUNT, SESSION.c.seen_ms.label("used_ms"), SESSION.c.post)
                .join(SESSION, SESSION.c.account == ACCOUNT.c.id)
                .where(SESSION.c.token_hash == token_hash, self._session_lives(now_ms))
            ).first()
            if row is None or not self._may_enter(row):
                return None
            # A post that they have no more is not held: what they are otherwise counts.
            principal = self._principal(connection, row, address, row.post) or self._principal(connection, row, address)
        if now_ms - row.used_ms >= limits.SEEN_EVERY_S * 1000:
            self._seen(update(SESSION).where(SESSION.c.token_hash == token_hash).values(seen_ms=now_ms))
        return principal

    def by_key(self, key: str, address: str = "") -> Principal | None:
        """Return who an API key acts for, with the rights that key and owner both have; None for one not in force."""
        now_ms = self._clock()
        if not key.startswith(KEY_PREFIX):
            return None
        in_force = (API_KEY.c.revoked_ms == 0) & or_(API_KEY.c.expires_ms == 0, API_KEY.c.expires_ms > now_ms)
        # A supplier's key ends with their contract, whatever was said when it was made.
        in_force &= or_(API_KEY.c.supplier == 0, SUPPLIER.c.ends_ms > now_ms)
        with self._database.read() as connection:
            row = connection.execute(
                select(ACCOUNT, *KEY_COLUMNS, SUPPLIER.c.ends_ms.label("contract_ms"))
                .join(API_KEY, API_KEY.c.account == ACCOUNT.c.id)
                .outerjoin(SUPPLIER, SUPPLIER.c.supplier == API_KEY.c.supplier)
                .where(API_KEY.c.key_hash == hash_of(key), in_force)
            ).first()
            if row is None or not self._may_enter(row):
                return None
            principal = self._principal(connection, row, address, row.post)
            if principal is None:
                return None  # it was made as what its owner is no more
        if now_ms - row.used_ms >= limits.SEEN_EVERY_S * 1000:
            self._seen(update(API_KEY).where(API_KEY.c.id == row.api_key).values(seen_ms=now_ms))
        rights = principal.rights & frozenset(msgspec.json.decode(row.rights))
        purposes = principal.scope.purposes.intersection(_purposes(row.purposes))
        scope = msgspec.structs.replace(principal.scope, purposes=purposes)
        ends = [moment for moment in (row.expires_ms, row.contract_ms) if moment]
        return msgspec.structs.replace(
            principal, rights=rights, scope=scope, api_key=row.api_key, until_ms=min(ends, default=0)
        )

    def _seen(self, use: Update) -> None:
        """Write down a use. Where the database takes no writes now, who only reads is let in all the same."""
        with contextlib.suppress(StorageError), self._database.write() as connection:
            connection.execute(use)

    def _demo_opens(self) -> Any:
        return true() if self.is_demo else ACCOUNT.c.password_hash != _DEMO_HASH

    def _may_enter(self, row: Row[Any]) -> bool:
        return row.state == "active" and (self.is_demo or row.password_hash != _DEMO_HASH)

    def _principal(self, connection: Connection, row: Row[Any], address: str, post: str = "") -> Principal | None:
        """Return who this account is as what it works now; None where it does not work as `post` any more."""
        places = posted.places_of(connection, [row])[row.id]
        now = posted.chosen(posted.posts_of(places, self._clock()), post)
        if now is None:
            return None
        scope = now.scope(row.group_id)
        zones = set(connection.execute(select(STORE.c.time_zone).where(STORE.c.id.in_(scope.stores or ()))).scalars())
        must = ""
        if now.role in self._factor_roles and row.password_hash != _DEMO_HASH:
            state = self._factors.state(connection, row.id)
            must = "" if state is not None and state.confirmed_ms else "second_factor"
        return Principal(
            account=row.id,
            login=row.login,
            name=row.name,
            role=now.role,
            rights=frozenset() if must else now.rights,
            scope=scope,
            post=post,
            must=must,
            language=row.language,
            zone=zones.pop() if len(zones) == 1 else "",
            address=address,
        )

    def posts(self, by: Principal) -> list[posted.Post]:
        """Return as what one may work, the most first."""
        row = self._account_by(ACCOUNT.c.id == by.account)
        if row is None:
            return []
        with self._database.read() as connection:
            return posted.posts_of(posted.places_of(connection, [row])[row.id], self._clock())

    def choose_post(self, by: Principal, token: str, post: str) -> None:
        """Work as something else in the session of this token. Raises PeopleError `place_unknown`."""
        if post and all(one.name != post for one in self.posts(by)):
            raise PeopleError("place_unknown", f"you do not work as {post}")
        with self._database.write() as connection:
            mine = (SESSION.c.token_hash == hash_of(token)) & (SESSION.c.account == by.account)
            connection.execute(update(SESSION).where(mine).values(post=post))
        self.changes += 1

    # --- second factors -----------------------------------------------------------------------------------------------

    def factor(self, by: Principal) -> FactorState | None:
        """Return one's own second factor; None: there is none, not even begun."""
        with self._database.read() as connection:
            return self._factors.state(connection, by.account)

    def begin_factor(self, by: Principal) -> Begun:
        """Make a secret for one's own second factor, which counts once its first code was shown.

        Raises:
            PeopleError: `factor_there`, `demo_account`; StorageError without a ring of keys.
        """
        row = self._own_row(by)
        if row.password_hash == _DEMO_HASH:
            raise PeopleError("demo_account", "the demo's accounts keep the demo's password alone")
        with self._database.write() as connection:
            begun = self._factors.begin(connection, by.account, by.login, self._clock())
        if begun is None:
            raise PeopleError("factor_there", "end the one you have first")
        return begun

    def confirm_factor(self, by: Principal, code: str, *, token: str = "") -> list[str]:
        """Put one's second factor in force by its first code; return recovery codes. Other sessions of one's own end.

        Raises:
            PeopleError: `code_wrong`.
        """
        with self._database.write() as connection:
            codes = self._factors.confirm(connection, by.account, code, self._clock())
            if codes is not None:
                # They were begun by the password alone.
                self._end_sessions(connection, by.account, token)
        if codes is None:
            raise PeopleError("code_wrong", "take the six digits that the authenticator shows now")
        self.changes += 1
        return codes

    def end_factor(self, by: Principal, code: str) -> None:
        """End one's own second factor, by a code of it.

        Raises:
            PeopleError: `factor_needed` where the role asks for one, `code_wrong`; LoginLockedError after too many.
        """
        if by.role in self._factor_roles:
            raise PeopleError("factor_needed", f"{by.role} needs a second factor")
        self._show_code(by, code)
        with self._database.write() as connection:
            self._factors.end(connection, by.account)
        self.changes += 1

    def renew_codes(self, by: Principal, code: str) -> list[str]:
        """Return new recovery codes, by a code; those before open nothing any more. Raises as `end_factor`."""
        self._show_code(by, code)
        with self._database.write() as connection:
            return self._factors.renew(connection, by.account)

    def _show_code(self, by: Principal, code: str) -> None:
        with self._database.read() as connection:
            state = self._factors.state(connection, by.account)
        if state is None or not state.confirmed_ms:
            raise PeopleError("factor_none", "there is no second factor")
        if (locked_ms := state.locked_until_ms - self._clock()) > 0:
            self._counts["refused_locked"] += 1
            raise LoginLockedError(locked_ms)
        with self._database.write() as connection:
            right = self._factors.take(connection, by.account, code[:64], self._clock())
        if not right:
            self._counts["failures"] += 1
            raise PeopleError("code_wrong", "take the six digits that the authenticator shows now")

    def reset_factor(self, by: Principal, account: int) -> None:
        """Take away the second factor of somebody who has lost it; their sessions end.

        Raises:
            PeopleError: `account_unknown`, `role_above`, `factor_none`, `own_account`.
        """
        if account == by.account:
            raise PeopleError("own_account", "end your own by a code of it")
        with self._database.write() as connection:
            self._manageable(connection, by, account)
            gone = connection.execute(delete(SECOND_FACTOR).where(SECOND_FACTOR.c.account == account)).rowcount
            if not gone:
                raise PeopleError("factor_none", f"account {account} has no second factor")
            self._end_sessions(connection, account)
        self.changes += 1

    def _own_row(self, by: Principal) -> Row[Any]:
        row = self._account_by(ACCOUNT.c.id == by.account)
        if row is None:
            raise PeopleError("session_needed")
        return row

    # --- what the organisation decides --------------------------------------------------------------------------------

    def _intent(self, by: Principal, type_: str, payload: msgspec.Struct, subject: str, store: int = 0) -> Event:
        return Event(
            id=derive_id("people", type_, 1, (secrets.token_hex(16),), f"{by.actor}:{subject}"),
            type=type_,
            time_ms=self._clock(),
            subject=subject,
            group=by.scope.group,
            store=store,
            actor=by.actor,
            payload=payload,
        )

    @contextmanager
    def _asking(self) -> Iterator[tuple[Connection, Callable[[Sequence[Event]], object]]]:
        """Hold a transaction that writes rows of ours, and the events that belong to them."""
        if self._log is not None:
            with self._log.transaction() as transaction:
                yield transaction.connection, transaction.append
            return
        with self._database.write() as connection:
            yield connection, InboxTransaction(connection, self._database.placeholder, 0).append

    def _decision(self, intent: Event) -> Event | None:
        """Return what was decided of an intent; None where nobody has yet: the inbox has it.

        Raises:
            PeopleError: it was refused, with the refusal's code.
        """
        sign = self._database.placeholder
        sql = f"SELECT {', '.join(EVENT_COLUMNS)} FROM event WHERE answers = {sign}"
        deadline = time.monotonic() + (WAIT_S if isinstance(self._log, InboxLog) else 0.0)
        while True:
            with self._database.read() as connection:
                row = connection.exec_driver_sql(sql, (intent.id,)).first()
            if row is not None or time.monotonic() >= deadline:
                break
            time.sleep(0.02)
        self.changes += 1
        if row is None:
            return None
        decision = event_of(row)
        if isinstance(decision.payload, IntentRefused):
            raise PeopleError(decision.payload.code, decision.payload.detail)
        return decision

    # --- sessions -----------------------------------------------------------------------------------------------------

    def logout(self, token: str) -> None:
        """End the session of this token, if there is one."""
        with self._database.write() as connection:
            connection.execute(delete(SESSION).where(SESSION.c.token_hash == hash_of(token)))
        self.changes += 1

    def sessions(self, by: Principal, token: str = "") -> list[Session]:
        """Return one's own sessions, the last used first; the one of `token` is marked. At most 32 of them."""
        wanted = select(SESSION).where(SESSION.c.account == by.account, self._session_lives(self._clock()))
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(SESSION.c.seen_ms.desc(), SESSION.c.token_hash)).all()
        fields = ("created_ms", "seen_ms", "expires_ms", "address", "agent")
        return [
            Session(
                id=row.token_hash[:16],
                current=bool(token) and row.token_hash == hash_of(token),
                **{name: getattr(row, name) for name in fields},
            )
            for row in rows
        ]

    def end_session(self, by: Principal, session: str) -> None:
        """End one of one's own sessions. Raises PeopleError `session_unknown`."""
        if len(session) != 16:
            raise PeopleError("session_unknown")
        with self._database.write() as connection:
            mine = delete(SESSION).where(SESSION.c.account == by.account)
            if not connection.execute(mine.where(SESSION.c.token_hash.startswith(session, autoescape=True))).rowcount:
                raise PeopleError("session_unknown")
        self.changes += 1

    def end_sessions(self, by: Principal, *, but: str = "") -> int:
        """End one's own sessions, but the one of this token; return how many."""
        with self._database.write() as connection:
            ended = self._end_sessions(connection, by.account, but)
        self.changes += 1
        return ended

    def _end_sessions(self, connection: Connection, account: int, but: str = "") -> int:
        wanted = delete(SESSION).where(SESSION.c.account == account)
        ended = connection.execute(wanted.where(SESSION.c.token_hash != hash_of(but)) if but else wanted).rowcount
        self._counts["sessions_ended"] += ended
        return ended

    # --- passwords and one-time links ---------------------------------------------------------------------------------

    def change_password(self, by: Principal, old: str, new: str, *, token: str = "") -> None:
        """Change one's own password; every other session of the account ends.

        Raises:
            LoginFailedError, LoginLockedError: the old password is wrong; counted as a failed login is.
            PeopleError: `password_weak`, detail says why; `demo_account`.
        """
        row = self._account_by(ACCOUNT.c.id == by.account)
        if row is None:
            raise PeopleError("session_needed")
        if row.password_hash == _DEMO_HASH:
            raise PeopleError("demo_account", "the demo's accounts keep the demo's password")
        if (locked_ms := row.locked_until_ms - self._clock()) > 0:
            self._counts["refused_locked"] += 1
            raise LoginLockedError(locked_ms)
        if len(old) > 4 * limits.PASSWORD_CHARACTERS_MAX or not self._passwords.check(row.password_hash, old):
            self._failed(row.login, network_of(by.address), row.id)
            raise LoginFailedError("wrong password")
        self._check_password(new, row.login, row.name)
        if normal(new) == normal(old):
            raise PeopleError("password_weak", "same")
        password_hash = self._passwords.hash(new)
        with self._database.write() as connection:
            values = {"password_hash": password_hash, "failures": 0}
            unchanged = (ACCOUNT.c.id == row.id) & (ACCOUNT.c.password_hash == row.password_hash)
            if connection.execute(update(ACCOUNT).where(unchanged).values(**values)).rowcount != 1:
                raise LoginFailedError("wrong password")
            self._end_sessions(connection, row.id, token)
        self.changes += 1

    def _check_password(self, password: str, login: str, name: str) -> None:
        if fault := password_fault(password, login, name):
            raise PeopleError("password_weak", fault)

    def invited(self, token: str) -> Account | None:
        """Return whom a one-time link is for; None when it has been used or is over."""
        with self._database.read() as connection:
            row = self._invitation(connection, token)
            return None if row is None else self._accounts_of(connection, [row])[0]

    def _invitation(self, connection: Connection, token: str) -> Row[Any] | None:
        opens = (INVITATION.c.used_ms == 0) & (INVITATION.c.expires_ms > self._clock())
        return connection.execute(
            select(ACCOUNT)
            .join(INVITATION, INVITATION.c.account == ACCOUNT.c.id)
            .where(INVITATION.c.token_hash == hash_of(token), opens, ACCOUNT.c.state != "disabled")
        ).first()

    def take_invitation(
        self, token: str, password: str, *, name: str = "", language: str = "", address: str = "", agent: str = ""
    ) -> LoggedIn:
        """Use a one-time link: set the password, end every session there was, and begin one.

        Args:
            name, language: what the person calls themselves and reads; empty leaves what was entered.

        Raises:
            PeopleError: `invitation_over` when the link has been used or is over; `password_weak`, detail says why.
        """
        with self._database.read() as connection:
            row = self._invitation(connection, token)
        if row is None:
            raise PeopleError("invitation_over")
        name = _plain(name, 64).strip() or row.name
        self._check_password(password, row.login, name)
        password_hash = self._passwords.hash(password)
        with self._database.write() as connection:
            now_ms = self._clock()
            use = update(INVITATION).where(INVITATION.c.token_hash == hash_of(token), INVITATION.c.used_ms == 0)
            # Two who take it at once: the second finds it used.
            if connection.execute(use.values(used_ms=now_ms)).rowcount != 1:
                raise PeopleError("invitation_over")
            values: dict[str, Any] = {
                "password_hash": password_hash,
                "state": "active",
                "name": name,
                "seen_ms": now_ms,
            }
            values |= {"failures": 0, "locked_until_ms": 0} | ({"language": language} if language else {})
            still = (ACCOUNT.c.id == row.id) & (ACCOUNT.c.state != "disabled")
            account = connection.execute(update(ACCOUNT).where(still).values(**values).returning(ACCOUNT)).first()
            if account is None:
                raise PeopleError("invitation_over")
            self._end_sessions(connection, row.id)
            began = self._begin_session(connection, row.id, address, agent)
            principal = self._principal(connection, account, address)
        assert principal is not None, "a session without a post has the most of them"
        self.changes += 1
        self.on_invitation_taken()
        return LoggedIn(began, principal)

    def invite(self, by: Principal, account: int) -> str:
        """Return a new one-time link's token for an account; those given before open nothing any more.

        Until it is used, a password that is known still works: disable the account where it must not.

        Raises:
            PeopleError: `account_unknown`, `role_above`, `account_disabled`, `demo_account`.
        """
        with self._database.write() as connection:
            row = self._manageable(connection, by, account)
            if row.state == "disabled":
                raise PeopleError("account_disabled", "enable the account first")
            if row.password_hash == _DEMO_HASH:
                raise PeopleError("demo_account", "the demo's accounts keep the demo's password")
            return self._invite(connection, account)

    def _invite(self, connection: Connection, account: int) -> str:
        token = secrets.token_urlsafe(32)
        now_ms = self._clock()
        connection.execute(delete(INVITATION).where(INVITATION.c.account == account))
        connection.execute(
            insert(INVITATION).values(
                token_hash=hash_of(token),
                account=account,
                created_ms=now_ms,
                expires_ms=now_ms + limits.INVITATION_S * 1000,
                used_ms=0,
            )
        )
        return token

    def first_administrator(self) -> str | None:
        """Return a one-time link's token for the first administrator; None once somebody administers this group.

        Makes the account `admin` where there is none. Called at each start: a link that was lost is then replaced.
        """
        rows = self._administrators()
        usable = [row for row in rows if row.state == "active" and (self.is_demo or row.password_hash != _DEMO_HASH)]
        if usable or any(row.state == "invited" and row.login != "admin" for row in rows):
            return None
        with self._asking() as (connection, append):
            found = connection.execute(select(ACCOUNT).where(ACCOUNT.c.login == "admin")).first()
            if found is None:
                account = self._insert_account(connection, 1, "admin", "", "administrator", "")
            elif found.state == "invited" or found.password_hash == _DEMO_HASH:
                # The demo's own administrator: outside the demo it must become somebody's.
                account = found.id
                values = {"state": "invited", "password_hash": "", "role": "administrator"}
                connection.execute(update(ACCOUNT).where(ACCOUNT.c.id == account).values(**values))
                connection.execute(delete(ACCOUNT_STORE).where(ACCOUNT_STORE.c.account == account))
                self._end_sessions(connection, account)
            else:
                return None
            append([self._placing(NODE, account, [PlaceWanted(node="", role="administrator")])])
            token = self._invite(connection, account)
        self.changes += 1
        return token

    def _administrators(self) -> Sequence[Row[Any]]:
        with self._database.read() as connection:
            return connection.execute(select(ACCOUNT).where(posted.is_administrator(self._clock()))).all()

    # --- accounts -----------------------------------------------------------------------------------------------------

    def accounts(self, by: Principal, after: int = 0, limit: int = 100) -> list[Account]:
        """Return the accounts that this principal may see, by id: of the group, or wholly of the principal's stores."""
        with self._database.read() as connection:
            wanted = select(ACCOUNT).where(self._visible(connection, by), ACCOUNT.c.id > after).order_by(ACCOUNT.c.id)
            rows = connection.execute(wanted.limit(min(limit, limits.PEOPLE_READ_MAX))).all()
            return self._accounts_of(connection, rows)

    def account(self, by: Principal, account: int) -> Account | None:
        """Return one account that this principal may see, or their own; None if there is none."""
        with self._database.read() as connection:
            visible = self._visible(connection, by) | (ACCOUNT.c.id == by.account)
            rows = connection.execute(select(ACCOUNT).where(ACCOUNT.c.id == account, visible)).all()
            return self._accounts_of(connection, rows)[0] if rows else None

    def names(self, by: Principal, accounts: Sequence[int]) -> dict[int, str]:
        """Return what people of the same group are called, by account: whoever is asked to approve something knows who
        asks, also where that account is not theirs to manage."""
        wanted = select(ACCOUNT.c.id, ACCOUNT.c.name, ACCOUNT.c.login).where(
            ACCOUNT.c.group_id == by.scope.group, ACCOUNT.c.id.in_(sorted(set(accounts)))
        )
        with self._database.read() as connection:
            return {row.id: row.name or row.login for row in connection.execute(wanted).all()}

    def account_of(self, by: Principal, login: str) -> Account:
        """Return the account of this login that this principal may see. Raises PeopleError `account_unknown`."""
        named = ACCOUNT.c.login == login.strip().lower()
        with self._database.read() as connection:
            rows = connection.execute(select(ACCOUNT).where(named, self._visible(connection, by))).all()
            if not rows:
                raise PeopleError("account_unknown", f"no account {login}")
            return self._accounts_of(connection, rows)[0]

    def create_account(
        self,
        by: Principal,
        *,
        login: str,
        name: str,
        role: str = "",
        stores: Collection[int] | None = None,
        places: Sequence[PlaceWanted] = (),
        language: str = "",
        notify: Sequence[str] | None = None,
    ) -> tuple[Account, str]:
        """Enter an account; return it and the token of its one-time link.

        Args:
            role, stores: a place at each of these stores, or, for None, at the group.
            places: instead of these: as what they work, and where.

        Raises:
            PeopleError: `login_taken`, `login_unfit`, `role_above`, `store_outside`, `stores_needed`, or why the
                organisation refuses a place.
        """
        login = login.strip().lower()
        if not _is_login(login):
            raise PeopleError("login_unfit", "2 to 64 of a-z, 0-9 and . _ @ -, a letter or digit in front")
        if not places:
            if stores is not None and not stores:
                raise PeopleError("stores_needed", "name at least one store, or null for all of the group")
            places = _places(role, stores)
        # As the row says it until the organisation has decided: this process may have to wait for another.
        role, entered = _as_entered(places)
        with self._asking() as (connection, append):
            self._check_gifts(connection, by, places)
            if connection.execute(select(ACCOUNT.c.id).where(ACCOUNT.c.login == login)).first():
                raise PeopleError("login_taken", f"the login {login} is taken")
            account = self._insert_account(connection, by.scope.group, login, name, role, language, notify)
            self._set_stores(connection, account, entered)
            token = self._invite(connection, account)
            asked = self._placing(by, account, places)
            append([asked])
        try:
            self._decision(asked)
        except PeopleError:
            with self._database.write() as connection:
                connection.execute(delete(ACCOUNT).where(ACCOUNT.c.id == account))
            raise
        with self._database.read() as connection:
            rows = connection.execute(select(ACCOUNT).where(ACCOUNT.c.id == account)).all()
            return self._accounts_of(connection, rows)[0], token

    def _placing(self, by: Principal, account: int, places: Sequence[PlaceWanted]) -> Event:
        """Return the intent that an account works as this and as nothing else."""
        stores = {place.node for place in places if place.node.startswith("store:")}
        return self._intent(
            by,
            "user.places.requested",
            PlacesRequested(account=account, places=tuple(places), whole=True),
            f"account:{account}",
            int(stores.pop().partition(":")[2]) if len(stores) == 1 == len(places) else 0,
        )

    def _insert_account(
        self,
        connection: Connection,
        group: int,
        login: str,
        name: str,
        role: str,
        language: str,
        notify: Sequence[str] | None = None,
        *,
        password_hash: str = "",
        state: State = "invited",
    ) -> int:
        return connection.execute(
            insert(ACCOUNT)
            .values(
                group_id=group,
                login=login,
                name=_plain(name, 64).strip(),
                role=role,
                password_hash=password_hash,
                state=state,
                language=language,
                notify=_notify(NOTIFY_DEFAULT.get(role, ()) if notify is None else notify),
                failures=0,
                locked_until_ms=0,
                created_ms=self._clock(),
                seen_ms=0,
            )
            .returning(ACCOUNT.c.id)
        ).scalar_one()

    def change_account(
        self, by: Principal, account: int, change: AccountChange, places: Sequence[PlaceWanted] | None = None
    ) -> Account:
        """Change an account; what it loses, its sessions and keys lose at once. Disabling it ends its sessions.

        Args:
            places: as what they work from now on, and as nothing else; None: by role and stores of the change.

        Raises:
            PeopleError: `account_unknown`, `role_above`, `store_outside`, `stores_needed`, `last_administrator`,
                `own_account` for who would disable themselves, or why the organisation refuses a place.
        """
        asked: Event | None = None
        with self._asking() as (connection, append):
            row = self._manageable(connection, by, account)
            [before] = self._accounts_of(connection, [row])
            role = before.role if change.role is msgspec.UNSET else change.role
            stores = before.stores if change.stores is msgspec.UNSET else change.stores
            state = before.state if change.state is msgspec.UNSET else change.state
            if state == "active" and not row.password_hash:
                state = "invited"  # enabled again before its link was ever used
            if places is None and (role, stores) != (before.role, before.stores):
                if stores is not None and not stores:
                    raise PeopleError("stores_needed", "name at least one store, or null for all of the group")
                places = _places(role, stores)
            if places is not None:
                self._check_gifts(connection, by, places)
                asked = self._placing(by, account, places)
            if state == "disabled" and account == by.account:
                raise PeopleError("own_account", "somebody else must disable you")
            administers = places is None or any(
                place.role == "administrator" and not place.to_ms and not place.from_ms for place in places
            )
            if any(place.role == "administrator" for place in before.places) and (
                not administers or state == "disabled"
            ):
                self._check_last(connection, by, before)
            values: dict[str, Any] = {"state": state}
            if change.name is not msgspec.UNSET:
                values["name"] = _plain(change.name, 64).strip()
            if change.language is not msgspec.UNSET:
                values["language"] = change.language
            if change.notify is not msgspec.UNSET:
                values["notify"] = _notify(change.notify)
            if before.state == "disabled" and state != "disabled":
                values |= {"failures": 0, "locked_until_ms": 0}
            connection.execute(update(ACCOUNT).where(ACCOUNT.c.id == account).values(**values))
            if state == "disabled":
                self._end_sessions(connection, account)
                connection.execute(delete(INVITATION).where(INVITATION.c.account == account))
            if asked is not None:
                append([asked])
        self.changes += 1
        if asked is not None and self._decision(asked) is None:
            self._enter(account, places or ())
        with self._database.read() as connection:
            rows = connection.execute(select(ACCOUNT).where(ACCOUNT.c.id == account)).all()
            return self._accounts_of(connection, rows)[0]

    def add_places(self, by: Principal, account: int, places: Sequence[PlaceWanted]) -> Account:
        """Give an account places besides what it has; return it.

        Raises:
            PeopleError: `account_unknown`, `role_above`, `store_outside`, or why the organisation refuses one.
        """
        with self._asking() as (connection, append):
            if (
                connection.execute(
                    select(ACCOUNT.c.id).where(ACCOUNT.c.id == account, self._visible(connection, by))
                ).first()
                is None
            ):
                raise PeopleError("account_unknown", f"no account {account}")
            self._check_gifts(connection, by, places)
            asked = self._intent(
                by, "user.places.requested", PlacesRequested(account=account, places=tuple(places)),
                f"account:{account}",
            )  # fmt: skip
            append([asked])
        self._decision(asked)
        found = self.account(by, account)
        if found is None:
            raise PeopleError("account_unknown", f"account {account} is not yours alone any more")
        return found

    def end_place(self, by: Principal, place: int) -> None:
        """End one place of somebody. Raises PeopleError `place_unknown`, `role_above`, `last_administrator`."""
        with self._database.read() as connection:
            row = connection.execute(select(PLACE).where(PLACE.c.place == place, PLACE.c.ended_ms == 0)).first()
            mine = posted.nodes_of(connection, by.scope.group, self._posted(connection, by))
        whole = by.scope.stores is None
        if row is None or row.group_id != by.scope.group or not (whole or row.node in mine):
            raise PeopleError("place_unknown", f"no place {place}")
        if not ROLES.get(row.role, frozenset()) <= by.rights:
            raise PeopleError("role_above", f"{row.role} has rights that you do not have")
        subject = f"account:{row.account}"
        asked = self._intent(by, "user.remove.requested", RemoveRequested(place=place), subject, row.store_id)
        with self._asking() as (_, append):
            append([asked])
        if self._decision(asked) is None:
            raise PeopleError("intent_waiting", "the organisation has not decided yet")

    def _enter(self, account: int, places: Sequence[PlaceWanted]) -> None:
        """Write as what an account works until the log says a first word of it."""
        with self._database.write() as connection:
            role, stores = _as_entered(places)
            connection.execute(update(ACCOUNT).where(ACCOUNT.c.id == account).values(role=role))
            self._set_stores(connection, account, stores)
        self.changes += 1

    def change_self(self, by: Principal, change: AccountChange) -> Account:
        """Change one's own name, language and messages; role, stores and state are for others to give."""
        own: dict[str, Any] = {}
        if change.name is not msgspec.UNSET:
            own["name"] = _plain(change.name, 64).strip()
        if change.language is not msgspec.UNSET:
            own["language"] = change.language
        if change.notify is not msgspec.UNSET:
            own["notify"] = _notify(change.notify)
        with self._database.write() as connection:
            mine = ACCOUNT.c.id == by.account
            if own:
                connection.execute(update(ACCOUNT).where(mine).values(**own))
            rows = connection.execute(select(ACCOUNT).where(mine)).all()
            if not rows:
                raise PeopleError("session_needed")
            [account] = self._accounts_of(connection, rows)
        self.changes += 1
        return account

    def own_account(self, by: Principal) -> Account | None:
        """Return one's own account; None for who has none: the node's key, a visitor."""
        row = self._account_by(ACCOUNT.c.id == by.account)
        with self._database.read() as connection:
            return self._accounts_of(connection, [row])[0] if row is not None else None

    def _account_by(self, condition: Any) -> Row[Any] | None:
        with self._database.read() as connection:
            return connection.execute(select(ACCOUNT).where(condition)).first()

    def _visible(self, connection: Connection, by: Principal) -> Any:
        of_group = ACCOUNT.c.group_id == by.scope.group
        if by.scope.stores is None:
            return of_group
        mine = self._posted(connection, by)
        return of_group & posted.visible(connection, by.scope.group, mine, by.scope.stores)

    def _posted(self, connection: Connection, by: Principal) -> list[Place]:
        """Return the places of who asks, as which they ask now."""
        rows = connection.execute(select(ACCOUNT).where(ACCOUNT.c.id == by.account)).all()
        now_ms = self._clock()
        return [
            place
            for place in posted.places_of(connection, rows).get(by.account, ())
            if place.is_there(now_ms) and place.role == by.role and place.grade == by.scope.grade
        ]

    def _manageable(self, connection: Connection, by: Principal, account: int) -> Row[Any]:
        """Return the row of an account that this principal may change: one that has no right the principal lacks."""
        visible = self._visible(connection, by)
        row = connection.execute(select(ACCOUNT).where(ACCOUNT.c.id == account, visible)).first()
        if row is None:
            raise PeopleError("account_unknown", f"no account {account}")
        for place in posted.places_of(connection, [row])[row.id]:
            if not ROLES.get(place.role, frozenset()) <= by.rights:
                raise PeopleError("role_above", f"{place.role} has rights that you do not have")
        return row

    def _check_gifts(self, connection: Connection, by: Principal, places: Sequence[PlaceWanted]) -> None:
        """Raise PeopleError unless this principal may give these places: an API key may less than its owner, whom alone
        the organisation knows."""
        mine: set[str] | None = None
        if by.scope.stores is not None:
            mine = set(posted.nodes_of(connection, by.scope.group, self._posted(connection, by)))
            mine |= {f"store:{store}" for store in by.scope.stores}
        stores = [int(place.node.partition(":")[2]) for place in places if place.node.startswith("store:")]
        there = select(STORE.c.id).where(STORE.c.group_id == by.scope.group, STORE.c.id.in_(stores))
        known = {f"store:{store}" for store in connection.execute(there).scalars()}
        for place in places:
            if place.role not in ROLES or not ROLES[place.role] <= by.rights:
                raise PeopleError("role_above", f"{place.role} has rights that you do not have")
            if not is_grade_within(place.grade or grade_of(place.role), by.scope.grade):
                raise PeopleError("role_above", f"the grade {place.grade} shows more than yours")
            above = place.node in ("", f"group:{by.scope.group}")
            if above and mine is not None:
                raise PeopleError("store_outside", "all stores of the group are more than yours")
            if place.role == "administrator" and not above:
                raise PeopleError("store_outside", "an administrator is of the whole group")
            unknown = place.node.startswith("store:") and place.node not in known
            if unknown or (mine is not None and place.node not in mine):
                raise PeopleError("store_outside", f"{place.node} is not yours to give")

    def _check_last(self, connection: Connection, by: Principal, before: Account) -> None:
        """Raise PeopleError if without this administrator nobody would administer the group."""
        # One who was invited may never come; but where nobody has come yet, the invited count.
        states = ("active", "invited") if before.state == "invited" else ("active",)
        others = select(func.count()).where(
            ACCOUNT.c.group_id == by.scope.group,
            posted.is_administrator(self._clock()),
            ACCOUNT.c.state.in_(states),
            ACCOUNT.c.id != before.id,
            self._demo_opens(),
        )
        if before.state != "disabled" and not connection.execute(others).scalar_one():
            raise PeopleError("last_administrator", "make somebody else an administrator first")

    def _set_stores(self, connection: Connection, account: int, stores: Collection[int] | None) -> None:
        connection.execute(delete(ACCOUNT_STORE).where(ACCOUNT_STORE.c.account == account))
        if stores:
            rows = [{"account": account, "store": store} for store in sorted(set(stores))]
            connection.execute(insert(ACCOUNT_STORE), rows)

    def _accounts_of(self, connection: Connection, rows: Sequence[Row[Any]]) -> list[Account]:
        now_ms = self._clock()
        places = posted.places_of(connection, rows)
        confirmed = select(SECOND_FACTOR.c.account).where(
            SECOND_FACTOR.c.account.in_([row.id for row in rows]), SECOND_FACTOR.c.confirmed_ms > 0
        )
        factors = set(connection.execute(confirmed).scalars())
        fields = ("id", "login", "name", "state", "language", "locked_until_ms", "created_ms", "seen_ms")
        found = []
        for row in rows:
            posts = posted.posts_of(places[row.id], now_ms)
            most = posts[0] if posts else posted.NOBODY
            whole = any(post.stores is None for post in posts)
            found.append(
                Account(
                    group=row.group_id,
                    role=most.role,
                    grade=most.grade,
                    stores=None if whole else sorted({store for post in posts for store in post.stores or ()}),
                    places=[place for place in places[row.id] if not place.to_ms or place.to_ms > now_ms],
                    second_factor=row.id in factors,
                    notify=msgspec.json.decode(row.notify),
                    **{name: getattr(row, name) for name in fields},
                )
            )
        return found

    def history(self, by: Principal, account: int) -> list[Place]:
        """Return all places of an account that one may see, or of one's own, those that have ended too, oldest first.

        Raises:
            PeopleError: `account_unknown`.
        """
        with self._database.read() as connection:
            visible = self._visible(connection, by) | (ACCOUNT.c.id == by.account)
            rows = connection.execute(select(ACCOUNT).where(ACCOUNT.c.id == account, visible)).all()
            if not rows:
                raise PeopleError("account_unknown", f"no account {account}")
            return posted.places_of(connection, rows, ended=True)[account]

    # --- API keys -----------------------------------------------------------------------------------------------------

    def keys(self, by: Principal, *, account: int | None = None, after: int = 0, limit: int = 100) -> list[ApiKey]:
        """Return keys by id, revoked ones too: one's own, or those of an account that one may see."""
        if account not in (None, by.account) and self.account(by, account or 0) is None:
            raise PeopleError("account_unknown", f"no account {account}")
        owner = by.account if account is None else account
        wanted = select(API_KEY).where(API_KEY.c.account == owner, API_KEY.c.id > after).order_by(API_KEY.c.id)
        with self._database.read() as connection:
            rows = connection.execute(wanted.limit(min(limit, limits.PEOPLE_READ_MAX))).all()
        return [_api_key(row) for row in rows]

    def create_key(
        self,
        by: Principal,
        *,
        name: str,
        rights: Collection[str],
        expires_ms: int = 0,
        purposes: Collection[str] | None = None,
        supplier: int = 0,
    ) -> tuple[ApiKey, str]:
        """Make a key of one's own; return it and the key itself, which is not kept and cannot be shown again.

        Args:
            purposes: what it reads for, a part of one's own; None: all of them.
            supplier: the company that it is given to, with whose contract it ends; 0: nobody outside.

        Raises:
            PeopleError: `session_needed` for a key that would make keys, `right_above`, `keys_full`, `expiry_past`,
                `supplier_unknown`.
        """
        if not by.account or by.api_key:
            raise PeopleError("session_needed", "a person makes keys, a key does not")
        if not rights or not set(rights) <= by.rights:
            raise PeopleError("right_above", "a key has one right at least, and none that you do not have")
        if purposes is not None and not (purposes and set(purposes) <= by.scope.purposes):
            raise PeopleError("right_above", "a key reads for one purpose at least, and for none that you do not")
        now_ms = self._clock()
        if expires_ms and expires_ms <= now_ms:
            raise PeopleError("expiry_past", "the key would have expired already")
        key = KEY_PREFIX + secrets.token_urlsafe(32)
        with self._database.write() as connection:
            in_force = (API_KEY.c.account == by.account) & (API_KEY.c.revoked_ms == 0)
            if connection.execute(select(func.count()).where(in_force)).scalar_one() >= limits.KEYS_PER_ACCOUNT_MAX:
                raise PeopleError("keys_full", f"at most {limits.KEYS_PER_ACCOUNT_MAX} keys; revoke one first")
            if supplier:
                theirs = select(SUPPLIER.c.ends_ms).where(
                    SUPPLIER.c.supplier == supplier, SUPPLIER.c.group_id == by.scope.group
                )
                ends_ms = connection.execute(theirs).scalar()
                if ends_ms is None:
                    raise PeopleError("supplier_unknown", f"no supplier {supplier}")
                if ends_ms <= now_ms:
                    raise PeopleError("expiry_past", "their contract has ended")
            row = connection.execute(
                insert(API_KEY)
                .values(
                    account=by.account,
                    name=_plain(name, 64).strip(),
                    prefix=key[:KEY_SHOWN_CHARACTERS],
                    key_hash=hash_of(key),
                    rights=msgspec.json.encode(sorted(set(rights))).decode(),
                    purposes=None if purposes is None else msgspec.json.encode(sorted(set(purposes))).decode(),
                    created_ms=now_ms,
                    seen_ms=0,
                    expires_ms=expires_ms,
                    revoked_ms=0,
                    supplier=supplier,
                    post=by.post,
                )
                .returning(API_KEY)
            ).one()
        return _api_key(row), key

    def revoke_key(self, by: Principal, key: int) -> None:
        """Put a key out of force at once: one's own, or one of an account that one may change. Twice is no fault.

        Raises:
            PeopleError: `key_unknown`, `role_above`.
        """
        with self._database.write() as connection:
            row = connection.execute(select(API_KEY).where(API_KEY.c.id == key)).first()
            if row is None:
                raise PeopleError("key_unknown", f"no key {key}")
            if row.account != by.account:
                if not by.may("people.write"):
                    raise PeopleError("key_unknown", f"no key {key}")
                try:
                    self._manageable(connection, by, row.account)
                except PeopleError as error:
                    raise PeopleError("key_unknown" if error.code == "account_unknown" else error.code) from error
            revoke = update(API_KEY).where(API_KEY.c.id == key, API_KEY.c.revoked_ms == 0)
            connection.execute(revoke.values(revoked_ms=self._clock()))
        self.changes += 1

    # --- stores -------------------------------------------------------------------------------------------------------

    def stores(self, by: Principal, after: int = 0, limit: int = limits.PEOPLE_READ_MAX) -> list[Store]:
        """Return the stores in the principal's scope, by id."""
        wanted = select(STORE).where(STORE.c.group_id == by.scope.group, STORE.c.id > after).order_by(STORE.c.id)
        if by.scope.stores is not None:
            wanted = wanted.where(STORE.c.id.in_(by.scope.stores))
        with self._database.read() as connection:
            rows = connection.execute(wanted.limit(min(limit, limits.PEOPLE_READ_MAX))).all()
        return [_store(row) for row in rows]

    def stores_of(self, by: Principal, codes: Collection[str]) -> list[int]:
        """Return the ids of the stores with these codes. Raises PeopleError `store_unknown`, naming the first."""
        known = {store.code: store.id for store in self.stores(by)}
        for code in codes:
            if code not in known:
                raise PeopleError("store_unknown", f"no store {code}; there are {', '.join(known) or 'none'}")
        return sorted({known[code] for code in codes})

    def save_store(self, by: Principal, store: Store, parent: str = "") -> Store:
        """Ask for a store, or for a change of the one of this id; return it as it is then.

        Args:
            parent: node that a new one stands below; empty: the group.

        Raises:
            PeopleError: `store_unknown`, `store_code_taken`, `time_zone_unknown`, `store_outside`: only who has the
                whole group enters stores; `intent_waiting`: nobody has decided yet.
        """
        if not store.id and by.scope.stores is not None:
            raise PeopleError("store_outside", "who has some stores only cannot enter others")
        if not is_time_zone(store.time_zone):
            raise PeopleError("time_zone_unknown", store.time_zone)
        code, name_zh = _plain(store.code, 32).strip(), _plain(store.name_zh, 64).strip()
        name_en = _plain(store.name_en, 64).strip()
        lat_1e7 = None if store.lat is None else round(store.lat * 1e7)
        lon_1e7 = None if store.lon is None else round(store.lon * 1e7)
        if store.id:
            if self._store(by, store.id) is None:
                raise PeopleError("store_unknown", f"no store {store.id}")
            node = f"store:{store.id}"
            change = NodeChangeRequested(
                node=node, code=code, name_zh=name_zh, name_en=name_en, time_zone=store.time_zone, placed=True,
                lat_1e7=lat_1e7, lon_1e7=lon_1e7,
            )  # fmt: skip
            asked = self._intent(by, "node.change.requested", change, node, store.id)
        else:
            new = NodeRequested(
                kind="store", parent=parent, code=code, name_zh=name_zh, name_en=name_en, time_zone=store.time_zone,
                lat_1e7=lat_1e7, lon_1e7=lon_1e7,
            )  # fmt: skip
            asked = self._intent(by, "node.requested", new, parent or f"group:{by.scope.group}")
        with self._asking() as (_, append):
            append([asked])
        decision = self._decision(asked)
        if decision is None:
            raise PeopleError("intent_waiting", "the organisation has not decided yet")
        number = decision.payload.store if isinstance(decision.payload, NodeEntered) else store.id
        saved = self._store(by, number)
        assert saved is not None, f"store {number} was decided and is not there"
        return saved

    def _store(self, by: Principal, number: int) -> Store | None:
        """Return a store of the principal's group and scope."""
        mine = (STORE.c.id == number) & (STORE.c.group_id == by.scope.group)
        if by.scope.stores is not None:
            mine &= STORE.c.id.in_(by.scope.stores)
        with self._database.read() as connection:
            row = connection.execute(select(STORE).where(mine)).first()
        return None if row is None else _store(row)

    # --- who looked at what -------------------------------------------------------------------------------------------

    def accesses(
        self, by: Principal, *, before: int = 0, limit: int = 100, account: int | None = None, vehicle: int = 0
    ) -> list[Access]:
        """Return reads of positions, the newest first: all of the group for who may read the system, else one's own.

        Args:
            before: id to go on below; 0 begins with the newest.
            account: only of this account.
            vehicle: only of this vehicle.
        """
        everybodys = by.may("system.read") and by.scope.stores is None
        if not everybodys and not by.account:
            return []  # nobody's reads are not a visitor's own
        wanted = select(ACCESS, ACCOUNT.c.login).outerjoin(ACCOUNT, ACCOUNT.c.id == ACCESS.c.account)
        wanted = wanted.where(ACCESS.c.group_id == by.scope.group, ACCESS.c.act == "")
        if not everybodys:
            wanted = wanted.where(ACCESS.c.account == by.account)
        if account is not None:
            wanted = wanted.where(ACCESS.c.account == account)
        if vehicle:
            wanted = wanted.where(ACCESS.c.vehicle == vehicle)
        if before:
            wanted = wanted.where(ACCESS.c.id < before)
        wanted = wanted.order_by(ACCESS.c.id.desc()).limit(min(limit, limits.PEOPLE_READ_MAX))
        with self._database.read() as connection:
            rows = connection.execute(wanted).mappings().all()
        fields = ("id", "time_ms", "account", "api_key", "what", "vehicle", "from_ms", "to_ms", "rows", "address")
        return [Access(login=row["login"] or "", **{name: row[name] for name in fields}) for row in rows]

    # --- the demo -----------------------------------------------------------------------------------------------------

    def seed_demo(self, manager_store: int, viewer_store: int) -> None:
        """Enter the demo's accounts (DEMO_LOGINS), the manager of one store and the viewer of another.

        Their password is DEMO_PASSWORD while a process with `demo` serves, and none at any other time. Accounts that
        exist are left as they are.

        Raises:
            ValueError: this process is not a demo on loopback.
        """
        if not self.is_demo:
            raise ValueError("the demo's accounts are for a demo that listens on loopback")
        stores: Mapping[str, Sequence[int]] = {"manager": (manager_store,), "viewer": (viewer_store,)}
        with self._asking() as (connection, append):
            for login, (role, name) in DEMO_LOGINS.items():
                if connection.execute(select(ACCOUNT.c.id).where(ACCOUNT.c.login == login)).first():
                    continue
                account = self._insert_account(
                    connection, 1, login, name, role, "", password_hash=_DEMO_HASH, state="active"
                )
                self._set_stores(connection, account, stores.get(login))
                append([self._placing(NODE, account, _places(role, stores.get(login)))])
        self.changes += 1


NOTIFY_DEFAULT: Final[Mapping[str, tuple[str, ...]]] = {
    "manager": ("crash.", "sos."),
    "administrator": ("crash.", "sos."),
}
"""Role -> what its people are told of until they choose for themselves."""

DEMO_LOGINS: Final[Mapping[str, tuple[str, str]]] = {
    "admin": ("administrator", "管理员"),
    "manager": ("manager", "店长"),
    "viewer": ("viewer", "顾问"),
}
"""Login -> (role, name) of the demo's accounts."""


def hash_of(token: str) -> str:
    """Return what is stored of a token: its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _places(role: str, stores: Collection[int] | None) -> list[PlaceWanted]:
    """Return a place at each of these stores, or at the group for None."""
    nodes = [""] if stores is None else [f"store:{store}" for store in sorted(set(stores))]
    return [PlaceWanted(node=node, role=role) for node in nodes]


def _as_entered(places: Sequence[PlaceWanted]) -> tuple[str, list[int]]:
    """Return the role and stores that an account's own row can say of these places; no role for what it cannot.

    No stores mean the group: so regions, departments, mixed roles and times wait for the organisation's word.
    """
    roles = {place.role for place in places}
    plain = all(not (place.grade or place.from_ms or place.to_ms) for place in places)
    stores = [int(place.node.partition(":")[2]) for place in places if place.node.startswith("store:")]
    group = len(places) == 1 and places[0].node.partition(":")[0] in ("", "group")
    if len(roles) != 1 or not plain or not (group or len(stores) == len(places)):
        return posted.NO_ROLE, []
    return roles.pop(), stores


def _is_login(login: str) -> bool:
    """Tell whether this may be a login: what everybody can type, and no one can mistake for another's."""
    return 2 <= len(login) <= 64 and login[0] in _LOGIN_FIRST and set(login) <= _LOGIN_CHARACTERS


_LOGIN_FIRST: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_LOGIN_CHARACTERS: Final = _LOGIN_FIRST | frozenset("._@-")


def _plain(text: str, characters_max: int) -> str:
    """Return the text without NUL, which PostgreSQL does not store, and cut."""
    return text.replace("\0", "")[:characters_max]


def _notify(prefixes: Sequence[str]) -> str:
    return msgspec.json.encode(sorted({_plain(prefix, 64) for prefix in prefixes})).decode()


def _api_key(row: Row[Any]) -> ApiKey:
    fields = ("id", "account", "name", "prefix", "created_ms", "seen_ms", "expires_ms", "revoked_ms", "supplier")
    rights = msgspec.json.decode(row.rights)
    return ApiKey(rights=rights, purposes=_purposes(row.purposes), **{name: getattr(row, name) for name in fields})


def _purposes(text: str | None) -> list[str]:
    """Return what a key reads for: all purposes where its row names none."""
    return sorted(PURPOSES) if text is None else msgspec.json.decode(text, type=list[str])


def _store(row: Row[Any]) -> Store:
    fields = ("id", "code", "name_zh", "name_en", "time_zone", "created_ms")
    return Store(
        group=row.group_id,
        lat=None if row.lat_1e7 is None else row.lat_1e7 / 1e7,
        lon=None if row.lon_1e7 is None else row.lon_1e7 / 1e7,
        **{name: getattr(row, name) for name in fields},
    )

"""People: what opens an account, for how long, and how soon it does not any more. On SQLite and on PostgreSQL."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from actors.business import BUSINESS
from core import limits
from core.business import Business
from core.rights import NODE, RIGHTS, ROLES, Principal, Scope
from storage import migrate
from storage.database import Database
from storage.errors import StorageError
from storage.eventlog import EventLog
from storage.passwords import COMMON, Failures, Passwords, network_of, password_fault
from storage.people import (
    DEMO_LOGINS,
    DEMO_PASSWORD,
    AccountChange,
    LoginFailedError,
    LoginLockedError,
    People,
    PeopleError,
    Store,
)
from storage.tables.business import ACCOUNT, API_KEY, INVITATION, SESSION

PASSWORDS = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
PASSWORD = "korrekt-pferd-batterie"
START_MS = 1_760_000_000_000
_NUMBERS = itertools.count(1)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms

    def pass_s(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(business_dsn: str, clock: Clock, tmp_path: Path) -> Iterator[People]:
    database = Database(business_dsn, keys=tmp_path / "keys")
    yield People(database, clock=clock, passwords=PASSWORDS, log=EventLog(database, business=Business(BUSINESS)))
    database.close()


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[People, Clock]]:
    """People on one SQLite file for the many examples of a property, each with an account of its own."""
    dsn = f"sqlite:///{tmp_path_factory.mktemp('people') / 'people.db'}"
    migrate(dsn)
    database, clock = Database(dsn), Clock()
    log = EventLog(database, business=Business(BUSINESS))
    yield People(database, clock=clock, passwords=PASSWORDS, log=log), clock
    database.close()


def enter(people: People, role: str = "viewer", stores: list[int] | None = None, login: str = "") -> Principal:
    """Enter somebody who has taken their link."""
    login = login or f"person{next(_NUMBERS)}"
    _, token = people.create_account(NODE, login=login, name="", role=role, stores=stores)
    return people.take_invitation(token, PASSWORD).principal


def two_stores(people: People) -> tuple[int, int]:
    made = [people.save_store(NODE, Store(code=code, name_zh=code, name_en=code)).id for code in ("north", "south")]
    return made[0], made[1]


def refusal(act: Callable[[], object]) -> str:
    """Return the code of the refusal."""
    with pytest.raises(PeopleError) as refused:
        act()
    return refused.value.code


def change(**fields: object) -> AccountChange:
    return msgspec.convert(fields, AccountChange)


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_a_stolen_table_opens_nothing(people: People) -> None:
    who = enter(people)
    session = people.login(who.login, PASSWORD).token
    _, key = people.create_key(who, name="k", rights={"events.read"})
    link = people.invite(NODE, who.account)
    with people._database.read() as connection:
        rows = [str(connection.execute(select(table)).all()) for table in (ACCOUNT, SESSION, API_KEY, INVITATION)]
        hashes = connection.execute(select(SESSION.c.token_hash)).scalars().all()
        keys = connection.execute(select(API_KEY.c.key_hash)).scalars().all()
        links = connection.execute(select(INVITATION.c.token_hash)).scalars().all()
    for secret in (PASSWORD, session, key, link):
        assert not any(secret in row for row in rows)
    assert not [stolen for stolen in hashes if people.by_session(stolen)]
    assert not [stolen for stolen in keys if people.by_key(stolen) or people.by_key(f"ck_{stolen}")]
    assert not [stolen for stolen in links if people.invited(stolen)]
    assert people.by_session(session) is not None
    assert people.by_key(key) is not None


def test_a_password_is_hashed_by_argon2id_at_the_stated_cost() -> None:
    hashed = Passwords().hash(PASSWORD)
    assert hashed.startswith("$argon2id$v=19$m=32768,t=3,p=1$")
    assert Passwords().check(hashed, PASSWORD)
    assert not Passwords().check(hashed, f"{PASSWORD}x")


def test_a_hash_of_another_cost_is_made_anew_at_the_next_login(people: People) -> None:
    who = enter(people)
    dearer = People(people._database, passwords=Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)))
    dearer.login(who.login, PASSWORD)
    with people._database.read() as connection:
        now = connection.execute(select(ACCOUNT.c.password_hash).where(ACCOUNT.c.id == who.account)).scalar_one()
    assert "m=16,t=2" in now
    dearer.login(who.login, PASSWORD)


def test_an_empty_hash_is_nobodys_password() -> None:
    for password in ("", "the password of nobody", PASSWORD):
        assert not PASSWORDS.check("", password)
        assert not PASSWORDS.check("demo", password)


def test_a_password_is_the_same_from_every_keyboard(people: People) -> None:
    _, token = people.create_account(NODE, login="wide", name="", role="viewer", stores=None)
    people.take_invitation(token, "Ｋorrekt-pferd-é")
    assert people.login("wide", "Korrekt-pferd-e\N{COMBINING ACUTE ACCENT}")


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("short", "short"),
        ("x" * limits.PASSWORD_CHARACTERS_MAX, "simple"),
        ("x" * (limits.PASSWORD_CHARACTERS_MAX + 1), "long"),
        ("Password123", "common"),
        ("aaaabbbbaaaa", "simple"),
        ("li.wei2026", "own_name"),
        ("张三丰张三丰一二三四", ""),
        (PASSWORD, ""),
    ],
)
def test_an_easy_password_is_refused_with_the_reason(password: str, fault: str) -> None:
    assert password_fault(password, "li.wei", "李伟") == fault
    assert all(len(common) >= limits.PASSWORD_CHARACTERS_MIN for common in COMMON)


# --- lock-out ---------------------------------------------------------------------------------------------------------

STEPS = st.lists(st.tuples(st.booleans(), st.sampled_from([0, 1, 60, 899, 900, 901, 4000])), min_size=5, max_size=45)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_an_account_opens_when_the_rules_say_so_and_never_else(
    quick: tuple[People, Clock], steps: list[tuple[bool, int]]
) -> None:
    people, clock = quick
    who = enter(people)
    failures, locked_until_ms = 0, 0
    for number, (right, wait_s) in enumerate(steps):
        clock.pass_s(wait_s)
        # From many addresses, so that the account's own lock alone decides.
        address = f"10.{who.account % 250}.{number}.1"
        if clock.now_ms < locked_until_ms:
            with pytest.raises(LoginLockedError) as locked:
                people.login(who.login, PASSWORD if right else "wrong", address=address)
            assert locked.value.retry_s == -(-(locked_until_ms - clock.now_ms) // 1000)
        elif right:
            assert people.login(who.login, PASSWORD, address=address).principal.account == who.account
            failures = 0
        else:
            with pytest.raises(LoginFailedError):
                people.login(who.login, "wrong", address=address)
            failures += 1
            if failures == limits.LOGIN_FAILURES_MAX:
                failures, locked_until_ms = 0, clock.now_ms + limits.LOGIN_LOCKED_S * 1000


def test_a_login_that_does_not_exist_locks_like_one_that_does(people: People) -> None:
    who = enter(people)
    said: dict[str, list[str]] = {}
    for login in (who.login, "nobody"):
        for attempt in range(limits.LOGIN_FAILURES_MAX + 2):
            with pytest.raises((LoginFailedError, LoginLockedError)) as refused:
                people.login(login, "wrong", address=f"10.0.{attempt}.1")
            said.setdefault(login, []).append(repr(refused.value))
    assert said[who.login] == said["nobody"]


def test_one_address_is_locked_after_fifty_failures_whatever_the_logins(people: People, clock: Clock) -> None:
    who = enter(people)
    for number in range(limits.ADDRESS_FAILURES_MAX):
        with pytest.raises(LoginFailedError):
            people.login(f"guess{number}", "wrong", address="2001:db8:1:2::5")
    with pytest.raises(LoginLockedError):
        people.login(who.login, PASSWORD, address="2001:db8:1:2:ffff::9")
    assert people.login(who.login, PASSWORD, address="2001:db8:1:3::5")
    counted = people.statistics()
    assert (counted.failures, counted.locked_addresses, counted.refused_locked) == (50, 1, 1)
    clock.pass_s(limits.LOGIN_LOCKED_S)
    assert people.login(who.login, PASSWORD, address="2001:db8:1:2::5")


def test_failures_are_forgotten_past_the_bound_and_never_grow_beyond_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADDRESSES_MAX", 3)
    failures = Failures(Clock(), 2)
    for key in "abcd":
        failures.failed(key)
    assert len(failures) == 3
    assert not failures.failed("a"), "forgotten: counted from the beginning"
    assert failures.failed("d")
    assert failures.locked_ms("d") == limits.LOGIN_LOCKED_S * 1000


def test_failures_of_an_address_fade(clock: Clock) -> None:
    failures = Failures(clock, 3, forget_s=60)
    for _ in range(5):
        assert not failures.failed("a")
        assert not failures.failed("a")
        clock.pass_s(60)
    assert failures.locked_ms("a") == 0


def test_an_address_is_the_network_somebody_owns() -> None:
    assert network_of("192.0.2.7") == "192.0.2.7" == network_of("::ffff:192.0.2.7")
    assert network_of("2001:db8::1%eth0") == network_of("2001:db8::2") != network_of("2001:db8:0:1::1")
    assert len(network_of("x" * 1000)) == 64


# --- sessions ---------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 14 * 3600), max_size=30))
def test_a_session_lives_while_it_is_used_and_a_week_at_most(quick: tuple[People, Clock], pauses_s: list[int]) -> None:
    people, clock = quick
    who = enter(people)
    token = people.login(who.login, PASSWORD).token
    began_ms = seen_ms = clock.now_ms
    for pause_s in pauses_s:
        clock.pass_s(pause_s)
        idle = clock.now_ms - seen_ms >= limits.SESSION_IDLE_S * 1000
        over = clock.now_ms - began_ms >= limits.SESSION_S_MAX * 1000
        assert (people.by_session(token) is None) == (idle or over)
        if idle or over:
            break
        # Written once a minute: a use within the minute does not move it.
        if clock.now_ms - seen_ms >= limits.SEEN_EVERY_S * 1000:
            seen_ms = clock.now_ms


def test_the_last_use_is_written_once_a_minute(people: People, clock: Clock) -> None:
    who = enter(people)
    token = people.login(who.login, PASSWORD).token
    for pause_s, written in ((59, START_MS), (1, START_MS + 60_000), (30, START_MS + 60_000)):
        clock.pass_s(pause_s)
        people.by_session(token)
        [current] = [one for one in people.sessions(who, token) if one.current]
        assert current.seen_ms == written


def test_a_session_is_let_in_while_the_database_takes_no_writes(
    people: People, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = enter(people)
    token = people.login(who.login, PASSWORD).token
    _, key = people.create_key(who, name="k", rights={"events.read"})
    clock.pass_s(3600)

    def full() -> None:
        raise StorageError("disk full")

    monkeypatch.setattr(people._database, "write", full)
    assert people.by_session(token)
    assert people.by_key(key)


def test_one_session_too_many_ends_the_one_used_longest_ago(people: People, clock: Clock) -> None:
    who = enter(people)
    tokens = []
    for _ in range(limits.SESSIONS_PER_ACCOUNT_MAX):
        clock.pass_s(1)
        tokens.append(people.login(who.login, PASSWORD).token)
    clock.pass_s(60)
    assert people.by_session(tokens[0])
    clock.pass_s(1)
    people.login(who.login, PASSWORD)
    assert people.by_session(tokens[0])
    assert people.by_session(tokens[1]) is None
    assert len(people.sessions(who)) == limits.SESSIONS_PER_ACCOUNT_MAX


def test_a_new_password_ends_every_other_session(people: People) -> None:
    who = enter(people)
    here, there = (people.login(who.login, PASSWORD).token for _ in range(2))
    with pytest.raises(LoginFailedError):
        people.change_password(who, "wrong", "another-good-password")
    assert refusal(lambda: people.change_password(who, PASSWORD, PASSWORD)) == "password_weak"
    people.change_password(who, PASSWORD, "another-good-password", token=here)
    assert people.by_session(here) is not None
    assert people.by_session(there) is None
    with pytest.raises(LoginFailedError):
        people.login(who.login, PASSWORD)


def test_nobody_ends_anothers_session(people: People) -> None:
    mine, other = enter(people), enter(people)
    token = people.login(other.login, PASSWORD).token
    [session] = [one for one in people.sessions(other, token) if one.current]
    assert refusal(lambda: people.end_session(mine, session.id)) == "session_unknown"
    assert refusal(lambda: people.end_session(other, "%")) == "session_unknown"
    people.end_session(other, session.id)
    assert people.by_session(token) is None


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_key_loses_what_its_owner_loses(people: People) -> None:
    store, _ = two_stores(people)
    who = enter(people, "operator")
    before = people.changes
    _, key = people.create_key(who, name="k", rights={"commands.send", "events.read"})
    acting = people.by_key(key)
    assert acting is not None
    assert (acting.account, acting.rights) == (who.account, {"commands.send", "events.read"})
    people.change_account(NODE, who.account, change(role="viewer", stores=[store]))
    acting = people.by_key(key)
    assert acting is not None
    assert (acting.rights, acting.scope) == ({"events.read"}, Scope(stores=(store,), grade="internal"))
    people.change_account(NODE, who.account, change(state="disabled"))
    assert people.by_key(key) is None
    assert people.changes >= before + 2


def test_a_key_ends_when_it_expires_or_is_revoked(people: People, clock: Clock) -> None:
    who = enter(people)
    about, key = people.create_key(who, name="k", rights={"events.read"}, expires_ms=clock.now_ms + 1000)
    assert about.prefix == key[:9]
    assert people.by_key(key)
    clock.pass_s(1)
    assert people.by_key(key) is None
    about, key = people.create_key(who, name="k", rights={"events.read"})
    north, _ = two_stores(people)
    for other in (enter(people), enter(people, "manager", [north])):
        assert refusal(lambda by=other: people.revoke_key(by, about.id)) == "key_unknown"
    assert people.by_key(key)
    people.revoke_key(who, about.id)
    people.revoke_key(who, about.id)
    assert people.by_key(key) is None


def test_a_key_makes_no_key_and_gives_no_right_that_its_owner_lacks(people: People) -> None:
    who = enter(people)
    acting = people.by_key(people.create_key(who, name="k", rights={"events.read"})[1])
    assert acting is not None
    assert refusal(lambda: people.create_key(acting, name="x", rights={"events.read"})) == "session_needed"
    assert refusal(lambda: people.create_key(NODE, name="x", rights={"events.read"})) == "session_needed"
    assert refusal(lambda: people.create_key(who, name="x", rights={"people.write"})) == "right_above"
    assert refusal(lambda: people.create_key(who, name="x", rights=())) == "right_above"


def test_one_key_too_many_is_refused(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEYS_PER_ACCOUNT_MAX", 2)
    who = enter(people)
    about, _ = people.create_key(who, name="1", rights={"events.read"})
    people.create_key(who, name="2", rights={"events.read"})
    assert refusal(lambda: people.create_key(who, name="3", rights={"events.read"})) == "keys_full"
    people.revoke_key(who, about.id)
    people.create_key(who, name="3", rights={"events.read"})


# --- one-time links ---------------------------------------------------------------------------------------------------


def test_a_link_opens_once_and_for_72_hours(people: People, clock: Clock) -> None:
    account, token = people.create_account(NODE, login="new", name="", role="viewer", stores=None)
    with pytest.raises(LoginFailedError):
        people.login("new", "")
    assert refusal(lambda: people.take_invitation(token, "short")) == "password_weak"
    clock.pass_s(limits.INVITATION_S - 1)
    found = people.invited(token)
    assert found is not None
    assert (found.login, found.state) == ("new", "invited")
    began = people.take_invitation(token, PASSWORD, name="新人", language="zh")
    assert (began.principal.name, began.principal.language) == ("新人", "zh")
    assert refusal(lambda: people.take_invitation(token, PASSWORD)) == "invitation_over"
    late = people.invite(NODE, account.id)
    clock.pass_s(limits.INVITATION_S)
    assert people.invited(late) is None
    assert refusal(lambda: people.take_invitation(late, PASSWORD)) == "invitation_over"


def test_a_new_link_ends_the_one_before_and_taking_it_ends_every_session_and_lock(people: People) -> None:
    who = enter(people)
    session = people.login(who.login, PASSWORD).token
    lost, link = people.invite(NODE, who.account), people.invite(NODE, who.account)
    for attempt in range(limits.LOGIN_FAILURES_MAX):
        with pytest.raises(LoginFailedError):
            people.login(who.login, "wrong", address=f"10.1.1.{attempt}")
    assert people.invited(lost) is None
    began = people.take_invitation(link, "another-good-password")
    assert people.by_session(session) is None
    assert people.by_session(began.token)
    assert people.login(who.login, "another-good-password", address="10.2.2.2")


def test_the_first_administrator_is_invited_until_somebody_has_come(people: People) -> None:
    lost, token = people.first_administrator(), people.first_administrator()
    assert lost
    assert token
    assert people.invited(lost) is None
    principal = people.take_invitation(token, PASSWORD).principal
    assert (principal.login, principal.rights) == ("admin", frozenset(RIGHTS))
    assert people.first_administrator() is None


def test_an_administrator_entered_by_hand_is_the_first(people: People) -> None:
    people.create_account(NODE, login="boss", name="", role="administrator", stores=None)
    assert people.first_administrator() is None


# --- who may give what ------------------------------------------------------------------------------------------------


def test_nobody_gives_more_than_they_have(people: People) -> None:
    north, south = two_stores(people)
    manager = enter(people, "manager", [north])
    boss = enter(people, "administrator")

    def create(by: Principal, role: str, stores: list[int] | None) -> Callable[[], object]:
        return lambda: people.create_account(by, login=f"made{next(_NUMBERS)}", name="", role=role, stores=stores)

    assert refusal(create(manager, "administrator", [north])) == "role_above"
    assert refusal(create(manager, "viewer", None)) == "store_outside"
    assert refusal(create(manager, "viewer", [north, south])) == "store_outside"
    assert refusal(create(manager, "viewer", [])) == "stores_needed"
    assert refusal(create(boss, "viewer", [999])) == "store_outside"
    assert refusal(create(boss, "administrator", [north])) == "store_outside"
    assert refusal(create(boss, "king", None)) == "role_above"
    create(manager, "manager", [north])()
    mine, other = enter(people, "viewer", [north]), enter(people, "viewer", [south])
    assert refusal(lambda: people.change_account(manager, mine.account, change(role="administrator"))) == "role_above"
    assert refusal(lambda: people.change_account(manager, mine.account, change(stores=None))) == "store_outside"
    for account in (other.account, boss.account):
        assert refusal(lambda a=account: people.invite(manager, a)) == "account_unknown"
    assert {one.id for one in people.accounts(manager)}.isdisjoint({other.account, boss.account})
    # A key that may write people, and little else, cannot take over an account that may more.
    acting = people.by_key(people.create_key(boss, name="hr", rights={"people.write", "people.read"})[1])
    assert acting is not None
    assert refusal(lambda: people.invite(acting, manager.account)) == "role_above"
    assert refusal(create(acting, "viewer", None)) == "role_above"


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(list(ROLES)), st.sampled_from(list(ROLES)), st.booleans(), st.booleans())
def test_giving_is_never_a_way_up(
    quick: tuple[People, Clock], mine: str, given_role: str, whole_group: bool, gives_whole_group: bool
) -> None:
    people, _ = quick
    store = people.save_store(NODE, Store(code=f"s{next(_NUMBERS)}", name_zh="s", name_en="")).id
    scope = Scope(stores=None if whole_group else (store,))
    by = Principal(account=1, role=mine, rights=ROLES[mine], scope=scope)
    stores = None if gives_whole_group else [store]
    try:
        made, _ = people.create_account(by, login=f"made{next(_NUMBERS)}", name="", role=given_role, stores=stores)
    except PeopleError:
        return
    assert ROLES[made.role] <= by.rights
    assert whole_group or made.stores == [store]


def test_the_last_administrator_stays(people: People) -> None:
    boss = enter(people, "administrator")
    for fields in ({"state": "disabled"}, {"role": "manager"}):
        assert refusal(lambda f=fields: people.change_account(NODE, boss.account, change(**f))) == "last_administrator"
    people.create_account(NODE, login="invited", name="", role="administrator", stores=None)
    assert refusal(lambda: people.change_account(NODE, boss.account, change(role="viewer"))) == "last_administrator"
    second = enter(people, "administrator")
    assert refusal(lambda: people.change_account(second, second.account, change(state="disabled"))) == "own_account"
    people.change_account(second, boss.account, change(state="disabled"))
    assert people.change_account(second, boss.account, change(state="active")).state == "active"


def test_disabling_counts_at_once_and_enabling_brings_no_session_back(people: People) -> None:
    who = enter(people)
    token = people.login(who.login, PASSWORD).token
    link = people.invite(NODE, who.account)
    people.change_account(NODE, who.account, change(state="disabled"))
    assert people.by_session(token) is None
    assert people.invited(link) is None
    assert refusal(lambda: people.invite(NODE, who.account)) == "account_disabled"
    with pytest.raises(LoginFailedError):
        people.login(who.login, PASSWORD)
    people.change_account(NODE, who.account, change(state="active"))
    assert people.by_session(token) is None
    assert people.login(who.login, PASSWORD)


def test_a_login_is_one_login_however_it_is_written(people: People) -> None:
    enter(people, login="li.wei")
    assert people.login("  Li.Wei ", PASSWORD)
    create = partial(people.create_account, NODE, name="", role="viewer", stores=None)
    assert refusal(lambda: create(login="LI.WEI")) == "login_taken"
    for unfit in ("x", "li wei", "李伟", ".li", "l" * 65, "li\0wei"):
        assert refusal(lambda given=unfit: create(login=given)) == "login_unfit"


# --- stores -----------------------------------------------------------------------------------------------------------


def test_a_store_is_seen_and_changed_by_who_has_it(people: People) -> None:
    north, south = two_stores(people)
    mine = msgspec.structs.replace(enter(people, "administrator"), scope=Scope(stores=(north,)))
    assert [store.id for store in people.stores(mine)] == [north]
    assert [store.id for store in people.stores(NODE)] == [north, south]
    store = msgspec.structs.replace(people.stores(mine)[0], name_zh="北店", lat=31.23041, lon=-121.4737)
    assert people.save_store(mine, store) == store
    assert refusal(lambda: people.save_store(mine, msgspec.structs.replace(store, id=south))) == "store_unknown"
    assert refusal(lambda: people.save_store(mine, msgspec.structs.replace(store, id=0))) == "store_outside"
    assert refusal(lambda: people.save_store(NODE, msgspec.structs.replace(store, id=south))) == "store_code_taken"
    for zone in ("Mars/Olympus", "../etc/passwd", ""):
        wrong = msgspec.structs.replace(store, time_zone=zone)
        assert refusal(lambda s=wrong: people.save_store(NODE, s)) == "time_zone_unknown"


def test_a_store_of_another_group_is_not_there(people: People) -> None:
    north, _ = two_stores(people)
    other = Principal(account=1, rights=ROLES["administrator"], scope=Scope(group=2))
    assert people.stores(other) == []
    assert people.accounts(other) == []
    assert (
        refusal(lambda: people.save_store(other, Store(id=north, code="x", name_zh="", name_en=""))) == "store_unknown"
    )


# --- the demo ---------------------------------------------------------------------------------------------------------


def test_the_demos_password_works_in_a_demo_and_nowhere_else(people: People, clock: Clock) -> None:
    north, south = two_stores(people)
    with pytest.raises(ValueError, match="loopback"):
        people.seed_demo(north, south)
    demo = People(people._database, clock=clock, passwords=PASSWORDS, demo=True)
    demo.seed_demo(north, south)
    demo.seed_demo(north, south)
    sessions = [demo.login(login, DEMO_PASSWORD) for login in DEMO_LOGINS]
    assert [began.principal.scope.stores for began in sessions] == [None, (north,), (south,)]
    _, key = demo.create_key(sessions[0].principal, name="k", rights={"events.read"})
    assert demo.by_key(key)
    # The same data, served without --demo.
    for login, began in zip(DEMO_LOGINS, sessions, strict=True):
        with pytest.raises(LoginFailedError):
            people.login(login, DEMO_PASSWORD, address="10.0.0.1")
        assert people.by_session(began.token) is None
    assert people.by_key(key) is None
    with people._database.write() as connection:
        connection.execute(update(ACCOUNT).values(failures=0, locked_until_ms=0))
    assert refusal(lambda: demo.change_password(sessions[1].principal, DEMO_PASSWORD, PASSWORD)) == "demo_account"
    link = people.first_administrator()
    assert link
    assert people.take_invitation(link, PASSWORD).principal.login == "admin"


def test_a_database_of_before_opens(tmp_path: Path) -> None:
    """The tables are made by migration: what the program reads is what they hold."""
    dsn = f"sqlite:///{tmp_path / 'x.db'}"
    migrate(dsn)
    database = Database(dsn)
    assert People(database, passwords=PASSWORDS).accounts(NODE) == []
    database.close()

"""Second factors: the vectors of RFC 6238, a code that opens once, and how long it takes who guesses."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import select, update

from actors.business import BUSINESS
from core import limits
from core.business import Business
from core.rights import NODE, Principal
from storage import migrate
from storage.database import Database
from storage.errors import StorageError
from storage.eventlog import EventLog
from storage.factors import STEP_S
from storage.keys import rewrap, wrapped_by
from storage.people import AccountChange, CodeNeededError, LoginFailedError, LoginLockedError, People, PeopleError
from storage.tables.organisation import SECOND_FACTOR
from tests.storage.test_people import PASSWORD, PASSWORDS, Clock

# RFC 6238, appendix B, SHA-1: the last six of eight digits.
RFC_SECRET = b"12345678901234567890"
RFC_CODES = {
    59: "287082",
    1_111_111_109: "081804",
    1_111_111_111: "050471",
    1_234_567_890: "005924",
    2_000_000_000: "279037",
    20_000_000_000: "353130",
}
_NUMBERS = itertools.count(1)


class Door:
    """People of one database, on whom a second factor may be asked."""

    def __init__(self, path: Path, factor_roles: tuple[str, ...] = ()) -> None:
        self.database = Database(f"sqlite:///{path / 'carillon.db'}")
        self.clock = Clock()
        self.keyring = self.database.keyring
        self.people = People(
            self.database, clock=self.clock, passwords=PASSWORDS, factor_roles=factor_roles,
            log=EventLog(self.database, business=Business(BUSINESS)),
        )  # fmt: skip

    def enter(self, role: str = "viewer") -> Principal:
        _, token = self.people.create_account(NODE, login=f"p{next(_NUMBERS)}", name="", role=role)
        return self.people.take_invitation(token, PASSWORD).principal

    def enrol(self, who: Principal) -> tuple[pyotp.TOTP, list[str]]:
        """Give somebody a second factor; return their authenticator and recovery codes."""
        authenticator = pyotp.TOTP(self.people.begin_factor(who).secret)
        return authenticator, self.people.confirm_factor(who, self.code(authenticator))

    def code(self, authenticator: pyotp.TOTP, steps: int = 0) -> str:
        return authenticator.generate_otp(self.clock.now_ms // 1000 // STEP_S + steps)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    migrate(f"sqlite:///{tmp_path / 'carillon.db'}")
    door = Door(tmp_path)
    yield door
    door.database.close()


def test_the_codes_are_those_of_the_standard(door: Door) -> None:
    who = door.enter()
    door.people.begin_factor(who)
    wrapped = door.keyring.wrap(RFC_SECRET, f"second_factor:{who.account}")
    for time_s, code in RFC_CODES.items():
        with door.database.write() as connection:
            # Begun anew: a code is taken once, and these stand in no order.
            connection.execute(update(SECOND_FACTOR).values(wrapped=wrapped, confirmed_ms=0, step=0))
        door.clock.now_ms = time_s * 1000
        assert len(door.people.confirm_factor(who, code)) == limits.FACTOR_CODES, time_s


def test_with_a_second_factor_the_password_alone_opens_nothing(door: Door) -> None:
    who = door.enter()
    assert door.people.login(who.login, PASSWORD)
    authenticator, _ = door.enrol(who)
    door.clock.pass_s(2 * STEP_S)
    with pytest.raises(CodeNeededError):
        door.people.login(who.login, PASSWORD)
    with pytest.raises(LoginFailedError):
        door.people.login(who.login, PASSWORD, code="000000")
    with pytest.raises(LoginFailedError):
        door.people.login(who.login, "wrong-password-1", code=door.code(authenticator))
    assert door.people.login(who.login, PASSWORD, code=door.code(authenticator)).principal.account == who.account


def test_a_code_opens_once_and_for_a_step_to_each_side(door: Door) -> None:
    who = door.enter()
    authenticator, _ = door.enrol(who)

    def opens(code: str) -> bool:
        try:
            return bool(door.people.login(who.login, PASSWORD, code=code).token)
        except LoginFailedError:
            return False

    door.clock.pass_s(10 * STEP_S)
    assert not opens(door.code(authenticator, -2))
    assert opens(door.code(authenticator, -1))
    assert not opens(door.code(authenticator, -1)), "the same again"
    assert opens(door.code(authenticator))
    assert opens(door.code(authenticator, 1))
    assert not opens(door.code(authenticator)), "older than one that was taken"
    door.clock.pass_s(STEP_S)
    assert not opens(door.code(authenticator)), "taken ahead of its time"
    door.clock.pass_s(STEP_S)
    assert not opens(door.code(authenticator, 2))


def test_a_recovery_code_opens_once_however_it_is_typed(door: Door) -> None:
    who = door.enter()
    authenticator, codes = door.enrol(who)
    assert len(set(codes)) == limits.FACTOR_CODES
    typed = codes[0].replace("-", " ").upper()
    assert door.people.login(who.login, PASSWORD, code=typed)
    with pytest.raises(LoginFailedError):
        door.people.login(who.login, PASSWORD, code=codes[0])
    state = door.people.factor(who)
    assert state is not None
    assert state.codes_left == limits.FACTOR_CODES - 1
    door.clock.pass_s(2 * STEP_S)
    new = door.people.renew_codes(who, door.code(authenticator))
    with pytest.raises(LoginFailedError):
        door.people.login(who.login, PASSWORD, code=codes[1])
    assert door.people.login(who.login, PASSWORD, code=new[1])


def test_wrong_codes_lock_for_longer_and_longer(door: Door) -> None:
    who = door.enter()
    authenticator, _ = door.enrol(who)
    locked = []
    for _ in range(10):
        for _ in range(limits.FACTOR_FAILURES_MAX):
            with pytest.raises(LoginFailedError):
                door.people.login(who.login, PASSWORD, code="000000")
        with pytest.raises(LoginLockedError) as refused:
            door.people.login(who.login, PASSWORD, code=door.code(authenticator))
        locked.append(refused.value.retry_s)
        door.clock.pass_s(refused.value.retry_s)
        # The address has failed as often: it is another one's turn to try.
        door.people._addresses.__init__(door.clock, 10**6, forget_s=1)  # type: ignore[misc]
    least = limits.LOGIN_LOCKED_S
    assert locked[:7] == [least, 2 * least, 4 * least, 8 * least, 16 * least, 32 * least, 64 * least]
    assert locked[7:] == [limits.FACTOR_LOCKED_S_MAX] * 3
    assert door.people.login(who.login, PASSWORD, code=door.code(authenticator))
    state = door.people.factor(who)
    assert state is not None
    assert state.locked_until_ms == 0


def test_a_new_second_factor_ends_the_sessions_that_a_password_alone_began(door: Door) -> None:
    who = door.enter()
    here, there = (door.people.login(who.login, PASSWORD).token for _ in range(2))
    authenticator = pyotp.TOTP(door.people.begin_factor(who).secret)
    assert door.people.by_session(there), "only asked for: nothing has changed"
    with pytest.raises(PeopleError, match="authenticator"):
        door.people.confirm_factor(who, "000000", token=here)
    before = door.people.changes
    door.people.confirm_factor(who, door.code(authenticator), token=here)
    assert (door.people.by_session(there), bool(door.people.by_session(here))) == (None, True)
    assert door.people.changes > before
    with pytest.raises(PeopleError, match="first"):
        door.people.begin_factor(who)


def test_a_role_that_needs_a_second_factor_does_nothing_before_it_has_one(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path / 'carillon.db'}")
    door = Door(tmp_path, ("manager",))
    who = door.enter("manager")
    assert (who.rights, who.must) == (frozenset(), "second_factor")
    other = door.enter("viewer")
    assert (bool(other.rights), other.must) == (True, "")
    _, key = door.people.create_key(other, name="k", rights={"events.read"})
    door.people.change_account(NODE, other.account, AccountChange(role="manager"))
    acting = door.people.by_key(key)
    assert acting is not None
    assert acting.rights == frozenset(), "its keys do nothing either"
    authenticator, codes = door.enrol(who)
    now = door.people.by_session(door.people.login(who.login, PASSWORD, code=codes[0]).token)
    assert now is not None
    assert "people.write" in now.rights
    door.clock.pass_s(2 * STEP_S)
    with pytest.raises(PeopleError) as refused:
        door.people.end_factor(now, door.code(authenticator))
    assert refused.value.code == "factor_needed"
    door.database.close()


def test_who_has_lost_it_is_helped_by_somebody_who_may_change_them(door: Door) -> None:
    boss, who = door.enter("administrator"), door.enter("manager")
    door.enrol(who)
    session = door.people.login
    with pytest.raises(PeopleError) as refused:
        door.people.reset_factor(who, who.account)
    assert refused.value.code == "own_account"
    with pytest.raises(PeopleError) as refused:
        door.people.reset_factor(door.enter("viewer"), boss.account)
    assert refused.value.code == "role_above"
    door.people.reset_factor(boss, who.account)
    assert session(who.login, PASSWORD)
    with pytest.raises(PeopleError) as refused:
        door.people.reset_factor(boss, who.account)
    assert refused.value.code == "factor_none"


def test_the_secret_stands_nowhere_in_clear_and_opens_only_for_its_account(door: Door) -> None:
    one, other = door.enter(), door.enter()
    authenticator, codes = door.enrol(one)
    door.enrol(other)
    with door.database.write() as connection:
        rows = {row.account: row for row in connection.execute(select(SECOND_FACTOR))}
        assert authenticator.byte_secret() not in bytes(rows[one.account].wrapped)
        assert codes[0] not in rows[one.account].recovery
        swapped = update(SECOND_FACTOR).where(SECOND_FACTOR.c.account == other.account)
        connection.execute(swapped.values(wrapped=rows[one.account].wrapped))
    door.clock.pass_s(2 * STEP_S)
    with pytest.raises(StorageError, match="wrapped"):
        door.people.login(other.login, PASSWORD, code=door.code(authenticator))


def test_a_process_with_other_keys_lets_nobody_in_who_has_a_second_factor(door: Door, tmp_path: Path) -> None:
    who = door.enter()
    authenticator, _ = door.enrol(who)
    door.clock.pass_s(2 * STEP_S)
    other = Database(str(door.database._engine.url), keys=tmp_path / "others")
    elsewhere = People(other, clock=door.clock, passwords=PASSWORDS)
    with pytest.raises(StorageError, match="wrapped"):
        elsewhere.login(who.login, PASSWORD, code=door.code(authenticator))
    other.close()


def test_a_secret_goes_on_opening_while_the_ring_rotates(door: Door) -> None:
    who = door.enter()
    authenticator, _ = door.enrol(who)
    door.keyring.rotate()
    rewrap(door.database)
    assert set(wrapped_by(door.database)) == {2}
    door.clock.pass_s(2 * STEP_S)
    assert door.people.login(who.login, PASSWORD, code=door.code(authenticator))

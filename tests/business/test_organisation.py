"""The tree of a dealer group: who may open, move and close it, who works where, and who is put on duty."""

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.business.organisation import (
    ORGANISATION,
    STEPS,
    CalendarDay,
    Certificate,
    Node,
    Place,
    Shift,
    Store,
)
from core import limits
from core.business import VERSIONS, Business
from core.events import Event
from core.events.organisation import (
    CalendarRequested,
    DutyRequested,
    NodeAdopted,
    NodeChangeRequested,
    NodeRequested,
    NodeStateRequested,
    PlacesRequested,
    PlaceWanted,
    RemoveRequested,
    RosterClearRequested,
    RosterRequested,
    SkillDefineRequested,
    SkillGrantRequested,
    SkillWithdrawRequested,
)
from core.events.spine import IntentRefused, TimerDue
from core.rights import GRADES, ROLES, is_grade_within
from tests.business.memory import MemoryLog

DAY_MS = 86_400_000
START_MS = 1_760_000_000_000
TYPES = {payload: type_ for type_, payload in VERSIONS}
"""Payload of an intent -> its type: each of these has one."""


class Group(MemoryLog):
    """A dealer group, asked one thing after another. Its clock moves by what it is told."""

    def __init__(self) -> None:
        super().__init__(Business((ORGANISATION,)))
        self.now_ms = START_MS
        self._numbers_of = itertools.count(1)

    def asked(self, payload: msgspec.Struct, by: str = "node") -> Event:
        """Return an intent about nobody in particular."""
        return Event(
            id=f"{next(self._numbers_of):032x}", type=TYPES[type(payload)], time_ms=self.now_ms,
            subject=_subject(payload), actor=by, payload=payload,
        )  # fmt: skip

    def ask(self, payload: msgspec.Struct, by: str = "node") -> str:
        """Ask, and return the code of the refusal, or the type of the decision."""
        intent = self.asked(payload, by)
        said = self.take([intent])
        [decision] = [one for one in said if one.answers == intent.id]
        assert not [one for one in said if one.type == "ops.parked"], said
        return decision.payload.code if isinstance(decision.payload, IntentRefused) else decision.type

    def pass_to(self, time_ms: int) -> list[str]:
        """Let time pass, and every timer that is due be heard; return the types of what was said."""
        self.now_ms = time_ms
        due = [
            Event(
                id=f"{next(self._numbers_of):032x}", type="timer.due", time_ms=time_ms, subject=row.subject,
                key=row.key, actor="clock", payload=TimerDue(actor=row.actor, name=row.name, due_ms=row.due_ms),
            )
            for row in list(self.tables.rows.get("timer", {}).values())
            if row.due_ms <= time_ms
        ]  # fmt: skip
        return [one.type for one in self.take(due)]

    def rows(self, row: type) -> list[Any]:
        [table] = [kept.table for kept in ORGANISATION.kept if kept.row is row]
        return list(self.tables.rows.get(table, {}).values())

    def there(self, account: int) -> list[Place]:
        """Return what counts of an account now."""
        return [place for place in self.rows(Place) if place.account == account and place.is_there(self.now_ms)]

    def place(self, account: int, *nodes: str, role: str = "manager", by: str = "node", **more: Any) -> str:
        places = tuple(PlaceWanted(node=node, role=role, **more) for node in nodes)
        return self.ask(PlacesRequested(account=account, places=places), by)


def _subject(payload: Any) -> str:
    for name in ("node", "parent"):
        if getattr(payload, name, ""):
            return str(getattr(payload, name))
    return f"account:{payload.account}" if hasattr(payload, "account") else "group:1"


def two_stores() -> Group:
    """Return a group with region:1 over store:1 and store:2, a manager (1) of the first, an administrator (9)."""
    group = Group()
    assert group.ask(NodeRequested(kind="region", name_zh="华东")) == "node.entered"
    for code in ("N", "S"):
        assert group.ask(NodeRequested(kind="store", parent="region:1", code=code, name_zh=code)) == "node.entered"
    assert group.place(9, "group:1", role="administrator") == "user.places.set"
    assert group.place(1, "store:1") == "user.places.set"
    return group


def node_of(group: Group, name: str) -> Node:
    found = group.tables.rows["node"][(name,)]
    assert isinstance(found, Node)
    return found


# --- the tree ---------------------------------------------------------------------------------------------------------


def test_a_new_store_is_open_from_its_day_and_the_same_day_its_people_work_there() -> None:
    group = two_stores()
    opens_ms = group.now_ms + 30 * DAY_MS
    new = NodeRequested(
        kind="store", parent="region:1", code="W", name_zh="西店", time_zone="Asia/Urumqi", opens_ms=opens_ms
    )
    assert group.ask(new, "account:9") == "node.entered"
    assert node_of(group, "store:3").state == "planned"
    assert group.place(5, "store:3", role="operator", by="account:9") == "user.places.set"
    assert "node.opened" not in group.pass_to(opens_ms - 1)
    assert "node.opened" in group.pass_to(opens_ms)
    assert (node_of(group, "store:3").state, node_of(group, "store:3").from_ms) == ("open", opens_ms)
    [store] = [store for store in group.rows(Store) if store.id == 3]
    assert (store.code, store.time_zone) == ("W", "Asia/Urumqi")


def test_a_node_goes_only_the_steps_that_are_written() -> None:
    for before in ("planned", "open", "suspended", "closed"):
        for after in ("open", "suspended", "closed", "planned"):
            group = two_stores()
            opens_ms = group.now_ms + DAY_MS if before == "planned" else 0
            group.ask(NodeRequested(kind="store", code="X", name_zh="X", opens_ms=opens_ms))
            if before in ("suspended", "closed"):
                group.ask(NodeStateRequested(node="store:3", state=before))
            assert node_of(group, "store:3").state == before
            said = group.ask(NodeStateRequested(node="store:3", state=after))
            assert said == STEPS.get((before, after), "node_step"), (before, after)


def test_closing_a_store_ends_what_people_have_there_and_nothing_elsewhere() -> None:
    group = two_stores()
    assert group.ask(NodeRequested(kind="department", parent="store:1", name_zh="售后"), "account:1") == "node.entered"
    group.place(2, "department:1", role="operator")
    group.place(3, "store:1", "store:2", role="viewer")
    before = len(group.events)
    assert group.ask(NodeStateRequested(node="store:1", state="closed", reason="lease")) == "node.closed"
    said = [event.type for event in group.events[before:]]
    assert said.count("user.removed") == 3
    assert said.count("node.closed") == 2, "its department goes with it"
    assert (group.there(1), group.there(2)) == ([], [])
    assert [place.node for place in group.there(3)] == ["store:2"]
    assert group.place(4, "store:1") == "node_closed"
    assert group.ask(NodeStateRequested(node="region:1", state="closed")) == "node_used"


def test_a_suspended_region_keeps_its_people_and_a_closed_one_takes_no_store() -> None:
    group = two_stores()
    group.place(6, "region:1", role="viewer")
    assert group.ask(NodeStateRequested(node="region:1", state="suspended")) == "node.suspended"
    assert group.there(6)
    for store in ("store:1", "store:2"):
        group.ask(NodeStateRequested(node=store, state="closed"))
    assert group.ask(NodeStateRequested(node="region:1", state="closed")) == "node.closed"
    assert not group.there(6)
    assert group.ask(NodeRequested(kind="store", parent="region:1", code="X", name_zh="X")) == "node_closed"


def test_a_code_is_given_once_in_a_group_and_a_tree_has_no_loop() -> None:
    group = two_stores()
    assert group.ask(NodeRequested(kind="store", code="N", name_zh="N")) == "store_code_taken"
    assert group.ask(NodeChangeRequested(node="store:2", code="N")) == "store_code_taken"
    group.ask(NodeRequested(kind="region", parent="region:1", name_zh="上海"))
    assert group.ask(NodeChangeRequested(node="region:1", parent="region:2")) == "node_loop"
    assert group.ask(NodeChangeRequested(node="store:1", parent="region:2")) == "node.changed"
    assert node_of(group, "store:1").parent == "region:2"
    assert group.ask(NodeRequested(kind="store", parent="store:1", code="X", name_zh="X")) == "node_kind"


def test_a_store_sells_only_the_makes_of_what_is_above_it() -> None:
    group = two_stores()
    assert group.ask(NodeChangeRequested(node="region:1", brands=("北辰", "南风"))) == "node.changed"
    assert group.ask(NodeChangeRequested(node="store:1", brands=("南风",))) == "node.changed"
    assert group.ask(NodeChangeRequested(node="store:2", brands=("东岳",))) == "brand_outside"
    assert group.ask(NodeChangeRequested(node="region:1", brands=("北辰",))) == "brand_outside"
    assert node_of(group, "region:1").brands == ("北辰", "南风"), "what was refused is not written"


def test_a_store_without_a_zone_of_its_own_has_that_of_its_region() -> None:
    group = two_stores()
    group.ask(NodeChangeRequested(node="region:1", time_zone="Asia/Urumqi"))
    assert {store.time_zone for store in group.rows(Store)} == {"Asia/Urumqi"}
    group.ask(NodeChangeRequested(node="store:1", time_zone="Asia/Tokyo"))
    group.ask(NodeChangeRequested(node="store:2", parent="group:1"))
    assert {store.id: store.time_zone for store in group.rows(Store)} == {1: "Asia/Tokyo", 2: "Asia/Shanghai"}


def test_stores_of_an_older_directory_keep_their_numbers_and_new_ones_pass_them_by() -> None:
    group = Group()
    for number in (2, 1):
        told = NodeAdopted(store=number, code=f"S{number}", name_zh="店", name_en="", time_zone="Asia/Shanghai")
        said = group.take([msgspec.structs.replace(group.asked(told), subject=f"store:{number}", store=number)])
        assert [event.type for event in said] == ["node.adopted", "node.opened"]
    assert group.ask(NodeRequested(kind="store", code="S3", name_zh="店")) == "node.entered"
    assert sorted(store.id for store in group.rows(Store)) == [1, 2, 3]


def test_one_past_each_bound_of_the_tree_is_refused(monkeypatch: Any) -> None:
    monkeypatch.setattr(limits, "NODE_CHILDREN_MAX", 2)
    monkeypatch.setattr(limits, "DEPARTMENTS_MAX", 1)
    monkeypatch.setattr(limits, "CALENDAR_DAYS_MAX", 1)
    group = two_stores()
    assert group.ask(NodeRequested(kind="store", parent="region:1", code="X", name_zh="X")) == "nodes_full"
    assert group.ask(NodeRequested(kind="department", parent="store:1", name_zh="销售")) == "node.entered"
    assert group.ask(NodeRequested(kind="department", parent="store:1", name_zh="售后")) == "nodes_full"
    long = "x" * (limits.NODE_NAME_CHARACTERS_MAX + 1)
    assert group.ask(NodeChangeRequested(node="store:1", name_zh=long)) == "too_long"
    days = (("2026-10-01", "holiday"), ("2026-10-10", "workday"))
    assert group.ask(CalendarRequested(node="store:1", days=days)) == "calendar_full"
    assert group.ask(CalendarRequested(node="store:1", days=days[:1])) == "calendar.set"
    assert group.ask(CalendarRequested(node="store:1", days=(("2026-02-30", "holiday"),))) == "calendar_invalid"
    above = "region:1"
    for depth in range(2, limits.NODE_DEPTH_MAX):
        assert group.ask(NodeRequested(kind="region", parent=above, name_zh=str(depth))) == (
            "node.entered" if depth > 2 else "nodes_full"
        )
        if depth == 2:
            monkeypatch.setattr(limits, "NODE_CHILDREN_MAX", 900)
            assert group.ask(NodeRequested(kind="region", parent=above, name_zh="2")) == "node.entered"
        above = f"region:{depth}"
    assert group.ask(NodeRequested(kind="region", parent=above, name_zh="one more")) == "nodes_full"


# --- places -----------------------------------------------------------------------------------------------------------


def test_nobody_gives_a_place_that_is_more_than_theirs() -> None:
    group = two_stores()
    mine = "account:1"
    assert group.place(2, "store:1", role="operator", by=mine) == "user.places.set"
    assert group.place(2, "store:2", role="operator", by=mine) == "store_outside"
    assert group.place(2, "region:1", role="operator", by=mine) == "store_outside"
    assert group.place(2, "group:1", role="administrator", by=mine) == "store_outside"
    assert group.place(2, "store:1", role="operator", grade="secret", by=mine) == "role_above"
    assert group.place(2, "store:1", role="administrator", by="account:9") == "store_outside"
    assert group.place(3, "store:1", role="viewer", by="account:2") == "role_above", "an operator places nobody"
    assert group.place(3, "store:1", role="viewer", by="account:77") == "store_outside", "nor does a stranger"
    assert group.place(3, "store:1", role="emperor") == "role_unknown"


def test_a_place_ends_at_its_day_by_itself() -> None:
    group = two_stores()
    to_ms = group.now_ms + 10 * DAY_MS
    group.place(4, "store:1", role="viewer", to_ms=to_ms)
    assert group.there(4)
    assert "user.removed" in group.pass_to(to_ms)
    [place] = [place for place in group.rows(Place) if place.account == 4]
    assert (place.reason, place.ended_ms) == ("expired", to_ms)
    assert group.place(4, "store:1", role="viewer", to_ms=group.now_ms) == "expiry_past"


def test_what_is_asked_for_again_is_the_same_place_and_what_is_whole_ends_the_rest() -> None:
    group = two_stores()
    group.place(4, "store:1", "store:2", role="viewer")
    both = {place.place for place in group.there(4)}
    wanted = (PlaceWanted(node="store:2", role="viewer"), PlaceWanted(node="region:1", role="operator"))
    assert group.ask(PlacesRequested(account=4, places=wanted, whole=True)) == "user.places.set"
    now = {place.node: place for place in group.there(4)}
    assert set(now) == {"store:2", "region:1"}
    assert now["store:2"].place in both
    assert group.ask(PlacesRequested(account=4, places=(), whole=True)) == "user.places.set"
    assert group.there(4) == []


def test_two_administrators_who_remove_one_another_leave_one() -> None:
    group = two_stores()
    group.place(8, "group:1", role="administrator")
    mine = {place.account: place.place for place in group.rows(Place) if place.role == "administrator"}
    group.take(
        [
            group.asked(RemoveRequested(place=mine[8]), "account:9"),
            group.asked(RemoveRequested(place=mine[9]), "account:8"),
        ]
    )
    left = [place for place in group.rows(Place) if place.role == "administrator" and place.is_there(group.now_ms)]
    assert [place.account for place in left] == [9]
    assert group.ask(RemoveRequested(place=mine[9])) == "last_administrator"
    limited = PlaceWanted(node="group:1", role="administrator", to_ms=group.now_ms + DAY_MS)
    assert group.ask(PlacesRequested(account=9, places=(limited,), whole=True)) == "last_administrator"


def test_one_place_more_than_fits_is_refused_at_a_store_at_the_group_and_for_one_account(monkeypatch: Any) -> None:
    group = two_stores()
    monkeypatch.setattr(limits, "STORE_PLACES_MAX", 2)
    assert group.place(2, "store:1", role="viewer") == "user.places.set"
    assert group.place(3, "store:1", role="viewer") == "places_full"
    monkeypatch.setattr(limits, "GROUP_PLACES_MAX", 1)
    assert group.place(3, "group:1", role="viewer") == "places_full"
    monkeypatch.setattr(limits, "PLACES_PER_ACCOUNT_MAX", 1)
    assert group.place(2, "store:2", role="viewer") == "places_full"
    assert group.place(5, "store:1", "store:2", role="viewer") == "places_full"


# --- skills and rosters -----------------------------------------------------------------------------------------------


def rescue_desk() -> Group:
    """Return two stores where the duty rescue.desk needs crash.handling at level 3; account 2 works at store:1."""
    group = two_stores()
    group.place(2, "store:1", role="operator")
    assert group.ask(SkillDefineRequested(skill="crash.handling", name_zh="事故处理")) == "skill.defined"
    needs = (("crash.handling", 3),)
    assert group.ask(DutyRequested(duty="rescue.desk", name_zh="救援值班", needs=needs)) == "duty.set"
    return group


def shift(group: Group, *, day: int = 1, account: int = 2, node: str = "store:1", hours: int = 8) -> RosterRequested:
    from_ms = group.now_ms + day * DAY_MS
    return RosterRequested(
        node=node, account=account, duty="rescue.desk", from_ms=from_ms, to_ms=from_ms + hours * 3_600_000
    )


def test_who_lacks_a_valid_certificate_is_not_put_on_duty() -> None:
    group = rescue_desk()
    assert group.ask(shift(group), "account:1") == "skill_missing"
    grant = SkillGrantRequested(account=2, skill="crash.handling", level=2)
    assert group.ask(grant, "account:1") == "skill.granted"
    assert group.ask(shift(group), "account:1") == "skill_missing", "the level is too low"
    ends_ms = group.now_ms + 2 * DAY_MS
    good = SkillGrantRequested(account=2, skill="crash.handling", level=3, expires_ms=ends_ms)
    assert group.ask(good, "account:1") == "skill.granted"
    assert group.ask(shift(group, day=1), "account:1") == "roster.set"
    assert group.ask(shift(group, day=2), "account:1") == "skill_missing", "it ends before the shift does"
    assert group.ask(good, "account:2") == "own_account", "nobody certifies themselves"


def test_a_certificate_that_ends_takes_its_holder_off_the_roster() -> None:
    for how in ("withdrawn", "expired"):
        group = rescue_desk()
        ends_ms = group.now_ms + 40 * DAY_MS
        group.ask(SkillGrantRequested(account=2, skill="crash.handling", level=5, expires_ms=ends_ms))
        assert group.ask(shift(group, day=3)) == "roster.set"
        assert group.ask(shift(group, day=4)) == "roster.set"
        before = len(group.events)
        if how == "withdrawn":
            assert group.ask(SkillWithdrawRequested(account=2, skill="crash.handling")) == "skill.withdrawn"
        else:
            # A shorter certificate in its place ends before the second of them.
            sooner = SkillGrantRequested(
                account=2, skill="crash.handling", level=5, expires_ms=group.now_ms + 3 * DAY_MS + 9 * 3_600_000
            )
            assert group.ask(sooner) == "skill.granted"
        states = [one.state for one in group.rows(Shift)]
        assert states == (["cleared", "cleared"] if how == "withdrawn" else ["set", "cleared"])
        assert [event.type for event in group.events[before:]].count("roster.cleared") == states.count("cleared")
        if how == "expired":
            assert "skill.expired" in group.pass_to(group.now_ms + 41 * DAY_MS)
            assert [held.level for held in group.rows(Certificate)] == [0]


def test_nobody_is_on_duty_twice_at_once_nor_where_they_do_not_work() -> None:
    group = rescue_desk()
    group.ask(SkillGrantRequested(account=2, skill="crash.handling", level=5))
    assert group.ask(shift(group, node="store:2")) == "place_missing"
    assert group.ask(shift(group)) == "roster.set"
    assert group.ask(shift(group)) == "shift_overlaps"
    assert group.ask(shift(group, day=2, hours=25)) == "shift_invalid"
    assert group.ask(shift(group), "account:2") == "right_missing"
    group.place(2, "store:2", role="viewer")
    assert group.ask(RosterClearRequested(shift=1), "account:1") == "roster.cleared"
    assert group.ask(RosterClearRequested(shift=1), "account:1") == "shift_unknown"
    assert group.ask(shift(group, node="store:2")) == "roster.set"
    assert group.ask(NodeStateRequested(node="store:2", state="closed")) == "node.closed"
    assert [one.state for one in group.rows(Shift)] == ["cleared", "cleared"]


def test_a_shift_that_is_over_is_done_and_one_more_than_fits_is_refused(monkeypatch: Any) -> None:
    group = rescue_desk()
    group.ask(SkillGrantRequested(account=2, skill="crash.handling", level=5))
    monkeypatch.setattr(limits, "SHIFTS_AHEAD_MAX", 1)
    monkeypatch.setattr(limits, "SKILLS_MAX", 1)
    monkeypatch.setattr(limits, "DUTIES_MAX", 1)
    assert group.ask(SkillDefineRequested(skill="another", name_zh="x")) == "skills_full"
    assert group.ask(DutyRequested(duty="another", name_zh="x")) == "skills_full"
    assert group.ask(shift(group)) == "roster.set"
    assert group.ask(shift(group, day=5)) == "shifts_full"
    assert group.ask(shift(group, day=2, hours=limits.SHIFT_MS_MAX // 3_600_000 + 1)) == "shift_invalid"
    group.pass_to(group.now_ms + 2 * DAY_MS)
    assert [one.state for one in group.rows(Shift)] == ["done"]
    assert group.ask(shift(group, day=5)) == "roster.set"


def test_a_calendar_is_written_at_a_node_by_who_organises_it() -> None:
    group = two_stores()
    days = (("2026-10-01", "holiday"), ("2026-10-10", "workday"))
    assert group.ask(CalendarRequested(node="store:1", days=days), "account:1") == "calendar.set"
    assert group.ask(CalendarRequested(node="store:2", days=days), "account:1") == "store_outside"
    assert group.ask(CalendarRequested(node="store:1", days=(("2026-10-01", "week"),)), "account:1") == "calendar.set"
    assert [(day.day, day.kind) for day in group.rows(CalendarDay)] == [("2026-10-10", "workday")]


# --- whatever happens -------------------------------------------------------------------------------------------------

ACCOUNTS = range(1, 6)
NODES = ("", "region:1", "region:2", "store:1", "store:2", "store:3", "department:1")


@st.composite
def intents(draw: st.DrawFn) -> msgspec.Struct:
    node, account = draw(st.sampled_from(NODES)), draw(st.sampled_from(ACCOUNTS))
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return NodeRequested(
            kind=draw(st.sampled_from(("region", "store", "department"))), parent=node,
            code=draw(st.sampled_from(("", "A", "B", "C"))), name_zh="x",
        )  # fmt: skip
    if kind == 1:
        return NodeStateRequested(node=node, state=draw(st.sampled_from(("open", "suspended", "closed"))))
    if kind == 2:
        return NodeChangeRequested(node=node, parent=draw(st.none() | st.sampled_from(NODES)))
    if kind == 3:
        return RemoveRequested(place=draw(st.integers(1, 6)))
    if kind == 4:
        return SkillGrantRequested(account=account, skill="crash.handling", level=draw(st.integers(0, 4)))
    if kind == 5:
        return SkillWithdrawRequested(account=account, skill="crash.handling")
    if kind == 6:
        from_ms = START_MS + draw(st.integers(1, 4)) * 3_600_000
        return RosterRequested(
            node=node, account=account, duty="rescue.desk", from_ms=from_ms, to_ms=from_ms + 7_200_000
        )
    wanted = PlaceWanted(
        node=node, role=draw(st.sampled_from((*ROLES, "manager"))), grade=draw(st.sampled_from(("", *GRADES)))
    )
    return PlacesRequested(account=account, places=(wanted,), whole=draw(st.booleans()))


def doings() -> st.SearchStrategy[list[tuple[msgspec.Struct, int]]]:
    """Return what is asked for, each with the account that asks; 0: the node itself."""
    return st.lists(st.tuples(intents(), st.sampled_from((0, 0, *ACCOUNTS))), max_size=40)


def done(story: Sequence[tuple[msgspec.Struct, int]]) -> Group:
    group = rescue_desk()
    for asked, by in story:
        group.ask(asked, f"account:{by}" if by else "node")
    return group


@settings(max_examples=80, deadline=None)
@given(doings())
def test_whatever_is_asked_every_intent_has_one_answer_and_the_tree_stays_one(story: list[Any]) -> None:
    group = done(story)  # `ask` fails where there is not one decision, or a key is parked
    nodes = {node.node: node for node in group.rows(Node)}
    for node in nodes.values():
        seen, above = [node.node], node.parent
        while above:
            assert above not in seen, "a loop"
            seen.append(above)
            above = nodes[above].parent
        assert seen[-1] == "group:1"
        if node.parent and nodes[node.parent].state == "closed":
            assert node.state == "closed"
    codes = [node.code for node in nodes.values() if node.code]
    assert len(codes) == len(set(codes))
    for place in group.rows(Place):
        assert place.ended_ms or nodes[place.node].state != "closed"
    standing = [one for one in group.rows(Shift) if one.state == "set"]
    for one, other in itertools.combinations(standing, 2):
        assert one.account != other.account or one.to_ms <= other.from_ms or other.to_ms <= one.from_ms
    for one in standing:
        held = group.tables.rows["certificate"][(one.account, "crash.handling")]
        assert isinstance(held, Certificate)
        assert held.level >= 3
        assert nodes[one.node].state != "closed"
    assert any(place.role == "administrator" for place in group.rows(Place) if place.is_there(group.now_ms))


@settings(max_examples=60, deadline=None)
@given(doings())
def test_whatever_is_asked_nobody_comes_by_more_than_somebody_gave_who_had_it(story: list[Any]) -> None:
    group = rescue_desk()
    for asked, by in story:
        if not by or not isinstance(asked, PlacesRequested):
            group.ask(asked, f"account:{by}" if by else "node")
            continue
        mine = group.there(by)
        before = {place.place for place in group.rows(Place)}
        group.ask(asked, f"account:{by}")
        for place in group.rows(Place):
            if place.place not in before:
                assert any(
                    ROLES[place.role] <= ROLES[held.role] and is_grade_within(place.grade, held.grade) for held in mine
                )


@settings(max_examples=40, deadline=None)
@given(doings(), st.data())
def test_told_again_stopped_anywhere_or_replayed_the_rows_are_the_same(story: list[Any], data: st.DataObject) -> None:
    group = done(story)
    told = [event for event in group.events if not event.cause]
    again = MemoryLog(Business((ORGANISATION,)))
    for number, event in enumerate(told):
        again.take([event])
        if data.draw(st.booleans(), label="doubled"):
            again.take([told[data.draw(st.integers(0, number), label="which")]])
        if data.draw(st.booleans(), label="stopped"):
            again.restart()
    assert again.tables.contents() == group.tables.contents()
    assert [event.id for event in again.events] == [event.id for event in group.events]

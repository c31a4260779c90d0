"""Bindings: the rules by which terminals, cars and the bindings between them change, over rows in memory.

A terminal in service always speaks for one car: the one it is bound to, or a vehicle of its own. Its bindings are a
history in which nothing overlaps; a correction rewrites the end of it. A person's word stands above a terminal's: what
somebody entered of a car is not changed by a 0x0100. Nothing here is SQL: storage/terminals.py reads the rows that a
change can touch, lets the `Book` change them, and writes rows and events in one transaction.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from core import limits
from core.events import (
    Event,
    TerminalBound,
    TerminalChanged,
    TerminalEntered,
    TerminalRetired,
    TerminalUnbound,
    VehicleChanged,
    derive_id,
)
from core.rights import Scope
from protocols.report import TIME_MS_MIN
from storage.errors import RegistryFullError
from storage.marks import (
    NAME_CHARACTERS_MAX,
    PLATE_COLOURS,
    ROLES,
    TERMINAL_ID_CHARACTERS_MAX,
    Refusal,
    RefusedError,
    phone_of,
    plate_of,
    plate_warning,
    refuse,
    text_of,
    vin_of,
    vin_warning,
)

DEVICE_FIELDS: Final = ("terminal_id", "maker", "model")
"""What a person may say of a terminal."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal as a person enters it. An empty field, None for codes, leaves what is known."""

    phone: str
    terminal_id: str = ""
    maker: str = ""
    model: str = ""
    plate: str = ""
    plate_colour: int | None = None
    vin: str = ""
    store: int | str | None = None
    """Number, code or name of the store; None: the caller's only one, or the group's own (0)."""
    role: str = ""
    """main, camera or spare; empty: as it is, main for a new one."""
    line: int = 0
    """Where it stands in a file, for the report."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an entry, or would."""

    line: int
    phone: str
    what: Literal["added", "changed", "unchanged", "refused"]
    terminal: int = 0
    """0 where nothing is written."""
    vehicle_id: int = 0
    plate: str = ""
    changes: tuple[str, ...] = ()
    """Fields that change: terminal_id, maker, model, plate, plate_colour, vin, store, vehicle, role, state."""
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()
    """plate_unusual, vin_check_digit: written all the same."""


# --- rows in memory ---------------------------------------------------------------------------------------------------


class Device(msgspec.Struct, kw_only=True):
    """A row of `terminal`."""

    id: int
    phone: str
    terminal_id: str = ""
    maker: str = ""
    model: str = ""
    group: int
    store: int
    created_ms: int
    revision: int = 0
    """0: not in the table yet."""
    retired_ms: int = 0


class Car(msgspec.Struct, kw_only=True):
    """A row of `vehicle`."""

    id: int
    plate: str = ""
    plate_colour: int = 0
    vin: str = ""
    group: int
    store: int
    created_ms: int
    revision: int = 0
    """0: not in the table yet."""
    changed_by: str = ""

    @property
    def is_named(self) -> bool:
        """A car that somebody drives, not the place holder of a terminal."""
        return bool(self.plate or self.vin)


class Stay(msgspec.Struct, kw_only=True):
    """A row of `binding`."""

    id: int = 0
    """0: not in the table yet."""
    terminal: int
    vehicle: int
    role: str
    from_ms: int
    to_ms: int | None = None
    group: int
    store: int


class Book:
    """Rows that a change may touch, and the rules by which they change. Events gather in `events`, in order.

    Args:
        now_ms: the time of the change, UTC epoch ms.
        by: who changes, as events name it.
        scope: whose rows they see: a refusal names no car outside it.
    """

    def __init__(self, now_ms: int, by: str, scope: Scope) -> None:
        self.now_ms = now_ms
        self.by = by
        self.scope = scope
        self.devices: dict[int, Device] = {}
        self.cars: dict[int, Car] = {}
        self.stays: dict[int, list[Stay]] = {}
        """By terminal, in order of from_ms."""
        self.gone: list[int] = []
        """Bindings that a correction took out of history, by id."""
        self.events: list[Event] = []
        self.terminals_known = 0
        self.vehicles_known = 0
        """The highest number in each table."""
        self.terminal_last = 0
        self.vehicle_last = 0
        self.phones: dict[str, int] = {}
        self.plates: dict[tuple[int, str], int] = {}
        self.vins: dict[tuple[int, str], int] = {}
        self.on_car: dict[int, set[int]] = {}
        """Terminals that speak for a car now."""
        self.touched: set[int] = set()
        """Devices to write; cars in `cars_touched`."""
        self.cars_touched: set[int] = set()

    # --- filling it ---

    def add(self, devices: Iterable[Device], cars: Iterable[Car], stays: Iterable[Stay]) -> None:
        """Take rows as they stand in the tables. Rows that are here already stay as they are."""
        for device in devices:
            if device.id not in self.devices:
                self.devices[device.id] = device
                self.phones[device.phone] = device.id
        for car in cars:
            if car.id not in self.cars:
                self.cars[car.id] = car
                self._index(car)
        fresh: dict[int, list[Stay]] = {}
        for stay in stays:
            if stay.terminal not in self.stays:
                fresh.setdefault(stay.terminal, []).append(stay)
        for terminal, ours in fresh.items():
            self.stays[terminal] = sorted(ours, key=lambda stay: stay.from_ms)
            if (now := self.stay(terminal)) is not None:
                self.on_car.setdefault(now.vehicle, set()).add(terminal)

    def _index(self, car: Car) -> None:
        if car.plate:
            self.plates.setdefault((car.group, car.plate), car.id)
        if car.vin:
            self.vins.setdefault((car.group, car.vin), car.id)

    # --- what stands in it ---

    def stay(self, terminal: int) -> Stay | None:
        """Return the binding that lasts, None for a retired terminal."""
        stays = self.stays.get(terminal)
        return stays[-1] if stays and stays[-1].to_ms is None else None

    def main_of(self, vehicle: int, *, but: int = 0) -> int:
        """Return the main terminal of a car other than `but`, 0 if it has none."""
        for terminal in sorted(self.on_car.get(vehicle, ())):
            stay = self.stay(terminal)
            if terminal != but and stay is not None and stay.vehicle == vehicle and stay.role == "main":
                return terminal
        return 0

    # --- changing it ---

    def new_device(self, phone: str, group: int, store: int) -> Device:
        """Number a terminal. Raises RegistryFullError past limits.TERMINALS_MAX."""
        if self.terminal_last + 1 >= limits.TERMINALS_MAX:
            raise RegistryFullError(f"terminal {self.terminal_last + 1} would be past {limits.TERMINALS_MAX}")
        self.terminal_last += 1
        device = Device(id=self.terminal_last, phone=phone, group=group, store=store, created_ms=self.now_ms)
        self.devices[device.id] = device
        self.phones[phone] = device.id
        self.touched.add(device.id)
        return device

    def new_car(self, group: int, store: int) -> Car:
        """Number a car. Raises RegistryFullError past limits.VEHICLES_MAX."""
        if self.vehicle_last + 1 >= limits.VEHICLES_MAX:
            raise RegistryFullError(f"vehicle {self.vehicle_last + 1} would be past {limits.VEHICLES_MAX}")
        self.vehicle_last += 1
        car = Car(id=self.vehicle_last, group=group, store=store, created_ms=self.now_ms)
        self.cars[car.id] = car
        self.cars_touched.add(car.id)
        return car

    def own_car(self, device: Device) -> Car:
        """Return the vehicle of its own: the nameless one it had before if nobody else has it, else a new one."""
        for stay in self.stays.get(device.id, ()):
            car = self.cars[stay.vehicle]
            alone = not self.on_car.get(car.id, set()) - {device.id}
            if not car.is_named and alone and car.group == device.group:
                return car
        return self.new_car(device.group, device.store)

    def place(self, device: Device, car: Car, role: str, from_ms: int) -> bool:
        """Let a terminal speak for a car from a moment on; False where it does so already. Appends no event.

        What its history said of the time behind that moment goes; a stay that spans it ends there. The terminal's
        store becomes the car's.
        """
        stays = self.stays.setdefault(device.id, [])
        now = self.stay(device.id)
        if now is not None and (now.vehicle, now.role) == (car.id, role) and now.from_ms <= from_ms:
            return False
        if now is not None:
            self.on_car[now.vehicle].discard(device.id)
        kept = [stay for stay in stays if stay.from_ms < from_ms]
        self.gone += [stay.id for stay in stays if stay.from_ms >= from_ms and stay.id]
        if kept and (kept[-1].to_ms is None or kept[-1].to_ms > from_ms):
            kept[-1].to_ms = from_ms
        if kept and kept[-1].to_ms == from_ms and (kept[-1].vehicle, kept[-1].role) == (car.id, role):
            # A correction undone: one stay, not two that touch.
            kept[-1].to_ms = None
        else:
            owner = {"group": car.group, "store": car.store}
            kept.append(Stay(terminal=device.id, vehicle=car.id, role=role, from_ms=from_ms, **owner))
        self.stays[device.id] = kept
        self.on_car.setdefault(car.id, set()).add(device.id)
        device.store = car.store
        kept[-1].store = car.store
        self.touched.add(device.id)
        return True

    def bind(self, device: Device, car: Car, role: str, from_ms: int, *, replace: bool = False) -> bool:
        """Bind a terminal to a car; False where it is so already.

        Raises:
            RefusedError: role_unknown; from_future, from_past; terminal_retired; main_taken: another terminal is the
                car's main one, and `replace` does not say that it goes.
        """
        if role not in ROLES:
            raise refuse("role", "role_unknown", role)
        self._check_from(device, from_ms)
        if role == "main" and (other := self.main_of(car.id, but=device.id)):
            if not replace:
                raise refuse("vehicle_id", "main_taken", f"terminal {other}")
            before = self.stay(other)
            assert before is not None
            self.unbind(self.devices[other], max(from_ms, before.from_ms))
        now = self.stay(device.id)
        if not self.place(device, car, role, from_ms):
            return False
        if car.is_named:
            self._claimed(car)
        before_id = now.vehicle if now is not None else 0
        payload = TerminalBound(
            terminal=device.id, vehicle_id=car.id, vehicle_before=before_id, role=role, from_ms=from_ms,
            revision=self._revised(device),
        )  # fmt: skip
        self._told("terminal.bound", device, car.id, payload)
        return True

    def unbind(self, device: Device, from_ms: int) -> bool:
        """Make a terminal a vehicle of its own; False where it is one already.

        Raises:
            RefusedError: from_future, from_past; terminal_retired.
        """
        self._check_from(device, from_ms)
        now = self.stay(device.id)
        assert now is not None
        own = self.own_car(device)
        if own.id == now.vehicle:
            return False
        own.store = device.store
        self.cars_touched.add(own.id)
        self.place(device, own, "main", from_ms)
        payload = TerminalUnbound(
            terminal=device.id, vehicle_id=own.id, vehicle_before=now.vehicle, from_ms=from_ms,
            revision=self._revised(device),
        )  # fmt: skip
        self._told("terminal.unbound", device, own.id, payload)
        return True

    def retire(self, device: Device) -> bool:
        """Take a terminal out of service; False where it is already."""
        if device.retired_ms:
            return False
        now = self.stay(device.id)
        assert now is not None
        stays = self.stays[device.id]
        if now.from_ms >= self.now_ms:
            # It has begun in this very millisecond: a stay without length says nothing.
            self.gone += [now.id] if now.id else []
            stays.remove(now)
        else:
            now.to_ms = self.now_ms
        self.on_car[now.vehicle].discard(device.id)
        device.retired_ms = self.now_ms
        payload = TerminalRetired(
            terminal=device.id, vehicle_before=now.vehicle, from_ms=self.now_ms, revision=self._revised(device)
        )
        self._told("terminal.retired", device, now.vehicle, payload)
        return True

    def describe(self, device: Device, fields: dict[str, str]) -> tuple[str, ...]:
        """Change what is known of a terminal; return the names of the fields that did."""
        changed = tuple(name for name, value in fields.items() if getattr(device, name) != value)
        for name in changed:
            setattr(device, name, fields[name])
        if changed:
            now = self.stay(device.id)
            vehicle = now.vehicle if now is not None else 0
            payload = TerminalChanged(
                terminal=device.id, vehicle_id=vehicle, fields=changed, revision=self._revised(device)
            )
            self._told("terminal.changed", device, vehicle, payload)
        return changed

    def describe_car(self, car: Car, fields: dict[str, Any]) -> tuple[str, ...]:
        """Change a car (plate, plate_colour, vin, store); return the names of the fields that did.

        Moved to another store, its terminals go with it.

        Raises:
            RefusedError: plate_taken, vin_taken: another car of the group has it.
        """
        changed = tuple(name for name, value in fields.items() if getattr(car, name) != value)
        refusals = [
            Refusal(field=name, code=f"{name}_taken", detail=self._shown(index[car.group, fields[name]]))
            for name, index in (("plate", self.plates), ("vin", self.vins))
            if name in changed and fields[name] and index.get((car.group, fields[name]), car.id) != car.id
        ]
        if refusals:
            raise RefusedError(*refusals)
        if not changed:
            return ()
        store_before = car.store
        for name, index in (("plate", self.plates), ("vin", self.vins)):
            if name in changed and index.get((car.group, getattr(car, name))) == car.id:
                del index[car.group, getattr(car, name)]
        for name in changed:
            setattr(car, name, fields[name])
        self._index(car)
        if "store" in changed:
            for terminal in sorted(self.on_car.get(car.id, ())):
                now = self.stay(terminal)
                assert now is not None
                self.devices[terminal].store = now.store = car.store
                self.touched.add(terminal)
        self._claimed(car)
        car.revision += 1
        payload = VehicleChanged(
            vehicle_id=car.id, fields=changed, store=car.store, store_before=store_before, revision=car.revision
        )
        self.events.append(
            Event(
                id=derive_id("registry", "vehicle.changed", 1, (), f"vehicle:{car.id}:{car.revision}"),
                type="vehicle.changed",
                time_ms=self.now_ms,
                subject=f"vehicle:{car.id}",
                group=car.group,
                store=car.store,
                actor=self.by,
                payload=payload,
            )
        )
        return changed

    def _shown(self, vehicle: int) -> str:
        """Name a car in a refusal, where whoever asks may see it."""
        car = self.cars[vehicle]
        return f"vehicle {vehicle}" if self.scope.covers(car.group, car.store) else ""

    def _check_from(self, device: Device, from_ms: int) -> None:
        if device.retired_ms:
            raise refuse("terminal", "terminal_retired")
        if from_ms > self.now_ms:
            raise refuse("from_ms", "from_future")
        if from_ms < TIME_MS_MIN:
            raise refuse("from_ms", "from_past", "before 2010")

    def _claimed(self, car: Car) -> None:
        """From now on a 0x0100 does not rename this car: its terminal may still carry another car's plate."""
        car.changed_by = self.by
        self.cars_touched.add(car.id)

    def _revised(self, device: Device) -> int:
        self.touched.add(device.id)
        device.revision += 1
        return device.revision

    def _told(self, kind: str, device: Device, vehicle: int, payload: Any) -> None:
        self.events.append(
            Event(
                id=derive_id("registry", kind, 1, (), f"terminal:{device.id}:{device.revision}"),
                type=kind,
                time_ms=self.now_ms,
                subject=f"terminal:{device.id}",
                key=f"vehicle:{vehicle}",
                group=device.group,
                store=device.store,
                actor=self.by,
                payload=payload,
            )
        )

    # --- a list of entries ---

    def enter(self, entry: Entry, stores: dict[str, int]) -> Outcome:
        """Enter a terminal, or change what is known of it; a refused one changes nothing.

        A plate that another car of the scope has means that car: the terminal is bound to it, where it has no main
        terminal yet or the entry's role is another.

        Args:
            stores: number by code, name and number as text, of the stores there are.
        """
        scope = self.scope
        refusals: list[Refusal] = []

        def tried(make: Callable[..., Any], *arguments: Any, otherwise: Any = "") -> Any:
            try:
                return make(*arguments)
            except RefusedError as error:
                refusals.extend(error.refusals)
                return otherwise

        phone = tried(phone_of, entry.phone)
        said: dict[str, str] = {
            "terminal_id": tried(text_of, "terminal_id", entry.terminal_id, TERMINAL_ID_CHARACTERS_MAX),
            "maker": tried(text_of, "maker", entry.maker, NAME_CHARACTERS_MAX),
            "model": tried(text_of, "model", entry.model, NAME_CHARACTERS_MAX),
        }
        plate, vin = tried(plate_of, entry.plate), tried(vin_of, entry.vin)
        if entry.plate_colour is not None and entry.plate_colour not in PLATE_COLOURS:
            refusals.append(Refusal(field="plate_colour", code="plate_colour_unknown", detail=str(entry.plate_colour)))
        if entry.role and entry.role not in ROLES:
            refusals.append(Refusal(field="role", code="role_unknown", detail=entry.role))
        device = self.devices.get(self.phones.get(phone, 0)) if phone else None
        if device is not None and not scope.covers(device.group, device.store):
            # Said without saying whose: the number itself is all that may be known.
            refusals.append(Refusal(field="phone", code="phone_taken"))
            device = None
        store = tried(store_of, entry.store, scope, stores, device, otherwise=0)
        warnings = tuple(filter(None, (plate_warning(plate), vin_warning(vin))))
        if refusals:
            return self.refused(entry, phone, refusals, warnings)
        try:
            return self._enter(entry, phone, said, plate, vin, store, device, scope, warnings)
        except RefusedError as error:
            return self.refused(entry, phone, list(error.refusals), warnings)

    def refused(self, entry: Entry, phone: str, refusals: Sequence[Refusal], warnings: tuple[str, ...] = ()) -> Outcome:
        """Return what is said of an entry that is not written."""
        return Outcome(
            line=entry.line, phone=phone or entry.phone[:40], what="refused", plate=entry.plate[:40],
            refusals=tuple(refusals), warnings=warnings,
        )  # fmt: skip

    def _enter(
        self,
        entry: Entry,
        phone: str,
        said: dict[str, str],
        plate: str,
        vin: str,
        store: int,
        device: Device | None,
        scope: Scope,
        warnings: tuple[str, ...],
    ) -> Outcome:
        """Everything that can be refused is looked at before anything is changed."""
        now = self.stay(device.id) if device is not None else None
        car = self.cars[now.vehicle] if now is not None else None
        role = entry.role or (now.role if now is not None else "main")
        target = car
        # The plate names a car, else the VIN does; both must not name two.
        named = {self.plates[scope.group, plate]} if plate and (scope.group, plate) in self.plates else set()
        named |= {self.vins[scope.group, vin]} if vin and (scope.group, vin) in self.vins else set()
        others = named - {car.id if car is not None else 0}
        if others:
            if len(named) > 1 or (car is not None and car.is_named):
                field = "plate" if plate and self.plates.get((scope.group, plate)) in others else "vin"
                raise refuse(field, f"{field}_taken", self._shown(min(others)))
            target = self.cars[min(others)]
            if not scope.covers(target.group, target.store):
                raise refuse("plate" if plate else "vin", "car_elsewhere")
        if target is not None and role == "main" and (other := self.main_of(target.id, but=device.id if device else 0)):
            raise refuse("plate" if plate else "role", "main_taken", f"terminal {other}")
        fields: dict[str, Any] = {"plate": plate, "vin": vin}
        fields = {name: value for name, value in fields.items() if value}
        if entry.plate_colour is not None:
            fields["plate_colour"] = entry.plate_colour
        if entry.store is not None or target is None:
            fields["store"] = store
        is_known = device is not None and not device.retired_ms
        changes: list[str] = []
        if device is None:
            device = self.new_device(phone, scope.group, store)
        before = {name: getattr(device, name) for name in DEVICE_FIELDS}
        said = {name: value for name, value in said.items() if value}
        if not is_known:
            reinstated = device.revision > 0
            for name, value in said.items():
                setattr(device, name, value)
            device.retired_ms = 0
            device.store = store if target is None else target.store
            if target is None:
                target = self.new_car(scope.group, store)
                # It is entered with its terminal: no change of its own is told.
                for name, value in fields.items():
                    setattr(target, name, value)
                target.revision = 1
                self._index(target)
                self._claimed(target)
                fields = {}
            self.place(device, target, role, self.now_ms)
            payload = TerminalEntered(
                terminal=device.id, vehicle_id=target.id, role=role, from_ms=self.now_ms, revision=self._revised(device)
            )
            self._told("terminal.entered", device, target.id, payload)
            changes += ["state"] if reinstated else []
        else:
            assert target is not None
            changes += self.describe(device, said)
            if (now.vehicle if now is not None else 0) != target.id or (now is not None and now.role != role):
                self.bind(device, target, role, self.now_ms)
                changes.append("vehicle" if now is None or now.vehicle != target.id else "role")
        if fields:
            changes += self.describe_car(target, fields)
        if not is_known:
            what: Literal["added", "changed", "unchanged"] = "changed" if "state" in changes else "added"
            changes += [name for name in DEVICE_FIELDS if "state" in changes and before[name] != getattr(device, name)]
        else:
            what = "changed" if changes else "unchanged"
        return Outcome(
            line=entry.line, phone=phone, what=what, terminal=device.id, vehicle_id=target.id, plate=target.plate,
            changes=tuple(changes), warnings=warnings,
        )  # fmt: skip


def store_of(wanted: int | str | None, scope: Scope, stores: dict[str, int], device: Device | None) -> int:
    """Return the number of the store an entry means.

    Raises:
        RefusedError: store_wrong; store_outside: not in the caller's scope; store_missing: the caller has several.
    """
    if wanted is None or wanted == "":
        if device is not None:
            return device.store
        if scope.stores is None:
            return 0
        if len(scope.stores) == 1:
            return scope.stores[0]
        raise refuse("store", "store_missing")
    key = str(wanted).strip()
    number = 0 if key == "0" else stores.get(key, stores.get(key.casefold(), -1))
    if number < 0:
        raise refuse("store", "store_wrong", key[:40])
    if not scope.covers(scope.group, number):
        raise refuse("store", "store_outside", key[:40])
    return number

"""What makers mean by the items of 0x0200 that the standard leaves to them, and by some that it does not.

The same id means different things to different makers: 0xF1 is a supply voltage, a SIM's number, or a fault of
installation. So there is a table for each maker that is known to differ (VENDORS), and one for all others (COMMON),
where the length often tells one meaning from another. `vendor_of` finds a maker's by what its terminals say when they
register. What no table knows is an Item: its bytes.

Layouts as in section 16 of the protocol sheet, read off what open servers make of these terminals.
"""

from typing import Annotated, Any, Final, NamedTuple

import msgspec

from protocols.jt808.wire import (
    BodyShort,
    Digits,
    Gbk,
    IfBit,
    IfMore,
    Item,
    ItemId,
    ItemRow,
    Items,
    ItemTable,
    Many,
    Nested,
    Raw,
    Reader,
    SentItem,
    Signed,
    SignMagnitude,
    Unsigned,
    Wire,
    Writer,
    write,
)

Struct = msgspec.Struct


# --- wire types of makers ---------------------------------------------------------------------------------------------


class AtLeast(Unsigned):
    """A number that is never less than `least`: what is, is another layout."""

    def __init__(self, size: int, least: int) -> None:
        super().__init__(size)
        self.least = least

    def read(self, reader: Reader, name: str) -> int:
        value = super().read(reader, name)
        if value < self.least:
            raise BodyShort(name, reader.offset)
        return value


class Printable(Gbk):
    """A text of printable characters (and line ends), to the end or of a size: anything else is another layout."""

    def __init__(self, size: int | None = None, begins: str = "") -> None:
        super().__init__(size)
        self.begins = begins

    def read(self, reader: Reader, name: str) -> Any:
        value = super().read(reader, name)
        plain = value.rstrip("\r\n").replace("\ufffd", "\x00")
        if not plain.isprintable() or not value.startswith(self.begins):
            raise BodyShort(name, reader.offset)
        return value


class Shifted(Unsigned):
    """A number of which `shift` is to be taken away; the value stays as the wire has it."""

    def __init__(self, size: int, shift: float, unit: str, scale: float = 1.0) -> None:
        super().__init__(size, unit, scale)
        self.shift = shift

    def meaning(self, value: Any) -> str:
        return f"{value * self.scale - self.shift:.10g} {self.unit}"


class Probe(SignMagnitude):
    """A temperature in tenths, its top bit the sign; all bits set: no probe."""

    def __init__(self) -> None:
        super().__init__(2, unit="°C", scale=0.1)

    def meaning(self, value: Any) -> str:
        return "no probe" if value == -0x7FFF else super().meaning(value)


class Listed(Items):
    """{id, length, value} inside one item, to its end, in its maker's own framing.

    Args:
        table: Struct of each id; an id that is not in it is an Item.
        id_bytes, length_bytes: of the framing.
        length_first: the length stands in front of the id, and counts the id too.
    """

    def __init__(
        self, table: dict[int, type[Struct]], id_bytes: int, length_bytes: int, length_first: bool = False
    ) -> None:
        super().__init__()
        self.table = table
        self.ids = {struct: id for id, struct in table.items()}
        self.id_bytes = id_bytes
        self.length_bytes = length_bytes
        self.length_first = length_first

    @property
    def named(self) -> dict[str, type[Struct]]:
        return {struct.__name__: struct for struct in self.ids}

    def read(self, reader: Reader, name: str) -> tuple[Struct, ...]:
        listed: list[Struct] = []
        while reader.offset < reader.end:
            listed.append(self._read_one(reader, f"{name}[{len(listed)}]"))
        return tuple(listed)

    def _read_one(self, reader: Reader, name: str) -> Struct:
        start = reader.offset
        head = self.id_bytes + self.length_bytes
        if reader.end - start < head:
            raise BodyShort(name, reader.end)
        id_at = start + (self.length_bytes if self.length_first else 0)
        id = int.from_bytes(reader.data[id_at : id_at + self.id_bytes], "big")
        struct = self.table.get(id)
        word = "not declared" if struct is None else struct.__name__
        if self.length_first:
            length = Unsigned(self.length_bytes, unit="bytes").read(reader, f"{name}.length") - self.id_bytes
            ItemId(self.id_bytes, word).read(reader, f"{name}.id")
        else:
            ItemId(self.id_bytes, word).read(reader, f"{name}.id")
            length = Unsigned(self.length_bytes, unit="bytes").read(reader, f"{name}.length")
        if not 0 <= length <= reader.end - reader.offset:
            raise BodyShort(name, reader.end)
        row = None if struct is None else ItemRow(id, struct)
        found: Struct | None = None if row is None else self._read_declared(row, reader, name, length)
        if found is not None:
            return found
        data = reader.take(length, name)
        if length:
            reader.note(f"{name}.data", length, data, Raw())
        return Item(id, data)

    def write(self, writer: Writer, value: tuple[Struct, ...]) -> None:
        for one in value:
            if isinstance(one, Item):
                id, data = one.id, one.data
            else:
                inner = Writer(writer.version)
                write(one, inner)
                id, data = self.ids[type(one)], bytes(inner.data)
            if self.length_first:
                writer.number(len(data) + self.id_bytes, self.length_bytes)
                writer.number(id, self.id_bytes)
            else:
                writer.number(id, self.id_bytes)
                writer.number(len(data), self.length_bytes)
            writer.data += data


# --- how the tables below are written ---------------------------------------------------------------------------------

Declared = Wire | tuple[Any, ...]


def record(name: str, /, **fields: Declared) -> type[Struct]:
    """Declare a Struct: field=wire, or field=(wire, conditions...) for one that is not always there."""
    return _declared(name, (), fields)


def means(id: int, name: str, /, lengths: tuple[int, ...] = (), mend: bool = False, **fields: Declared) -> ItemRow:
    """Declare an item and the row that says what its id means."""
    return ItemRow(id, _declared(name, (SentItem,), fields), lengths=lengths, mend=mend)


def _declared(name: str, bases: tuple[type[Struct], ...], fields: dict[str, Declared]) -> type[Struct]:
    declared: list[Any] = []
    for field, marks in fields.items():
        if isinstance(marks, Wire):
            declared.append((field, Annotated[Any, marks]))
        else:
            declared.append((field, Annotated[(Any, *marks)], None))
    return msgspec.defstruct(name, declared, bases=bases or None, module=__name__, frozen=True, kw_only=True)


def every(step: int, most: int = 255, first: int = 0) -> tuple[int, ...]:
    """Return the lengths of lists whose entries have `step` bytes, behind `first` others."""
    return tuple(range(first + step, most + 1, step))


BYTE: Final = Unsigned(1)
WORD: Final = Unsigned(2)
PERCENT: Final = Unsigned(1, unit="%")
VOLTS_10: Final = Unsigned(2, unit="V", scale=0.1)
VOLTS_100: Final = Unsigned(2, unit="V", scale=0.01)
MILLIVOLTS: Final = Unsigned(2, unit="mV")
KMH: Final = Unsigned(1, unit="km/h")
KM_10: Final = Unsigned(4, unit="km", scale=0.1)
RPM: Final = Unsigned(2, unit="rpm")
DBM: Final = Signed(1, unit="dBm")
PER_255: Final = Unsigned(1, unit="%", scale=100 / 255)
CELSIUS_10: Final = Signed(2, unit="°C", scale=0.1)
TEXT: Final = Printable()

HARSH: Final = {0x01: "harsh acceleration", 0x02: "harsh braking", 0x03: "harsh cornering", 0x16: "crash"}
DRUM: Final = {0: "unknown", 1: "forward", 2: "reverse", 3: "standing"}

Satellite = record("Satellite", number=BYTE, elevation_deg=Unsigned(1, unit="°"), azimuth_deg=Unsigned(2, unit="°"))
Wifi = record("Wifi", mac=Raw(6), signal_dbm=DBM)
CellShort = record("CellShort", area=WORD, cell=WORD, signal=BYTE)
CellLong = record("CellLong", area=Unsigned(3), cell=Unsigned(4), signal=BYTE)
CellWhole = record("CellWhole", country=WORD, network=WORD, cell=Unsigned(4), area=Unsigned(4), signal=BYTE)
Station = record("Station", area=WORD, cell=Unsigned(4))
Lock = record(
    "Lock",
    lock_id=Raw(6),
    battery_mv=MILLIVOLTS,
    seal=Unsigned(1, names={0x30: "open", 0x31: "sealed"}),
    state=BYTE,
    signal=BYTE,
)
CardLock = record(
    "CardLock", lock_id=Raw(5), card=Raw(5), battery_percent=PERCENT, state=Unsigned(2, bits={5: "unlocked"})
)
TyreProbe = record(
    "TyreProbe",
    wheel=BYTE,
    sensor=Raw(3),
    pressure=Unsigned(2),
    temperature=Shifted(1, 50, "°C"),
    state=BYTE,
)
ClimateProbe = record("ClimateProbe", place=BYTE, mac=Raw(6), temperature=Raw(2), humidity=Raw(2))

EXTENSIONS: Final = {
    0x0001: record("ExtensionFuel", volume_l10=Unsigned(2, unit="L", scale=0.1), reserved=Raw(1)),
    0x0023: record("ExtensionFuelText", text=Printable(6)),
    0x002D: record("ExtensionBattery", battery_mv=MILLIVOLTS),
    0x0089: record("ExtensionAlarms", alarms_off=Unsigned(4, bits={0: "power off", 12: "removed"})),
    0x00A8: record("ExtensionBatteryLevel", battery_percent=PERCENT),
    0x00B2: record("ExtensionSim", iccid=Digits(10)),
    0x00B9: record("ExtensionWifi", found=BYTE, text=TEXT),
    0x00C5: record("ExtensionState", states_off=Unsigned(4, bits={6: "vibration"})),
    0x00C6: record("ExtensionBatteryAlarm", alarm=Unsigned(1, names={3: "low", 4: "low"})),
    0x00CE: record("ExtensionSupply", supply_v100=VOLTS_100),
    0x00D5: record("ExtensionImei", imei=TEXT),
    0x00D8: record("ExtensionCell", country=WORD, network=BYTE, area=WORD, cell=Unsigned(4)),
    0x00E1: record("ExtensionBatteryLevel2", battery_percent=PERCENT),
    0x00FB: record("ExtensionSimText", iccid=TEXT),
}
"""Inside item 0xEB. Bits of 0x89 and 0xC5 mean their words when they are not set."""

OBD: Final = {
    0x0002: record("ObdSpeed", speed_kmh10=Unsigned(2, unit="km/h", scale=0.1)),
    0x0003: record("ObdRevolutions", revolutions_rpm=RPM),
    0x0004: record("ObdSupply", supply_mv=MILLIVOLTS),
    0x0005: record("ObdOdometer", distance_km10=KM_10),
    0x0007: record("ObdConsumption", consumption_l10=Unsigned(2, unit="L", scale=0.1)),
    0x0008: record("ObdLoad", load_percent10=Unsigned(2, unit="%", scale=0.1)),
    0x0009: record("ObdCoolant", coolant=Shifted(2, 40, "°C")),
    0x000B: record("ObdIntakePressure", pressure_kpa=Unsigned(2, unit="kPa")),
    0x000C: record("ObdIntakeTemperature", temperature=Shifted(2, 40, "°C")),
    0x000D: record("ObdIntakeFlow", flow=WORD),
    0x000E: record("ObdThrottle", throttle_255=Unsigned(2, unit="%", scale=100 / 255)),
    0x0050: record("ObdVin", vin=Printable(17)),
    0x0051: record("ObdVerification", data=Raw()),
    0x0052: record("ObdCalibration", text=TEXT),
    0x0100: record("ObdTrip", distance_km10=Unsigned(2, unit="km", scale=0.1)),
    0x0102: record("ObdTripFuel", volume_l10=Unsigned(2, unit="L", scale=0.1)),
    0x0112: record("ObdHarshAccelerations", times=WORD),
    0x0113: record("ObdHarshBrakings", times=WORD),
    0x0114: record("ObdHarshCornerings", times=WORD),
}
"""Inside item 0xF3."""

LISTED: Final = (*EXTENSIONS.values(), *OBD.values())
"""What stands inside items, and is no item of a location by itself."""

# --- the tables -------------------------------------------------------------------------------------------------------

COMMON: Final = ItemTable(
    "common",
    [
        means(
            0x07,
            "SatellitesSeen",
            beidou=Many(Nested(Satellite), count=1),
            gps=Many(Nested(Satellite), count=1),
            glonass=Many(Nested(Satellite), count=1),
            galileo=Many(Nested(Satellite), count=1),
        ),
        means(0x51, "Temperatures", (2, 8, 16), temperatures_c10=Many(Probe())),
        means(0x52, "DrumTurning", (1,), turning=Unsigned(1, names=DRUM)),
        means(0x54, "WifiCounted", mend=True, stations=Many(Nested(Wifi), count=1)),
        means(0x56, "BatteryTenths", (2,), battery_tenths=Unsigned(1, unit="%", scale=10), reserved=Raw(1)),
        means(
            0x57,
            "DrivingEvents",
            (8,),
            events=Unsigned(2, bits={8: "harsh acceleration", 9: "harsh braking", 10: "harsh cornering"}),
            switches=WORD,
            alarms=Unsigned(4, bits={16: "door"}),
        ),
        means(0x58, "Humidities", (2, 4, 8, 16), humidity_percent10=Many(Unsigned(2, unit="%", scale=0.1))),
        means(0x60, "LockEvent", (16,), event=WORD, lock_id=Raw(6), card=Printable(8)),
        means(0x60, "MakersEvent", event=WORD, data=Raw()),
        means(0x61, "SupplyVoltage", (2,), mend=True, supply_v100=VOLTS_100),
        means(0x63, "Locks", every(11), locks=Many(Nested(Lock))),
        means(0x67, "LockPassword", (8,), password=Printable(8)),
        means(0x68, "BatteryLevel68", (2,), battery_percent100=Unsigned(2, unit="%", scale=0.01)),
        means(0x69, "BatteryVoltage", (2,), battery_v100=VOLTS_100),
        means(0x70, "HarshEvent", (6,), alarm_number=Unsigned(4), state=BYTE, kind=Unsigned(1, names=HARSH)),
        means(0x77, "TyreProbes", every(8), tyres=Many(Nested(TyreProbe))),
        # What stands behind an item 0x80 comes from the car's own bus.
        means(0x80, "BusSpeed", (1,), speed_kmh=KMH),
        means(0x81, "BusRevolutions", (2,), revolutions_rpm=RPM),
        means(0x82, "SupplyVoltage82", (2,), supply_v10=VOLTS_10),
        means(0x83, "BusLoad", (1,), load_percent=PERCENT),
        means(0x84, "BusCoolant", (1,), coolant=Shifted(1, 40, "°C")),
        means(0x85, "BusConsumption", (2,), consumption=WORD),
        means(0x86, "BusIntakeTemperature", (1,), temperature=Shifted(1, 40, "°C")),
        means(0x87, "BusIntakeFlow", (2,), flow=WORD),
        means(0x88, "BusIntakePressure", (1,), pressure=BYTE),
        means(0x89, "BusThrottle", (1,), throttle_percent=PERCENT),
        means(0x8B, "BusVin", (17,), vin=Printable(17)),
        means(0x8C, "BusOdometer", (4,), distance_km10=KM_10),
        means(0x8D, "BusTrip", (2,), distance_km=Unsigned(2, unit="km")),
        means(0x8E, "BusFuel", (1,), fuel_percent=PERCENT),
        means(
            0x91,
            "Obd",
            (20,),
            battery_v10=VOLTS_10,
            revolutions_rpm=RPM,
            speed_kmh=KMH,
            throttle_255=PER_255,
            load_255=PER_255,
            coolant=Shifted(1, 40, "°C"),
            reserved=Raw(2),
            consumption_l100=Unsigned(2, unit="L", scale=0.01),
            reserved_2=Raw(8),
            used_l100=Unsigned(2, unit="L", scale=0.01),
        ),
        means(0x94, "Vin", vin=TEXT),
        means(0xA0, "TroubleCodes", text=TEXT),
        means(0xAC, "OdometerMetres", (4,), distance_m=Unsigned(4, unit="m")),
        means(0xBC, "DriverName", driver_name=TEXT),
        means(0xBD, "DriverText", driver_text=TEXT),
        means(0xCC, "SimText", (20,), iccid=Printable(20)),
        means(0xD3, "SupplyVoltageD3", (2,), supply_v10=VOLTS_10),
        means(0xD4, "BatteryLevelD4", (1,), battery_percent=PERCENT),
        means(0xD4, "DriverNumberD4", (4,), driver_number=Unsigned(4)),
        means(0xD5, "BatteryVoltageD5", (2,), battery_v100=VOLTS_100),
        means(0xD5, "CardLocks", locks=Many(Nested(CardLock), count=1)),
        means(
            0xDA,
            "Padlock",
            (3,),
            cut=WORD,
            state=Unsigned(1, bits={0: "string fastened", 2: "moving", 3: "cover closed"}),
        ),
        means(0xE1, "BatteryLevelE1", (1,), battery_percent=PERCENT),
        means(0xE1, "SupplyVoltageE1", (2,), supply_v10=VOLTS_10),
        means(0xE1, "DriverNumberE1", (4,), driver_number=Unsigned(4)),
        means(0xE1, "CellsE1", every(8, first=4), country=WORD, network=WORD, cells=Many(Nested(CellLong))),
        means(0xE2, "FuelE2", (4,), volume_l10=Unsigned(4, unit="L", scale=0.1)),
        means(0xE3, "Battery", (4,), reserved=Raw(1), battery_percent=PERCENT, battery_v100=VOLTS_100),
        means(
            0xE4,
            "Charging",
            (2,),
            charging=Unsigned(1, names={0: "charging", 1: "not charging"}),
            battery_percent=PERCENT,
        ),
        means(0xE5, "Motion", (1,), motion=Unsigned(1, names={0: "standing", 1: "moving"})),
        means(0xE6, "ObdText", text=Printable(begins="$OBD-RT")),
        means(0xE6, "ClimateProbes", every(11), probes=Many(Nested(ClimateProbe))),
        means(
            0xE7, "AlarmsE7", (8,), alarms=Unsigned(2, bits={0: "vibration", 1: "emergency button"}), reserved=Raw(6)
        ),
        means(0xE9, "BatteryLevelE9", (1,), battery_percent=PERCENT),
        means(0xE9, "DriverNumberE9", (4,), driver_number=Unsigned(4)),
        means(0xEB, "Cells", every(5, first=3), country=AtLeast(2, 201), network=BYTE, cells=Many(Nested(CellShort))),
        means(0xEB, "Extensions", listed=Listed(EXTENSIONS, 2, 2, length_first=True)),
        means(0xEC, "WifiEC", every(7), stations=Many(Nested(Wifi))),
        means(0xED, "Card", text=TEXT),
        means(0xEE, "Supplies", (6,), signal=BYTE, supply_mv=MILLIVOLTS, battery_mv=MILLIVOLTS, satellites=BYTE),
        means(0xF0, "CellsF0", every(13), cells=Many(Nested(CellWhole))),
        means(0xF1, "SupplyF1", (4,), supply_mv=Unsigned(4, unit="mV")),
        means(0xF3, "ObdItems", listed=Listed(OBD, 2, 1)),
        means(0xF4, "WifiF4", every(7), stations=Many(Nested(Wifi))),
        means(0xF5, "Light", (2,), light=WORD),
        means(0xF6, "AirPressure", (2,), pressure=WORD),
        means(0xF6, "Imei", (8,), imei=Digits(8)),
        means(0xF7, "HumidityF7", (2,), humidity_percent10=Unsigned(2, unit="%", scale=0.1)),
        means(
            0xF7,
            "BatteryF7",
            (4, 5, 6),
            battery_mv=Unsigned(4, unit="mV"),
            charging=(Unsigned(1, names={2: "charging", 3: "charged"}), IfMore()),
            battery_percent=(PERCENT, IfMore()),
        ),
        means(0xF8, "TemperatureF8", (2,), temperature=Shifted(2, 50, "°C", scale=0.1)),
        means(0xFC, "Fence", (1,), fence=BYTE),
        means(0xFE, "BatteryLevelFE", (1,), battery_percent=PERCENT),
        means(0xFE, "SupplyVoltageFE", (2,), supply_v10=VOLTS_10),
        means(0xFE, "OdometerFE", (4,), distance_m=Unsigned(4, unit="m")),
    ],
)
"""What most makers mean. No length is wrong here: one that no row has is another maker's meaning."""

JC_TYPES: Final = {
    0x0001: "fault",
    0x0400: "harsh acceleration",
    0x0401: "harsh braking",
    0x0402: "harsh cornering",
    0x0403: "overspeed",
    0x0405: "crash",
    0x0406: "vibration",
    0x0407: "towed",
    0x0408: "fence entered",
    0x0409: "fence left",
    0x040C: "door",
    0x0412: "harsh acceleration",
    0x0413: "harsh braking",
    0x0414: "harsh cornering",
    0x0415: "lane change",
    0x0416: "crash",
    0x0417: "crash",
    0x0C01: "emergency button",
    0x0C02: "supply low",
    0x0C03: "ignition on",
    0x0C04: "ignition off",
    0x0C0E: "supply cut",
    0x0C0F: "battery low",
    0x0C10: "switched off",
    0x0C12: "tampering",
    0x2002: "upload mode",
    0x2003: "supplies",
    0x2005: "states",
}
FAULT_BITS: Final = {bit: f"bit {bit}" for bit in range(32)}


class Vendor(NamedTuple):
    """One maker, or some of its models, whose items mean something of their own."""

    table: ItemTable
    makers: frozenset[str] = frozenset()
    """Maker's ids as their terminals register (0x0100)."""
    models: frozenset[str] = frozenset()


VENDORS: Final = {
    "aovx": Vendor(
        ItemTable(
            "aovx",
            [
                means(0xF2, "AovxFirmware", text=TEXT),
                means(
                    0xF6,
                    "AovxSensors",
                    event=Unsigned(1, names={2: "moving"}),
                    mask=BYTE,
                    light=(WORD, IfBit("mask", 0)),
                    temperature_c10=(CELSIUS_10, IfBit("mask", 1)),
                    humidity_percent10=(Unsigned(2, unit="%", scale=0.1), IfBit("mask", 2)),
                    acceleration=(Raw(6), IfBit("mask", 3)),
                    thresholds=(Raw(10), IfBit("mask", 4)),
                    pressure=(WORD, IfBit("mask", 5)),
                ),
                means(0xF8, "AovxDevice", mode=BYTE, imei=Digits(8), iccid=Digits(10), data=Raw()),
                means(
                    0xF9,
                    "AovxFix",
                    mask=WORD,
                    fix_age_s=(Unsigned(4, unit="s"), IfBit("mask", 0)),
                    ignition_s=(Unsigned(4, unit="s"), IfBit("mask", 1)),
                    dilution_10=(WORD, IfBit("mask", 2)),
                    fix_time=(Digits(6), IfBit("mask", 3)),
                    reserved=(Raw(2), IfBit("mask", 4)),
                    intervals=(Raw(8), IfBit("mask", 5)),
                    temperature_c10=(CELSIUS_10, IfBit("mask", 6)),
                    thresholds=(Raw(4), IfBit("mask", 6)),
                ),
            ],
        ),
        models=frozenset({"AL300", "GL100"}),
    ),
    "c5": Vendor(ItemTable("c5", [means(0xF8, "Steps", (2,), steps=WORD)]), models=frozenset({"C5", "C5L"})),
    "gps51": Vendor(
        ItemTable(
            "gps51",
            [
                means(
                    0xE1, "Gps51Cells", every(6, first=4), country=WORD, network=WORD, stations=Many(Nested(Station))
                ),
                means(0xE2, "Gps51Firmware", text=TEXT),
                means(0xF1, "Gps51Sim", iccid=TEXT),
                means(0xF6, "Gps51Imei", imei=TEXT),
                means(0xFA, "Gps51Alarm", (4,), alarms=Unsigned(4)),
                means(0xFB, "Gps51Battery", (4,), battery_percent=PERCENT, battery_v100=VOLTS_100, state=BYTE),
            ],
        ),
        makers=frozenset({"GPS51"}),
    ),
    "guangdong": Vendor(
        ItemTable(
            "guangdong",
            [
                means(0xF1, "InstallationFaults", (4,), faults=Unsigned(4, bits=FAULT_BITS)),
                means(0xF2, "AlgorithmFaults", (4,), faults=Unsigned(4, bits=FAULT_BITS)),
            ],
        ),
    ),
    "jc": Vendor(
        ItemTable("jc", [means(0xE8, "JcExtension", kind=Unsigned(2, names=JC_TYPES), data=Raw())]),
        models=frozenset({"JC371", "JC181", "JC182", "JC450", "JC451"}),
    ),
}
"""By name. One without makers and models is chosen by its name alone: T/GDRTA 002 (Guangdong) is a province's form,
and its terminals come from every maker."""


def vendor_of(maker: str | None, model: str | None) -> ItemTable | None:
    """Return the table of a terminal by the maker and the model that it registered with; None: what most mean."""
    for vendor in VENDORS.values():
        if (model or "").strip() in vendor.models or (maker or "").strip() in vendor.makers:
            return vendor.table
    return None

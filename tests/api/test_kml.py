"""KML and KMZ: what other programs write comes in, what we write comes in again, and what is malicious does not."""

import io
import zipfile
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient

from api.geojson import DocumentError, Missing, drafts_of, feature_of
from api.kml import FOOT, HEAD, features_in, placemark_of
from core.coordinates import SYSTEMS, System
from core.geofence import Geofence, GeofenceFaultError, TerminalRules, Window, checked
from core.limits import GEOJSON_BYTES_MAX, KML_DEPTH_MAX, KML_ELEMENTS_MAX, KMZ_MEMBERS_MAX, KMZ_RATIO_MAX
from tests.api.conftest import Node
from tests.api.test_geofences import UNFIT_WINDOWS, circle, collection, corridor, fence, polygon, saved, windows

OUTLINE = "121.47,31.23,0 121.48,31.23,0 121.48,31.24,0 121.47,31.23,0"
FILE = f"""<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2"><Document>
<name>All</name>
<Style id="blue"><LineStyle><color>ff0000ff</color></LineStyle><PolyStyle><color>7dff840a</color></PolyStyle></Style>
<StyleMap id="map"><Pair><key>highlight</key><styleUrl>#none</styleUrl></Pair>
  <Pair><key>normal</key><styleUrl>#blue</styleUrl></Pair></StyleMap>
<Folder><name>门店</name>
  <Placemark><name>院 &amp; 门</name><styleUrl>#map</styleUrl><Polygon>
    <outerBoundaryIs><LinearRing><coordinates>{OUTLINE}</coordinates></LinearRing></outerBoundaryIs>
    <innerBoundaryIs><LinearRing><coordinates>
      121.476,31.2312, 121.478, 31.2312 121.478,31.234,7
    </coordinates></LinearRing></innerBoundaryIs></Polygon></Placemark>
  <Folder><Placemark><Point><coordinates>121.5,31.3</coordinates></Point>
    <ExtendedData><Data name="radius_m"><value>300</value></Data></ExtendedData></Placemark></Folder>
</Folder>
<Placemark><name>S20</name><LineString><coordinates>121.4,31.2 121.5,31.3</coordinates></LineString>
  <ExtendedData><SchemaData><SimpleData name="width_m">60</SimpleData></SchemaData></ExtendedData></Placemark>
<Placemark><name>two</name><MultiGeometry><Point><coordinates>121.4,31.2</coordinates></Point>
  <LinearRing><coordinates>{OUTLINE}</coordinates></LinearRing>
  <Polygon><outerBoundaryIs><LinearRing><coordinates>{OUTLINE}</coordinates></LinearRing></outerBoundaryIs></Polygon>
  </MultiGeometry></Placemark>
</Document></kml>"""


def kml(*placemarks: str) -> bytes:
    return f"<kml><Document>{''.join(placemarks)}</Document></kml>".encode()


def kmz(text: bytes, name: str = "doc.kml", **more: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
        for other, content in more.items():
            archive.writestr(other, content)
    return packed.getvalue()


def drafted(data: bytes, **missing: Any) -> list[Any]:
    return drafts_of({"type": "FeatureCollection", "features": features_in(data)}, Missing(**missing))


def test_what_other_programs_write_comes_in() -> None:
    yard, spot, road, first, second = drafted(FILE.encode())
    assert (yard.name, yard.folder, yard.fence.colour) == ("院 & 门", "门店", "#0a84ff")
    assert [len(ring) for ring in yard.fence.geometry["coordinates"]] == [4, 3]
    assert (spot.name, spot.fence.geometry) == ("门店", {"centre": [121.5, 31.3], "radius_m": 300})
    assert (road.fence.kind, road.fence.geometry["width_m"]) == ("corridor", 60)
    # The point beside the outlines says where the name is written.
    assert [(part.fence.name, part.part, part.fence.kind) for part in (first, second)] == [
        ("two 1", 1, "polygon"),
        ("two 2", 2, "polygon"),
    ]
    for draft in (yard, spot, road, first, second):
        checked(draft.fence)
    chinese = FILE.replace('encoding="UTF-8"', 'encoding="GB2312"').encode("gb18030")
    assert [draft.name for draft in drafted(chinese)] == [d.name for d in drafted(FILE.encode())]
    assert features_in(kmz(FILE.encode())) == features_in(b"\xef\xbb\xbf" + FILE.encode())
    assert len(features_in(kmz(FILE.encode(), "files/any.KML", icon=b"x"))) == 4


def test_what_is_missing_is_what_the_person_says() -> None:
    line = "<Placemark><LineString><coordinates>121.4,31.2 121.5,31.3</coordinates></LineString></Placemark>"
    dot = "<Placemark><Point><coordinates>121.4,31.2</coordinates></Point></Placemark>"
    assert [draft.fault.code for draft in drafted(kml(line, dot))] == ["width_missing", "radius_missing"]
    road, spot = drafted(kml(line, dot), width_m=40.0, radius_m=90.0, name="路", store=3)
    assert (road.fence.geometry["width_m"], spot.fence.geometry["radius_m"]) == (40, 90)
    assert [(draft.fence.name, draft.fence.store) for draft in (road, spot)] == [("路 1", 3), ("路 2", 3)]
    (named,) = drafted(kml(dot.replace("<Point>", "<name>x</name><Point>")), radius_m=90.0, name="路", store=3)
    assert named.name == "x"


def test_what_cannot_be_read_is_named_by_its_place() -> None:
    broken = "<Placemark><name>n</name><LineString><coordinates>1,1 2,x 3,3</coordinates></LineString></Placemark>"
    (draft,) = drafted(kml(broken), width_m=40.0)
    with pytest.raises(GeofenceFaultError) as fault:
        checked(draft.fence)
    assert (fault.value.code, fault.value.values) == ("point_unreadable", {"point": 2})
    link = "<NetworkLink><Link><href>http://127.0.0.1:9/x.kml</href></Link></NetworkLink>"
    track = "<Placemark><gx:Track xmlns:gx='g'/></Placemark>"
    assert [draft.fault.code for draft in drafted(kml(link, track, "<Placemark/>"))] == [
        "geometry_unsupported",
        "geometry_unsupported",
        "geometry_missing",
    ]


DOCTYPE = b'<!DOCTYPE kml [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><kml>&b;</kml>'
EXTERNAL = b'<!DOCTYPE kml [<!ENTITY x SYSTEM "file:///etc/passwd">]><kml><Placemark><name>&x;</name></Placemark></kml>'
REFUSED: list[tuple[bytes, str]] = [
    (DOCTYPE, "document types or entities"),
    (EXTERNAL, "document types or entities"),
    (b'<!DOCTYPE kml SYSTEM "http://127.0.0.1:9/kml.dtd"><kml/>', "document types or entities"),
    (b"<kml><Placemark></kml>", "well-formed"),
    (b"<kml>&nbsp;</kml>", "well-formed"),
    (b"<kml>", "well-formed"),
    (b"<kml>\xff</kml>", "well-formed"),
    (b'<?xml version="1.0" encoding="x-none"?><kml/>', "well-formed"),
    (b'<?xml version="1.0" encoding="gbk"?><kml>\xff\xff</kml>', "gbk"),
    (b"<html/>", "begins with <kml>"),
    (b"<kml>" + b"<Folder>" * KML_DEPTH_MAX + b"</Folder>" * KML_DEPTH_MAX + b"</kml>", "deep"),
    (b"<kml>" + b"<a/>" * KML_ELEMENTS_MAX + b"</kml>", "elements"),
    (b"PK\x03\x04nonsense", "unpacked"),
    (kmz(FILE.encode())[:-40], "unpacked"),
    (kmz(b"<kml/>", "a.kml", **{"b.kml": b"<kml/>"}), "holds 2"),
    (kmz(b"x", "readme.txt"), "holds 0"),
    (kmz(b"<kml>" + b" " * GEOJSON_BYTES_MAX + b"</kml>"), "bytes of KML"),
    (kmz(b"<kml>" + b" " * 1_000_000 + b"</kml>"), f"{KMZ_RATIO_MAX} to 1"),
    (kmz(b"<kml/>", **{f"{k}.png": b"" for k in range(KMZ_MEMBERS_MAX)}), "the bound is 1000"),
]


@pytest.mark.parametrize(("data", "why"), REFUSED)
def test_what_is_no_kml_or_made_to_harm_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(DocumentError, match=why):
        features_in(data)


def test_a_kmz_that_lies_about_its_size_is_refused() -> None:
    packed = bytearray(kmz(b"<kml>" + b"ab" * 500 + b"</kml>"))
    # The size in the central directory, 24 bytes into its record.
    at = packed.rindex(b"PK\x01\x02") + 24
    packed[at : at + 4] = (20).to_bytes(4, "little")
    with pytest.raises(DocumentError):
        features_in(bytes(packed))


@settings(max_examples=60, deadline=None)
@given(fence, st.text(min_size=1, max_size=64), windows, windows, st.sampled_from(SYSTEMS))
def test_what_is_exported_imports_as_the_same_fence(
    shape: tuple[Any, dict[str, Any]],
    name: str,
    hours: tuple[Window, ...],
    expected: tuple[Window, ...],
    coordinates: System,
) -> None:
    given_ = Geofence(
        id=7, name=name, kind=shape[0], geometry=shape[1], active=False, colour="#0a84ff", revision=3, store=2,
        on_terminals=False, terminal=TerminalRules(), role="route" if shape[0] == "corridor" else "zone",
        hours=hours, expected=expected, applies="vehicles", vehicles=(3, 4), time_zone="Europe/Berlin",
        dwell_s=600, speed_limit_kmh=30, speed_s=5,
    )  # fmt: skip
    try:
        sound = checked(given_)
    except GeofenceFaultError as error:
        if error.code not in ("name_missing", "name_unusable", "area_small", "edges_cross", *UNFIT_WINDOWS):
            raise
        return
    feature = feature_of(sound, coordinates)
    as_json = msgspec.json.decode(msgspec.json.encode(feature))
    as_kml = drafts_of(collection(*features_in(HEAD + placemark_of(feature) + FOOT)))
    for draft in (*as_kml, *drafts_of(as_json)):
        assert draft.fault is None, draft.fault
        assert draft.coordinates == coordinates
        assert draft.fence is not None
        again = checked(draft.fence)
        if coordinates == "wgs84" or sound.kind != "polygon":
            assert again == sound
        else:
            # A ring may begin at another corner where it was wound anew.
            assert msgspec.structs.replace(again, geometry={}) == msgspec.structs.replace(sound, geometry={})


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(FILE) - 1))
def test_no_bytes_are_a_bug(noise: bytes, at: int) -> None:
    file = FILE.encode()
    for data in (noise, b"<kml>" + noise + b"</kml>", b"PK\x03\x04" + noise, file[:at] + noise + file[at:]):
        try:
            drafts_of({"type": "FeatureCollection", "features": features_in(data)})
        except DocumentError:
            continue


def test_a_file_is_rehearsed_then_saved_whole(client: TestClient, node: Node) -> None:
    def imported(data: bytes, **params: Any) -> dict[str, Any]:
        answer = client.post("/api/v1/geofences/import", content=data, params=params)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    bad = "<Placemark><name>bad</name><Polygon><outerBoundaryIs><LinearRing><coordinates>1,1 2,2</coordinates>"
    bad += "</LinearRing></outerBoundaryIs></Polygon></Placemark>"
    mixed = FILE.replace("</Document>", bad + "</Document>").encode()
    rehearsed = imported(mixed, rehearse=True)
    assert rehearsed["counts"] == {"created": 5, "changed": 0, "unchanged": 0, "refused": 1}
    assert [item["what"] for item in rehearsed["items"]] == ["created"] * 5 + ["refused"]
    assert (rehearsed["items"][-1]["code"], rehearsed["items"][-1]["ring"]) == ("ring_short", 1)
    assert (rehearsed["format"], len(rehearsed["features"])) == ("kml", 5)
    refused = client.post("/api/v1/geofences/import", content=mixed)
    assert (refused.status_code, refused.json()["refusals"][0]["feature"]) == (422, 4)
    assert node.log("geofence.") == []
    assert imported(kmz(FILE.encode()))["format"] == "kmz"
    exported = client.get("/api/v1/geofences/export", params={"format": "kml", "coordinates": "bd09"})
    assert exported.headers["content-type"].startswith("application/vnd.google-earth.kml+xml")
    again = imported(exported.content)
    assert again["counts"] == {"created": 0, "changed": 0, "unchanged": 5, "refused": 0}
    assert {item["coordinates"] for item in again["items"]} == {"bd09"}
    part = client.get("/api/v1/geofences/export", params={"limit": 2, "after": 1}).json()
    assert [feature["id"] for feature in part["features"]] == [2, 3]
    for nothing in (b"", b"{", b"[" * 100_000, b"\xff\xfe", b"7"):
        answer = client.post("/api/v1/geofences/import", content=nothing)
        assert (answer.status_code, answer.json()["code"]) == (422, "geojson_invalid")


def test_coordinates_of_a_chinese_map_are_brought_to_wgs84(client: TestClient) -> None:
    spot, road = circle(centre=[121.531541859215, 31.17530398364597]), corridor(coordinates="wgs84")
    body = msgspec.json.encode(collection(spot, road))
    found = client.post("/api/v1/geofences/import", content=body, params={"coordinates": "gcj02"}).json()
    # The feature's own word counts first.
    assert [item["coordinates"] for item in found["items"]] == ["gcj02", "wgs84"]
    assert found["features"][0]["geometry"]["coordinates"] == [121.5272106, 31.1774276]
    assert found["features"][1]["geometry"]["coordinates"] == road["geometry"]["coordinates"]
    (said,) = saved(client, circle(centre=[121.531541859215, 31.17530398364597], coordinates="GCJ-02"))
    assert said["geometry"]["coordinates"] == [121.5272106, 31.1774276]
    wrong = client.post("/api/v1/geofences", json=collection(polygon(coordinates="mars")))
    assert wrong.json()["refusals"][0]["code"] == "property_invalid"

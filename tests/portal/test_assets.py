"""What the portal's pages load: built, whole, and served so that it is asked for once."""

import gzip
import json

import pytest
from litestar.testing import TestClient

from api.portal.assets import DIRECTORY, SOURCES, manifest, names, sources_digest


def test_the_committed_assets_are_built_from_the_sources_beside_them() -> None:
    assert manifest().sources == sources_digest(), "api/portal/islands has changed: run make assets"


def test_every_asset_is_in_the_manifest_and_every_file_of_the_manifest_is_there() -> None:
    named = {"manifest.json"}
    for island in manifest().islands.values():
        named |= {island.file, *island.needs, *island.styles}
    assert named == names()


def test_every_island_has_been_built() -> None:
    built = {path.name for path in SOURCES.glob("*.js") if path.name[0].islower()}
    assert built <= set(manifest().islands)


def test_the_terms_of_what_is_bundled_are_shipped_with_it() -> None:
    text = (DIRECTORY / manifest().islands["licences.txt"].file).read_text()
    for name in json.loads((SOURCES / "package.json").read_text()).get("dependencies", {}):
        assert f"\n{name} " in text, name


def test_the_lock_names_no_registry() -> None:
    assert '"resolved"' not in (SOURCES / "package-lock.json").read_text()


@pytest.mark.parametrize("name", sorted(names() - {"manifest.json"}))
def test_an_asset_is_served_for_ever_with_its_type(nobody: TestClient, name: str) -> None:
    answer = nobody.get(f"/assets/{name}", headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert "immutable" in answer.headers["Cache-Control"]
    expected = {
        "js": "text/javascript; charset=utf-8",
        "css": "text/css; charset=utf-8",
        "svg": "image/svg+xml",
        "txt": "text/plain; charset=utf-8",
    }
    assert answer.headers["Content-Type"] == expected[name.rsplit(".", 1)[1]]
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.content == (DIRECTORY / name).read_bytes()
    plain = nobody.get(f"/assets/{name}", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.content == answer.content
    # The wrapping of gzip is 18 bytes: a file of one line grows by it, all others shrink.
    assert len(gzip.compress(plain.content)) <= len(plain.content) + 18


@pytest.mark.parametrize("name", ["manifest.json", "..%2Frender.py", "nothing.js", "%00.js"])
def test_nothing_else_is_served(nobody: TestClient, name: str) -> None:
    assert nobody.get(f"/assets/{name}").status_code == 404

// Importing a file: what would become of each of its features stands on the map and in a list before anything is saved.

import { Problem } from "../Api.js";
import { icon } from "../Icons.js";
import { t } from "../Texts.js";
import { toast } from "../Toasts.js";
import { make } from "./Make.js";
import { painted, ringsOf, shapeOf } from "./Shapes.js";
import { upload } from "./Upload.js";

const ROWS_MAX = 300;
const SIGNS = { polygon: "polygon", circle: "circle", corridor: "corridor" };
const KINDS = { created: "good", changed: "info", unchanged: "quiet", refused: "bad" };
/** A geometry if the map can draw it; a refused one may be anything. */
const shapely = (geometry) => {
  const { type, coordinates } = geometry ?? {};
  const point = (one) => Array.isArray(one) && Math.abs(one[0]) <= 180 && Math.abs(one[1]) <= 85;
  const line = (one) => Array.isArray(one) && one.length > 1 && one.every(point);
  return { Point: point, LineString: line, Polygon: (one) => Array.isArray(one) && one.length > 0 && one.every(line) }[type]?.(coordinates) ? geometry : undefined;
};
const FIELDS = ["import_store", "import_name", "import_width", "import_radius", "import_system"];

export class Importing {
  /** @param how {about, view, storeName, showPane, list, back}: what of the page it needs */
  constructor(root, how) {
    Object.assign(this, { root, how, file: null, features: [], asked: 0 });
    this.part("file").addEventListener("change", (event) => event.target.files[0] && void this.take(event.target.files[0]));
    for (const name of FIELDS) this.field(name).addEventListener("change", () => void this.rehearse());
    this.part("fates").addEventListener("click", (event) => {
      const row = event.target.closest("[data-at]");
      if (row) this.look(Number(row.dataset.at));
    });
    const droppable = (event) => how.about.write && ["list", "detail", "import"].includes(root.dataset.pane) && event.dataTransfer?.types.includes("Files");
    // A file may be dropped anywhere on the page.
    for (const name of ["dragenter", "dragover"])
      document.addEventListener(name, (event) => {
        if (!droppable(event)) return;
        event.preventDefault();
        root.dataset.dropping = "";
      });
    document.addEventListener("dragleave", (event) => event.relatedTarget || delete root.dataset.dropping);
    document.addEventListener("drop", (event) => {
      delete root.dataset.dropping;
      if (!droppable(event) || !event.dataTransfer.files.length) return;
      event.preventDefault();
      void this.take(event.dataTransfer.files[0]);
    });
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  field(name) {
    return document.getElementById(`f-${name}`);
  }

  get button() {
    return this.root.querySelector('[data-do="import-save"]');
  }

  begin() {
    const { about, storeName, showPane } = this.how;
    const stores = about.stores.filter((one) => one.mine).map((one) => [one.id, storeName(one.id)]);
    this.field("import_store").replaceChildren(...[...(about.group ? [[0, storeName(0)]] : []), ...stores].map(([id, text]) => make("option", { value: id }, text)));
    this.part("file").value = "";
    this.part("file-name").hidden = true;
    this.file = null;
    this.show([]);
    this.say("", "");
    showPane("import");
    this.part("file").focus();
  }

  end() {
    this.file = null;
    this.how.view.preview([]);
    this.how.back();
  }

  async take(file) {
    if (this.root.dataset.pane !== "import") this.begin();
    this.file = null;
    this.part("file-name").hidden = false;
    this.part("file-name").textContent = file.name;
    const { bytes_max: most } = this.how.about;
    if (file.size > most) {
      this.show([]);
      this.say("bad", t("geofences_import_large", { n: most >> 20 }));
      return;
    }
    this.file = file;
    await this.rehearse(true);
  }

  /** Send the file, with what the form says where it says nothing; returns what becomes of each of its fences. */
  async ask(rehearse, told) {
    const query = new URLSearchParams({ rehearse, coordinates: this.field("import_system").value });
    const said = { store: this.field("import_store").value, name: this.field("import_name").value.trim(), width_m: this.field("import_width").value, radius_m: this.field("import_radius").value };
    for (const [name, value] of Object.entries(said)) if (value !== "") query.set(name, value);
    const { items, features, counts } = await upload(`/api/v1/geofences/import?${query}`, this.file, told);
    // Those that are not refused stand beside, in the same order, as they would be saved.
    const sound = features[Symbol.iterator]();
    const fates = items.map((item) => {
      if (item.what === "refused") return item;
      const { geometry, properties } = sound.next().value;
      return { ...item, name: properties.name, geometry, radius_m: properties.radius_m, width_m: properties.width_m };
    });
    return { features: rehearse && counts.refused ? await this.refusedDrawn(fates) : fates, ...counts };
  }

  /** Refused shapes of a GeoJSON file as they stand in it: one wants to see where the fault lies. */
  async refusedDrawn(fates) {
    if (this.field("import_system").value !== "wgs84") return fates;
    try {
      const { features } = JSON.parse(await this.file.text());
      return fates.map((fate) => (fate.what === "refused" && !fate.part ? { ...fate, geometry: shapely(features[fate.feature]?.geometry) } : fate));
    } catch {
      return fates;
    }
  }

  async rehearse(look = false) {
    if (!this.file) return;
    const asked = ++this.asked;
    this.button.disabled = true;
    this.say("busy", t("geofences_import_reading"));
    try {
      const answer = await this.ask(true);
      if (asked !== this.asked) return;
      this.showAnswer(answer);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (asked !== this.asked) return;
      this.show([]);
      this.say("bad", problem.sentence);
    }
    if (look) this.lookAtAll();
  }

  showAnswer(answer) {
    const refused = answer.features.filter((one) => one.what === "refused").length;
    this.show(answer.features);
    if (refused) this.say("bad", t("geofences_import_refused", { n: refused }));
    else this.say("good", t("geofences_import_ok", answer));
    const count = answer.created + answer.changed;
    this.button.disabled = refused > 0 || !count;
    this.button.querySelector("span").textContent = refused || !count ? t("geofences_import_do") : t("geofences_import_n", { n: count });
  }

  /** The features of the file: in a list, those that cannot be saved first, and on the map. */
  show(features) {
    this.features = features;
    const order = features.map((_, k) => k).sort((a, b) => (features[b].what === "refused") - (features[a].what === "refused") || a - b);
    this.part("fates").replaceChildren(
      ...order.slice(0, ROWS_MAX).map((k) => {
        const { what: fate, name, kind, detail, feature, part, folder } = features[k];
        const place = t("geofences_import_feature", { n: feature + 1 });
        const said = [folder, name ? place + (part ? ` (${part})` : "") : "", detail].filter(Boolean).join(" · ");
        return make(
          "li",
          {},
          make(
            "button",
            { type: "button", class: `fate ${fate}`, "data-at": k, disabled: !features[k].geometry },
            icon(SIGNS[kind] ?? "alert"),
            make("span", { class: "fence-said" }, make("b", {}, name || place), said ? make("small", {}, said) : ""),
            make("span", { class: `badge ${KINDS[fate]}` }, t(`geofences_fate_${fate}`)),
          ),
        );
      }),
    );
    const more = features.length - ROWS_MAX;
    this.part("fates-more").hidden = more <= 0;
    this.part("fates-more").textContent = more > 0 ? t("geofences_import_more", { n: more }) : "";
    this.how.view.preview(features.filter((one) => one.geometry).map((one) => this.drawn(one)));
  }

  drawn({ geometry, what, radius_m, width_m }) {
    const properties = { radius_m, width_m };
    const sized = (geometry.type === "Point" && radius_m) || (geometry.type === "LineString" && width_m);
    const whole = what !== "refused" && (sized || geometry.type === "Polygon");
    // A refused shape may be anything: of an area that crosses itself a map may see nothing, so its edges are drawn.
    const edges = geometry.type === "Polygon" ? { type: "MultiLineString", coordinates: geometry.coordinates } : geometry;
    const feature = whole ? painted({ id: 0, geometry, properties }) : { type: "Feature", geometry: edges };
    return { ...feature, properties: { fate: what } };
  }

  shapeAt({ geometry, radius_m, width_m }) {
    const shape = shapeOf({ geometry, properties: { radius_m: radius_m || 100, width_m: width_m || 20 } });
    return { kind: "polygon", rings: ringsOf(shape) };
  }

  look(at) {
    const one = this.features[at];
    if (one?.geometry) this.how.view.look([this.shapeAt(one)]);
  }

  lookAtAll() {
    const shapes = this.features.filter((one) => one.geometry).map((one) => this.shapeAt(one));
    if (shapes.length) this.how.view.look(shapes);
  }

  say(kind, text) {
    const signs = { good: "check", bad: "alert", busy: "refresh" };
    this.part("report").replaceChildren(text ? make("div", { class: `message ${kind === "busy" ? "info" : kind}` }, icon(signs[kind]), make("div", { class: "said" }, text)) : "");
  }

  async save() {
    const { button } = this;
    const bar = this.part("progress");
    button.setAttribute("aria-busy", "true");
    bar.hidden = false;
    bar.removeAttribute("value");
    try {
      const answer = await this.ask(false, (part) => {
        // Once all of it is there the server is at work: how far, it does not say.
        if (part < 1) bar.value = part;
        else bar.removeAttribute("value");
      });
      toast({ kind: "good", title: t("geofences_imported", { n: answer.created + answer.changed }) });
      this.file = null;
      this.how.view.preview([]);
      this.how.list();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      // Somebody has changed something since it was looked at: look again.
      if (problem.refusals.length) await this.rehearse();
      else this.say("bad", problem.sentence);
    } finally {
      button.removeAttribute("aria-busy");
      bar.hidden = true;
    }
  }
}

// Builds assets/ from islands/: one entry an island, shared code in chunks, names that carry their content's hash.
//
// assets/manifest.json says for each island which files a page loads for it, and which texts it shows: they are found
// here by reading t("key") and t(`family_${name}`) in the sources, so that the server sends just those. It also holds a
// digest of all sources and the lock, by which a test without node notices that assets are stale.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, rmSync, mkdirSync, writeFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, basename } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(here, "../assets");
process.chdir(here);

// Every file here is an island of its own, but those whose name starts with a capital: they are parts of others.
const isIsland = (name) => /^[a-z][a-z0-9_]*\.(js|css)$/.test(name);
const islands = readdirSync(here).filter(isIsland).sort();
// Styles that only accompany a script of the same name are imported by it.
const scripts = islands.filter((name) => name.endsWith(".js"));
const styles = islands.filter((name) => name.endsWith(".css") && !scripts.includes(name.replace(/\.css$/, ".js")));
if (!styles.includes("portal.css")) styles.push("portal.css");

// light-dark(a, b) stands once in the sources, and becomes one block a theme: older browsers have no such function, and
// scripts that paint (map, charts) read plain colours from the computed style.
const themes = {
  name: "themes",
  setup(build) {
    build.onLoad({ filter: /islands\/[a-z_]+\.css$/ }, ({ path }) => ({
      contents: lowerThemes(readFileSync(path, "utf8")),
      loader: "css",
      resolveDir: dirname(path),
    }));
  },
};

function lowerThemes(css) {
  const dark = [];
  const light = css.replace(/(--[a-z0-9-]+):\s*light-dark\(([^,]+),\s*([^;]+)\);/g, (_, name, bright, dim) => {
    dark.push(`${name}: ${dim.trim()};`);
    return `${name}: ${bright.trim()};`;
  });
  if (!dark.length) return css;
  const block = `color-scheme: dark; ${dark.join(" ")}`;
  return (
    `${light}\n:root[data-theme="dark"] { ${block} }\n` +
    `@media (prefers-color-scheme: dark) { :root:not([data-theme="light"]) { ${block} } }\n`
  );
}

const common = {
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome108", "firefox110", "safari16"],
  outdir: out,
  entryNames: "[name]-[hash]",
  chunkNames: "chunk-[hash]",
  assetNames: "[name]-[hash]",
  legalComments: "eof",
  charset: "utf8",
  metafile: true,
  loader: { ".svg": "file" },
  logLevel: "warning",
  absWorkingDir: here,
};

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const main = await esbuild.build({ ...common, entryPoints: scripts, splitting: true, plugins: [themes] });
const sheets = await esbuild.build({ ...common, entryPoints: styles, plugins: [themes] });
// The map's worker runs apart from any page: it shares no chunk with the islands.
const worker = await esbuild.build({
  ...common,
  entryPoints: [{ in: "node_modules/maplibre-gl/dist/maplibre-gl-worker.mjs", out: "map-worker" }],
});

const named = (path) => basename(path);
const entries = {};
for (const built of [main, sheets, worker]) {
  for (const [path, made] of Object.entries(built.metafile.outputs)) {
    if (!made.entryPoint) continue;
    const source = made.entryPoint.includes("maplibre-gl-worker") ? "map-worker.js" : made.entryPoint;
    if (source.endsWith(".css")) {
      entries[source] = { file: named(path), needs: [], styles: [], texts: [], families: [] };
      continue;
    }
    const reached = reachedFrom(built.metafile, path);
    const own = [...reached.inputs].filter((input) => !input.includes("node_modules"));
    entries[source] = {
      file: named(path),
      needs: [...reached.outputs].filter((name) => name !== path).map(named).sort(),
      styles: made.cssBundle ? [named(made.cssBundle)] : [],
      ...textsOf(own),
    };
  }
}
writeIcons();
writeLicences([main, sheets, worker]);

function reachedFrom(metafile, path) {
  const outputs = new Set();
  const inputs = new Set();
  const walk = (one) => {
    if (outputs.has(one)) return;
    outputs.add(one);
    Object.keys(metafile.outputs[one].inputs).forEach((input) => inputs.add(input));
    // What is loaded only when asked for (import()) is not preloaded, but its texts must be there.
    metafile.outputs[one].imports.filter((used) => !used.external).forEach((used) => walk(used.path));
  };
  walk(path);
  return { outputs, inputs };
}

function textsOf(paths) {
  const texts = new Set();
  const families = new Set();
  for (const path of paths) {
    if (!path.endsWith(".js")) continue;
    const source = readFileSync(join(here, path), "utf8");
    for (const [, key] of source.matchAll(/\bt\("([a-z0-9_]+)"/g)) texts.add(key);
    for (const [, family] of source.matchAll(/\bt\(`([a-z0-9_]+_)\$\{/g)) families.add(family);
  }
  return { texts: [...texts].sort(), families: [...families].sort() };
}

function writeIcons() {
  // Each icon a file of islands/icons/, one sprite of them all.
  const directory = join(here, "icons");
  const symbols = readdirSync(directory)
    .filter((name) => name.endsWith(".svg"))
    .sort()
    .map((name) => {
      const svg = readFileSync(join(directory, name), "utf8");
      const [, box, inside] = svg.match(/<svg[^>]*viewBox="([^"]+)"[^>]*>([\s\S]*)<\/svg>/);
      return `<symbol id="${name.slice(0, -4)}" viewBox="${box}">${inside.trim()}</symbol>`;
    });
  const sprite = `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>\n`;
  const file = `icons-${hash(sprite)}.svg`;
  writeFileSync(join(out, file), sprite);
  entries["icons.svg"] = { file, needs: [], styles: [], texts: [], families: [] };
  const favicon = readFileSync(join(here, "favicon.svg"), "utf8");
  const named = `favicon-${hash(favicon)}.svg`;
  writeFileSync(join(out, named), favicon);
  entries["favicon.svg"] = { file: named, needs: [], styles: [], texts: [], families: [] };
}

function writeLicences(builds) {
  // Who ships others' code ships their terms: of every package that went into a bundle, and of what those carry.
  const packages = new Set(["maplibre-gl"]);
  for (const built of builds) {
    for (const path of Object.keys(built.metafile.inputs)) {
      const found = path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
      if (found) packages.add(found[1]);
    }
  }
  // Bundled inside its own distribution.
  const { dependencies } = JSON.parse(readFileSync(join(here, "node_modules/maplibre-gl/package.json"), "utf8"));
  for (const name of Object.keys(dependencies)) if (!name.startsWith("@types/")) packages.add(name);
  const texts = [...packages].sort().map((name) => {
    const directory = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
    const isTerms = (file) => /^(licen[cs]e|notice)/i.test(file) && statSync(join(directory, file)).isFile();
    const terms = readdirSync(directory).filter(isTerms).sort();
    const said = terms.map((file) => readFileSync(join(directory, file), "utf8").trim()).join("\n\n");
    return `${name} ${version} (${license})\n${"=".repeat(60)}\n${said || "No text of its own beside the name of its licence."}\n`;
  });
  const text = texts.join("\n\n");
  const file = `licences-${hash(text)}.txt`;
  writeFileSync(join(out, file), text);
  entries["licences.txt"] = { file, needs: [], styles: [], texts: [], families: [] };
}

function hash(text) {
  return createHash("sha256").update(text).digest("hex").slice(0, 8).toUpperCase();
}

function sourcesDigest() {
  const digest = createHash("sha256");
  const files = [];
  const walk = (directory) => {
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      if (name === "node_modules" || name.startsWith(".")) continue;
      if (statSync(path).isDirectory()) walk(path);
      else files.push(relative(here, path));
    }
  };
  walk(here);
  for (const file of files.sort()) digest.update(`${file}\0`).update(readFileSync(join(here, file))).update("\0");
  return digest.digest("hex");
}

const manifest = { sources: sourcesDigest(), islands: Object.fromEntries(Object.entries(entries).sort()) };
writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);

let bytes = 0;
for (const name of readdirSync(out)) bytes += statSync(join(out, name)).size;
console.log(`assets: ${Object.keys(entries).length} islands, ${readdirSync(out).length} files, ${bytes >> 10} KB`);

// What a careful reader sees at once on any page, as a list of sentences; [] is a good page.
() => {
  const faults = [];
  const shown = (element) => {
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    return box.width > 0 && box.height > 0 && style.visibility !== "hidden" && style.display !== "none";
  };
  const hidden = (element) => element.closest("[aria-hidden=true], [hidden], dialog:not([open])") !== null;
  const say = (element, what) => {
    const tag = element.outerHTML.replace(/\s+/g, " ").slice(0, 140);
    faults.push(`${what}: ${tag}`);
  };

  if (!document.title.trim()) faults.push("no title");
  if (!document.documentElement.lang) faults.push("no language");
  const headings = [...document.querySelectorAll("h1")].filter((one) => !hidden(one));
  if (headings.length !== 1) faults.push(`${headings.length} h1 headings`);
  const root = document.scrollingElement;
  if (root.scrollWidth > root.clientWidth + 1) {
    let widest = null;
    for (const one of document.body.querySelectorAll("*")) {
      const right = one.getBoundingClientRect().right;
      if (right > root.clientWidth + 1 && (!widest || right > widest[0])) widest = [right, one];
    }
    faults.push(`scrolls sideways: ${root.scrollWidth} px in ${root.clientWidth}`);
    if (widest) say(widest[1], `reaches ${Math.round(widest[0])} px`);
  }

  const seen = new Set();
  for (const one of document.querySelectorAll("[id]")) {
    if (seen.has(one.id)) say(one, "id used twice");
    seen.add(one.id);
  }
  const text = (element) => (element.textContent || "").trim();
  const named = (element) => {
    if ((element.getAttribute("aria-label") || "").trim() || (element.title || "").trim()) return true;
    const by = element.getAttribute("aria-labelledby");
    if (by && by.split(/\s+/).some((id) => document.getElementById(id) && text(document.getElementById(id)))) return true;
    if (element.labels && [...element.labels].some((label) => text(label))) return true;
    return false;
  };
  for (const one of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!hidden(one) && !named(one)) say(one, "field without a label");
  }
  for (const one of document.querySelectorAll("button, a[href], [role=button], [role=tab], summary")) {
    const pictured = [...one.querySelectorAll("img[alt], svg[aria-label], svg > title")].length > 0;
    if (!hidden(one) && !text(one) && !named(one) && !pictured) say(one, "nothing says what it does");
  }
  for (const one of document.querySelectorAll("img:not([alt])")) say(one, "picture without alt");
  for (const one of document.querySelectorAll("[tabindex]")) if (one.tabIndex > 0) say(one, "tabindex above 0");
  for (const one of document.querySelectorAll("table")) if (!one.querySelector("th")) say(one, "table without headings");
  for (const one of document.querySelectorAll("[style]")) {
    // What a script sets is fine; what stands in the page's source the policy would refuse anyway.
    if (one.closest(".maplibregl-map, canvas") === null && one.getAttribute("style").includes("url(")) say(one, "style loads");
  }

  // Contrast as computed, of every text on what lies under it. Canvas text is not seen from here.
  const numbers = (colour) => {
    const canvas = (numbers.canvas ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true }));
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map((k) => top[k] * top[3] + under[k] * (1 - top[3])).concat(1);
  const ground = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const style = getComputedStyle(one);
      if (style.backgroundImage !== "none") return null;
      const colour = numbers(style.backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    const page = numbers(getComputedStyle(document.documentElement).backgroundColor);
    let under = page[3] ? over(page, [255, 255, 255, 1]) : [255, 255, 255, 1];
    for (const layer of layers.reverse()) under = over(layer, under);
    return under;
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => ((v /= 255), v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const judged = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || judged.has(element)) continue;
    judged.add(element);
    if (!shown(element) || hidden(element) || element.closest("option, script, template, noscript, :disabled, [aria-disabled=true]")) continue;
    if (element.closest(".maplibregl-map, .map")) continue;
    const style = getComputedStyle(element);
    let opacity = 1;
    for (let one = element; one; one = one.parentElement) opacity *= Number(getComputedStyle(one).opacity);
    if (opacity < 0.05) continue;
    const under = ground(element);
    if (!under) continue;
    const ink = numbers(style.color);
    ink[3] *= opacity;
    const [a, b] = [light(over(ink, under)), light(under)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5) - 0.01) say(element, `contrast ${ratio.toFixed(2)}`);
  }
  return faults.slice(0, 20);
}

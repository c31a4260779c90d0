// An icon of the sprite, as the server draws it.

const sprite = document.querySelector('meta[name="icons"]')?.content ?? "";
const SVG = "http://www.w3.org/2000/svg";

/** Return an <svg> of this icon. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}

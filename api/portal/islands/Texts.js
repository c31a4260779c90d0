// The texts that the page's islands show, as the server sent them: blocks of JSON, in the reader's language.

const texts = new Map();
for (const block of document.querySelectorAll('script[type="application/json"][data-texts]'))
  for (const [key, text] of Object.entries(JSON.parse(block.textContent))) texts.set(key, text);

/** Return the text of a key with {names} filled in; values are plain text: put it into textContent, never innerHTML. */
export function t(key, values = {}) {
  const text = texts.get(key);
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export const has = (key) => texts.has(key);
export const language = document.documentElement.lang || "en";

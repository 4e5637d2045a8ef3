// @ts-check
/** Numbers and names in words. */

/** @param {number} number @param {string} one @param {string} [many] */
export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

/** @param {string} uri The last part of it: a file's name. */
export function baseName(uri) {
  return uri.split(/[/\\]/).filter(Boolean).at(-1) ?? uri;
}

/** @param {string} text @param {number} longest */
export function cut(text, longest) {
  return text.length > longest ? `${text.slice(0, longest).trimEnd()}…` : text;
}

/** @param {string} at ISO 8601. */
export function when(at) {
  return new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

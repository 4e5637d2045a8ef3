// @ts-check
/** A page of a document that has no look of its own (text, HTML, spreadsheets): what stands on it. */

import { get, pathOf } from "./api.js";
import { h } from "./dom.js";

const MOST = 200;
/** Formats without pages that can be drawn; anything else that goes wrong is told as it is. */
const UNDRAWN = "unsupported_format";

/**
 * The words of a page, the quote marked in them.
 *
 * @param {{document_id: string, quote?: string}} place
 * @param {number} page
 * @param {import("./api.js").Problem} problem why there is no picture.
 */
export async function textOf(place, page, problem) {
  if (problem.code !== UNDRAWN) return h("p", { className: "bad" }, problem.message);
  const elements = await elementsOf(place.document_id, page);
  return h(
    "div",
    { className: "paper words" },
    elements.map((one) => block(one, place.quote ?? "")),
  );
}

/** @param {string} id @param {number} page */
async function elementsOf(id, page) {
  const found = [];
  let after;
  do {
    const answer = await get(pathOf(["documents", id, "elements"], { after, limit: MOST }));
    found.push(
      ...answer.items.filter((/** @type {any} */ one) => one.page === page && one.kind !== "page"),
    );
    if (answer.items.at(-1)?.page > page) break;
    after = answer.next ?? undefined;
  } while (after);
  return found;
}

/** @param {any} element @param {string} quote */
function block(element, quote) {
  if (element.cells.length > 0) return table(element, quote);
  const text = element.text || element.caption;
  return element.level ? h("h3", {}, marked(text, quote)) : h("p", {}, marked(text, quote));
}

/** @param {any} element @param {string} quote */
function table(element, quote) {
  const said = quote.split(" | ").map(plain).filter(Boolean);
  const rows = element.cells.map((/** @type {string[]} */ cells, /** @type {number} */ at) => {
    const cited =
      said.length > 1 &&
      cells
        .map(plain)
        .filter(Boolean)
        .every((cell) => said.includes(cell));
    const tag = at < element.header_rows ? "th" : "td";
    return h(
      "tr",
      { className: cited ? "mark" : null },
      cells.map((cell) => h(tag, {}, marked(cell, quote))),
    );
  });
  return h(
    "table",
    {},
    element.caption ? h("caption", {}, element.caption) : null,
    h("tbody", {}, rows),
  );
}

/**
 * A text, with the part of it that is quoted marked.
 *
 * @param {string} text
 * @param {string} quote
 * @returns {(string | Node)[]}
 */
export function marked(text, quote) {
  const at = quote ? text.indexOf(quote) : -1;
  if (at < 0) return [text];
  return [
    text.slice(0, at),
    h("mark", { className: "mark" }, quote),
    text.slice(at + quote.length),
  ];
}

/** @param {string} text */
function plain(text) {
  return text.trim().toLowerCase();
}

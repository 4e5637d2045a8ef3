// @ts-check
/** What is taken away from the page: an answer as text, a trace as a file. */

import { pathOf, send } from "./api.js";
import { h } from "./dom.js";

/**
 * An answer with its sources, as text.
 *
 * @param {any} answer
 */
export function asText(answer) {
  const sources = answer.citations.map(
    (/** @type {any} */ one) =>
      `[${one.marker}] ${one.title || one.uri}, page ${one.page}${one.quote ? `: “${one.quote}”` : ""}`,
  );
  return [answer.question, answer.text, sources.join("\n")].filter(Boolean).join("\n\n");
}

/**
 * Put a text on the clipboard.
 *
 * @param {string} text
 */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Not over plain HTTP from another machine: there only what is selected can be copied.
  const field = h("textarea", { value: text, className: "unseen" });
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (!copied) throw new Error("The browser does not let the page copy.");
}

/**
 * Save a trace as a file.
 *
 * @param {string} id
 */
export async function download(id) {
  const response = await send(pathOf(["traces", id]));
  const url = URL.createObjectURL(await response.blob());
  h("a", { href: url, download: `cogagent-trace-${id}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser reads it after the click
}

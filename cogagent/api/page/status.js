// @ts-check
/** What is told in passing: seen at the top, and read out by screen readers. */

import { byId } from "./dom.js";

/** Milliseconds for which a notice stays. */
const STAYS = 8000;
let clearing = 0;

/**
 * Tell the user something.
 *
 * @param {string} text
 * @param {boolean} [bad] Whether something went wrong.
 */
export function tell(text, bad = false) {
  const place = byId("status");
  place.textContent = text;
  place.classList.toggle("bad", bad);
  clearTimeout(clearing);
  clearing = setTimeout(() => (place.textContent = ""), STAYS);
}

/**
 * Have something read out that is seen elsewhere.
 *
 * @param {string} text
 */
export function readOut(text) {
  byId("read-out").textContent = text;
}

/** @param {unknown} error */
export function tellError(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  tell(error instanceof Error ? error.message : String(error), true);
}

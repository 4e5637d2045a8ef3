// @ts-check
/** Pictures of the service: fetched with the API key, shown as blobs, kept while they are of use. */

import { send } from "./api.js";
import { h } from "./dom.js";

const KEPT = 60;
/** @type {Map<string, Promise<string>>} */
const kept = new Map();

/**
 * The address of a picture as a blob, fetched once.
 *
 * @param {string} path
 * @returns {Promise<string>}
 */
export function blobOf(path) {
  const found = kept.get(path) ?? fetched(path);
  kept.delete(path);
  kept.set(path, found); // the last used last
  for (const [old, url] of kept) {
    if (kept.size <= KEPT) break;
    kept.delete(old);
    url.then(URL.revokeObjectURL, () => {}); // one that failed has nothing to be revoked
  }
  return found;
}

/**
 * A picture that is fetched when it is scrolled into sight; what cannot be fetched says so.
 *
 * @param {string} path
 * @param {string} text for who does not see it.
 */
export function lazy(path, text) {
  const frame = h("div", { className: "thumb", data: { path, text } });
  seen.observe(frame);
  return frame;
}

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    fill(/** @type {HTMLElement} */ (target));
  }
});

/** @param {HTMLElement} frame */
async function fill(frame) {
  const { path = "", text = "" } = frame.dataset;
  try {
    frame.replaceChildren(h("img", { src: await blobOf(path), alt: text }));
  } catch (error) {
    frame.replaceChildren(
      h("p", { className: "soft small" }, `No picture: ${/** @type {Error} */ (error).message}`),
    );
  }
}

/** @param {string} path */
async function fetched(path) {
  try {
    return URL.createObjectURL(await (await send(path)).blob());
  } catch (error) {
    kept.delete(path); // to be tried again
    throw error;
  }
}

// @ts-check
/** The API key: asked for when the service wants one, kept while the tab is open. */

import { key } from "./api.js";
import { byId } from "./dom.js";

/** @type {Promise<boolean> | null} The one that is open: many requests may want a key at once. */
let asked = null;

/**
 * Ask for a key.
 *
 * @returns {Promise<boolean>} Whether one was given.
 */
export function askForKey() {
  asked ??= opened().finally(() => (asked = null));
  return asked;
}

/** Show how to leave, if there is a key to be forgotten. */
export function showSignedIn() {
  byId("sign-out").hidden = !key.get();
}

/** Let the button forget the key; the page begins anew. */
export function watchSignOut() {
  byId("sign-out").addEventListener("click", () => {
    key.set("");
    location.reload();
  });
}

function opened() {
  /** @type {HTMLDialogElement} */
  const dialog = byId("key-dialog");
  const field = byId("key");
  byId("key-refused").hidden = !key.get();
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        const given = dialog.returnValue === "use" ? field.value.trim() : "";
        field.value = "";
        if (given) key.set(given);
        showSignedIn();
        resolve(Boolean(given));
      },
      { once: true },
    );
  });
}

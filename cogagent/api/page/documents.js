// @ts-check
/** The documents of the collection: opened, left out of searches, deleted. */

import { get, pathOf, send } from "./api.js";
import { button, byId, h, sign } from "./dom.js";
import { Listing } from "./lists.js";
import { tell, tellError } from "./status.js";
import { baseName, count } from "./words.js";

/** The list of a collection's documents. */
export class Documents {
  /**
   * @param {import("./run.js").Open} open shows a place in its document.
   * @param {() => void} onChange There are others now.
   */
  constructor(open, onChange) {
    this.open = open;
    this.onChange = onChange;
    this.listing = new Listing(byId("documents"), byId("more-documents"), (one) =>
      this.#entry(one),
    );
  }

  /** @param {string} collection */
  async show(collection) {
    const about = await get(pathOf(["collections", collection])).catch((error) => {
      if (error.status === 404) return { documents: 0, pages: 0 }; // the default one, not made yet
      throw error;
    });
    byId("documents-count").textContent = about.documents ? `${about.documents}` : "";
    byId("no-documents").hidden = about.documents > 0;
    if (about.documents > 0) await this.listing.show(["collections", collection, "documents"]);
    else this.listing.list.replaceChildren();
  }

  /** @param {any} one */
  #entry(one) {
    const name = one.title || one.uri;
    const file = baseName(one.uri);
    const opener = button(
      "link grow",
      () => this.open(placeIn(one), opener),
      name,
      file && file !== name ? h("span", { className: "soft small file" }, file) : null,
    );
    opener.title = one.uri;
    const used = h("input", {
      type: "checkbox",
      checked: one.enabled,
      "aria-label": `Search in ${name}`,
      title: "Search in it",
      onchange: () => this.#enable(one.id, name, used),
    });
    return h(
      "li",
      { className: "entry" },
      used,
      opener,
      h("span", { className: "soft small", title: count(one.pages, "page") }, `${one.pages} p.`),
      sign("×", `Delete ${name}`, () => this.#delete(one.id, name)),
    );
  }

  /** @param {string} id @param {string} name @param {HTMLInputElement} used */
  async #enable(id, name, used) {
    const wanted = used.checked;
    try {
      await send(pathOf(["documents", id, wanted ? "enable" : "disable"]), { method: "POST" });
      tell(wanted ? `“${name}” is searched again.` : `“${name}” is left out of searches.`);
    } catch (error) {
      used.checked = !wanted;
      tellError(error);
    }
  }

  /** @param {string} id @param {string} name */
  async #delete(id, name) {
    if (!confirm(`Delete “${name}” from the collection?`)) return;
    try {
      await send(pathOf(["documents", id]), { method: "DELETE" });
      tell(`“${name}” is deleted.`);
      this.onChange();
    } catch (error) {
      tellError(error);
    }
  }
}

/** @param {any} one @returns {import("./viewer.js").Place} */
function placeIn(one) {
  return { document_id: one.id, title: one.title || one.uri, page: 1, boxes: [] };
}

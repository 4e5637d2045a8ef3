// @ts-check
/** Pieces of evidence as cards. */

import { pathOf } from "./api.js";
import { button, h } from "./dom.js";
import { lazy } from "./images.js";
import { count, cut } from "./words.js";

/** Characters of a text that a card shows. */
const LONGEST = 280;
/** Cards that are shown at once, unless an answer cites more. */
const FIRST = 6;

/** The evidence of one question, what is cited before the rest. */
export class Cards {
  /** @param {import("./run.js").Open} open */
  constructor(open) {
    this.open = open;
    /** @type {Map<string, HTMLElement>} */
    this.cards = new Map();
    this.all = false;
    this.list = h("ul", { className: "cards" });
    this.more = button("quiet", () => this.#showAll());
    this.more.hidden = true;
    this.root = h("div", {}, this.list, this.more);
  }

  get size() {
    return this.cards.size;
  }

  /** @param {any} evidence */
  add(evidence) {
    if (this.cards.has(evidence.id)) return;
    const made = card(evidence, this.open);
    this.cards.set(evidence.id, made);
    this.list.append(made);
    this.#fold();
  }

  /** @param {any[]} citations */
  cite(citations) {
    for (const { evidence_id, marker } of [...citations].reverse()) {
      const cited = this.cards.get(evidence_id);
      if (cited === undefined) continue;
      cited.classList.add("cited");
      cited.querySelector(".markers")?.prepend(h("span", { className: "marker still" }, marker));
      this.list.prepend(cited);
    }
    this.#fold();
  }

  #showAll() {
    this.all = true;
    this.#fold();
    this.list.querySelector("button")?.focus(); // the one that was pressed is gone
  }

  #fold() {
    const cards = /** @type {HTMLElement[]} */ ([...this.list.children]);
    cards.forEach(
      (one, at) => (one.hidden = !this.all && at >= FIRST && !one.classList.contains("cited")),
    );
    const folded = cards.filter((one) => one.hidden).length;
    this.more.hidden = folded === 0;
    this.more.textContent = `Show ${count(folded, "more piece", "more pieces")}`;
  }
}

/** @param {any} found @returns {import("./viewer.js").Place} */
function placeOf(found) {
  const boxes = found.boxes.length ? found.boxes : [{ page: found.page, box: found.box }];
  const { document_id, title, uri, page, quote } = found;
  return { document_id, title: title || uri, page, boxes, quote };
}

/** @param {any} found A citation or evidence. */
export function sourceOf(found) {
  return `${found.title || found.uri}, page ${found.page}`;
}

/**
 * A button that leads to where evidence, or a citation, stands.
 *
 * @param {string} className
 * @param {any} found
 * @param {import("./run.js").Open} open
 * @param {string} [text]
 */
export function leading(className, found, open, text = sourceOf(found)) {
  const made = button(className, () => open(placeOf(found), made), text);
  return made;
}

/** @param {any} evidence @param {import("./run.js").Open} open */
function card(evidence, open) {
  return h(
    "li",
    { className: "card" },
    h(
      "div",
      { className: "row top" },
      h("span", { className: "markers" }),
      leading("link", evidence, open),
    ),
    evidence.modality === "image"
      ? lazy(cropOf(evidence), evidence.caption || `Picture on page ${evidence.page}`)
      : null,
    h("p", { className: "snippet" }, cut(evidence.text || evidence.caption, LONGEST)),
    h("p", { className: "soft small" }, `${evidence.modality} · step ${evidence.step}`),
  );
}

/** @param {any} found The path of the picture of its place. */
function cropOf(found) {
  const names = ["documents", found.document_id, "pages", found.page, "crop"];
  return pathOf(names, { box: found.box.join(","), side: 640 });
}

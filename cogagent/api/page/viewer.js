// @ts-check
/** A page beside the answer, with rectangles drawn where it is cited; it can be turned and zoomed. */

import { get, pathOf } from "./api.js";
import { h, sign, svg } from "./dom.js";
import { blobOf } from "./images.js";
import { textOf } from "./pagetext.js";

const ZOOMS = [1, 1.5, 2, 3, 4, 6];
/** Dots an inch of a page's picture, by zoom: what fills the pane needs fewer. */
const DPI = [110, 150, 200, 300, 300, 300];
/** Pixels across under which a whole page cannot be read; what is cited is shown larger then. */
const LEGIBLE = 480;
const LARGER = 2;
/** Pixels between a rectangle that is led to and the pane's edge. */
const MARGIN = 8;
/** Where the pane covers all else (as in `page.css`). */
const COVERS = matchMedia("(max-width: 700px)");

/**
 * A place in a document.
 *
 * @typedef {object} Place
 * @property {string} document_id
 * @property {string} title
 * @property {number} page from 1
 * @property {{page: number, box: number[]}[]} boxes in fractions of their pages
 * @property {string} [quote] what stands there
 */

/** The pane that shows cited pages. */
export class Viewer {
  /** @param {HTMLElement} pane */
  constructor(pane) {
    this.pane = pane;
    /** @type {Place | null} */
    this.place = null;
    this.page = 1;
    this.pages = 1;
    this.zoom = 0;
    /** @type {Element | null} */
    this.opener = null;
    this.head = h("h2", { className: "viewer-title", tabindex: "-1" });
    this.told = h("p", { className: "soft", role: "status" });
    this.quote = h("blockquote", { className: "quote" });
    this.sheet = h("div", { className: "sheet" });
    this.view = h(
      "div",
      { className: "view", tabindex: "0", role: "group", "aria-label": "Page" },
      this.sheet,
    );
    this.back = sign("‹", "Previous page", () => this.turn(-1));
    this.on = sign("›", "Next page", () => this.turn(1));
    this.smaller = sign("−", "Smaller", () => this.scale(-1));
    this.larger = sign("+", "Larger", () => this.scale(1));
    pane.append(
      h(
        "div",
        { className: "row viewer-bar" },
        this.head,
        sign("×", "Close the page", () => this.close()),
      ),
      h(
        "div",
        { className: "row" },
        this.back,
        this.told,
        this.on,
        h("span", { className: "grow" }),
        this.smaller,
        this.larger,
      ),
      this.quote,
      this.view,
    );
    pane.addEventListener("keydown", (event) => this.#key(event));
    COVERS.addEventListener("change", () => this.#cover());
  }

  /**
   * Show a place.
   *
   * @param {Place} place
   * @param {Element | null} [opener] gets the focus back in the end.
   */
  async open(place, opener = document.activeElement) {
    [this.place, this.page, this.pages] = [place, place.page, place.page];
    this.opener = opener;
    this.pane.hidden = false;
    document.body.classList.add("viewing");
    this.zoom = place.boxes.length && this.pane.clientWidth < LEGIBLE ? LARGER : 0;
    this.#cover();
    this.head.textContent = place.title;
    this.quote.textContent = place.quote ?? "";
    this.quote.hidden = !place.quote;
    opener?.scrollIntoView({ block: "nearest" }); // it may have moved, since there is less room
    this.head.focus({ preventScroll: true });
    await Promise.all([this.#show(), this.#count(place)]);
  }

  /** Hide the pane. */
  close() {
    this.pane.hidden = true;
    this.place = null;
    this.#cover();
    document.body.classList.remove("viewing");
    if (this.opener instanceof HTMLElement && this.opener.isConnected) this.opener.focus();
  }

  /** @param {number} by pages. */
  turn(by) {
    const page = Math.min(Math.max(this.page + by, 1), this.pages);
    if (page === this.page) return;
    this.page = page;
    this.view.scrollTo(0, 0);
    this.#show();
  }

  /** @param {number} by steps of zoom. */
  scale(by) {
    const zoom = Math.min(Math.max(this.zoom + by, 0), ZOOMS.length - 1);
    if (zoom === this.zoom) return;
    this.zoom = zoom;
    this.#show();
  }

  /** Keep keyboards and screen readers out of what is covered. */
  #cover() {
    const covered = COVERS.matches && this.place !== null;
    for (const other of document.querySelectorAll("header, nav, main"))
      other.toggleAttribute("inert", covered);
  }

  /** @param {Place} place */
  async #count(place) {
    const found = await get(pathOf(["documents", place.document_id])).catch(() => null);
    if (this.place !== place || found === null) return;
    this.pages = Math.max(found.pages, place.page);
    this.#tell();
  }

  async #show() {
    const { place, page, zoom } = this;
    if (place === null) return;
    this.#tell();
    this.view.setAttribute("aria-busy", "true");
    const names = ["documents", place.document_id, "pages", page, "picture"];
    let shown;
    try {
      shown = await picture(
        pathOf(names, { dpi: DPI[zoom] }),
        `Page ${page} of ${place.title}`,
        this.#boxes(),
      );
    } catch (error) {
      shown = await textOf(place, page, /** @type {any} */ (error));
    }
    if (this.place !== place || this.page !== page || this.zoom !== zoom) return; // something else by now
    this.sheet.style.width = `${ZOOMS[zoom] * 100}%`;
    this.sheet.replaceChildren(shown);
    this.view.removeAttribute("aria-busy");
    lead(this.view, [...this.sheet.querySelectorAll(".mark")]);
  }

  #boxes() {
    return (this.place?.boxes ?? []).filter((one) => one.page === this.page).map((one) => one.box);
  }

  #tell() {
    this.told.textContent = `Page ${this.page} of ${this.pages}`;
    this.back.disabled = this.page <= 1;
    this.on.disabled = this.page >= this.pages;
    this.smaller.disabled = this.zoom <= 0;
    this.larger.disabled = this.zoom >= ZOOMS.length - 1;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const does = {
      Escape: () => this.close(),
      PageDown: () => this.turn(1),
      PageUp: () => this.turn(-1),
      "+": () => this.scale(1),
      "=": () => this.scale(1),
      "-": () => this.scale(-1),
    }[event.key];
    if (does === undefined) return;
    event.preventDefault();
    does();
  }
}

/**
 * Scroll to the first rectangle, and to the beginning of lines that are wider than the pane.
 *
 * @param {Element} view
 * @param {Element[]} marks
 */
function lead(view, marks) {
  marks[0]?.scrollIntoView({ block: "center", inline: "center" });
  const left = Math.min(...marks.map((one) => one.getBoundingClientRect().left));
  const hidden = view.getBoundingClientRect().left + MARGIN - left;
  if (marks.length && hidden > 0) view.scrollLeft -= hidden;
}

/**
 * A page's picture with rectangles over it.
 *
 * @param {string} path
 * @param {string} text for who does not see it.
 * @param {number[][]} boxes in fractions of the page.
 */
async function picture(path, text, boxes) {
  const image = h("img", { src: await blobOf(path), alt: text });
  await image.decode();
  const overlay = svg("svg", {
    class: "overlay",
    viewBox: "0 0 1 1",
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  overlay.append(
    ...boxes.map(([x0, y0, x1, y1]) =>
      svg("rect", { class: "mark", x: x0, y: y0, width: x1 - x0, height: y1 - y0 }),
    ),
  );
  return h("div", { className: "paper" }, image, overlay);
}

// @ts-check
/** Lists that come a page at a time. */

import { get, pathOf } from "./api.js";
import { tellError } from "./status.js";

/** Entries shown at first, and with each click on the button for more. */
const PAGE = 50;

/** A list of the service, shown as far as it was asked for. */
export class Listing {
  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} more The button for the next page.
   * @param {(one: any) => Node} entry
   */
  constructor(list, more, entry) {
    this.list = list;
    this.more = more;
    this.entry = entry;
    /** @type {string[]} */
    this.names = [];
    this.next = "";
    this.turn = 0;
    more.addEventListener("click", () => this.#add(this.turn).catch(tellError));
  }

  /**
   * Show a list from its beginning.
   *
   * @param {string[]} names Of its path.
   */
  async show(names) {
    this.turn += 1;
    [this.names, this.next] = [names, ""];
    await this.#add(this.turn, true);
  }

  /** @param {number} turn @param {boolean} [first] */
  async #add(turn, first = false) {
    const page = await get(pathOf(this.names, { after: this.next || undefined, limit: PAGE }));
    if (turn !== this.turn) return; // another list by now
    const entries = page.items.map(this.entry);
    if (first) this.list.replaceChildren(...entries);
    else this.list.append(...entries);
    this.next = page.next ?? "";
    this.more.hidden = !this.next;
  }
}

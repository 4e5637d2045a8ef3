// @ts-check
/** The collection that is worked with: chosen or made. */

import { get, pathOf, send } from "./api.js";
import { byId, h } from "./dom.js";
import { tell, tellError } from "./status.js";

const LAST = "cogagent.collection";
const DEFAULT = "default";
/** Names a page of the list. */
const MOST = 200;

/** The choice of a collection. */
export class Collections {
  /** @param {(name: string) => void} onChoice */
  constructor(onChoice) {
    this.onChoice = onChoice;
    /** Until it is known which there are, none is chosen. @type {() => void} */
    this.know = () => {};
    this.known = new Promise((resolve) => (this.know = () => resolve(undefined)));
    this.select = byId("collection");
    this.select.addEventListener("change", () => this.#choose(this.select.value));
    byId("new-collection").addEventListener("click", () => this.#name());
    this.dialog = byId("collection-dialog");
    this.field = byId("collection-name");
    this.dialog.addEventListener("close", () => this.#make());
  }

  /** The name of the one chosen; once it is `known`, there always is one. */
  get name() {
    return this.select.value || DEFAULT;
  }

  /** Read which there are; the one chosen stays chosen. */
  async refresh() {
    try {
      return await this.#read();
    } finally {
      this.know();
    }
  }

  async #read() {
    const found = [];
    let after;
    do {
      const page = await get(pathOf(["collections"], { after, limit: MOST }));
      found.push(...page.items);
      after = page.next ?? undefined;
    } while (after);
    const chosen = this.select.value || localStorage.getItem(LAST) || "";
    if (found.length === 0) found.push({ name: DEFAULT, documents: 0 });
    this.select.replaceChildren(...found.map((one) => option(one)));
    const known = found.some((one) => one.name === chosen);
    this.select.value = known ? chosen : fullest(found);
    return this.name;
  }

  /** @param {string} name */
  #choose(name) {
    localStorage.setItem(LAST, name);
    this.onChoice(name);
  }

  #name() {
    this.field.value = "";
    this.dialog.returnValue = "";
    this.dialog.showModal();
  }

  async #make() {
    const name = this.field.value.trim();
    if (this.dialog.returnValue !== "make" || !name) return;
    try {
      await send(pathOf(["collections"]), { method: "POST", json: { name } });
      this.select.append(option({ name, documents: 0 }));
      this.select.value = name;
      this.#choose(name);
      await this.refresh();
      tell(`The collection “${name}” is made.`);
    } catch (error) {
      tellError(error);
    }
  }
}

/** @param {{name: string, documents: number}} collection */
function option({ name, documents }) {
  return h("option", { value: name }, documents ? `${name} (${documents})` : name);
}

/** @param {{name: string, documents: number}[]} found */
function fullest(found) {
  return found.reduce((best, one) => (one.documents > best.documents ? one : best)).name;
}

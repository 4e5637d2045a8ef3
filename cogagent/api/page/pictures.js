// @ts-check
/** The pictures of the question that is being written. */

import { byId, h, sign } from "./dom.js";
import { tell } from "./status.js";

const MOST = 16;

/** Pictures, chosen, dropped or pasted; shown small, each with a button to take it away. */
export class Pictures {
  constructor() {
    this.list = byId("pictures");
    /** @type {Map<File, string>} */
    this.urls = new Map();
  }

  /** @param {File[]} files What is no picture is left out. */
  add(files) {
    for (const file of files) {
      if (!file.type.startsWith("image/")) tell(`“${file.name}” is no picture.`, true);
      else if (this.urls.size >= MOST) tell(`A question takes ${MOST} pictures at most.`, true);
      else this.#show(file);
    }
  }

  /**
   * Hand over the pictures; none is left.
   *
   * @returns {Promise<{data: string, url: string}[]>} As data URIs for the service, and as
   *   addresses to be shown.
   */
  async take() {
    const taken = [...this.urls];
    this.urls.clear();
    this.list.replaceChildren();
    return Promise.all(taken.map(async ([file, url]) => ({ data: await dataOf(file), url })));
  }

  /** @param {File} file */
  #show(file) {
    const url = URL.createObjectURL(file);
    this.urls.set(file, url);
    const away = () => {
      this.urls.delete(file);
      URL.revokeObjectURL(url);
      shown.remove();
    };
    const shown = h(
      "li",
      {},
      h("img", { src: url, alt: file.name }),
      sign("×", `Take away ${file.name}`, away),
    );
    this.list.append(shown);
  }
}

/** @param {File} file @returns {Promise<string>} */
function dataOf(file) {
  const reader = new FileReader();
  return new Promise((resolve, reject) => {
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

// @ts-check
/** Files that are dropped on the page, chosen or pasted. */

/**
 * Take files that are dropped, wherever it is; the browser would open them in place of the page.
 *
 * @param {HTMLElement} marked Shows that they may be dropped.
 * @param {(files: File[], onto: Element) => void} take
 */
export function watchDrops(marked, take) {
  let over = 0;
  /** @param {number} by */
  const hover = (by) => marked.classList.toggle("over", (over = Math.max(over + by, 0)) > 0);
  addEventListener("dragenter", (event) => carries(event) && hover(1));
  addEventListener("dragleave", (event) => carries(event) && hover(-1));
  addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  addEventListener("drop", async (event) => {
    if (!carries(event) || event.dataTransfer === null) return;
    event.preventDefault();
    hover(-over);
    const files = await filesOf(event.dataTransfer);
    if (files.length && event.target instanceof Element) take(files, event.target);
  });
}

/**
 * Take files that are chosen with a field; it can be used for the same ones again.
 *
 * @param {HTMLInputElement} field
 * @param {(files: File[]) => void} take
 */
export function watchField(field, take) {
  field.addEventListener("change", () => {
    const files = [...(field.files ?? [])];
    field.value = "";
    if (files.length) take(files);
  });
}

/** @param {DragEvent} event */
function carries(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

/** @param {DataTransfer} transfer @returns {Promise<File[]>} those of folders among them. */
async function filesOf(transfer) {
  // All at once: the list is empty after the first wait.
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((one) => one !== null);
  if (entries.length === 0) return [...transfer.files];
  return (await Promise.all(entries.map(under))).flat();
}

/** @param {FileSystemEntry} entry @returns {Promise<File[]>} */
async function under(entry) {
  if (entry.name.startsWith(".")) return []; // what systems leave in folders
  if (entry.isFile)
    return [
      await new Promise((resolve, reject) => /** @type {any} */ (entry).file(resolve, reject)),
    ];
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const found = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    for (const one of some) found.push(...(await under(one)));
  }
}

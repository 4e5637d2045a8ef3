// @ts-check
/** Elements, made without markup: what comes from documents and models is always text. */

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 */

/**
 * An element.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [props] `on…` functions are listeners; what an element has as a
 *   property is set as one, all else as an attribute; `null` and `false` are left out.
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name === "className") made.className = value;
    else if (name === "value") Object.assign(made, { value });
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat().filter(wanted).map(asNode));
  return made;
}

/**
 * A button.
 *
 * @param {string} className
 * @param {() => void} does
 * @param {...Child} children
 */
export function button(className, does, ...children) {
  return h("button", { type: "button", className, onclick: does }, ...children);
}

/**
 * A small button with a mark in place of words.
 *
 * @param {string} mark
 * @param {string} name What it does.
 * @param {() => void} does
 */
export function sign(mark, name, does) {
  return h(
    "button",
    { type: "button", className: "quiet sign", "aria-label": name, title: name, onclick: does },
    mark,
  );
}

/** @param {Child} child @returns {child is Node | string | number} */
function wanted(child) {
  return child !== null && child !== undefined && child !== false;
}

/** @param {any} child @returns {Node} */
function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

/**
 * The element of the page with an id.
 *
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element ${id}`);
  return found;
}

/**
 * An element of a drawing.
 *
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 */
export function svg(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}

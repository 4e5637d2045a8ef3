// @ts-check
/** The service's routes: requests with the API key, problems as errors. */

const KEY = "cogagent.key";
/** The page may be served under a path of a proxy; the routes are beside it. */
const ROOT = new URL("..", import.meta.url);

/** What the service said went wrong (RFC 9457). */
export class Problem extends Error {
  /** @param {number} status 0: it could not be reached. @param {any} body */
  constructor(status, body) {
    const detail = body?.detail || `the service answered ${status}.`;
    super([detail, body?.remedy].filter(Boolean).join(" "));
    this.status = status;
    this.code = body?.code || "";
  }
}

/** The API key, kept while the tab is open; "" for none. */
export const key = {
  get: () => sessionStorage.getItem(KEY) || "",
  /** @param {string} value */
  set(value) {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  },
};

/** @type {() => Promise<boolean>} Asks for a key; whether there is another now. */
let signIn = async () => false;

/** @param {() => Promise<boolean>} asks What to do when a key is wanted. */
export function onKeyWanted(asks) {
  signIn = asks;
}

/**
 * Send a request; where a key is wanted, the user is asked for one and it is sent again.
 *
 * @param {string} path
 * @param {RequestInit & {json?: any}} [options] `json` is a body to be sent as such.
 * @returns {Promise<Response>}
 * @throws {Problem} If it is refused, or the service cannot be reached.
 */
export async function send(path, options = {}) {
  const { json, ...init } = options;
  const headers = new Headers(init.headers);
  if (key.get()) headers.set("Authorization", `Bearer ${key.get()}`);
  if (json !== undefined) {
    headers.set("Content-Type", "application/json");
    init.body = JSON.stringify(json);
  }
  let response;
  try {
    response = await fetch(address(path), { ...init, headers });
  } catch (error) {
    throw lost(error);
  }
  if (response.ok) return response;
  if (response.status === 401 && (await signIn())) return send(path, options);
  throw new Problem(response.status, await response.json().catch(() => null));
}

/**
 * A JSON document of the service.
 *
 * @param {string} path
 * @param {Parameters<typeof send>[1]} [options]
 * @returns {Promise<any>}
 */
export async function get(path, options) {
  return (await send(path, options)).json();
}

/** @param {string} path from the service's root. */
export function address(path) {
  return new URL(path.replace(/^\//, ""), ROOT).href;
}

/**
 * A path of names, each made safe, with parameters in its query; those that are undefined are
 * left out.
 *
 * @param {(string | number)[]} names
 * @param {Record<string, string | number | undefined>} [parameters]
 */
export function pathOf(names, parameters = {}) {
  const told = Object.entries(parameters).filter(([, value]) => value !== undefined);
  const query = new URLSearchParams(told.map(([name, value]) => [name, String(value)]));
  const path = `/v1/${names.map(encodeURIComponent).join("/")}`;
  return told.length ? `${path}?${query}` : path;
}

/**
 * What an interrupted exchange is told as.
 *
 * @param {unknown} error
 * @returns {unknown} itself, if the user ended it.
 */
export function lost(error) {
  if (error instanceof DOMException && error.name === "AbortError") return error;
  return new Problem(0, { detail: "The service cannot be reached.", remedy: "Is it running?" });
}

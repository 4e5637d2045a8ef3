// @ts-check
/** The page: its parts, and what they tell each other. */

import { get, onKeyWanted, pathOf } from "./api.js";
import { Collections } from "./collections.js";
import { byId } from "./dom.js";
import { Documents } from "./documents.js";
import { watchDrops, watchField } from "./drops.js";
import { History } from "./history.js";
import { askForKey, showSignedIn, watchSignOut } from "./signin.js";
import { tell, tellError } from "./status.js";
import { Talk } from "./talk.js";
import { Uploads } from "./uploads.js";
import { Viewer } from "./viewer.js";

onKeyWanted(askForKey);
showSignedIn();
watchSignOut();

const viewer = new Viewer(byId("viewer"));
/** @type {import("./run.js").Open} */
const open = (place, opener) => {
  showSide(false);
  viewer.open(place, opener).catch(tellError);
};

const documents = new Documents(open, () => refresh().catch(tellError));
const collections = new Collections((name) => {
  talk.offerFollowUp();
  documents.show(name).catch(tellError);
});
const uploads = new Uploads((name) => {
  if (name === collections.name) refresh().catch(tellError);
});
const history = new History((id) => {
  showSide(false);
  talk.show(id);
});
const talk = new Talk(open, collections, () => history.refresh().catch(tellError));

/** Read the collections anew, and the documents of the one chosen. */
async function refresh() {
  await documents.show(await collections.refresh());
}

/** @param {File[]} files */
async function upload(files) {
  await collections.known;
  uploads.send(collections.name, files);
}

watchField(byId("files"), upload);
watchField(byId("picture-files"), (files) => talk.pictures.add(files));
watchDrops(byId("drop"), (files, onto) => {
  const asked = onto.closest("#ask") && files.every((one) => one.type.startsWith("image/"));
  if (asked) talk.pictures.add(files);
  else upload(files);
});

/** @param {boolean} shown Where the window is narrow, the side covers the rest. */
function showSide(shown) {
  document.body.classList.toggle("with-side", shown);
  byId("open-side").setAttribute("aria-expanded", String(shown));
}
byId("open-side").addEventListener("click", () =>
  showSide(!document.body.classList.contains("with-side")),
);
byId("side").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
  if (event.key !== "Escape" || !document.body.classList.contains("with-side")) return;
  showSide(false);
  byId("open-side").focus();
});

// No submit button: the first of those is what Enter presses.
for (const cancel of document.querySelectorAll("dialog .cancel")) {
  cancel.addEventListener("click", () => cancel.closest("dialog")?.close(""));
}

/** Show what the service has. */
async function begin() {
  // The first alone: it may want a key, and is told if the service is not there.
  talk.offer(await get(pathOf(["inventory"])));
  await Promise.all([refresh(), history.refresh(), uploads.resume()]);
  const trace = new URLSearchParams(location.hash.slice(1)).get("trace");
  if (trace) await talk.show(trace);
  byId("question").focus();
}

begin().catch((error) => {
  tell(error.message, true);
  byId("welcome").append(
    Object.assign(document.createElement("p"), { className: "bad", textContent: error.message }),
  );
});

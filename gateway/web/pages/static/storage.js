// Stores GraphiQL's tabs, history and theme in localStorage, without any request header.
//
// GraphiQL stores headers in four places, its history even if "Persist headers" in its settings is
// off. Here they last as long as the page, unless that is on.

import { users } from "./login.js";

// The demo's tabs are not for a real gateway at the same address: there, nobody is logged in.
const PREFIX = users.length ? "gateway-demo:" : "gateway:";
const PERSIST_HEADERS = "graphiql:shouldPersistHeaders";
const HEADERS = "graphiql:headers";
const WITH_HEADERS = new Set(["graphiql:tabState", "graphiql:queries", "graphiql:favorites"]);

export function openStorage() {
  try {
    return new PageStorage(window.localStorage);
  } catch {
    return null; // the browser stores nothing for this site: GraphiQL works without
  }
}

class PageStorage {
  #values = new Map();
  #disk;

  constructor(disk) {
    this.#disk = disk;
    for (const key of Object.keys(disk)) {
      if (key.startsWith(PREFIX)) this.#values.set(key.slice(PREFIX.length), disk.getItem(key));
    }
  }

  get keepsHeaders() {
    return this.#disk.getItem(PREFIX + PERSIST_HEADERS) === "true"; // another tab may have changed it
  }

  get length() {
    return this.#values.size;
  }

  getItem(key) {
    return this.#values.get(key) ?? null;
  }

  setItem(key, value) {
    this.#values.set(key, value);
    if (key === PERSIST_HEADERS) this.#disk.setItem(PREFIX + key, value);
    if (key === PERSIST_HEADERS) this.#values.forEach((value, key) => this.#keep(key, value));
    else this.#keep(key, value);
  }

  removeItem(key) {
    this.#values.delete(key);
    this.#disk.removeItem(PREFIX + key);
  }

  clear() {
    for (const key of [...this.#values.keys()]) this.removeItem(key);
  }

  #keep(key, value) {
    const kept = this.keepsHeaders ? value : withoutHeaders(key, value);
    if (kept === null) this.#disk.removeItem(PREFIX + key);
    else this.#disk.setItem(PREFIX + key, kept);
  }
}

function withoutHeaders(key, value) {
  if (key === HEADERS) return null;
  if (!WITH_HEADERS.has(key)) return value;
  return JSON.stringify(JSON.parse(value), (name, part) => (name === "headers" ? null : part));
}

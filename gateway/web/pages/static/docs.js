// The search of the manual: every word has to be in a section, or in its title.
const search = document.querySelector("#search");
const hits = document.querySelector("#hits");
const article = document.querySelector("article");
const MOST = 20;
let sections;

if (matchMedia("(max-width: 50rem)").matches) document.querySelector("nav details").open = false;
search.hidden = false;

function hit({ url, title, text }, word) {
  const link = Object.assign(document.createElement("a"), { href: url, textContent: title });
  link.addEventListener("click", () => show([])); // it may lead to this very page
  const start = Math.max(0, text.toLowerCase().indexOf(word) - 60);
  const part = document.createElement("p");
  part.textContent = (start ? "…" : "") + text.slice(start, start + 200);
  const item = document.createElement("li");
  item.append(link, part);
  return item;
}

function show(items) {
  hits.replaceChildren(...items);
  hits.hidden = !items.length;
  article.hidden = !!items.length;
}

search.addEventListener("input", async () => {
  sections ??= fetch("search.json").then((answer) => answer.json());
  const all = await sections;
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return show([]);
  const has = (text) => words.every((word) => text.toLowerCase().includes(word));
  const found = all.filter(({ title, text }) => has(`${title} ${text}`));
  found.sort((one, other) => has(other.title) - has(one.title));
  const none = Object.assign(document.createElement("li"), { textContent: "Nothing found." });
  show(found.length ? found.slice(0, MOST).map((section) => hit(section, words[0])) : [none]);
});

addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== search) {
    event.preventDefault();
    search.focus();
  }
  if (event.key === "Escape") show([]);
});

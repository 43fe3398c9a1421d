// The search of the manual: every word has to be in a section, or in its title. Whole words and
// plurals come before beginnings of words, these before other parts, and titles count three times.
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

const rankOf = (part, word) => (part === word || part === `${word}s` ? 2 : +part.startsWith(word));
const score = (text, word) => {
  const ranks = text.toLowerCase().split(/[^a-z0-9]+/).map((part) => rankOf(part, word));
  return Math.max(...ranks) + Math.min(9, ranks.filter(Boolean).length) / 10;
};

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
  const rank = ({ title, text }) =>
    words.reduce((sum, word) => sum + 3 * score(title, word) + score(text, word), 0);
  found.sort((one, other) => rank(other) - rank(one));
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

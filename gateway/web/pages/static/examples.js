// The example queries of both query pages; `login` is a comment on how to log in there.
export const examples = (texts, login) =>
  JSON.parse(texts).map((text) => text.replace(/^(?=query|subscription)/m, () => comment(login)));

export const comment = (text) => text.replace(/^/gm, "# ") + "\n";

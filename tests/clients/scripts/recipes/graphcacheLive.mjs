import { gql } from "@urql/core";

const ROW = "id status customerName whenRequested waitSeconds contact { id countryName }";
export const LIST = gql(`query List { chatSessions { ${ROW} } }`);
export const CHANGES = gql(
  `subscription Changes { chatSessionChanges { isInitial changes { kind session { ${ROW} } } } }`,
);

// Fields of sessions update by themselves, by `id`; rows come and go here.
function keepList({ chatSessionChanges: { isInitial, changes } }, _, cache) {
  cache.updateQuery({ query: LIST }, (list) => {
    const before = isInitial ? [] : (list?.chatSessions ?? []);
    const rows = new Map(before.map((session) => [session.id, session]));
    for (const { kind, session } of changes) {
      if (kind === "REMOVED") rows.delete(session.id);
      else rows.set(session.id, session);
    }
    return { chatSessions: [...rows.values()] };
  });
}

export const updates = { Subscription: { chatSessionChanges: keepList } };

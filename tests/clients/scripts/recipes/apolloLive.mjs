import { gql } from "@apollo/client";

const ROW = gql`
  fragment Row on ChatSession {
    id
    status
    customerName
    whenRequested
    waitSeconds
    contact {
      id
      countryName
    }
  }
`;
export const LIST = gql`
  query List {
    chatSessions {
      ...Row
    }
  }
  ${ROW}
`;
const CHANGES = gql`
  subscription Changes {
    chatSessionChanges {
      isInitial
      changes {
        kind
        session {
          ...Row
        }
      }
    }
  }
  ${ROW}
`;

// Fields of sessions update by themselves, by `id`; rows come and go here.
export function keepList(client) {
  return client.subscribe({ query: CHANGES }).subscribe(({ data }) => {
    if (!data) return; // an error, which ends the subscription
    const { isInitial, changes } = data.chatSessionChanges;
    const before = isInitial ? null : client.readQuery({ query: LIST });
    const rows = new Map(before?.chatSessions.map((session) => [session.id, session]));
    for (const { kind, session } of changes) {
      if (kind === "REMOVED") rows.delete(session.id);
      else rows.set(session.id, session);
    }
    client.writeQuery({ query: LIST, data: { chatSessions: [...rows.values()] } });
  });
}

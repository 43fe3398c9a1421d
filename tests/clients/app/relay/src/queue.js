import { graphql } from "relay-runtime";

export const QUEUE = graphql`
  query queueQuery($limit: Int) {
    chatSessions(limit: $limit) {
      status
      user {
        ...queue_agent
      }
    }
  }
`;

// Fetched again through `node(id:)`.
export const AGENT = graphql`
  fragment queue_agent on Associate @refetchable(queryName: "queueAgentQuery") {
    fullName
  }
`;

// A list without end.
export const PAGES = graphql`
  fragment queue_pages on Query
  @refetchable(queryName: "queuePagesQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 5 }, cursor: { type: "String" }) {
    chatSessionConnection(first: $count, after: $cursor)
      @connection(key: "queue_chatSessionConnection") {
      edges {
        node {
          status
        }
      }
    }
  }
`;

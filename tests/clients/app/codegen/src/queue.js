import { graphql } from "./gql/gql.js";

export const QUEUE = graphql(`
  query Queue($limit: Int) {
    chatSessions(limit: $limit) {
      ...Card
    }
  }
  fragment Card on ChatSession {
    id
    status
    user {
      id
      fullName
    }
  }
`);

import { gql } from "@apollo/client";

export const QUEUE = gql`
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
`;

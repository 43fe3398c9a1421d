import { initGraphQLTada } from "gql.tada";

// Of the strict schema: gql.tada itself does not read @semanticNonNull.
import type { introspection } from "./introspection";

const graphql = initGraphQLTada<{ introspection: introspection; scalars: { DateTime: string } }>();

export const CONSOLE = graphql(`
  query Console {
    chatSessions {
      id
      chatSessionId
      status
      alertLevel
      chatbotIsActive
      whenRequested
      user {
        associateId
        fullName
      }
      sale {
        amount
      }
    }
    chatSessionSummary {
      total
      longestWaitSeconds
    }
  }
`);

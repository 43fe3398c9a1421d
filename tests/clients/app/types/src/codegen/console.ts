import { graphql } from "./gql";

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

import { graphql } from "relay-runtime";

export const CONSOLE = graphql`
  query consoleQuery @throwOnFieldError {
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
`;

// The example queries of both query pages; `login` is a comment on how to log in there.
export const examples = (login) =>
  [
    [
      "Customers waiting, longest first.",
      `query Queue {
  chatSessions(
    filter: { statusGroup: { in: [WAITING] } }
    orderBy: [{ whenRequested: ASC }]
    limit: 20
  ) {
    chatSessionId
    topicId
    customerName
    waitSeconds
    firstMessage
    contact {
      name
      countryName
    }
  }
}`,
    ],
    [
      "My live chats, longest silence first, and the\nnumber of chats being transferred to me.\n$me is my associateId.",
      `query MyChats($me: Int!) {
  chatSessions(
    filter: { userId: { in: [$me] }, statusGroup: { in: [LIVE] } }
    orderBy: [{ whenIdle: ASC }]
  ) {
    chatSessionId
    status
    customerName
    lastMessage
    idleSeconds
  }
  chatSessionSummary {
    transfersPendingTo(associateId: $me)
  }
}`,
    ],
    [
      "The newest session and its linked records. For\nanother session: chatSession(chatSessionId: ...)",
      `query Session {
  chatSessions(orderBy: [{ chatSessionId: DESC }], limit: 1) {
    chatSessionId
    status
    whenRequested
    whenStarted
    whenEnded
    customerName
    customerEmail
    firstMessage
    lastMessage
    user {
      associateId
      fullName
    }
    person {
      fullName
    }
    contact {
      name
      countryName
    }
    ticket {
      ticketId
      title
    }
    sale {
      amount
      currency
    }
  }
}`,
    ],
    [
      "All sessions in numbers, as on a wallboard.",
      `query Summary {
  chatSessionSummary {
    fetchedAt
    total
    byStatusGroup {
      statusGroup
      count
    }
    byTopic {
      topicId
      count
      waiting
    }
    byAgent {
      agent {
        fullName
      }
      live
    }
    longestWaitSeconds
    oldestUnanswered {
      chatSessionId
      idleSeconds
    }
  }
}`,
    ],
    [
      "Live changes: all sessions first, then each\nsession that is added, updated or removed.",
      `subscription Live {
  chatSessionChanges(
    filter: { statusGroup: { in: [WAITING, LIVE] } }
  ) {
    isInitial
    changes {
      kind
      changedFields
      session {
        chatSessionId
        status
        customerName
        lastMessage
        user {
          fullName
        }
      }
    }
  }
}`,
    ],
  ].map(([what, query]) => `${comment(what)}${comment(login)}${query}\n`);

export const comment = (text) => text.replace(/^/gm, "# ") + "\n";

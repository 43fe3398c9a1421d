// The queries that a newcomer finds in the page; `login` says how to log in there.
export const examples = (login) =>
  [
    [
      "Who waits in the queue, the longest first.",
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
      "My live chats, the longest silence first, and\nwhat is being handed to me. $me is my\nassociateId; 101 is Kari's in the demo.",
      `query MyChats($me: Int! = 101) {
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
      "The newest session and its surroundings. Any\nother: chatSession(chatSessionId: ...) { ... }",
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
      "What happens at the desk, as it happens: the\nlatest first. Run it and watch.",
      `subscription Live {
  chatSessions(
    filter: { statusGroup: { in: [WAITING, LIVE] } }
    orderBy: [{ whenIdle: DESC }]
    limit: 5
  ) {
    chatSessionId
    status
    customerName
    lastMessage
    user {
      fullName
    }
  }
}`,
    ],
  ].map(([what, query]) => `${comment(what)}${comment(login)}${query}\n`);

export const comment = (text) => text.replace(/^/gm, "# ") + "\n";

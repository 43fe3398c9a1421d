import { cacheExchange } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";

import { updates } from "./graphcacheLive.mjs";

const none = () => null; // no id: part of the object around it

export const chatCache = () =>
  cacheExchange({
    keys: {
      Address: none,
      ChatSessionAgentCount: none,
      ChatSessionChange: none,
      ChatSessionChanges: none,
      ChatSessionConnection: none,
      ChatSessionStatusCount: none,
      ChatSessionStatusGroupCount: none,
      ChatSessionSummary: none,
      ChatSessionTopicCount: none,
      CustomField: none,
      ExtraField: none,
      FieldProperty: none,
      FieldRight: none,
      LocalizedField: none,
      StructuredAddress: none,
      TableRight: none,
    },
    updates,
    resolvers: { Query: { chatSessionConnection: relayPagination() } },
  });

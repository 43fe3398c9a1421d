import { InMemoryCache } from "@apollo/client";
import { relayStylePagination } from "@apollo/client/utilities";

// Objects with an `id` need nothing. These have none: merge them into the object that has them.
const merged = { merge: true };

export const chatCache = () =>
  new InMemoryCache({
    typePolicies: {
      Query: {
        fields: { chatSessionConnection: relayStylePagination(["filter", "orderBy"]) },
      },
      Address: merged,
      ChatSessionSummary: merged,
      FieldRight: merged,
      StructuredAddress: merged,
      TableRight: merged,
    },
  });

// An invalid value from SuperOffice is null, with an error: show the rest.
export const defaultOptions = {
  query: { errorPolicy: "all" },
  watchQuery: { errorPolicy: "all" },
};

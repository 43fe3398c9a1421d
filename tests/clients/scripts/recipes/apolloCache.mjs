import { InMemoryCache } from "@apollo/client";
import { relayStylePagination } from "@apollo/client/utilities";

// Objects with an `id` need nothing. Those without one are merged into the object they belong to.
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

// One value that SuperOffice sent wrong is null with an error: show the rest all the same.
export const defaultOptions = {
  query: { errorPolicy: "all" },
  watchQuery: { errorPolicy: "all" },
};

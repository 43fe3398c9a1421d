// The same list with urql and its normalised cache, polled.
import { StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { Client, Provider, fetchExchange, gql, useQuery } from "urql";

import { chatCache } from "../../manual/graphcache.mjs";
import { Page, Rows, login } from "./page.jsx";

const { url, authorization } = login;
const client = new Client({
  url,
  exchanges: [chatCache(), fetchExchange],
  fetchOptions: { headers: { authorization } },
});
const LIST = gql`
  query List {
    chatSessions {
      id
      status
      customerName
      whenRequested
      waitSeconds
      contact {
        id
        countryName
      }
    }
  }
`;

function Console() {
  const [{ data, error }, poll] = useQuery({ query: LIST });
  useEffect(() => {
    const timer = setInterval(() => poll({ requestPolicy: "network-only" }), 2_000);
    return () => clearInterval(timer);
  }, [poll]);
  return <Page title="urql" error={error}>{data && <Rows sessions={data.chatSessions} />}</Page>;
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <Provider value={client}>
      <Console />
    </Provider>
  </StrictMode>,
);

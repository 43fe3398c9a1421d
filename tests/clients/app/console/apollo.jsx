// A small console: the list as it is, kept up to date by changes over HTTP.
import { ApolloClient, HttpLink } from "@apollo/client";
import { ApolloProvider, useQuery } from "@apollo/client/react";
import { StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";

import { chatCache, defaultOptions } from "../../manual/apolloCache.mjs";
import { LIST, keepList } from "../../manual/apolloLive.mjs";
import { Page, Rows, login } from "./page.jsx";

const { url, authorization } = login;
const client = new ApolloClient({
  link: new HttpLink({ uri: url, headers: { authorization } }),
  cache: chatCache(),
  defaultOptions,
});

function Console() {
  const { data, error } = useQuery(LIST);
  useEffect(() => {
    const kept = keepList(client);
    return () => kept.unsubscribe();
  }, []);
  return <Page title="Apollo Client" error={error}>{data && <Rows sessions={data.chatSessions} />}</Page>;
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <ApolloProvider client={client}>
      <Console />
    </ApolloProvider>
  </StrictMode>,
);

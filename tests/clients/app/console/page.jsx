// What both consoles show.
import { useEffect, useState } from "react";

export const login = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

export function Page({ title, error, children }) {
  return (
    <main style={{ font: "14px/1.5 system-ui", margin: "2rem" }}>
      <h1>{title}</h1>
      {error && <p role="alert">{error.message}</p>}
      {children}
    </main>
  );
}

export function Rows({ sessions }) {
  const now = useNow();
  return (
    <table cellPadding="6">
      <thead>
        <tr>
          <th>Customer</th>
          <th>Country</th>
          <th>Status</th>
          <th>Requested</th>
          <th>Seconds ago</th>
        </tr>
      </thead>
      <tbody>
        {sessions.map(({ id, customerName, contact, status, whenRequested, waitSeconds }) => (
          <tr key={id} data-status={status} data-wait={waitSeconds}>
            <td>{customerName}</td>
            <td>{contact?.countryName}</td>
            <td>{status.toLowerCase()}</td>
            <td>{new Date(whenRequested).toLocaleTimeString("en-US")}</td>
            <td data-age={Math.round((now - new Date(whenRequested)) / 1000)}>
              {Math.round((now - new Date(whenRequested)) / 1000)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function useNow() {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  return now;
}

// One keep-alive pool for all calls of REST.
import { Pool } from "undici";

const { origin, pathname } = new URL(process.env.REST_URL);
const path = `${pathname.replace(/\/$/, "")}/api/v1/ChatSession/ForCurrentUser`;
const pool = new Pool(origin, { connections: 64, pipelining: 1 });

export async function fetchSessions(authorization) {
  const { statusCode, body } = await pool.request({
    path,
    method: "GET",
    headers: { authorization, accept: "application/json" },
  });
  if (statusCode !== 200) {
    await body.dump();
    throw new Error(`REST answered ${statusCode}`);
  }
  return body.json();
}

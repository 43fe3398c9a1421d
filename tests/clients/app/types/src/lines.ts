// The lines of a console: no `!` and no `?? 0`, whichever compiler its types come from.
import type { ResultOf } from "gql.tada";

import type { ConsoleQuery } from "./codegen/gql/graphql";
import type { consoleQuery$data as RelayData } from "./relay/__generated__/consoleQuery.graphql";
import type { CONSOLE } from "./tada/console";

type Data = ConsoleQuery | RelayData | ResultOf<typeof CONSOLE>;

export function lines(data: Data): string[] {
  const rows = data.chatSessions.map((session) => {
    const key: number = session.chatSessionId;
    const isBot: boolean = session.chatbotIsActive;
    const agent: number | undefined = session.user?.associateId;
    // @ts-expect-error  null while it waits in the queue
    const name = session.user.fullName;
    // @ts-expect-error  SuperOffice can leave a date out
    const at: string = session.whenRequested;
    return [
      key.toFixed(),
      session.status.toLowerCase(),
      session.alertLevel + 1,
      isBot,
      agent?.toFixed(),
      session.sale?.amount.toFixed(2),
      name,
      at,
    ].join(" ");
  });
  return [...rows, data.chatSessionSummary.total.toFixed()];
}

// Who is logged in, for all tabs: demo users as buttons, otherwise a field. Only in memory.

const { GraphiQL, React } = window;
const h = React.createElement;

const place = document.getElementById("graphiql");
export const users = JSON.parse(place.dataset.users);
const hasTenants = place.dataset.tenants === "true";

let [authorization, me] = users.length ? users[0].slice(1) : [""];
let tenant = "";

// The headers of the login; a header of the tab's own wins.
export function withLogin(headers) {
  const names = Object.keys(headers ?? {}).map((name) => name.toLowerCase());
  const login = { Authorization: authorization, "X-Tenant": tenant };
  const added = Object.entries(login).filter(([n, v]) => v && !names.includes(n.toLowerCase()));
  return { ...Object.fromEntries(added), ...headers };
}

// `$me` is the chosen user's associateId, unless Variables has another one.
export function withMe({ query, variables, ...params }) {
  if (me === undefined || !/\$me\b/.test(query)) return { ...params, query, variables };
  return { ...params, query, variables: { me, ...variables } };
}

// Without a tenant there is no schema to ask for.
export const lacksTenant = () => hasTenants && !tenant;

export function Login({ onTenant }) {
  const { tabs, activeTabIndex } = GraphiQL.React.useEditorContext({ nonNull: true });
  const { isFetching } = GraphiQL.React.useExecutionContext({ nonNull: true });
  const isEmpty = !tabs[activeTabIndex].response && !isFetching;
  React.useEffect(() => {
    document.body.classList.toggle("has-no-answer", isEmpty);
  }, [isEmpty]);
  React.useEffect(() => {
    const show = () =>
      document.querySelector(".graphiql-tab-active")?.scrollIntoView({ inline: "nearest" });
    const observer = new ResizeObserver(show); // calls it at once, too
    observer.observe(document.querySelector(".graphiql-tabs"));
    return () => observer.disconnect();
  }, [activeTabIndex, tabs.length]);
  return h(
    React.Fragment,
    null,
    hasTenants &&
      h(Field, {
        label: "Tenant",
        hint: "Cust12345",
        onText: (text) => (tenant = text),
        onBlur: onTenant,
      }),
    users.length
      ? h(DemoUsers)
      : h(Field, {
          label: "Authorization",
          hint: "SoTicket 7T:…",
          type: "password",
          onText: (text) => (authorization = text),
        }),
  );
}

function Field({ label, hint, type = "text", onText, onBlur }) {
  return h(
    "label",
    { className: "login-field" },
    label,
    h("input", {
      type,
      placeholder: hint,
      autoComplete: "off",
      spellCheck: false,
      onBlur,
      onChange: (event) => onText(event.target.value.trim()),
    }),
  );
}

function DemoUsers() {
  const [chosen, choose] = React.useState(users[0][0]);
  const { stop } = GraphiQL.React.useExecutionContext({ nonNull: true });
  return h(
    "div",
    { className: "demo-users", role: "group", "aria-label": "Demo users" },
    h("span", null, "Log in as"),
    users.map((user) =>
      h(
        "button",
        {
          key: user[0],
          type: "button",
          title: user[0],
          "aria-pressed": chosen === user[0],
          onClick() {
            stop(); // a live query would go on as the last user
            [authorization, me] = user.slice(1);
            choose(user[0]);
          },
        },
        user[0].split(" ")[0],
      ),
    ),
  );
}

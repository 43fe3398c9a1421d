// Buttons that log the current tab in as one of the demo's users.

const { GraphiQL, React } = window;
const h = React.createElement;

export const headersOf = ([, authorization], others = {}) =>
  JSON.stringify({ ...others, Authorization: authorization }, null, 2);

export function DemoUsers({ users }) {
  const { headerEditor, tabs, activeTabIndex } = GraphiQL.React.useEditorContext({ nonNull: true });
  // A tab that nobody has touched has the headers of the first user.
  const headers = parsed(tabs[activeTabIndex].headers ?? headersOf(users[0]));
  const logIn = (user) => headerEditor?.setValue(headersOf(user, parsed(headerEditor.getValue())));
  return h(
    "div",
    { className: "demo-users", role: "group", "aria-label": "Demo users" },
    h("span", null, "Log in as"),
    users.map((user) => {
      const [name, authorization] = user;
      return h(
        GraphiQL.React.Button,
        {
          key: name,
          type: "button",
          title: name,
          "aria-pressed": headers.Authorization === authorization,
          onClick: () => logIn(user),
        },
        name.split(" ")[0],
      );
    }),
  );
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {}; // being typed
  }
}

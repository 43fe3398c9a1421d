export default {
  schema: "schema.graphql",
  documents: "src/codegen/console.ts",
  generates: {
    "src/codegen/gql/": {
      preset: "client",
      config: {
        enumsAsTypes: true,
        nullability: { errorHandlingClient: true }, // needs the package graphql-sock
        scalars: { DateTime: "string" },
        useTypeImports: true,
      },
    },
  },
};

import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "public", "eslint.config.js"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "no-console": "error",
      eqeqeq: "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      // Numbers and signals are meant to be put into text.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // `onClick={() => (chosen.value = one)}` reads well and returns nothing that anybody uses.
      "@typescript-eslint/no-confusing-void-expression": "off",
      // An event of the DOM does not wait for its listener; failures are shown where they are caught.
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
    },
  },
);

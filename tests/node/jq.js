// The command line of jq, as far as the example scripts use it, for a jq in WebAssembly.

const { readFileSync } = require("node:fs");

/** Runs the command with `raw(input, program, flags)`, which promises what jq prints. */
module.exports = (raw) => {
  const operands = process.argv.slice(2);
  const flags = [];
  while (operands[0]?.startsWith("-")) flags.push(operands.shift());
  const [program, ...files] = operands;

  const hasInput = !flags.some((flag) => /^-[a-z]*n/.test(flag));
  const input = () => (files.length ? files : [0]).map((file) => readFileSync(file, "utf8")).join("\n");

  // The WebAssembly has an environment of its own.
  raw(hasInput ? input() : "null", `${JSON.stringify(process.env)} as $ENV | ${program}`, flags).then(
    (output) => process.stdout.write(output && output.replace(/\n*$/, "\n")),
    (error) => {
      console.error(error.message);
      process.exitCode = 5;
    },
  );
};

// Compiles one Starknet contract with wasm-cairo: node --stack-size=8000 cairo.mjs PACKAGE SOURCE OUT
// PACKAGE is the folder of wasm-cairo. On failure, the compiler's diagnostics go to stderr; exit 1.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, source, out] = process.argv.slice(2);
const cairo = await import(pathToFileURL(join(folder, "wasm-cairo.js")));
cairo.initSync({ module: readFileSync(join(folder, "wasm-cairo_bg.wasm")) });
const program = readFileSync(source, "utf8");

// The WebAssembly compiler prints diagnostics with console.log or throws them: send all of them to stderr.
console.log = console.error;

function attempt(compile) {
  try {
    return compile();
  } catch (error) {
    return String(error);
  }
}

const compiled = attempt(() => cairo.compileStarknetContract(program, true, false));
if (compiled.startsWith("{")) {
  writeFileSync(out, compiled);
} else {
  console.error(compiled); // says only that it failed; the compiler for plain programs says where
  console.error(attempt(() => cairo.compileCairoProgram(program, true)));
  process.exitCode = 1;
}
